"""ONNX's operators, one converter each; to add one, add it to a table.

A converter takes the builder and a `View` of the node: its inputs as values, its attributes checked
as they are asked for. An attribute that a converter does not ask for is refused by the reader.
Windows, norms and shapes have files of their own, each with its table.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from math import prod
from typing import Any

import numpy as np

from ...layers import Pointwise, Sigmoid, Threshold
from ..known_activations import ACTIVATIONS, KnownActivation
from ..reading.arithmetic import UNARY
from ..reading.building import Builder
from ..reading.einsum_formulas import einsum
from ..reading.refusals import Refusal
from ..reading.values import Value, Weights
from .onnx_norms import NORMS
from .onnx_shapes import SHAPES
from .onnx_sizes import Converter
from .onnx_view import View
from .onnx_windows import WINDOWS

# -- sums -----------------------------------------------------------------------------------------


def _gemm(b: Builder, n: View) -> Any:
    """α·A·B + β·C, with A the samples."""
    alpha, beta = n.number("alpha", 1.0), n.number("beta", 1.0)
    n.flag("broadcast", False)  # until version 7
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


def _einsum(b: Builder, n: View) -> Any:
    """Where the result's letters are left out, they are those that occur once, by the alphabet."""
    written = re.sub(r"\s", "", n.word("equation", ""))
    if n.lead != 1:
        raise Refusal(f"adds up products as {written!r:.60} of one sample")
    if "->" not in written:
        count = Counter(filter(str.isalpha, written))
        written += f"->{''.join(sorted(x for x in count if count[x] == 1))}"
    return einsum(b, written, *(n.given(place) for place in range(n.count)))


def _matmul(b: Builder, n: View) -> Any:
    if isinstance(n.given(1), Value):
        return b.matmul(n.value(0), n.value(1))
    weight = n.weights(1)
    if weight.values.ndim != 2:
        raise Refusal(f"multiplies by an array of shape {weight.values.shape}, not a matrix")
    return b.linear(n.value(0), Weights(weight.name, weight.values.T), None)


def _reduce(name: str) -> Converter:
    """The mean, the sum or the maximum over axes."""

    def convert(b: Builder, n: View) -> Any:
        axes, keep = n.axes("axes", 1), n.flag("keepdims", True)
        nothing = n.flag("noop_with_empty_axes", False)
        if not axes and nothing:
            return n.value(0)
        if not axes and n.lead:
            raise Refusal(f"takes the {name} over everything, samples included")
        sizes = b.shape(n.value(0))
        listed = [n.axis(axis, sizes) for axis in axes] or list(range(1, len(sizes) + 1))
        return b.reduce(name, n.value(0), listed, keep=keep)

    return convert


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
    slopes, axes = n.weights(1), len(b.shape(n.value(0))) - 1
    if n.opset < 7 and slopes.values.ndim == 1:  # one for each channel, or one
        slopes = replace(slopes, values=slopes.values.reshape(-1, *[1] * axes))
    return b.prelu(n.value(0), slopes)


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
        first, other = n.given(0), n.given(1)
        if n.opset < 7:
            other = _laid_from(b, n, first, other)
        return b.binary(name, first, other)

    return convert


def _laid_from(b: Builder, n: View, first: Any, other: Any) -> Any:
    """Until version 7 an attribute said at which axis of the first the second one's begin."""
    axis = n.whole_number("axis", -1, least=None)
    if not n.flag("broadcast", False) or axis == -1 or not isinstance(other, Weights):
        return other
    count = len(b.shape(first)) + n.lead
    behind = count - axis % count - other.values.ndim
    if behind < 0:
        raise Refusal(f"lays {other.values.ndim} axes from axis {axis} of {count} on")
    return Weights(other.name, other.values.reshape(*other.values.shape, *(1,) * behind))


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
    """In training and in evaluation, as every dropout here: `training_mode` is how it was left."""
    n.whole_number("seed", 0, least=None)
    n.flag("is_test", False)  # until version 7
    p = n.attribute_or_input("ratio", 1)
    return b.dropout(n.value(0), 0.5 if p is None else n.single(p))


def _softmax(logarithm: bool) -> Converter:
    def convert(b: Builder, n: View) -> Any:
        x, told = n.value(0), n.whole_number("axis", -1 if n.opset >= 13 else 1, least=None)
        sizes, axis = b.shape(x), n.axis(told, b.shape(x))
        if n.opset >= 13 or prod(sizes[axis:]) == 1:
            return b.softmax(x, axis, logarithm=logarithm)
        row = b.view_as(x, (*sizes[: axis - 1], prod(sizes[axis - 1 :])))  # until version 12
        return b.view_as(b.softmax(row, axis, logarithm=logarithm), sizes)

    return convert


OPERATORS: Mapping[str, Converter] = {
    **SHAPES,
    **WINDOWS,
    **NORMS,
    **{known.operator: _activation(known) for known in ACTIVATIONS if known.operator},
    **{name.title(): _unary(name) for name in UNARY if name not in ("expm1", "log1p")},
    "Add": _binary("add"),
    "Clip": _clip,
    "Div": _binary("div"),
    "Dropout": _dropout,
    "Einsum": _einsum,
    "Gemm": _gemm,
    "Greater": _binary("gt"),
    "GreaterOrEqual": _binary("ge"),
    "Less": _binary("lt"),
    "LessOrEqual": _binary("le"),
    "LogSoftmax": _softmax(True),
    "MatMul": _matmul,
    "Max": _several("max"),
    "Min": _several("min"),
    "Mul": _binary("mul"),
    "PRelu": _prelu,
    "Pow": _binary("pow"),
    "ReduceMax": _reduce("maximum"),
    "ReduceMean": _reduce("mean"),
    "ReduceSum": _reduce("sum"),
    "Softmax": _softmax(False),
    "Sub": _binary("sub"),
    "Sum": _several("add"),
    "Swish": _swish,
    "ThresholdedRelu": _thresholded,
    "Where": _where,
}
"""By name."""
