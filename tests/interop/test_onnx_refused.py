"""ONNX files that are no network here: one FileError each, with the file, the node, the reason."""

from __future__ import annotations

import os
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from interchange import agree, onnx_outputs, outputs, samples

import gradtrail as gt
from gradtrail.interop.reading import layer_graph, settling

pytest.importorskip("onnx")
from onnx import TensorProto, helper
from onnx_models import drawn, model, node, written
from onnx_spellings import HALF, ONE, B, W, conv, flattened, ints


def changed(**fields: Any) -> Any:
    made = conv()
    for name, value in fields.items():
        setattr(made.graph.initializer[0], name, value)
    return made


def announced(*sizes: int) -> Any:
    made = conv()
    made.graph.initializer[0].dims[:] = sizes
    return made


def foreign() -> Any:
    made = model([node("Relu", "x", "y", domain="com.microsoft")])
    made.opset_import.append(helper.make_opsetid("com.microsoft", 1))
    return made


def versioned(version: int) -> Any:
    made = conv()
    made.opset_import[0].version = version
    return made


def weightless() -> Any:
    """A convolution whose weights are inputs that somebody has to hand over."""
    made = conv()
    for array in made.graph.initializer:
        made.graph.input.append(
            helper.make_tensor_value_info(array.name, TensorProto.FLOAT, array.dims)
        )
    del made.graph.initializer[:]
    return made


def loop() -> Any:
    inner = helper.make_graph([node("Relu", "x", "z")], "inner", [], [])
    return model([helper.make_node("Loop", ["x"], ["y"], body=inner)])


REFUSED: dict[str, tuple[Any, str]] = {
    "huge": (
        announced(1 << 40, 1 << 40, 3, 3),
        r"array 'w' announces 1099511627776 × 1099511627776 × 3 × 3 = .* numbers, but 108 follow",
    ),
    "negative": (announced(-4, 3, 3, 3), r"array 'w' says that its shape is \(-4, 3, 3, 3\)"),
    "dtype": (changed(data_type=17), "array 'w' holds numbers of float8e4m3fn; make the"),
    "no dtype": (changed(data_type=99), "array 'w' holds numbers of the unknown dtype number 99"),
    "both": (changed(data_type=11, raw_data=W.astype(float).tobytes()), "but 'b' as float32"),
    "domain": (foreign(), r"node y \(Relu\) is of the domain 'com.microsoft'; only standard"),
    "operator": (
        model([node("InstanceNormalization", "x g b", "y")], {"g": B[:3], "b": B[:3]}),
        r"node y \(InstanceNormalization\) has an operator for which there is no layer here",
    ),
    "graph": (loop(), r"node y \(Loop\) has the attribute 'body' of a kind that is not taken"),
    "attribute": (
        conv(stride=[2, 2]), r"node y \(Conv\) has the attribute 'stride', which is not known here",
    ),
    "old": (versioned(0), "the model has operators of version 0; versions 1 to 28 are taken"),
    "new": (versioned(1000), "the model has operators of version 1000"),
    "weights as inputs": (
        weightless(),
        "model has 3 inputs and no arrays; if they are its weights, export the model with them$",
    ),
    "missing": (
        model([node("Relu", "z", "y")]), "reads 'z', which no layer before it gives",
    ),
    "mask": (
        model([helper.make_node("Dropout", ["x"], ["d", "m"]), node("Where", "m x d", "y")]),
        r"node y \(Where\) reads 'm', which no layer before it gives",
    ),
    "places by places": (
        model([node("Gather", "x i", "y", axis=2)], {"i": np.arange(6).reshape(2, 3)}),
        r"node y \(Gather\) takes places by an array of \(2, 3\), while one row of them is a layer",
    ),
    "as many as there are samples": (
        model([node("Shape", "x", "n"), node("Slice", "x n n", "y")]),
        r"node y \(Slice\) has starts=\[N, 3, 8, 9\], and N, the number of samples, may be any",
    ),
    "a power of each channel": (
        model([node("Pow", "x c", "y")], {"c": drawn(3, 1, 1)}),
        r"\(Pow\) computes for each channel another function of each element, which no layer here",
    ),
    "stride 0": (conv(strides=[0, 1]), r"has strides=\[0, 1\], not 2 whole numbers from 1 on"),
    "three axes": (
        model([node("Conv", "x w", "y")], {"w": drawn(4, 3, 3, 3, 3)}, shape=("N", 3, 5, 5, 5)),
        "has weights with 5 axes; only two spatial axes are taken",
    ),
    "uneven": (
        conv(pads=[0, 0, 1, 1], strides=[2, 2], dilations=[1, 1]),
        r"node y \(Conv\) pads 0 before and 1 behind, which makes 4 windows of 8",
    ),
    "channels": (
        model([node("Conv", "x w", "y")], {"w": drawn(4, 5, 3, 3)}),
        r"Conv2d takes a weight of shape \(4, 3, 3, 3\) for samples of \(3, 8, 9\), but the model "
        r"has \(4, 5, 3, 3\)",
    ),
    "padding": (
        conv(pads=[1 << 30] * 4, strides=[1 << 30] * 2),
        r"node y \(Conv\) Conv2d needs an array of .* numbers for one sample, and at most 268,435",
    ),
    "output": (
        model([node("ConvTranspose", "x w", "y", strides=[1 << 15] * 2)], {"w": drawn(3, 1, 1, 1)}),
        "ConvTranspose2d needs an array of 60,130,033,665 numbers for one sample",
    ),
    "statistics of positions": (
        model([node("BatchNormalization", "x g b m v", "y", spatial=0)],
              dict.fromkeys("gbmv", drawn(3, 8, 9)), opset=8),
        r"has statistics of its own for each position \(spatial=0\); the layers here have one for",
    ),
    "momentum": (
        model([node("BatchNormalization", "x g b m v", "y", momentum=1.5)],
              dict.fromkeys("gbmv", B[:3])),
        r"keeps 1.5 of its running statistics \(momentum\), not from 0 to 1",
    ),
    "pads beside a rule": (
        conv(auto_pad="SAME_UPPER", pads=[1, 1, 1, 1]),
        r"has auto_pad='SAME_UPPER' and pads=\[1, 1, 1, 1\]; the format allows one of them",
    ),
    "pads beside a rule, transposed": (
        model([node("ConvTranspose", "x w", "y", auto_pad="VALID", pads=[1, 1, 1, 1])],
              {"w": drawn(3, 4, 3, 3)}),
        r"has auto_pad='VALID' and pads=\[1, 1, 1, 1\]; the format allows one of them",
    ),
    "crops more behind": (
        model([node("ConvTranspose", "x w", "y", pads=[0, 1, 1, 1])], {"w": drawn(3, 4, 3, 3)}),
        r"has pads=\[0, 1, 1, 1\] and output_padding=\[0, 0\], so that it crops 0 before and "
        "crops 1 behind; a layer here crops as much behind as before, or up to 0 less",
    ),
    "crops far less behind": (
        model([node("ConvTranspose", "x w", "y", pads=[1, 1, 1, 0], strides=[2, 2],
                    output_padding=[0, 2])], {"w": drawn(3, 4, 3, 3)}),
        "output_padding=2 must be smaller than stride=2 or dilation=1",
    ),
    "repeats": (
        model([node("Expand", "b k", "c"), node("Conv", "x w c", "y")],
              {"b": B, "w": W, "k": ints(3)}),
        r"repeats a constant of \(4,\) to \(3,\)",
    ),
    "repeats without end": (
        model([node("Expand", "h k", "c"), node("Add", "x c", "y")],
              {"h": HALF, "k": ints(1 << 40, 1 << 40)}),
        r"repeats a constant to the shape \[1099511627776, 1099511627776\]",
    ),
    "repeats sizes": (
        model([node("Expand", "k s", "c"), node("Reshape", "x c", "y")],
              {"k": ints(1), "s": ints(1000)}),
        r"repeats a constant to the shape \[1000\]",
    ),
    "repeats samples": (
        model([node("Expand", "x s", "y")], {"s": ints(5, 3, 8, 9)}),
        r"repeats samples of \(3, 8, 9\) to \[5, 3, 8, 9\]",
    ),
    "flatten": (
        flattened(node("Flatten", "x", "f", axis=2)), "flattens from axis 2; only 1 keeps the",
    ),
    "reshape": (
        flattened(node("Reshape", "x s", "f"), s=ints(-1, 12)),
        r"node f \(Reshape\) views samples of \(3, 8, 9\) as \(-1, 12\)",
    ),
    "weights from the samples": (
        model([node("Relu", "x", "w"), node("MatMul", "x w", "y")]),
        "MatMul sums over 9 columns of the first array but over 8 rows of the second",
    ),
    "product": (
        model([node("MaxPool", "x", "m", kernel_shape=[1, 1]), node("Mul", "x m", "y")]),
        "combines two layers' outputs by 'mul'",
    ),
    "function": (
        model([node("Exp", "x", "y")]), r"node y \(Exp\) computes a function of each element",
    ),
    "index": (
        model([node("Gather", "x i", "y", axis=1)], {"i": ints(3)}), r"takes the places \[3\] of 3",
    ),
    "index of samples": (
        model([node("Gather", "x i", "y", axis=0)], {"i": ints(0)}), "it names axis 0, that of the",
    ),
    "sum with the batch": (
        model([node("Shape", "x", "s"), node("Add", "s f", "y")], {"f": HALF}),
        r"node y \(Add\) computes with the size of the batch, which may be any",
    ),
    "sizes that do not fit": (
        model([node("Add", "i j", "s"), node("Reshape", "x s", "y")],
              {"i": ints(1, 2), "j": ints(1, 2, 3)}),
        r"node s \(Add\) computes with what does not fit: shape mismatch",
    ),
    "counts without end": (
        model([node("Range", "i j k", "s"), node("Reshape", "x s", "y")],
              {"i": ints(0), "j": ints(1 << 40), "k": ints(1)}),
        r"node s \(Range\) computes more constants than fit into 1 GiB",
    ),
    "counts in steps of 0": (
        model([node("Range", "i j k", "s"), node("Reshape", "x s", "y")],
              {"i": ints(0), "j": ints(5), "k": ints(0)}), "counts in steps of 0",
    ),
    "divided by 0": (
        model([node("Div", "i j", "s"), node("Reshape", "x s", "y")],
              {"i": ints(4), "j": ints(0)}), "divides a whole number by 0",
    ),
    "a product that takes long": (
        model([node("MatMul", "a b", "w"), node("Add", "x w", "y")],
              {"a": np.zeros((2000, 1), np.float32), "b": np.zeros((1, 600_000), np.float32)}),
        "computes more constants than fit into 1 GiB",
    ),
    "whole numbers of the samples": (
        model([node("Cast", "x", "c", to=TensorProto.INT64), node("Relu", "c", "y")]),
        "casts the samples to int64, and a network computes with others",
    ),
    "cast to words": (
        model([node("Cast", "x", "c", to=TensorProto.STRING), node("Relu", "c", "y")]),
        "casts to a dtype that is not taken",
    ),
    "pad value": (
        model([node("Pad", "x p k", "q"), node("Conv", "q w", "y")],
              {"p": ints(0, 0, 1, 1, 0, 0, 1, 1), "k": ONE, "w": W}),
        "with mode='constant'; only maps are, with zeros",
    ),
    "whole numbers": (model([node("Relu", "x", "y")], dtype=TensorProto.INT64),
                      r"takes something else than floating-point numbers as its input 'x' "
                      r"\(int64\); make the model float32 or float64 first"),
    "constant output": (
        model([node("Relu", "x", "r"), node("Constant", "", "y", value_float=1.0)]),
        "the model gives something that no layer computes",
    ),
}  # fmt: skip


TAKEN = (
    *("operator", "three axes", "uneven", "crops more behind", "product", "function", "pad value"),
)
"""What stands among the above for being near to what is refused, and is right."""


@pytest.mark.parametrize("name", TAKEN)
def test_what_is_taken_is_right(name: str, tmp_path: Path) -> None:
    path = written(REFUSED[name][0], tmp_path / "model.onnx")
    network = gt.from_onnx(path)
    x = samples(network)
    agree(outputs(network, x), onnx_outputs(path, x))


@pytest.mark.parametrize("name", [name for name in REFUSED if name not in TAKEN])
def test_what_is_refused(name: str, tmp_path: Path) -> None:
    made, sentence = REFUSED[name]
    path = written(made, tmp_path / "model.onnx")
    with pytest.raises(gt.FileError, match=f"(?s)model.onnx: .*{sentence}"):
        gt.from_onnx(path)


def test_files_that_are_none(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    with pytest.raises(gt.FileError, match="cannot read .*model.onnx: there is no such file"):
        gt.from_onnx(path)
    path.write_bytes(b"\xff" * 100)
    with pytest.raises(gt.FileError, match="model.onnx is not an ONNX file, or is damaged"):
        gt.from_onnx(path)
    path.write_bytes(b"")
    with pytest.raises(gt.FileError, match="model.onnx holds no ONNX graph with nodes"):
        gt.from_onnx(path)
    os.truncate(path, (1 << 30) + 1)  # a hole, which takes no room on the disk
    with pytest.raises(gt.FileError, match="model.onnx is larger than 1 GiB"):
        gt.from_onnx(path)
    path.unlink()
    os.mkfifo(path)  # would never end
    with pytest.raises(gt.FileError, match="it is a pipe, a device or the like, not a file"):
        gt.from_onnx(path)
    with pytest.raises(gt.FileError, match="it is a folder, not a file"):
        gt.from_onnx(tmp_path)
    with pytest.raises(gt.ArgumentError, match="from_onnx: path must be a file, got 3"):
        gt.from_onnx(3)  # type: ignore[arg-type]


def test_too_many_nodes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(layer_graph, "_MOST_NODES", 300)
    names = ["x", *(f"y{i}" for i in range(400))]
    chain = [node("Relu", a, b) for a, b in pairwise(names)]
    path = written(model((chain * 51)[:20_001]), tmp_path / "model.onnx")
    with pytest.raises(gt.FileError, match="has 20,001 nodes; at most 20,000 are taken"):
        gt.from_onnx(path)
    path = written(model(chain), path)
    with pytest.raises(gt.FileError, match="comes after 300 layers"):
        gt.from_onnx(path)


def test_arithmetic_that_doubles_takes_no_longer(tmp_path: Path) -> None:
    """A product with itself, five hundred times: evaluated anew each time it would never end."""
    names = ["x", *(f"y{i}" for i in range(500))]
    squares = [node("Mul", f"{a} {a}", b) for a, b in pairwise(names)]
    path = written(model(squares), tmp_path / "model.onnx")
    with pytest.raises(gt.FileError, match="computes a function of each element"):
        gt.from_onnx(path)


def test_a_small_file_that_would_need_much_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Arrays that are copied again and again, and constants that spread out."""
    large = np.zeros((1024, 1024), np.float32)  # 4 MiB
    names = ["x", *(f"y{i}" for i in range(300))]
    rows = [node("Gemm", f"{a} w", b) for a, b in pairwise(names)]
    path = tmp_path / "model.onnx"
    written(model(rows, {"w": large}, shape=("N", 1024)), path)
    with pytest.raises(gt.FileError, match="shares arrays among layers, whose copies would need"):
        gt.from_onnx(path)
    casts = [node("Cast", "w", f"c{i}", to=TensorProto.DOUBLE) for i in range(300)]
    used = node("Sum", " ".join(["x", *(f"c{i}" for i in range(300))]), "y")
    written(model([*casts, used], {"w": large}), path)
    with monkeypatch.context() as patch:
        patch.setattr(settling, "_MOST_BYTES", settling._MOST_BYTES >> 4)  # filled sooner
        with pytest.raises(gt.FileError, match="node c8 .*computes more constants than fit into"):
            gt.from_onnx(path)
    assert settling._MOST_BYTES == 1 << 30
    row, column = np.zeros((1, 1 << 16), np.float32), np.zeros((1 << 16, 1), np.float32)
    added = [node("Add", "r c", "s"), node("Add", "x s", "y")]
    written(model(added, {"r": row, "c": column}), path)
    with pytest.raises(gt.FileError, match=r"node s \(Add\) computes more constants than fit"):
        gt.from_onnx(path)


def test_every_reason_is_told_at_once(tmp_path: Path) -> None:
    """What follows from a reason is none: no shape is known behind a convolution of no rule."""
    nodes = [
        node("Conv", "x w", "c", auto_pad="SOMEHOW"),
        node("HardSwish", "x", "h"),
        node("Conv", "h v", "d", strides=[0, 1]),
        node("NonMaxSuppression", "h", "n"),
        node("BatchNormalization", "h k k k k", "b", spatial=0),
        node("Softmax", "h", "s", axis=5),
        node("Conv", "s v", "e", group=2),
        node("Transpose", "h", "t", perm=[1, 0, 2, 2]),
        node("Clip", "h", "l", limit=2.0),
        node("Resize", "c . r", "u"),
        node("Conv", "h o", "f"),
        node("Conv", "h o", "g"),
        node("Sum", "u d n b s e t l f g", "y"),
    ]
    arrays = {"w": W, "v": W[:, :, :1, :1], "r": ONE, "k": drawn(3, 8, 9), "o": drawn(4, 5, 3, 3)}
    path = written(model(nodes, arrays, opset=8), tmp_path / "model.onnx")
    with pytest.raises(gt.FileError, match="model.onnx: 9 things") as caught:
        gt.from_onnx(path)
    head, *reasons = str(caught.value).splitlines()
    assert head == f"{path}: 9 things in the model are no layer here:"
    assert [reason.strip() for reason in reasons] == [
        "node c (Conv) has auto_pad='SOMEHOW', which is no rule",
        "node d (Conv) has strides=[0, 1], not 2 whole numbers from 1 on, for samples of that many "
        "axes",
        "node n (NonMaxSuppression) has an operator for which there is no layer here",
        "node b (BatchNormalization) has statistics of its own for each position (spatial=0); the "
        "layers here have one for each channel",
        "node s (Softmax) names axis 5 of 4",
        "node e (Conv) Conv2d groups=2 does not divide the 3 input channels",
        "node t (Transpose) puts axes in the order [1, 0, 2, 2], of which a sample has 3",
        "node l (Clip) has the attribute 'limit', which is not known here",
        "node f (Conv) Conv2d takes a weight of shape (4, 3, 3, 3) for samples of (3, 8, 9), but "
        "the model has (4, 5, 3, 3) (1 more like it)",
    ]
