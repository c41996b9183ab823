"""ONNX files as networks: every spelling of a layer, held to ONNX Runtime; what is refused."""

from __future__ import annotations

import dataclasses
import os
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from interchange import agree, onnx_outputs, outputs, samples

import gradtrail as gt

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")
from onnx import TensorProto, helper  # noqa: E402, skipped where it is missing
from onnx_models import drawn, model, node, written  # noqa: E402

W, B = drawn(4, 3, 3, 3), drawn(4)
ZERO, HALF, ROOT, ONE = (np.array(n, np.float32) for n in (0.0, 0.5, 2**0.5, 1.0))


def ints(*values: int) -> np.ndarray:
    return np.array(values, np.int64)


def conv(**attributes: Any) -> Any:
    return model([node("Conv", "x w b", "y", **attributes)], {"w": W, "b": B})


FLAT = {"w": drawn(5, 216), "b": drawn(5)}
DENSE = node("Gemm", "f w b", "y", transB=1)


def flattened(*nodes: Any, opset: int = 18, shape: Any = ("N", 3, 8, 9), **arrays: Any) -> Any:
    """Nodes that lay x out as f, and a linear layer behind them."""
    return model([*nodes, DENSE], FLAT | arrays, opset=opset, shape=shape)


def row(*nodes: Any, **arrays: Any) -> Any:
    return model(nodes, arrays, shape=("N", 6))


L = gt.Linear(5)
SPELLINGS: dict[str, tuple[Any, list[Any]]] = {
    "conv": (conv(), [gt.Conv2d(4, 3)]),
    "conv-pads": (
        conv(pads=[1, 0, 1, 0], strides=[2, 1], dilations=[1, 2]),
        [gt.Conv2d(4, 3, padding=(1, 0), stride=(2, 1), dilation=(1, 2))],
    ),
    "conv-no-bias": (
        model([node("Conv", "x w .", "y", kernel_shape=[3, 3])], {"w": W}),
        [gt.Conv2d(4, 3, bias=False)],
    ),
    "conv-groups": (
        model([node("Conv", "x w", "y", group=3)], {"w": drawn(6, 1, 3, 3)}),
        [gt.Conv2d(6, 3, groups=3, bias=False)],
    ),
    "conv-valid": (conv(auto_pad="VALID"), [gt.Conv2d(4, 3)]),
    "conv-same": (conv(auto_pad="SAME_UPPER"), [gt.Conv2d(4, 3, padding=1)]),
    "conv-same-lower": (conv(auto_pad="SAME_LOWER"), [gt.Conv2d(4, 3, padding=1)]),
    "conv-same-even": (
        model([node("Conv", "x w", "y", auto_pad="SAME_UPPER")], {"w": drawn(4, 3, 2, 4)}),
        [gt.Conv2d(4, (2, 4), bias=False, padding="same")],
    ),
    "conv-same-stride": (
        model(
            [node("Conv", "x w", "y", auto_pad="SAME_UPPER", strides=[2, 2])],
            {"w": W},
            shape=("N", 3, 9, 9),
        ),
        [gt.Conv2d(4, 3, bias=False, padding=1, stride=2)],
    ),
    "conv-pads-beyond-use": (
        conv(pads=[1, 1, 0, 1], strides=[2, 2]),
        [gt.Conv2d(4, 3, padding=1, stride=2)],
    ),
    "conv-bias-added": (
        model([node("Conv", "x w", "c"), node("Add", "c k", "y")],
              {"w": W, "k": B.reshape(4, 1, 1)}),
        [gt.Conv2d(4, 3)],
    ),
    "conv-bias-added-first": (
        model([node("Conv", "x w", "c"), node("Add", "k c", "r"), node("Relu", "r", "y")],
              {"w": W, "k": B.reshape(1, 4, 1, 1)}),
        [gt.Conv2d(4, 3), gt.ReLU()],
    ),
    "pad-conv": (
        model([node("Pad", "x p", "q"), node("Conv", "q w b", "y")],
              {"w": W, "b": B, "p": ints(0, 0, 1, 2, 0, 0, 1, 2)}),
        [gt.Conv2d(4, 3, padding=(1, 2))],
    ),
    "pad-axes-conv": (
        model([node("Pad", "x p z a", "q", mode="constant"), node("Conv", "q w b", "y")],
              {"w": W, "b": B, "p": ints(2, 1, 2, 1), "a": ints(3, -2), "z": ZERO}),
        [gt.Conv2d(4, 3, padding=(1, 2))],
    ),
    "pad-old-conv": (
        model([node("Pad", "x", "q", pads=[0, 0, 1, 1, 0, 0, 1, 1], value=0.0),
               node("Conv", "q w b", "y", pads=[1, 0, 1, 0])], {"w": W, "b": B}, opset=9),
        [gt.Conv2d(4, 3, padding=(2, 1))],
    ),
    "transposed": (
        model([node("ConvTranspose", "x w b", "y", strides=[2, 2], pads=[1, 1, 1, 1],
                    output_padding=[1, 0])], {"w": drawn(3, 4, 3, 3), "b": B}),
        [gt.ConvTranspose2d(4, 3, stride=2, padding=1, output_padding=(1, 0))],
    ),
    "transposed-uneven": (
        model([node("ConvTranspose", "x w", "y", strides=[2, 2], pads=[1, 1, 0, 0])],
              {"w": drawn(3, 4, 3, 3)}),
        [gt.ConvTranspose2d(4, 3, stride=2, padding=1, output_padding=1, bias=False)],
    ),
    "transposed-groups": (
        model([node("ConvTranspose", "x w", "y", group=3)], {"w": drawn(3, 2, 2, 3)}),
        [gt.ConvTranspose2d(6, (2, 3), groups=3, bias=False)],
    ),
    "gemm": (row(node("Gemm", "x w b", "y"), w=drawn(6, 5), b=B[:1]), [L]),
    "gemm-scaled": (
        row(node("Gemm", "x w b", "y", alpha=0.5, beta=-2.0, transB=1),
            w=drawn(5, 6), b=drawn(1, 5)),
        [L],
    ),
    "gemm-no-bias": (
        row(node("Gemm", "x w", "y"), w=drawn(6, 5)), [gt.Linear(5, bias=False)],
    ),
    "matmul": (row(node("MatMul", "x w", "y"), w=drawn(6, 5)), [gt.Linear(5, bias=False)]),
    "matmul-add": (
        row(node("MatMul", "x w", "m"), node("Add", "m b", "y"), w=drawn(6, 5), b=drawn(5)), [L],
    ),
    "matmul-add-first": (
        row(node("MatMul", "x w", "m"), node("Add", "b m", "a"), node("Tanh", "a", "y"),
            w=drawn(6, 5), b=drawn(1, 5)),
        [L, gt.Tanh()],
    ),
    "matmul-transposed": (
        row(node("Transpose", "w", "t", perm=[1, 0]), node("MatMul", "x t", "y"), w=drawn(5, 6)),
        [gt.Linear(5, bias=False)],
    ),
    "max-pool": (
        model([node("MaxPool", "x", "y", kernel_shape=[3, 2], strides=[2, 2], pads=[1, 0, 1, 0])]),
        [gt.MaxPool2d((3, 2), 2, (1, 0))],
    ),
    "max-pool-stride-1": (
        model([node("MaxPool", "x", "y", kernel_shape=[2, 2])]), [gt.MaxPool2d(2, 1)],
    ),
    "max-pool-same": (
        model([node("MaxPool", "x", "y", kernel_shape=[3, 3], auto_pad="SAME_UPPER")]),
        [gt.MaxPool2d(3, 1, 1)],
    ),
    "max-pool-ceiling-without-effect": (
        model([node("MaxPool", "x", "y", kernel_shape=[2, 3], strides=[2, 3], ceil_mode=1)]),
        [gt.MaxPool2d((2, 3))],
    ),
    "average-pool": (
        model([node("AveragePool", "x", "y", kernel_shape=[3, 3], strides=[2, 2],
                    pads=[1, 1, 1, 1])]),
        [gt.AvgPool2d(3, 2, 1, count_include_pad=False)],
    ),
    "average-pool-counted": (
        model([node("AveragePool", "x", "y", kernel_shape=[3, 3], strides=[2, 2],
                    pads=[1, 1, 1, 1], count_include_pad=1)]),
        [gt.AvgPool2d(3, 2, 1)],
    ),
    "average-pool-bare": (
        model([node("AveragePool", "x", "y", kernel_shape=[2, 3], strides=[2, 3])]),
        [gt.AvgPool2d((2, 3))],
    ),
    "global-average-flatten": (
        model([node("GlobalAveragePool", "x", "p"), node("Flatten", "p", "y")]),
        [gt.GlobalAvgPool2d()],
    ),
    "global-average-squeeze": (
        model([node("GlobalAveragePool", "x", "p"), node("Squeeze", "p a", "y")],
              {"a": ints(2, 3)}),
        [gt.GlobalAvgPool2d()],
    ),
    "global-average-squeeze-old": (
        model([node("GlobalAveragePool", "x", "p"), node("Squeeze", "p", "y", axes=[-1, -2])],
              opset=11),
        [gt.GlobalAvgPool2d()],
    ),
    "global-average-kept": (
        model([node("GlobalAveragePool", "x", "y")]), [gt.AvgPool2d((8, 9))],
    ),
    "reduce-mean": (
        model([node("ReduceMean", "x a", "y", keepdims=0)], {"a": ints(2, 3)}),
        [gt.GlobalAvgPool2d()],
    ),
    "reduce-mean-old-kept": (
        model([node("ReduceMean", "x", "p", axes=[-1, -2]), node("Flatten", "p", "y", axis=-3)],
              opset=13),
        [gt.GlobalAvgPool2d()],
    ),
    "flatten": (flattened(node("Flatten", "x", "f")), [gt.Flatten(), L]),
    "reshape-minus-one": (
        flattened(node("Reshape", "x s", "f"), s=ints(0, -1)), [gt.Flatten(), L],
    ),
    "reshape-batch-open": (
        flattened(node("Reshape", "x s", "f"), s=ints(-1, 216)), [gt.Flatten(), L],
    ),
    "reshape-declared-batch": (
        flattened(node("Reshape", "x s", "f"), s=ints(3, -1), shape=(3, 3, 8, 9)),
        [gt.Flatten(), L],
    ),
    "reshape-constant": (
        flattened(
            node("Constant", "", "s", value_ints=[0, 216]),
            node("Identity", "s", "t"),
            node("Reshape", "x t", "f"),
        ),
        [gt.Flatten(), L],
    ),
    "reshape-computed": (
        flattened(
            node("Shape", "x", "all"),
            node("Gather", "all zero", "n", axis=0),
            node("Unsqueeze", "n zeros", "ns"),
            node("Concat", "ns rest", "s", axis=0),
            node("Reshape", "x s", "f"),
            zero=np.array(0, np.int64), zeros=ints(0), rest=ints(-1),
        ),
        [gt.Flatten(), L],
    ),
    "reshape-sliced": (
        flattened(
            node("Shape", "x", "all"),
            node("Slice", "all zeros ones", "n"),
            node("Cast", "n", "c", to=TensorProto.INT64),
            node("Concat", "c rest", "s", axis=0),
            node("Reshape", "x s", "f"),
            zeros=ints(0), ones=ints(1), rest=ints(216),
        ),
        [gt.Flatten(), L],
    ),
    "reshape-shape-slice": (
        flattened(
            node("Shape", "x", "n", start=0, end=1),
            node("Concat", "n rest", "s", axis=0),
            node("Reshape", "x s", "f"),
            rest=ints(-1),
        ),
        [gt.Flatten(), L],
    ),
    "reshape-nothing": (
        model([node("Reshape", "x s", "r"), node("Relu", "r", "y")], {"s": ints(0, 3, 8, 9)}),
        [gt.ReLU()],
    ),
    "reshape-rows-mean": (
        model([node("Reshape", "x s", "r"), node("ReduceMean", "r a", "y", keepdims=0)],
              {"s": ints(0, 3, -1), "a": ints(2)}),
        [gt.GlobalAvgPool2d()],
    ),
    "shared": (
        model([node("Conv", "x w", "c"), node("Conv", "c w", "y")], {"w": drawn(3, 3, 1, 1)}),
        [gt.Conv2d(3, 1, bias=False), gt.Conv2d(3, 1, bias=False)],
    ),
    "identity": (model([node("Identity", "x", "i"), node("Relu", "i", "y")]), [gt.ReLU()]),
    "leaky": (model([node("LeakyRelu", "x", "y", alpha=0.2)]), [gt.LeakyReLU(0.2)]),
    "leaky-default": (model([node("LeakyRelu", "x", "y")]), [gt.LeakyReLU()]),
    "leaky-as-max": (
        model([node("Mul", "x k", "s"), node("Max", "x s", "y")],
              {"k": np.array([0.1], np.float32)}),
        [gt.LeakyReLU(0.1)],
    ),
    "clip-as-relu": (
        model([node("Clip", "x zero", "y")], {"zero": ZERO}), [gt.ReLU()],
    ),
    "sigmoid": (model([node("Sigmoid", "x", "y")]), [gt.Sigmoid()]),
    "tanh": (model([node("Tanh", "x", "y")]), [gt.Tanh()]),
    "gelu": (model([node("Gelu", "x", "y")], opset=20), [gt.GELU()]),
    "gelu-tanh": (
        model([node("Gelu", "x", "y", approximate="tanh")], opset=20),
        [gt.GELU(approximate="tanh")],
    ),
    "gelu-erf": (
        model([node("Div", "x root", "a"), node("Erf", "a", "e"), node("Add", "e one", "p"),
               node("Mul", "x p", "m"), node("Mul", "m half", "y")],
              {"root": ROOT, "one": ONE, "half": HALF}),
        [gt.GELU()],
    ),
    "gelu-erf-in-another-order": (
        model([node("Mul", "x inv", "a"), node("Erf", "a", "e"), node("Add", "one e", "p"),
               node("Mul", "half x", "h"), node("Mul", "p h", "g"), node("Relu", "g", "y")],
              {"inv": 1 / ROOT, "one": ONE, "half": HALF}),
        [gt.GELU(), gt.ReLU()],
    ),
    "silu": (
        model([node("Sigmoid", "x", "s"), node("Mul", "s x", "y")]), [gt.SiLU()],
    ),
    "norm": (
        model([node("BatchNormalization", "x g b m v", "y", epsilon=1e-3, momentum=0.8)],
              {"g": drawn(3), "b": B[:3], "m": drawn(3, seed=2), "v": 1 + drawn(3) ** 2}),
        [gt.BatchNorm2d(eps=1e-3, momentum=0.2)],
    ),
    "dropout": (
        model([node("Dropout", "x p t", "y")],
              {"p": np.array(0.3, np.float32), "t": np.array(False)}),
        [gt.Dropout(0.3)],
    ),
    "dropout-old": (model([node("Dropout", "x", "y", ratio=0.2)], opset=10), [gt.Dropout(0.2)]),
    "residual": (
        model([node("Relu", "x", "r"), node("Conv", "r w b", "c", pads=[1, 1, 1, 1]),
               node("Add", "c r", "s"), node("Relu", "s", "y")], {"w": W[:3], "b": B[:3]}),
        [gt.ReLU(), gt.Residual([gt.Conv2d(3, 3, padding=1)]), gt.ReLU()],
    ),
    "sum": (
        model([node("Sigmoid", "x", "s"), node("Tanh", "x", "t"), node("Sum", "s x t", "y")]),
        [gt.Residual([gt.Residual([gt.Sigmoid()])], [gt.Tanh()])],
    ),
    "concat": (
        model([node("Relu", "x", "r"), node("Concat", "r x", "y", axis=1)]),
        [gt.Concat([gt.ReLU()], [])],
    ),
    "concat-negative": (
        model([node("Relu", "x", "r"), node("Tanh", "x", "t"),
               node("Concat", "r t", "y", axis=-3)]),
        [gt.Concat([gt.ReLU()], [gt.Tanh()])],
    ),
    "normalised": (
        model([node("Sub", "x m", "c"), node("Div", "c s", "n"), node("Relu", "n", "y")],
              {"m": np.array([0.1, 0.2, 0.3], np.float32).reshape(1, 3, 1, 1),
               "s": np.array([0.5, 1.0, 2.0], np.float32).reshape(3, 1, 1)}),
        [gt.Normalize((0.1, 0.2, 0.3), (0.5, 1.0, 2.0)), gt.ReLU()],
    ),
    "scaled": (
        model([node("Div", "x k", "n"), node("Conv", "n w b", "y")],
              {"k": np.array(255, np.float32), "w": W, "b": B}),
        [gt.Normalize(0.0, 255.0), gt.Conv2d(4, 3)],
    ),
    "cast-to-the-same": (
        model([node("Cast", "x", "c", to=TensorProto.FLOAT), node("Relu", "c", "y")]), [gt.ReLU()],
    ),
}  # fmt: skip


def bare(layer: Any) -> Any:
    """A layer without its names, branches included."""
    if isinstance(layer, gt.Residual):
        around = None if layer.shortcut is None else [*map(bare, layer.shortcut)]
        return gt.Residual([*map(bare, layer.body)], around)
    if isinstance(layer, gt.Concat):
        return gt.Concat(*([*map(bare, branch)] for branch in layer.branches))
    return dataclasses.replace(layer, name=None)


@pytest.mark.parametrize("name", SPELLINGS)
def test_spelling(name: str, tmp_path: Path) -> None:
    made, layers = SPELLINGS[name]
    path = written(made, tmp_path / "model.onnx")
    network = gt.from_onnx(path)
    assert [*map(bare, network.layers)] == layers
    x = samples(network)
    agree(outputs(network, x), onnx_outputs(path, x))


def test_what_only_newer_files_have(tmp_path: Path) -> None:
    """Swish is an operator from version 24 on, which fewer programs run."""
    path = written(model([node("Swish", "x", "y")], opset=24), tmp_path / "model.onnx")
    assert gt.from_onnx(path).layers == (gt.SiLU(),)


def test_layers_are_called_what_their_weights_are_called(tmp_path: Path) -> None:
    nodes = [
        node("Conv", "x layer1.0.conv1.weight", "c", name="/layer1/layer1.0/conv1/Conv"),
        node("Relu", "c", "r", name="/layer1/layer1.0/relu/Relu"),
        node("Conv", "r onnx::Conv_7", "d", name="second"),
        node("Relu", "d", "y", name="act"),
    ]
    arrays = {"layer1.0.conv1.weight": W, "onnx::Conv_7": drawn(2, 4, 1, 1)}
    network = gt.from_onnx(written(model(nodes, arrays), tmp_path / "model.onnx"))
    assert [step.name for step in network.steps] == ["layer1_0_conv1", "relu1", "second", "act"]
    np.testing.assert_array_equal(network.parameters["layer1_0_conv1.weight"], W)


@pytest.mark.parametrize("operator", ["Softmax", "LogSoftmax"])
def test_a_last_softmax_is_left_out(operator: str, tmp_path: Path) -> None:
    nodes = [node("Gemm", "x w", "l"), node(operator, "l", "y", axis=-1)]
    path = written(model(nodes, {"w": drawn(6, 5)}, shape=("N", 6)), tmp_path / "model.onnx")
    network = gt.from_onnx(path)
    x = samples(network)
    logits = outputs(network, x).astype(np.float64)
    logarithms = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
    expected = logarithms if operator == "LogSoftmax" else np.exp(logarithms)
    agree(onnx_outputs(path, x), expected)


def test_open_sizes_are_given_by_hand(tmp_path: Path) -> None:
    path = written(
        model([node("Relu", "x", "y")], shape=("N", 3, "height", "width")), tmp_path / "m.onnx"
    )
    sentence = r"m.onnx: the model leaves the shape of a sample open, \(3, '\?', '\?'\); give "
    with pytest.raises(gt.FileError, match=sentence):
        gt.from_onnx(path)
    assert gt.from_onnx(path, input_shape=(3, 5, 6)).input_shape == (3, 5, 6)
    with pytest.raises(gt.FileError, match=r"takes samples of \(3, None, None\), not of input_sh"):
        gt.from_onnx(path, input_shape=(1, 5, 6))
    with pytest.raises(gt.ArgumentError, match="input_shape is one sample's"):
        gt.from_onnx(path, input_shape=(3, 0, 6))


# -- what is refused ------------------------------------------------------------------------------


def outside() -> Any:
    """A model whose array lies in another file."""
    made = conv()
    array = made.graph.initializer[0]
    array.ClearField("raw_data")
    array.data_location = TensorProto.EXTERNAL
    entry = array.external_data.add()
    entry.key, entry.value = "location", "/etc/passwd"
    return made


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


def second_input() -> Any:
    made = conv()
    made.graph.input.append(helper.make_tensor_value_info("z", TensorProto.FLOAT, ["N", 3]))
    return made


def loop() -> Any:
    inner = helper.make_graph([node("Relu", "x", "z")], "inner", [], [])
    return model([helper.make_node("Loop", ["x"], ["y"], body=inner)])


REFUSED: dict[str, tuple[Any, str]] = {
    "external data": (outside(), "array 'w' lies in another file, which is never opened"),
    "huge": (
        announced(1 << 40, 1 << 40, 3, 3),
        r"array 'w' announces 1099511627776 × 1099511627776 × 3 × 3 = .* numbers, but 108 follow",
    ),
    "negative": (announced(-4, 3, 3, 3), r"array 'w' says that its shape is \(-4, 3, 3, 3\)"),
    "dtype": (changed(data_type=17), "array 'w' has the unknown or unsuited dtype number 17"),
    "half": (
        changed(data_type=10, raw_data=bytes(216)),
        "the model holds 'w' as float16; make the model float32 or float64 first",
    ),
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
    "old": (versioned(6), "the model has operators of version 6; versions 7 to 28 are taken"),
    "new": (versioned(1000), "the model has operators of version 1000"),
    "inputs": (second_input(), "the model has 2 inputs; a network takes one"),
    "missing": (
        model([node("Relu", "z", "y")]), "reads 'z', which nothing before it gives",
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
        r"Conv2d takes a weight of shape \(4, 3, 3, 3\), but the model has \(4, 5, 3, 3\)",
    ),
    "padding": (
        conv(pads=[1 << 30] * 4, strides=[1 << 30] * 2),
        r"node y \(Conv\) Conv2d needs an array of .* numbers for one sample, and at most 268,435",
    ),
    "output": (
        model([node("ConvTranspose", "x w", "y", strides=[1 << 15] * 2)], {"w": drawn(3, 1, 1, 1)}),
        "ConvTranspose2d needs an array of 60,130,033,665 numbers for one sample",
    ),
    "training": (
        model([node("BatchNormalization", "x g b m v", "y", training_mode=1)],
              dict.fromkeys("gbmv", B[:3])),
        "normalises by the batch's statistics; export the model for evaluation",
    ),
    "dropout in training": (
        model([node("Dropout", "x p t", "y")], {"p": HALF, "t": np.array(True)}),
        "drops out in evaluation, too",
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
        "has something else than an array of the file as input 2",
    ),
    "product": (
        model([node("MaxPool", "x", "m", kernel_shape=[1, 1]), node("Mul", "x m", "y")]),
        "combines two layers' outputs by 'mul'",
    ),
    "function": (
        model([node("Exp", "x", "y")]), r"node y \(Exp\) computes a function of each element",
    ),
    "index": (
        model([node("Gather", "x i", "y", axis=1)], {"i": ints(0)}), "takes a part of the samples",
    ),
    "cast": (
        model([node("Cast", "x", "c", to=TensorProto.DOUBLE), node("Relu", "c", "y")]),
        "casts to float64, and the network computes in float32",
    ),
    "pad value": (
        model([node("Pad", "x p k", "q"), node("Conv", "q w", "y")],
              {"p": ints(0, 0, 1, 1, 0, 0, 1, 1), "k": ONE, "w": W}),
        "with mode='constant'; only maps are, with zeros",
    ),
    "whole numbers": (model([node("Relu", "x", "y")], dtype=TensorProto.INT64),
                      "takes something else than numbers of float32 or float64"),
    "constant output": (
        model([node("Relu", "x", "r"), node("Constant", "", "y", value_float=1.0)]),
        "where a layer's output is needed",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_refused(name: str, tmp_path: Path) -> None:
    made, sentence = REFUSED[name]
    path = written(made, tmp_path / "model.onnx")
    with pytest.raises(gt.FileError, match=f"model.onnx: .*{sentence}"):
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
    with pytest.raises(gt.FileError, match="there is no such file"):
        gt.from_onnx(path)
    with pytest.raises(gt.ArgumentError, match="from_onnx: path must be a file, got 3"):
        gt.from_onnx(3)  # type: ignore[arg-type]


def test_too_many_nodes(tmp_path: Path) -> None:
    names = ["x", *(f"y{i}" for i in range(20_001))]
    chain = [node("Relu", a, b) for a, b in pairwise(names)]
    path = written(model(chain), tmp_path / "model.onnx")
    with pytest.raises(gt.FileError, match="has 20,001 nodes; at most 20,000 are taken"):
        gt.from_onnx(path)
    path = written(model(chain[:6000]), path)
    with pytest.raises(gt.FileError, match="comes after 5,000 layers"):
        gt.from_onnx(path)


def test_arithmetic_that_doubles_takes_no_longer(tmp_path: Path) -> None:
    """A product with itself, five hundred times: evaluated anew each time it would never end."""
    names = ["x", *(f"y{i}" for i in range(500))]
    squares = [node("Mul", f"{a} {a}", b) for a, b in pairwise(names)]
    path = written(model(squares), tmp_path / "model.onnx")
    with pytest.raises(gt.FileError, match="computes a function of each element"):
        gt.from_onnx(path)
