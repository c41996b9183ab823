"""What a file computes from its arrays and sizes is computed while it is read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from interchange import agree, onnx_outputs, outputs, samples

import gradtrail as gt

pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")
from onnx import TensorProto, helper
from onnx_models import drawn, model, node, written
from onnx_spellings import ints

A, C = drawn(2, 3, seed=5), np.abs(drawn(2, 3, seed=6)) + 0.5
FLAGS = np.array([[True, False, True], [False, True, True]])
WHOLE = np.array([[7, -7, 5], [1, -2, 9]])

FOLDS: dict[str, tuple[Any, dict[str, np.ndarray]]] = {
    **{
        f"{name}": (node(name, "a c", "k"), {"a": A, "c": C})
        for name in ("Add", "Sub", "Mul", "Div", "Max", "Min", "Sum")
    },
    "Pow": (node("Pow", "c a", "k"), {"a": A, "c": C}),
    **{
        name: (node(name, "c", "k"), {"c": C})
        for name in ("Abs", "Ceil", "Exp", "Floor", "Log", "Neg", "Reciprocal", "Sign", "Sqrt")
    },
    "Sum of three": (node("Sum", "a c a", "k"), {"a": A, "c": C}),
    "Broadcast": (node("Mul", "a c", "k"), {"a": A[:, :1], "c": C}),
    "Where": (node("Where", "f a c", "k"), {"a": A, "c": C, "f": FLAGS}),
    "MatMul": (node("MatMul", "a c", "k"), {"a": A[:, :2], "c": C}),
    "Flatten": (node("Flatten", "a", "k", axis=-1), {"a": A}),
    "Transpose": (node("Transpose", "a", "k"), {"a": A.T.copy()}),
    "Concat": (node("Concat", "a c", "k", axis=0), {"a": A[:1], "c": C[1:]}),
    "Gather": (node("Gather", "a i", "k", axis=1), {"a": A, "i": ints(2, 0, -1)}),
    "Slice": (
        node("Slice", "a i j m s", "k"),
        {"a": A, "i": ints(2), "j": ints(-9), "m": ints(-1), "s": ints(-1)},
    ),
    "Tile": (node("Tile", "a i", "k"), {"a": A[:, :1], "i": ints(1, 3)}),
    "Expand": (node("Expand", "a i", "k"), {"a": A[:1], "i": ints(2, 1)}),
    **{
        f"Reduce{name}": (node(f"Reduce{name}", "a", "k", axes=[0]), {"a": A})
        for name in ("Max", "Min", "Mean", "Prod")
    },
    "ReduceSum": (node("ReduceSum", "a i", "k"), {"a": A, "i": ints(1)}),
    "Cast": (node("Cast", "i", "k", to=TensorProto.FLOAT), {"i": WHOLE}),
    "Cast to whole numbers": (
        [node("Cast", "a", "w", to=TensorProto.INT64), node("Cast", "w", "k", to=1)],
        {"a": 3 * A},
    ),
    "Div of whole numbers": (
        [node("Div", "i j", "w"), node("Cast", "w", "k", to=1)],
        {"i": WHOLE, "j": np.array([2])},
    ),
    "Mod": (
        [node("Mod", "i j", "w"), node("Cast", "w", "k", to=1)],
        {"i": WHOLE, "j": np.array([3])},
    ),
    "Range": (
        [node("Range", "i j m", "w"), node("Cast", "w", "k", to=1)],
        {"i": np.array(9), "j": np.array(2), "m": np.array(-3)},
    ),
    "Comparisons": (
        [
            node("Greater", "a c", "g"),
            node("LessOrEqual", "a c", "l"),
            node("Not", "g", "h"),
            node("And", "h l", "n"),
            node("Equal", "a a", "e"),
            node("Or", "n e", "o"),
            node("Where", "o a c", "k"),
        ],
        {"a": A, "c": C},
    ),
    "Split": ([helper.make_node("Split", ["a"], ["p", "k"], axis=0)], {"a": A}),
    "Size": (
        [node("Size", "a", "s"), node("Cast", "s", "k", to=1)],
        {"a": A},
    ),
    "sizes of the samples": (
        [
            node("Shape", "x", "s", start=1),
            node("Cast", "s", "t", to=1),
            node("ReduceProd", "t", "k"),
        ],
        {},
    ),
}
"""By what it is about: nodes that give the constant `k`, which fits (2, 3), and their arrays."""


@pytest.mark.parametrize("name", FOLDS)
def test_constants_are_computed_as_onnx_runtime_does(name: str, tmp_path: Path) -> None:
    nodes, arrays = FOLDS[name]
    nodes = [*(nodes if isinstance(nodes, list) else [nodes]), node("Mul", "x k", "y")]
    path = written(model(nodes, arrays, shape=("N", 2, 3), opset=17), tmp_path / "model.onnx")
    network = gt.from_onnx(path)
    x = samples(network)
    agree(outputs(network, x), onnx_outputs(path, x))


def test_an_array_that_is_only_moved_keeps_its_name(tmp_path: Path) -> None:
    """A weight that is turned or viewed anew is the file's, and its layer is called like it."""
    nodes = [
        node("Transpose", "a.weight", "t", perm=[3, 2, 0, 1]),
        node("Conv", "x t", "c"),
        node("Unsqueeze", "b.weight i", "u"),
        node("Conv", "c u", "y"),
    ]
    arrays = {"a.weight": drawn(1, 1, 3, 4), "b.weight": drawn(2, 4, 1), "i": ints(3)}
    path = written(model(nodes, arrays), tmp_path / "model.onnx")
    network = gt.from_onnx(path)
    assert [step.name for step in network.steps] == ["a", "b"]
    x = samples(network)
    agree(outputs(network, x), onnx_outputs(path, x))


def test_weights_made_of_one_number(tmp_path: Path) -> None:
    fill = helper.make_tensor("v", TensorProto.FLOAT, [1], [0.25])
    nodes = [node("ConstantOfShape", "s", "w", value=fill), node("Conv", "x w", "y")]
    path = written(model(nodes, {"s": ints(2, 3, 1, 1)}), tmp_path / "model.onnx")
    network = gt.from_onnx(path)
    assert network.parameters["conv1.weight"].shape == (2, 3, 1, 1)
    x = samples(network)
    agree(outputs(network, x), onnx_outputs(path, x))
