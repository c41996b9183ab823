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
from .building import Builder, kernel_of
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
    rank = len(b.maps(n.value(0)))
    if kernel is None:
        kernel = n.whole_numbers("kernel_shape", None, count=rank, least=1)
    ones = [1] * rank
    stride = n.whole_numbers("strides", ones, count=rank, least=1)
    dilation = n.whole_numbers("dilations", ones, count=rank, least=1)
    flush = Windows(tuple(kernel), tuple(stride), ((0, 0),) * rank, tuple(dilation))
    return replace(flush, margins=_margins(b, n, flush))


def _pads(n: View, rank: int) -> list[int]:
    """How much lies before each axis, then how much behind."""
    return n.whole_numbers("pads", [0] * (2 * rank), count=2 * rank, least=0)


def _margins(b: Builder, n: View, windows: Windows) -> Margins:
    """The padding of windows, given or by a rule."""
    rule, rank = n.word("auto_pad", "NOTSET"), windows.rank
    pads = _pads(n, rank)
    if rule == "NOTSET":
        return tuple(zip(pads[:rank], pads[rank:], strict=True))
    if rule == "VALID":
        return ((0, 0),) * rank
    if rule not in ("SAME_UPPER", "SAME_LOWER"):
        raise Refusal(f"has auto_pad={rule!r:.40}, which is no rule")
    sizes, before = b.maps(n.value(0)), rule == "SAME_LOWER"
    return same_margins(sizes, windows.extents, windows.stride, odd_before=before)


def _kernel(n: View) -> tuple[int, ...]:
    """The kernel size, which the weights show and an attribute may repeat."""
    weight = n.weights(1)
    kernel = kernel_of(weight)
    told = tuple(n.whole_numbers("kernel_shape", list(kernel), count=len(kernel), least=1))
    if told != kernel:
        raise Refusal(f"has kernel_shape={told}, but weights of shape {weight.values.shape}")
    return kernel


def _convolution_windows(b: Builder, n: View) -> Windows:
    """A convolution's windows; pads beside a rule that gives others are no convolution's.

    The format excludes both. Runtimes refuse such a convolution; of a pool they ignore the pads.
    """
    kernel = _kernel(n)
    rule, pads = n.word("auto_pad", "NOTSET"), _pads(n, len(kernel))
    if rule != "NOTSET" and any(pads):
        raise Refusal(f"has auto_pad={rule!r:.40} and pads={pads}; the format allows one of them")
    return _windows(b, n, kernel)


def _conv(b: Builder, n: View) -> Any:
    windows, groups = _convolution_windows(b, n), n.whole_number("group", 1, least=1)
    return b.convolution(n.value(0), n.weights(1), n.bias(2), windows, groups=groups)


def _conv_transpose(b: Builder, n: View) -> Any:
    """ONNX may crop less behind than before; that is output padding."""
    rank = len(_kernel(n))
    extra = n.whole_numbers("output_padding", [0] * rank, count=rank, least=0)
    if n.word("auto_pad", "NOTSET") not in ("NOTSET", "VALID") or "output_shape" in n.attributes:
        windows = _cropped_to_shape(b, n, rank, extra)
    else:
        windows = _convolution_windows(b, n)
        windows = replace(windows, margins=cropped_margins(windows.margins, extra))
    groups = n.whole_number("group", 1, least=1)
    return b.transposed_convolution(n.value(0), n.weights(1), n.bias(2), windows, groups=groups)


def _cropped_to_shape(b: Builder, n: View, rank: int, extra: Sequence[int]) -> Windows:
    """The windows of a transposed convolution whose output has a size that is given or ruled."""
    rule = n.word("auto_pad", "NOTSET")
    _pads(n, rank)
    windows = _windows_without_padding(n, rank)
    sizes = b.maps(n.value(0))
    axes = [*zip(sizes, windows.stride, windows.extents, strict=True)]
    usual = [size * stride for size, stride, _ in axes]
    wanted = n.whole_numbers("output_shape", usual, count=rank, least=1)
    margins = []
    for (size, stride, extent), asked, more in zip(axes, wanted, extra, strict=True):
        total = (size - 1) * stride + extent + more - asked
        half = total // 2 if rule == "SAME_UPPER" else total - total // 2
        margins.append((half, total - half - more))
    return replace(windows, margins=tuple(margins))


def _windows_without_padding(n: View, rank: int) -> Windows:
    ones = [1] * rank
    stride = n.whole_numbers("strides", ones, count=rank, least=1)
    dilation = n.whole_numbers("dilations", ones, count=rank, least=1)
    return Windows(_kernel(n), tuple(stride), ((0, 0),) * rank, tuple(dilation))


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
    if isinstance(n.given(1), Value):
        return b.matmul(n.value(0), n.value(1))
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
    if set(windows.dilation) != {1}:
        raise Refusal(f"has dilations={[*windows.dilation]}; an average pooling here has none")
    counted = n.flag("count_include_pad", False) or not any(map(any, windows.margins))
    ceiling = n.flag("ceil_mode", False)
    return b.average_pool(n.value(0), windows, ceiling=ceiling, counted=counted)


def _global_average(b: Builder, n: View) -> Any:
    b.maps(n.value(0))
    return b.average(n.value(0), keep=True)


def _global_maximum(b: Builder, n: View) -> Any:
    return b.whole_maximum(n.value(0))


def _reduce(name: str) -> Converter:
    """The mean, the sum or the maximum over axes."""

    def convert(b: Builder, n: View) -> Any:
        axes, keep = n.axes("axes", 1), n.flag("keepdims", True)
        nothing = n.flag("noop_with_empty_axes", False)
        if not axes and nothing:
            return n.value(0)
        if not axes:
            raise Refusal(f"takes the {name} over everything, samples included")
        return b.reduce(name, n.value(0), axes, keep=keep)

    return convert


# -- norms ----------------------------------------------------------------------------------------


def _arrays(n: View, *names: str) -> dict[str, Weights]:
    """A norm's arrays, from the second input on, those that are there."""
    found = {}
    for place, name in enumerate(names, 1):
        if n.optional(place) is not None:
            found[name] = n.weights(place)
    return found


def _instance_norm(b: Builder, n: View) -> Any:
    return b.instance_norm(n.value(0), _arrays(n, "weight", "bias"), eps=n.number("epsilon", 1e-5))


def _group_norm(b: Builder, n: View) -> Any:
    groups = n.whole_number("num_groups", None, least=1)
    n.whole_number("stash_type", 1, least=0)
    if n.opset < 21:
        raise Refusal("has a scale for each group (before version 21), where layers have channels'")
    weights = _arrays(n, "weight", "bias")
    return b.group_norm(n.value(0), groups, weights, eps=n.number("epsilon", 1e-5))


def _layer_norm(b: Builder, n: View) -> Any:
    n.whole_number("stash_type", 1, least=0)
    first = n.whole_number("axis", -1, least=None)
    x = n.value(0)
    axes = range(b.axis(x, first), len(b.shape(x)) + 1)
    weights = _arrays(n, "weight", "bias")
    return b.layer_norm(x, list(axes), weights, eps=n.number("epsilon", 1e-5))


def _rms_norm(b: Builder, n: View) -> Any:
    n.whole_number("stash_type", 1, least=0)
    x, first = n.value(0), n.whole_number("axis", -1, least=None)
    axes = range(b.axis(x, first), len(b.shape(x)) + 1)
    return b.rms_norm(x, list(axes), _arrays(n, "weight"), eps=n.number("epsilon", 1e-5))


def _local_response_norm(b: Builder, n: View) -> Any:
    return b.local_response_norm(
        n.value(0),
        n.whole_number("size", None, least=1),
        alpha=n.number("alpha", 1e-4),
        beta=n.number("beta", 0.75),
        k=n.number("bias", 1.0),
    )


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


def _softmax(logarithm: bool) -> Converter:
    def convert(b: Builder, n: View) -> Any:
        x, axis = n.value(0), n.whole_number("axis", -1 if n.opset >= 13 else 1, least=None)
        if n.opset < 13 and b.axis(x, axis) != len(b.shape(x)):
            raise Refusal("is a softmax over several axes at once (before version 13)")
        return b.softmax(x, axis, logarithm=logarithm)

    return convert


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
    count = len(b.shape(x)) + 1
    if axes is not None:
        pads = _spread(n.axes("axes", 3), pads, count)
    if len(pads) != 2 * count or pads[0] or pads[count]:
        raise Refusal(f"pads {count} axes, samples among them, by {pads}")
    margins = tuple(zip(pads[1:count], pads[count + 1 :], strict=True))
    known = {"constant": "constant", "reflect": "reflect", "edge": "replicate", "wrap": "circular"}
    if mode not in known:
        raise Refusal(f"pads with mode={mode!r:.40}, which is none")
    return b.pad_by(x, margins, known[mode], 0.0 if fill is None else n.single(fill))


def _spread(axes: Sequence[int], pads: Sequence[int], count: int) -> list[int]:
    """Pads of some axes as pads of all."""
    found = [0] * (2 * count)
    if len(pads) != 2 * len(axes):
        raise Refusal(f"pads {len(axes)} axes by {len(pads)} numbers")
    for place, axis in enumerate(axes):
        if not -count <= axis < count:
            raise Refusal(f"pads axis {axis}, which samples do not have")
        found[axis % count] = pads[place]
        found[axis % count + count] = pads[place + len(axes)]
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


def _unsqueeze(b: Builder, n: View) -> Any:
    if not isinstance(n.given(0), Value):
        return SIZES["Unsqueeze"](b, n)
    return b.unsqueeze(n.value(0), n.axes("axes", 1))


def _transpose(b: Builder, n: View) -> Any:
    if not isinstance(n.given(0), Value):
        return SIZES["Transpose"](b, n)
    n.asked.add("perm")
    count = len(b.shape(n.value(0))) + 1
    order = n.attributes.get("perm", list(range(count))[::-1])
    if not isinstance(order, list) or not all(isinstance(axis, int) for axis in order):
        raise Refusal(f"has perm={order!r:.60}, which is no order of axes")
    return b.permute(n.value(0), order)


def _slice(b: Builder, n: View) -> Any:
    if not isinstance(n.given(0), Value):
        return SIZES["Slice"](b, n)
    x = n.value(0)
    starts, ends = n.axes("starts", 1), n.axes("ends", 2)
    axes = n.axes("axes", 3) or list(range(len(starts)))
    steps = n.axes("steps", 4) or [1] * len(starts)
    if not len(starts) == len(ends) == len(axes) == len(steps):
        raise Refusal("takes parts by starts, ends, axes and steps of different numbers")
    sizes = (0, *b.shape(x))
    for start, end, axis, step in zip(starts, ends, axes, steps, strict=True):
        if axis % len(sizes) == 0 and start == 0 and end >= _FAR and step == 1:
            continue  # all of the samples
        stop: int | None = end
        if step < 0 and end < -sizes[axis % len(sizes)]:
            stop = None  # down to the first
        x = b.take(x, axis, start, stop, step)
    return x


_FAR = 1 << 31


def _split(b: Builder, n: View) -> Any:
    x, axis = n.value(0), n.whole_number("axis", 0, least=None)
    size = b.shape(x)[b.axis(x, axis) - 1]
    count = n.whole_number("num_outputs", len(n.operation.outputs), least=1)
    parts = n.axes("split", 1)
    if not parts:
        each = -(-size // count)
        parts = [each] * (count - 1) + [size - each * (count - 1)]
    return b.split(x, parts, axis)


def _depth_to_space(b: Builder, n: View) -> Any:
    size, mode = n.whole_number("blocksize", None, least=1), n.word("mode", "DCR")
    x = n.value(0)
    channels, height, width = _three(b, x)
    inner = (
        (size, size, channels // size**2) if mode == "DCR" else (channels // size**2, size, size)
    )
    if channels % size**2:
        raise Refusal(f"spreads {channels} channels over blocks of {size} × {size}")
    seen = b.view_as(x, (*inner, height, width))
    order = (0, 3, 4, 1, 5, 2) if mode == "DCR" else (0, 1, 4, 2, 5, 3)
    shape = (channels // size**2, height * size, width * size)
    return b.view_as(b.permute(seen, order), shape)


def _space_to_depth(b: Builder, n: View) -> Any:
    size, mode = n.whole_number("blocksize", None, least=1), n.word("mode", "DCR")
    x = n.value(0)
    channels, height, width = _three(b, x)
    if height % size or width % size:
        raise Refusal(f"gathers maps of {height} × {width} in blocks of {size} × {size}")
    seen = b.view_as(x, (channels, height // size, size, width // size, size))
    order = (0, 3, 5, 1, 2, 4) if mode == "DCR" else (0, 1, 3, 5, 2, 4)
    shape = (channels * size**2, height // size, width // size)
    return b.view_as(b.permute(seen, order), shape)


def _three(b: Builder, x: Any) -> tuple[int, int, int]:
    shape = b.shape(x)
    if len(shape) != 3:
        raise Refusal(f"needs samples of (channels, height, width), got {shape}")
    return shape[0], shape[1], shape[2]


def _resize(b: Builder, n: View) -> Any:
    """Maps of another size: what PyTorch's way of placing positions covers."""
    x = n.value(0)
    before = n.opset < 11
    mode = n.word("mode", "nearest")
    where = "asymmetric" if before else n.word("coordinate_transformation_mode", "half_pixel")
    nearest = "floor" if before else n.word("nearest_mode", "round_prefer_floor")
    cubic = n.number("cubic_coeff_a", -0.75)
    if n.flag("exclude_outside", False) or n.flag("antialias", False):
        raise Refusal("resizes with exclude_outside or antialias, which no layer here does")
    n.number("extrapolation_value", 0.0)
    if n.word("keep_aspect_ratio_policy", "stretch") != "stretch":
        raise Refusal("resizes with an aspect ratio that is kept; give the sizes")
    own = b.shape(x)
    axes = n.axes("axes", -1) if "axes" in n.attributes else list(range(len(own) + 1))
    scales, sizes = n.resized(1 if before else 2, None if before else 3)
    wanted = [*own]
    factors = [1.0] * len(own)
    for place, axis in enumerate(axes):
        at = axis % (len(own) + 1)
        if at == 0:
            if (scales and scales[place] != 1) or (
                sizes and sizes[place] not in (BATCH, 1, n.declared_batch)
            ):
                raise Refusal("resizes the axis of the samples")
            continue
        if sizes:
            wanted[at - 1] = sizes[place]
            factors[at - 1] = sizes[place] / own[at - 1]
        else:
            wanted[at - 1], factors[at - 1] = int(own[at - 1] * scales[place]), scales[place]
    return b.resize(x, tuple(wanted), factors, mode=mode, where=where, nearest=nearest, cubic=cubic)


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
    "LogSoftmax": _softmax(True),
    "MatMul": _matmul,
    "Max": _several("max"),
    "MaxPool": _max_pool,
    "PRelu": _prelu,
    "ThresholdedRelu": _thresholded,
    "Min": _several("min"),
    "Mul": _binary("mul"),
    "Pad": _pad,
    "Pow": _binary("pow"),
    "DepthToSpace": _depth_to_space,
    "GlobalMaxPool": _global_maximum,
    "GroupNormalization": _group_norm,
    "InstanceNormalization": _instance_norm,
    "LRN": _local_response_norm,
    "LayerNormalization": _layer_norm,
    "RMSNormalization": _rms_norm,
    "ReduceMax": _reduce("maximum"),
    "ReduceMean": _reduce("mean"),
    "ReduceSum": _reduce("sum"),
    "Resize": _resize,
    "Slice": _slice,
    "SpaceToDepth": _space_to_depth,
    "Split": _split,
    "Transpose": _transpose,
    "Unsqueeze": _unsqueeze,
    "Upsample": _resize,
    "Reshape": _reshape,
    "Softmax": _softmax(False),
    "Squeeze": _squeeze,
    "Sub": _binary("sub"),
    "Sum": _several("add"),
    "Swish": _swish,
    "Where": _where,
}
"""By name."""
