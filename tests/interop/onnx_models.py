"""ONNX models written by hand: nodes as short tuples, arrays by name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import helper, numpy_helper


def node(operator: str, inputs: str, output: str, **attributes: Any) -> Any:
    """`node("Conv", "x w b", "y", strides=[2, 2])`; a dot stands for an input left out."""
    names = ["" if name == "." else name for name in inputs.split()]
    return helper.make_node(operator, names, [output], **attributes)


def model(
    nodes: Sequence[Any],
    arrays: Mapping[str, np.ndarray] | None = None,
    *,
    shape: Sequence[Any] = ("N", 3, 8, 9),
    opset: int = 18,
    dtype: int = onnx.TensorProto.FLOAT,
) -> Any:
    """A model whose input is `x` and whose output is the last node's."""
    graph = helper.make_graph(
        list(nodes),
        "by hand",
        [helper.make_tensor_value_info("x", dtype, list(shape))],
        [helper.make_tensor_value_info(nodes[-1].output[0], dtype, None)],
        [numpy_helper.from_array(array, name) for name, array in (arrays or {}).items()],
    )
    return helper.make_model(graph, ir_version=9, opset_imports=[helper.make_opsetid("", opset)])


def written(made: Any, path: Path) -> Path:
    path.write_bytes(made.SerializeToString())
    return path


def drawn(*shape: int, seed: int = 1) -> np.ndarray:
    draw = np.random.Generator(np.random.PCG64([seed, *shape]))
    return draw.uniform(-1, 1, shape).astype(np.float32)
