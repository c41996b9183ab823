"""Files made for one sample, whose axis lies anywhere or is not there; parts and repeats."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from interchange import agree, onnx_outputs, outputs, samples

import gradtrail as gt

pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")
from onnx_models import drawn, model, node, written
from onnx_spellings import W, ints

K = drawn(4, 24, 1, 1)

ONE = {
    "rows of all places": (
        [
            node("Transpose", "x", "t", perm=[0, 2, 3, 1]),
            node("Reshape", "t s", "r"),
            node("MatMul", "r v", "m"),
            node("Softmax", "m", "e", axis=-1),
            node("Reshape", "e u", "y"),
        ],
        {"s": ints(-1, 3), "v": drawn(3, 5), "u": ints(1, 8, 9, 5)},
    ),
    "samples behind": ([node("Transpose", "x", "t"), node("Relu", "t", "y")], {}),
    "samples gone and back": (
        [
            node("Squeeze", "x a", "q"),
            node("Transpose", "q", "t", perm=[1, 0, 2]),
            node("Reshape", "t s", "r"),
            node("Unsqueeze", "r z", "u"),
            node("Conv", "u k", "y"),
        ],
        {"a": ints(0), "s": ints(24, 9, 1), "z": ints(0), "k": K},
    ),
    "flat from another axis": ([node("Flatten", "x", "f", axis=2), node("MatMul", "f w", "y")],
                               {"w": drawn(72, 2)}),
    "all of it reduced": (
        [node("ReduceMean", "x", "m", keepdims=1), node("Sub", "x m", "y")], {},
    ),
    "joined with itself": (
        [node("Squeeze", "x", "q"), node("Concat", "q q", "c", axis=0), node("Mul", "c h", "y")],
        {"h": np.float32(0.5)},
    ),
    "of another rank": (
        [node("Squeeze", "x", "q"), node("ReduceSum", "q a", "m", keepdims=0),
         node("Mul", "x m", "y")],
        {"a": ints(0)},
    ),
    "sizes computed": (
        [node("Shape", "x", "s"), node("ReduceProd", "s", "p", keepdims=1),
         node("Reshape", "x p", "r"), node("Sigmoid", "r", "y")],
        {},
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", ONE)
def test_a_file_made_for_one_sample(name: str, tmp_path: Path) -> None:
    """What it computes of one sample, the network computes of each."""
    nodes, arrays = ONE[name]
    path = written(model(nodes, arrays, shape=(1, 3, 8, 9), opset=17), tmp_path / "model.onnx")
    network = gt.from_onnx(path)
    x = samples(network)
    each = np.stack([onnx_outputs(path, x[i : i + 1]).ravel() for i in range(len(x))])
    agree(outputs(network, x).reshape(len(x), -1), each)
    several = model(nodes, arrays, shape=("N", 3, 8, 9), opset=17)
    with pytest.raises(
        gt.FileError, match="node . .*(the samples|of the batch|samples are|samples included|axis)"
    ):
        gt.from_onnx(written(several, path))


@pytest.mark.parametrize(
    ("nodes", "arrays", "shape"),
    [
        ([node("Softmax", "x", "s", axis=0), node("Mul", "x s", "y")], {}, (3, 4)),
        ([node("Transpose", "x", "y", perm=[1, 2, 0])], {}, (3, 4, 5)),
        (
            [node("Unsqueeze", "x z", "u"), node("Conv", "u w", "c"), node("Squeeze", "c z", "y")],
            {"z": ints(0), "w": W},
            (3, 8, 9),
        ),
        ([node("LayerNormalization", "x g", "y", axis=0)], {"g": drawn(3, 4)}, (3, 4)),
    ],
    ids=["softmax", "transpose", "convolution", "norm"],
)
def test_a_file_without_an_axis_of_samples(
    nodes: Any, arrays: Any, shape: tuple[int, ...], tmp_path: Path
) -> None:
    path = written(model(nodes, arrays, shape=shape, opset=17), tmp_path / "model.onnx")
    network = gt.from_onnx(path, batched=False)
    assert network.input_shape == shape
    x = samples(network)
    agree(outputs(network, x), np.stack([onnx_outputs(path, one) for one in x]))


def test_what_needs_an_axis_of_samples_says_so(tmp_path: Path) -> None:
    path = written(model([node("Conv", "x w", "y")], {"w": W}, shape=(3, 8, 9)), tmp_path / "m")
    with pytest.raises(gt.FileError, match=r"needs an axis of samples in front, .* \(3, 8, 9\)"):
        gt.from_onnx(path, batched=False)


PARTS = {
    "one place": ([node("Gather", "x i", "y", axis=2)], {"i": np.array(-1)}),
    "places in steps": ([node("Gather", "x i", "y", axis=3)], {"i": ints(8, 5, 2)}),
    "places in disorder": ([node("Gather", "x i", "y", axis=1)], {"i": ints(2, 0, 0, 1)}),
    "tiled": ([node("Tile", "x i", "y")], {"i": ints(1, 2, 1, 3)}),
    "expanded": (
        [
            node("ReduceMean", "x", "m", axes=[3]),
            node("Expand", "m s", "e"),
            node("Add", "e x", "y"),
        ],
        {"s": ints(1, 3, 1, 9)},
    ),
    "squeezed without axes": (
        [node("ReduceMean", "x", "m", axes=[2]), node("Squeeze", "m", "q"), node("Relu", "q", "y")],
        {},
    ),
}


@pytest.mark.parametrize("name", PARTS)
def test_parts_and_repeats(name: str, tmp_path: Path) -> None:
    nodes, arrays = PARTS[name]
    path = written(model(nodes, arrays, shape=(4, 3, 8, 9), opset=17), tmp_path / "model.onnx")
    network = gt.from_onnx(path)
    x = samples(network, 4)
    agree(outputs(network, x), onnx_outputs(path, x))
