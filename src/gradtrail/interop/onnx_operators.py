"""ONNX's operators, one converter each; to add one, add it to the table below.

A converter takes the builder and a `View` of the node: its inputs as values, its attributes checked
as they are asked for. An attribute that a converter does not ask for is refused by the reader.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from ..layers import Pointwise, Sigmoid, Threshold
from ..layers.windows import Windows
from .arithmetic import UNARY
from .building import Builder
from .known_activations import ACTIVATIONS, KnownActivation
from .margins import Margins, cropped_margins, same_margins
from .onnx_sizes import SIZES, size_arithmetic
from .onnx_view import View, are_sizes
from .refusals import Refusal
from .values import BATCH, Value, Weights

Converter = Callable[[Builder, View], Any]
"""From the builder and a node's `View` to what the node gives."""


# -- layers with weights --------------------------------------------------------------------------


def _windows(b: Builder, n: View, kernel: Sequence[int] | None = None) -> Windows:
    """A node's windows; without a kernel, its size is an attribute."""
    if kernel is None:
        kernel = n.whole_numbers("kernel_shape", None, count=2, least=1)
    stride = n.whole_numbers("strides", [1, 1], count=2, least=1)
    dilation = n.whole_numbers("dilations", [1, 1], count=2, least=1)
    flush = Windows(tuple(kernel), tuple(stride), ((0, 0), (0, 0)), tuple(dilation))
    return replace(flush, margins=_margins(b, n, flush))


def _margins(b: Builder, n: View, windows: Windows) -> Margins:
    """The padding of windows, given or by a rule."""
    rule = n.word("auto_pad", "NOTSET")
    pads = n.whole_numbers("pads", [0, 0, 0, 0], count=4, least=0)
    if rule == "NOTSET":
        return ((pads[0], pads[2]), (pads[1], pads[3]))
    if rule == "VALID":
        return ((0, 0), (0, 0))
    if rule not in ("SAME_UPPER", "SAME_LOWER"):
        raise Refusal(f"has auto_pad={rule!r:.40}, which is no rule")
    sizes, before = b.maps(n.value(0)), rule == "SAME_LOWER"
    return same_margins(sizes, windows.extents, windows.stride, odd_before=before)


def _kernel(n: View) -> tuple[int, ...]:
    """The kernel size, which the weights show and an attribute may repeat."""
    weight = n.weights(1)
    if weight.values.ndim != 4:
        raise Refusal(
            f"has weights with {weight.values.ndim} axes; only two spatial axes are taken"
        )
    kernel = tuple(weight.values.shape[2:])
    told = tuple(n.whole_numbers("kernel_shape", list(kernel), count=2, least=1))
    if told != kernel:
        raise Refusal(f"has kernel_shape={told}, but weights of shape {weight.values.shape}")
    return kernel


def _convolution_windows(b: Builder, n: View) -> Windows:
    """A convolution's windows; pads beside a rule that gives others are no convolution's.

    The format excludes both. Runtimes refuse such a convolution; of a pool they ignore the pads.
    """
    rule = n.word("auto_pad", "NOTSET")
    pads = n.whole_numbers("pads", [0, 0, 0, 0], count=4, least=0)
    if rule != "NOTSET" and any(pads):
        raise Refusal(f"has auto_pad={rule!r:.40} and pads={pads}; the format allows one of them")
    return _windows(b, n, _kernel(n))


def _conv(b: Builder, n: View) -> Any:
    windows, groups = _convolution_windows(b, n), n.whole_number("group", 1, least=1)
    return b.convolution(n.value(0), n.weights(1), n.bias(2), windows, groups=groups)


def _conv_transpose(b: Builder, n: View) -> Any:
    """ONNX may crop less behind than before; that is output padding."""
    if n.word("auto_pad", "NOTSET") not in ("NOTSET", "VALID") or "output_shape" in n.attributes:
        raise Refusal("computes its padding from the output's shape; give it as numbers")
    pads = n.whole_numbers("pads", [0, 0, 0, 0], count=4, least=0)
    extra = n.whole_numbers("output_padding", [0, 0], count=2, least=0)
    windows = _convolution_windows(b, n)
    windows = replace(windows, margins=cropped_margins(windows.margins, extra))
    for (p, q), *steps in zip(windows.margins, windows.stride, windows.dilation, strict=True):
        most = max(steps) - 1
        if not 0 <= p - q <= most:
            raise Refusal(
                f"has pads={pads} and output_padding={extra}, so that it crops {p} before and "
                f"{'adds' if q < 0 else 'crops'} {abs(q)} behind; a layer here crops as much "
                f"behind as before, or up to {most} less"
            )
    groups = n.whole_number("group", 1, least=1)
    return b.transposed_convolution(n.value(0), n.weights(1), n.bias(2), windows, groups=groups)


def _gemm(b: Builder, n: View) -> Any:
    """α·A·B + β·C, with A the samples."""
    alpha, beta = n.number("alpha", 1.0), n.number("beta", 1.0)
    across = n.flag("transB", False)
    if n.flag("transA", False):
        raise Refusal("multiplies by the samples transposed (transA=1)")
    weight, bias = n.weights(1), n.bias(2)
    if weight.values.ndim != 2:
        raise Refusal(f"multiplies by an array of shape {weight.values.shape}, not a matrix")
    matrix = weight.values if across else weight.values.T
    scaled = matrix if alpha == 1 else b.spent(matrix * matrix.dtype.type(alpha))
    weight = Weights(weight.name, scaled)
    if bias is not None:
        if bias.values.size not in (1, matrix.shape[0]):
            raise Refusal("adds something that is no bias")
        row = np.broadcast_to(bias.values.reshape(-1), matrix.shape[:1])
        bias = Weights(bias.name, row if beta == 1 else row * row.dtype.type(beta))
    return b.linear(n.value(0), weight, bias)


def _matmul(b: Builder, n: View) -> Any:
    weight = n.weights(1)
    if weight.values.ndim != 2:
        raise Refusal(f"multiplies by an array of shape {weight.values.shape}, not a matrix")
    return b.linear(n.value(0), Weights(weight.name, weight.values.T), None)


def _batch_normalization(b: Builder, n: View) -> Any:
    # until version 13 a norm that gives its statistics, too, is one in training
    tells = n.opset < 14 and any(n.operation.outputs[1:])
    if n.flag("training_mode", False) or tells:
        raise Refusal("normalises by the batch's statistics; export the model for evaluation")
    if not n.flag("spatial", True):
        raise Refusal(
            "has statistics of its own for each position (spatial=0); the layers here have one "
            "for each channel"
        )
    names = ("weight", "bias", "running_mean", "running_var")
    weights = {name: n.weights(place) for place, name in enumerate(names, 1)}
    scale, shift = (weights[name].values for name in ("weight", "bias"))
    if n.is_computed(1) and n.is_computed(2) and (scale == 1).all() and not shift.any():
        del weights["weight"], weights["bias"]  # how exporters write a norm without them
    kept = n.number("momentum", 0.9)
    if not 0 <= kept <= 1:
        raise Refusal(f"keeps {kept:g} of its running statistics (momentum), not from 0 to 1")
    momentum = round(1 - kept, 7)
    return b.norm(n.value(0), weights, eps=n.number("epsilon", 1e-5), momentum=momentum)


# -- pooling --------------------------------------------------------------------------------------


def _max_pool(b: Builder, n: View) -> Any:
    n.whole_number("storage_order", 0, least=0)  # of the winners' indices, which are refused
    return b.maximum_pool(n.value(0), _windows(b, n), ceiling=n.flag("ceil_mode", False))


def _average_pool(b: Builder, n: View) -> Any:
    windows = _windows(b, n)
    if windows.dilation != (1, 1):
        raise Refusal(f"has dilations={[*windows.dilation]}; an average pooling here has none")
    counted = n.flag("count_include_pad", False) or not any(map(any, windows.margins))
    ceiling = n.flag("ceil_mode", False)
    return b.average_pool(n.value(0), windows, ceiling=ceiling, counted=counted)


def _global_average(b: Builder, n: View) -> Any:
    b.maps(n.value(0))
    return b.average(n.value(0), keep=True)


def _reduce_mean(b: Builder, n: View) -> Any:
    axes = n.axes("axes", 1)
    n.flag("noop_with_empty_axes", False)
    if not axes:
        raise Refusal("takes the mean over everything, samples included")
    return b.mean(n.value(0), axes, keep=n.flag("keepdims", True))


# -- activations and arithmetic -------------------------------------------------------------------


def _activation(known: KnownActivation) -> Converter:
    def convert(b: Builder, n: View) -> Any:
        settings = {
            name: n.word(theirs, default)
            if isinstance(default := known.settings[name], str)
            else n.number(theirs, default)
            for name, theirs in known.attributes.items()
        }
        fixed = {name: n.number(name, default) for name, (_, default) in known.there.fixed.items()}
        if all(_near(fixed[name], value) for name, (value, _) in known.there.fixed.items()):
            return b.activation(known.layer(**settings), n.value(0))
        numbers = fixed | {known.attributes[name]: value for name, value in settings.items()}
        formula = re.sub(r"\w+", lambda m: f"{numbers.get(m[0], m[0])}", known.there.general)
        return b.layer(Pointwise(formula), n.value(0))

    return convert


def _near(one: float, other: float) -> bool:
    """Whether two numbers are one in float32."""
    return abs(one - other) <= 1e-6 * abs(other)


def _prelu(b: Builder, n: View) -> Any:
    return b.prelu(n.value(0), n.weights(1))


def _where(b: Builder, n: View) -> Any:
    return b.choose(n.given(0), n.given(1), n.given(2))


def _thresholded(b: Builder, n: View) -> Any:
    return b.activation(Threshold(n.number("alpha", 1.0), 0.0), n.value(0))


def _swish(b: Builder, n: View) -> Any:
    x, alpha = n.value(0), n.number("alpha", 1.0)
    scaled = x if alpha == 1 else b.binary("mul", x, alpha)
    return b.binary("mul", x, b.activation(Sigmoid(), scaled))


def _binary(name: str) -> Converter:
    def convert(b: Builder, n: View) -> Any:
        read = n.given(0), n.given(1)
        return size_arithmetic(n, name) if any(map(are_sizes, read)) else b.binary(name, *read)

    return convert


def _unary(name: str) -> Converter:
    def convert(b: Builder, n: View) -> Any:
        return b.unary(name, n.given(0))

    return convert


def _several(name: str) -> Converter:
    def convert(b: Builder, n: View) -> Any:
        first, *others = (n.given(place) for place in range(n.count))
        for other in others:
            first = b.binary(name, first, other)
        return first

    return convert


def _clip(b: Builder, n: View) -> Any:
    low, high = (n.attribute_or_input(name, place) for place, name in enumerate(("min", "max"), 1))
    return b.clip(n.given(0), low, high)


def _dropout(b: Builder, n: View) -> Any:
    n.whole_number("seed", 0, least=None)
    training, p = n.optional(2), n.attribute_or_input("ratio", 1)
    if training is not None and (not isinstance(training, Weights) or training.values.any()):
        raise Refusal(
            "drops out in evaluation, too (training_mode); export the model for evaluation"
        )
    return b.dropout(n.value(0), 0.5 if p is None else n.single(p))


def _softmax(b: Builder, n: View) -> Any:
    axis = n.whole_number("axis", -1 if n.opset >= 13 else 1, least=None)
    return b.softmax(n.value(0), axis)


# -- shapes and branches --------------------------------------------------------------------------


def _flatten(b: Builder, n: View) -> Any:
    axis = n.whole_number("axis", 1, least=None)
    x = n.value(0)
    if axis % (len(b.shape(x)) + 1) != 1:
        raise Refusal(f"flattens from axis {axis}; only 1 keeps the samples apart")
    return b.flatten(x)


def _pad(b: Builder, n: View) -> Any:
    x, mode, axes = n.value(0), n.word("mode", "constant"), n.optional(3)
    pads = n.axes("pads", 1)
    fill = n.number("value", 0.0) if n.opset < 11 else n.optional(2)
    b.maps(x)
    if axes is not None:
        pads = _spread(n.axes("axes", 3), pads)
    zeros = fill is None or n.single(fill) == 0
    if mode != "constant" or not zeros or len(pads) != 8 or any(pads[:2] + pads[4:6]):
        raise Refusal(f"pads by {pads} with mode={mode!r:.40}; only maps are, with zeros")
    margins = ((pads[2], pads[6]), (pads[3], pads[7]))
    if any(p < 0 for pair in margins for p in pair):
        raise Refusal(f"pads by {pads}, fewer than none")
    return b.pad(x, margins)


def _spread(axes: Sequence[int], pads: Sequence[int]) -> list[int]:
    """Pads of some axes as pads of all four."""
    found = [0] * 8
    if len(pads) != 2 * len(axes):
        raise Refusal(f"pads {len(axes)} axes by {len(pads)} numbers")
    for place, axis in enumerate(axes):
        if not -4 <= axis < 4:
            raise Refusal(f"pads axis {axis}, which samples of two spatial axes do not have")
        found[axis % 4], found[axis % 4 + 4] = pads[place], pads[place + len(axes)]
    return found


def _concat(b: Builder, n: View) -> Any:
    values = [n.given(place) for place in range(n.count)]
    if not any(isinstance(value, Value) for value in values):
        return SIZES["Concat"](b, n)
    return b.concat(values, n.whole_number("axis", None, least=None))


def _reshape(b: Builder, n: View) -> Any:
    if not isinstance(n.given(0), Value):
        return SIZES["Reshape"](b, n)
    x, target = n.value(0), n.integers(1)
    sizes = (BATCH, *b.shape(x))
    copies = not n.flag("allowzero", False)
    filled = [
        sizes[place] if size == 0 and copies and place < len(sizes) else size
        for place, size in enumerate(target)
    ]
    return b.reshape(x, filled, n.declared_batch)


def _identity(b: Builder, n: View) -> Any:
    """The same; an array is called as its new name says, if that is a layer's.

    Exporters write equal arrays once, and hand the others on: `norm_b.weight` is `norm_a.weight`.
    """
    x, name = n.given(0), n.operation.outputs[0]
    renamed = isinstance(x, Weights) and name.endswith(".weight")
    return Weights(name, x.values) if renamed else x


def _squeeze(b: Builder, n: View) -> Any:
    if not isinstance(n.given(0), Value):
        return SIZES["Squeeze"](b, n)
    axes = n.axes("axes", 1)
    if not axes:
        raise Refusal("squeezes every axis of size 1, and the batch may be one; name the axes")
    return b.squeeze(n.value(0), axes)


OPERATORS: Mapping[str, Converter] = {
    **SIZES,
    **{known.operator: _activation(known) for known in ACTIVATIONS if known.operator},
    **{name.title(): _unary(name) for name in UNARY if name not in ("expm1", "log1p")},
    "Add": _binary("add"),
    "AveragePool": _average_pool,
    "BatchNormalization": _batch_normalization,
    "Clip": _clip,
    "Concat": _concat,
    "Conv": _conv,
    "ConvTranspose": _conv_transpose,
    "Div": _binary("div"),
    "Dropout": _dropout,
    "Flatten": _flatten,
    "Gemm": _gemm,
    "GlobalAveragePool": _global_average,
    "Greater": _binary("gt"),
    "GreaterOrEqual": _binary("ge"),
    "Identity": _identity,
    "Less": _binary("lt"),
    "LessOrEqual": _binary("le"),
    "LogSoftmax": _softmax,
    "MatMul": _matmul,
    "Max": _several("max"),
    "MaxPool": _max_pool,
    "PRelu": _prelu,
    "ThresholdedRelu": _thresholded,
    "Min": _several("min"),
    "Mul": _binary("mul"),
    "Pad": _pad,
    "Pow": _binary("pow"),
    "ReduceMean": _reduce_mean,
    "Reshape": _reshape,
    "Softmax": _softmax,
    "Squeeze": _squeeze,
    "Sub": _binary("sub"),
    "Sum": _several("add"),
    "Swish": _swish,
    "Where": _where,
}
"""By name."""
