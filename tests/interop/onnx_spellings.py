"""Layers in ONNX, in every spelling that files have: a model, and the layers that it is."""

from __future__ import annotations

from typing import Any

import numpy as np
from onnx import TensorProto, numpy_helper
from onnx_models import drawn, model, node

import gradtrail as gt
from gradtrail.layers.joins import Add, Join

W, B = drawn(4, 3, 3, 3), drawn(4)
NONE = numpy_helper.from_array(np.zeros(0, np.int64))
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
        [gt.Conv2d(4, 3, padding=((1, 0), (1, 1)), stride=2)],
    ),
    "conv-no-bias-as-zeros": (  # as PyTorch's exporter writes it with optimize=False
        model([node("Shape", "w", "k", start=0, end=1), node("Constant", "", "none", value=NONE),
               node("Expand", "k none", "s"), node("CastLike", "zero x", "z"),
               node("Expand", "z s", "b"), node("Conv", "x w b", "y")],
              {"w": W, "zero": np.array(0, np.float64)}),
        [gt.Conv2d(4, 3, bias=False)],
    ),
    "conv-no-bias-of-shape": (
        model([node("Shape", "w", "k", end=1), node("ConstantOfShape", "k", "b"),
               node("Conv", "x w b", "y")], {"w": W}),
        [gt.Conv2d(4, 3, bias=False)],
    ),
    "conv-bias-made": (
        model([node("Expand", "half k", "b"), node("Conv", "x w b", "y")],
              {"w": W, "half": HALF, "k": ints(4)}),
        [gt.Conv2d(4, 3)],
    ),
    "conv-bias-zeros-of-the-file": (  # a bias may start with zeros, and is one
        model([node("Conv", "x w b", "y")], {"w": W, "b": 0 * B}), [gt.Conv2d(4, 3)],
    ),
    "gemm-no-bias-as-zeros": (
        row(node("Expand", "zero k", "b"), node("Gemm", "x w b", "y"),
            w=drawn(6, 5), zero=ZERO, k=ints(5)),
        [gt.Linear(5, bias=False)],
    ),
    "norm-without-weights": (
        model([node("Expand", "one k", "g"), node("Expand", "zero k", "b"),
               node("BatchNormalization", "x g b m v", "y")],
              {"one": ONE, "zero": ZERO, "k": ints(3), "m": B[:3], "v": 1 + abs(B[1:])}),
        [gt.BatchNorm2d(affine=False)],
    ),
    "norm-with-ones": (
        model([node("BatchNormalization", "x g b m v", "y")],
              {"g": np.ones(3, np.float32), "b": 0 * B[:3], "m": B[:3], "v": 1 + abs(B[1:])}),
        [gt.BatchNorm2d()],
    ),
    "constants-computed": (
        model([node("Sqrt", "two", "r"), node("Div", "x r", "q"), node("Erf", "q", "e"),
               node("Add", "one e", "f"), node("Mul", "x f", "g"), node("Mul", "g half", "y")],
              {"two": np.array(2, np.float32), "one": ONE, "half": HALF}),
        [gt.GELU()],
    ),
    "conv-bias-added": (
        model([node("Conv", "x w", "c"), node("Add", "c k", "y")],
              {"w": W, "k": B.reshape(4, 1, 1)}),
        [gt.Conv2d(4, 3)],
    ),
    **{
        f"conv-bias-added-{rank}d": (
            model([node("Conv", "x w", "c"), node("Add", "c k", "y")],
                  {"w": drawn(4, 3, *(2,) * rank), "k": B.reshape(4, *(1,) * rank)},
                  shape=("N", 3, *(4,) * rank)),
            [layer(4, 2)],
        )
        for rank, layer in ((1, gt.Conv1d), (3, gt.Conv3d))
    },
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
    "pad-twice-conv": (
        model([node("Pad", "x p", "q"), node("Pad", "q p", "r"), node("Conv", "r w b", "y")],
              {"w": W, "b": B, "p": ints(0, 0, 1, 0, 0, 0, 1, 0)}),
        [gt.Conv2d(4, 3, padding=(2, 0))],
    ),
    "pad-nothing": (
        model([node("Pad", "x", "q", pads=[0] * 8, value=0.0), node("Relu", "q", "y")], opset=9),
        [gt.ReLU()],
    ),
    "pad-average": (  # as PyTorch's older exporter writes an average pooling before version 11
        model([node("Pad", "x", "q", pads=[0, 0, 1, 0, 0, 0, 1, 0], value=0.0),
               node("AveragePool", "q", "y", kernel_shape=[3, 2], strides=[2, 2])], opset=9),
        [gt.AvgPool2d((3, 2), 2, padding=(1, 0))],
    ),
    "transposed": (
        model([node("ConvTranspose", "x w b", "y", strides=[2, 2], pads=[1, 1, 1, 1],
                    output_padding=[1, 0])], {"w": drawn(3, 4, 3, 3), "b": B}),
        [gt.ConvTranspose2d(4, 3, stride=2, padding=1, output_padding=(1, 0))],
    ),
    "transposed-valid": (
        model([node("ConvTranspose", "x w", "y", auto_pad="VALID", strides=[2, 2],
                    output_padding=[1, 0])], {"w": drawn(3, 4, 3, 3)}),
        [gt.ConvTranspose2d(4, 3, stride=2, output_padding=(1, 0), bias=False)],
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
    "max-pool-valid-beside-pads": (
        model([node("MaxPool", "x", "y", kernel_shape=[3, 3], auto_pad="VALID", pads=[1] * 4)]),
        [gt.MaxPool2d(3, 1)],
    ),
    "max-pool-ceiling-without-effect": (
        model([node("MaxPool", "x", "y", kernel_shape=[2, 3], strides=[2, 3], ceil_mode=1)]),
        [gt.MaxPool2d((2, 3), ceil_mode=True)],
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
        [gt.ReLU(), gt.Conv2d(3, 3, padding=1), Add(), gt.ReLU()],
    ),
    "sum": (
        model([node("Sigmoid", "x", "s"), node("Tanh", "x", "t"), node("Sum", "s x t", "y")]),
        [gt.Sigmoid(), gt.Tanh(), Add(), Add()],
    ),
    "concat": (
        model([node("Relu", "x", "r"), node("Concat", "r x", "y", axis=1)]),
        [gt.ReLU(), Join()],
    ),
    "concat-negative": (
        model([node("Relu", "x", "r"), node("Tanh", "x", "t"),
               node("Concat", "r t", "y", axis=-3)]),
        [gt.ReLU(), gt.Tanh(), Join()],
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
