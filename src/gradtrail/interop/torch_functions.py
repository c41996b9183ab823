"""PyTorch's functions and methods, one converter each; to add one, add it to the table below.

A converter takes the builder and then the arguments under PyTorch's names. No PyTorch is imported:
functions are known by their paths.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from inspect import Parameter, Signature
from math import prod
from typing import Any

import numpy as np

from .. import layers as available
from ..checking.arguments import is_whole
from ..layers import (
    ChannelShuffle,
    Dropout,
    Layer,
    Pad,
    PixelShuffle,
    PixelUnshuffle,
    StochasticDepth,
    Upsample,
)
from ..layers.windows import Windows
from .arithmetic import UNARY
from .building import Builder, kernel_of
from .known_activations import ACTIVATIONS, KnownActivation
from .margins import collapse_axes, cropped_margins
from .refusals import Refusal
from .torch_sizes import TRACED
from .values import BATCH, Value, Weights

Converter = Callable[..., Any]


def spread(value: Any, rank: int) -> tuple[int, ...]:
    """One number for all spatial axes, or one for each."""
    listed = tuple(value) if isinstance(value, Sequence) else (value,)
    listed = listed * rank if len(listed) == 1 else listed
    if len(listed) != rank or not all(map(is_whole, listed)):
        raise Refusal(f"has {value!r} where one whole number or one for each axis is needed")
    return listed


def _windows(rank: int, kernel: Any, stride: Any, padding: Any, dilation: Any = 1) -> Windows:
    """Windows as PyTorch's functions are told them; without a stride they lie side by side."""
    size = spread(kernel, rank)
    step = spread(stride, rank) if stride not in (None, (), []) else size
    return Windows(size, step, tuple((p, p) for p in spread(padding, rank)), spread(dilation, rank))


# -- activations ----------------------------------------------------------------------------------


def _activation(known: KnownActivation) -> Converter:
    """The converter of an activation, with the arguments of PyTorch's function."""

    def convert(b: Builder, input: Any, *given: Any, **named: Any) -> Any:
        settings = dict(zip(known.settings, given, strict=False))
        settings |= {name: value for name, value in named.items() if name in known.settings}
        return b.activation(known.layer(**settings), input)

    taken = {**known.settings, **({"inplace": False} if known.inplace else {})}
    optional = [Parameter(n, _EITHER_WAY, default=default) for n, default in taken.items()]
    needed = [Parameter(name, _EITHER_WAY) for name in ("b", "input")]
    convert.__signature__ = Signature([*needed, *optional])  # type: ignore[attr-defined]
    return convert


_EITHER_WAY = Parameter.POSITIONAL_OR_KEYWORD
_ACTIVATIONS = {known.function: _activation(known) for known in ACTIVATIONS}


def _dropout(layer: Callable[[float], Layer]) -> Converter:
    def convert(
        b: Builder, input: Any, p: float = 0.5, training: bool = True, inplace: bool = False
    ) -> Any:
        return b.layer(layer(p), input) if training else input

    return convert


_DROPOUTS = {
    "dropout": _dropout(Dropout),
    **{f"dropout{rank}d": _dropout(getattr(available, f"Dropout{rank}d")) for rank in (1, 2, 3)},
}


def _softmax(logarithm: bool) -> Converter:
    def convert(
        b: Builder, input: Any, dim: int | None = None, _stacklevel: int = 3, dtype: Any = None
    ) -> Any:
        return b.softmax(input, dim, logarithm=logarithm)

    return convert


_SOFTMAX = {"softmax": _softmax(False), "log_softmax": _softmax(True)}


def _prelu(b: Builder, input: Any, weight: Any) -> Any:
    if isinstance(weight, Weights):  # one for each channel, whatever else the samples have
        along = [-1, *[1] * (len(b.shape(input)) - 1)]
        weight = replace(weight, values=weight.values.reshape(along))
    return b.prelu(input, weight)


# -- layers with weights, and pools ---------------------------------------------------------------


def _linear(b: Builder, input: Any, weight: Any, bias: Any = None) -> Any:
    return b.linear(input, weight, bias)


def _conv(rank: int) -> Converter:
    def convert(
        b: Builder,
        input: Any,
        weight: Any,
        bias: Any = None,
        stride: Any = 1,
        padding: Any = 0,
        dilation: Any = 1,
        groups: int = 1,
    ) -> Any:
        same = padding == "same"
        margin = 0 if padding in ("same", "valid") else padding
        windows = _windows(rank, kernel_of(weight), stride, margin, dilation)
        return b.convolution(input, weight, bias, windows, groups=groups, same=same)

    return convert


def _conv_transpose(rank: int) -> Converter:
    def convert(
        b: Builder,
        input: Any,
        weight: Any,
        bias: Any = None,
        stride: Any = 1,
        padding: Any = 0,
        output_padding: Any = 0,
        groups: int = 1,
        dilation: Any = 1,
    ) -> Any:
        windows = _windows(rank, kernel_of(weight), stride, padding, dilation)
        extra = spread(output_padding, rank)
        cropped = replace(windows, margins=cropped_margins(windows.margins, extra))
        return b.transposed_convolution(input, weight, bias, cropped, groups=groups)

    return convert


def _max_pool(rank: int) -> Converter:
    def convert(
        b: Builder,
        input: Any,
        kernel_size: Any,
        stride: Any = None,
        padding: Any = 0,
        dilation: Any = 1,
        ceil_mode: bool = False,
        return_indices: bool = False,
    ) -> Any:
        if return_indices:
            raise Refusal(
                "returns the winners' indices (return_indices=True), which no layer reads"
            )
        windows = _windows(rank, kernel_size, stride, padding, dilation)
        return b.maximum_pool(input, windows, ceiling=ceil_mode)

    return convert


def _avg_pool(rank: int) -> Converter:
    def convert(
        b: Builder,
        input: Any,
        kernel_size: Any,
        stride: Any = None,
        padding: Any = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
        divisor_override: int | None = None,
    ) -> Any:
        windows = _windows(rank, kernel_size, stride, padding)
        divisor = None if divisor_override == prod(windows.kernel) else divisor_override
        return b.average_pool(
            input, windows, ceiling=ceil_mode, counted=count_include_pad, divisor=divisor
        )

    return convert


def _asked(b: Builder, input: Any, output_size: Any, rank: int) -> tuple[int, ...]:
    """The size that maps are pooled to."""
    sizes = b.maps(input)
    listed = output_size if isinstance(output_size, Sequence) else (output_size,) * rank
    listed = tuple(listed) * (rank if len(listed) == 1 else 1)
    if len(sizes) != rank or len(listed) != rank:
        raise Refusal(f"pools {len(sizes)} axes to the size {output_size}")
    return tuple(s if a is None else a for a, s in zip(listed, sizes, strict=True))


def _adaptive_avg_pool(rank: int) -> Converter:
    def convert(b: Builder, input: Any, output_size: Any) -> Any:
        asked = _asked(b, input, output_size, rank)
        if set(asked) == {1}:
            return b.average(input, keep=True)
        if asked == b.maps(input):
            return input
        return b.layer(getattr(available, f"AdaptiveAvgPool{rank}d")(collapse_axes(asked)), input)

    return convert


def _adaptive_max_pool(rank: int) -> Converter:
    def convert(b: Builder, input: Any, output_size: Any, return_indices: bool = False) -> Any:
        if return_indices:
            raise Refusal(
                "returns the winners' indices (return_indices=True), which no layer reads"
            )
        asked = _asked(b, input, output_size, rank)
        if set(asked) != {1}:
            layer = getattr(available, f"AdaptiveMaxPool{rank}d")(collapse_axes(asked))
            return input if asked == b.maps(input) else b.layer(layer, input)
        windows = _windows(rank, b.maps(input), None, 0)
        pooled = b.maximum_pool(input, windows, ceiling=False)
        b.poolings[pooled.node] = (b.tensor(input), getattr(available, f"GlobalMaxPool{rank}d"))
        return pooled

    return convert


# -- norms, and maps of another size --------------------------------------------------------------


def _held(**arrays: Any) -> dict[str, Weights]:
    """The arrays that are there; a norm takes no others than those of the model."""
    found = {name: array for name, array in arrays.items() if array is not None}
    for name, array in found.items():
        if not isinstance(array, Weights):
            raise Refusal(f"has a {name} that is no array of the model")
    return found


def _batch_norm(
    b: Builder,
    input: Any,
    running_mean: Any,
    running_var: Any,
    weight: Any = None,
    bias: Any = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Any:
    arrays = _held(weight=weight, bias=bias, running_mean=running_mean, running_var=running_var)
    if "running_mean" not in arrays:
        raise Refusal("keeps no running statistics")
    return b.norm(input, arrays, eps=eps, momentum=momentum)


def _group_norm(
    b: Builder, input: Any, num_groups: int, weight: Any = None, bias: Any = None, eps: float = 1e-5
) -> Any:
    return b.group_norm(input, num_groups, _held(weight=weight, bias=bias), eps=eps)


def _layer_norm(
    b: Builder,
    input: Any,
    normalized_shape: Any,
    weight: Any = None,
    bias: Any = None,
    eps: float = 1e-5,
) -> Any:
    axes = _last(b, input, normalized_shape)
    return b.layer_norm(input, axes, _held(weight=weight, bias=bias), eps=eps)


def _rms_norm(
    b: Builder, input: Any, normalized_shape: Any, weight: Any = None, eps: float | None = None
) -> Any:
    axes = _last(b, input, normalized_shape)
    return b.rms_norm(input, axes, _held(weight=weight), eps=_EPSILON if eps is None else eps)


_EPSILON = 2.0**-23  # float32's, which PyTorch takes where none is told


def _last(b: Builder, input: Any, shape: Any) -> tuple[int, ...]:
    """The last axes, which have this shape."""
    sizes = tuple(shape) if isinstance(shape, Sequence) else (shape,)
    own = b.shape(input)
    if own[len(own) - len(sizes) :] != sizes:
        raise Refusal(f"normalises over {sizes}, but samples are {own}")
    return tuple(range(-len(sizes), 0))


def _instance_norm(
    b: Builder,
    input: Any,
    running_mean: Any = None,
    running_var: Any = None,
    weight: Any = None,
    bias: Any = None,
    use_input_stats: bool = True,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Any:
    arrays = _held(weight=weight, bias=bias, running_mean=running_mean, running_var=running_var)
    return b.instance_norm(input, arrays, eps=eps, momentum=momentum)


def _local_response_norm(
    b: Builder, input: Any, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0
) -> Any:
    return b.local_response_norm(input, size, alpha=alpha, beta=beta, k=k)


def _interpolate(
    b: Builder,
    input: Any,
    size: Any = None,
    scale_factor: Any = None,
    mode: str = "nearest",
    align_corners: bool | None = None,
    recompute_scale_factor: bool | None = None,
    antialias: bool = False,
) -> Any:
    if antialias or mode == "area" or (recompute_scale_factor and scale_factor is not None):
        if mode == "area" and size is not None:
            return _adaptive_avg_pool(len(b.maps(input)))(b, input, size)
        raise Refusal("resizes with antialias, by areas or with factors that are computed anew")
    if size is not None:
        size = collapse_axes(spread(size, len(b.maps(input))))
        if size == collapse_axes(b.maps(input)) and mode.startswith("nearest"):
            return input
        scale_factor = None
    elif isinstance(scale_factor, Sequence):
        scale_factor = tuple(scale_factor)
    return b.layer(Upsample(size, scale_factor, mode, align_corners), input)


def _upsample_nearest(b: Builder, input: Any, size: Any = None, scale_factor: Any = None) -> Any:
    return _interpolate(b, input, size, scale_factor)


def _upsample_bilinear(b: Builder, input: Any, size: Any = None, scale_factor: Any = None) -> Any:
    return _interpolate(b, input, size, scale_factor, "bilinear", True)


def _matmul(b: Builder, input: Any, other: Any) -> Any:
    return b.matmul(input, other)


def _reduced(name: str) -> Converter:
    def convert(
        b: Builder, input: Any, dim: Any = None, keepdim: bool = False, dtype: Any = None
    ) -> Any:
        if dim is None:
            raise Refusal(f"takes the {name} over everything, samples included")
        return b.reduce(name, input, dim if isinstance(dim, Sequence) else [dim], keep=keepdim)

    return convert


def _max(b: Builder, input: Any, dim: Any = None, keepdim: bool = False) -> Any:
    """The maximum over an axis with where it was, or of two tensors."""
    if isinstance(dim, Value | Weights | np.ndarray):
        return b.binary("max", input, dim)
    return (_reduced("maximum")(b, input, dim, keepdim), None)  # no layer gives places


def _expand(b: Builder, input: Any, *sizes: Any) -> Any:
    target = sizes[0] if len(sizes) == 1 and isinstance(sizes[0], Sequence) else sizes
    own = (BATCH, *b.shape(input))
    if len(target) != len(own):
        raise Refusal(f"repeats samples of {own[1:]} along new axes")
    asked = tuple(o if a == -1 else a for a, o in zip(target, own, strict=True))
    return b.expand(input, tuple(int(size) for size in asked[1:] if is_whole(size)))


def _expand_as(b: Builder, input: Any, other: Any) -> Any:
    return b.expand(input, b.shape(other))


def _stochastic_depth(b: Builder, input: Any, p: float, mode: str, training: bool = True) -> Any:
    return b.layer(StochasticDepth(p, mode), input) if training and p > 0 else input


def _pad(
    b: Builder, input: Any, pad: Sequence[int], mode: str = "constant", value: float | None = None
) -> Any:
    sizes = b.maps(input)
    pairs = [*zip(pad[::2], pad[1::2], strict=False)]
    zeros = mode == "constant" and value in (None, 0) and min(pad, default=0) >= 0
    if zeros and len(pairs) <= len(sizes):
        margins = (*((0, 0),) * (len(sizes) - len(pairs)), *reversed(pairs))
        return b.pad(input, margins)
    return b.layer(Pad(tuple(pad), mode, 0.0 if value is None else value), input)


# -- shapes ---------------------------------------------------------------------------------------


def _flatten(b: Builder, input: Any, start_dim: int = 0, end_dim: int = -1) -> Any:
    shape = b.shape(input)
    rank = len(shape) + 1
    start, end = start_dim % rank, end_dim % rank
    if start == 0:
        raise Refusal("flattens the samples into each other; give start_dim=1")
    if start >= end:
        return input
    inner = prod(shape[start - 1 : end])
    return b.view_as(input, (*shape[: start - 1], inner, *shape[end:]))


def _reshape(b: Builder, input: Any, *shape: Any) -> Any:
    if isinstance(input, np.ndarray):
        return input.reshape(*shape)
    target = shape[0] if len(shape) == 1 and isinstance(shape[0], Sequence) else shape
    return b.reshape(input, list(target), TRACED)


def _squeeze(b: Builder, input: Any, dim: Any = None) -> Any:
    if dim is None:
        raise Refusal("squeezes every axis of size 1, and the batch may be one; name the axes")
    return b.squeeze(input, dim if isinstance(dim, Sequence) else [dim])


def _unsqueeze(b: Builder, input: Any, dim: int) -> Any:
    return b.unsqueeze(input, [dim])


def _permute(b: Builder, input: Any, *dims: Any) -> Any:
    return b.permute(input, dims[0] if len(dims) == 1 else dims)


def _transpose(b: Builder, input: Any, dim0: int, dim1: int) -> Any:
    return b.transpose(input, dim0, dim1)


def _narrow(b: Builder, input: Any, dim: int, start: int, length: int) -> Any:
    return b.take(input, dim, start, start + length)


def _select(b: Builder, input: Any, dim: int, index: int) -> Any:
    stop = index + 1 if index != -1 else None
    return b.squeeze(b.take(input, dim, index, stop), [dim])


def _split(b: Builder, tensor: Any, split_size_or_sections: Any, dim: int = 0) -> Any:
    given = split_size_or_sections
    if isinstance(given, Sequence):
        return b.split(tensor, given, dim)
    size = b.shape(tensor)[b.axis(tensor, dim) - 1]
    whole, rest = divmod(size, given)
    return b.split(tensor, [given] * whole + [rest] * bool(rest), dim)


def _chunk(b: Builder, input: Any, chunks: int, dim: int = 0) -> Any:
    size = b.shape(input)[b.axis(input, dim) - 1]
    return _split(b, input, -(-size // chunks), dim)


def _unbind(b: Builder, input: Any, dim: int = 0) -> Any:
    size = b.shape(input)[b.axis(input, dim) - 1]
    return tuple(b.squeeze(part, [dim]) for part in b.split(input, [1] * size, dim))


def _stack(b: Builder, tensors: Sequence[Any], dim: int = 0) -> Any:
    raised = [b.unsqueeze(tensor, [dim]) for tensor in tensors]
    return b.concat(raised, dim % (len(b.shape(raised[0])) + 1))


def _pixel_shuffle(b: Builder, input: Any, upscale_factor: int) -> Any:
    return b.layer(PixelShuffle(upscale_factor), input)


def _pixel_unshuffle(b: Builder, input: Any, downscale_factor: int) -> Any:
    return b.layer(PixelUnshuffle(downscale_factor), input)


def _channel_shuffle(b: Builder, input: Any, groups: int) -> Any:
    return b.layer(ChannelShuffle(groups), input)


def part(b: Builder, input: Any, at: Any) -> Any:
    """A part of a tensor by indices, as `x[:, 1:, None, ..., 0]` names it."""
    if isinstance(input, np.ndarray | tuple | list):
        return input[at]
    places = list(at) if isinstance(at, tuple) else [at]
    known = len(b.shape(input)) + 1
    taken = sum(place is not None and place is not Ellipsis for place in places)
    if Ellipsis in places:
        middle = places.index(Ellipsis)
        places[middle : middle + 1] = [slice(None)] * (known - taken)
    axis = 0
    for place in places:
        if place is None:
            input, axis = b.unsqueeze(input, [axis]), axis + 1
        elif isinstance(place, slice):
            if place != slice(None):
                input = b.take(input, axis, place.start, place.stop, place.step)
            axis += 1
        elif is_whole(place):
            input = _select(b, input, axis, place)
        else:
            raise Refusal(
                "takes a part of a tensor by something else than whole numbers and slices"
            )
    return input


def _mean(b: Builder, input: Any, dim: Any = None, keepdim: bool = False, dtype: Any = None) -> Any:
    if dim is None:
        raise Refusal("takes the mean over everything, samples included")
    return b.mean(input, dim if isinstance(dim, Sequence) else [dim], keep=keepdim)


def _cat(b: Builder, tensors: Sequence[Any], dim: int = 0, axis: int | None = None) -> Any:
    return b.concat(tensors, dim if axis is None else axis)


def _size(b: Builder, input: Any, dim: int | None = None) -> Any:
    sizes = (BATCH, *b.shape(input))
    if dim is not None and not -len(sizes) <= dim < len(sizes):
        raise Refusal(f"asks for axis {dim} of {len(sizes)}")
    return sizes if dim is None else sizes[dim]


def _getattr(b: Builder, input: Any, name: str) -> Any:
    if name == "shape":
        return _size(b, input)
    if name == "ndim":
        return len(b.shape(input)) + 1
    raise Refusal(f"reads the attribute {name!r} of a tensor")


def _dim(b: Builder, input: Any) -> Any:
    return _getattr(b, input, "ndim")


def _contiguous(b: Builder, input: Any) -> Any:
    return input


def _clone(b: Builder, input: Any) -> Any:
    """As `_contiguous`, in memory of its own, so that it is none of `VIEWS`."""
    return input


def _new_tensor(b: Builder, input: Any, data: Any) -> Any:
    return np.asarray(data, np.float64)


# -- arithmetic -----------------------------------------------------------------------------------


def _scaled(name: str) -> Converter:
    def convert(b: Builder, input: Any, other: Any, *, alpha: Any = 1) -> Any:
        return b.binary(name, input, other if alpha == 1 else b.binary("mul", other, alpha))

    return convert


def _binary(name: str) -> Converter:
    def convert(b: Builder, input: Any, other: Any) -> Any:
        return b.binary(name, input, other)

    return convert


def _rsub(b: Builder, input: Any, other: Any) -> Any:
    return b.binary("sub", other, input)


def _square(b: Builder, input: Any) -> Any:
    return b.binary("mul", input, input)


def _pow(b: Builder, input: Any, exponent: Any) -> Any:
    return b.binary("pow", input, exponent)


def _unary(name: str) -> Converter:
    def convert(b: Builder, input: Any) -> Any:
        return b.unary(name, input)

    return convert


def _clamp(b: Builder, input: Any, min: Any = None, max: Any = None) -> Any:
    return b.clip(input, min, max)


def _where(b: Builder, condition: Any, input: Any, other: Any) -> Any:
    return b.choose(condition, input, other)


def _asserted(b: Builder, condition: Any, message: Any = None) -> None:
    if isinstance(condition, Value):
        raise Refusal("asserts something of the samples' values")


_SHARED: Mapping[str, Converter] = {  # in torch and as methods
    **{name: _ACTIVATIONS[name] for name in ("relu", "sigmoid", "tanh")},
    **_SOFTMAX,
    "flatten": _flatten, "reshape": _reshape, "squeeze": _squeeze, "unsqueeze": _unsqueeze,
    "permute": _permute, "transpose": _transpose, "swapaxes": _transpose,
    "narrow": _narrow, "select": _select, "split": _split, "chunk": _chunk, "unbind": _unbind,
    "mean": _mean, "sum": _reduced("sum"), "amax": _reduced("maximum"), "max": _max,
    "matmul": _matmul, "bmm": _matmul, "expand": _expand,
    "expand_as": _expand_as,
    "add": _scaled("add"), "sub": _scaled("sub"), "subtract": _scaled("sub"),
    "mul": _binary("mul"), "multiply": _binary("mul"),
    "div": _binary("div"), "divide": _binary("div"), "true_divide": _binary("div"),
    "maximum": _binary("max"), "minimum": _binary("min"),
    "pow": _pow, "square": _square, "clamp": _clamp, "clip": _clamp,
    **{name: _binary(name) for name in ("gt", "ge", "lt", "le")},
    **{name: _unary(name) for name in UNARY},
    "clone": _clone,
}  # fmt: skip

METHODS: Mapping[str, Converter] = {
    **_SHARED,
    "view": _reshape, "contiguous": _contiguous, "new_tensor": _new_tensor,
    "size": _size, "dim": _dim,
}  # fmt: skip
"""By the name of the method; one behind which an underscore stands writes over its input."""

VIEWS = frozenset({_contiguous, _flatten, _reshape, _squeeze, _unsqueeze})
"""What gives a view of its whole input, or the input itself, rather than a tensor of its own."""

PARTS = frozenset({_permute, _transpose, _narrow, _select, part})
"""What gives a view of a part of its input, or of its axes in another order."""

SPLITS = frozenset({_split, _chunk, _unbind})
"""What gives several parts of its input at once, each a view."""

_FUNCTIONAL: Mapping[str, Converter] = {
    **_ACTIVATIONS, **_SOFTMAX,
    **_DROPOUTS, "prelu": _prelu,
    "linear": _linear, "pad": _pad,
    "batch_norm": _batch_norm, "group_norm": _group_norm, "layer_norm": _layer_norm,
    "rms_norm": _rms_norm, "instance_norm": _instance_norm,
    "local_response_norm": _local_response_norm,
    "interpolate": _interpolate, "upsample": _interpolate,
    "upsample_nearest": _upsample_nearest, "upsample_bilinear": _upsample_bilinear,
    **{f"{name}{rank}d": made(rank) for rank in (1, 2, 3) for name, made in {
        "conv": _conv, "conv_transpose": _conv_transpose, "max_pool": _max_pool,
        "avg_pool": _avg_pool, "adaptive_avg_pool": _adaptive_avg_pool,
        "adaptive_max_pool": _adaptive_max_pool,
    }.items()},
    "pixel_shuffle": _pixel_shuffle, "pixel_unshuffle": _pixel_unshuffle,
    "channel_shuffle": _channel_shuffle,
}  # fmt: skip

_OPERATORS: Mapping[str, Converter] = {
    "add": _binary("add"), "sub": _binary("sub"), "mul": _binary("mul"),
    "truediv": _binary("div"), "pow": _pow, "matmul": _matmul,
    **{name: _binary(name) for name in ("gt", "ge", "lt", "le")},
}  # fmt: skip
"""By Python's names; one before which an i stands writes over its first operand."""

_NOT_WRITING = frozenset({
    *_SOFTMAX.values(), *VIEWS, *PARTS, _split, _chunk, _unbind, _mean, _SHARED["sum"],
    _SHARED["amax"], _max, _matmul, _expand, _expand_as, _clone,
    _SHARED["maximum"], _SHARED["minimum"],
}) - {_contiguous}  # fmt: skip

ELEMENTWISE = frozenset({
    *_SHARED.values(), *_OPERATORS.values(), *_DROPOUTS.values(),
    *(_ACTIVATIONS[known.function] for known in ACTIVATIONS if known.inplace),
}) - _NOT_WRITING - {_matmul}  # fmt: skip
"""What can be written over its input."""

FUNCTIONS: Mapping[str, Converter] = {
    **{f"torch.{name}": convert for name, convert in _SHARED.items()},
    **{f"torch.nn.functional.{name}": convert for name, convert in _FUNCTIONAL.items()},
    **{f"torch.{name}": _FUNCTIONAL[name] for name in (
        *(f"{kind}{r}d" for kind in ("conv", "conv_transpose", "max_pool") for r in (1, 2, 3)),
        "avg_pool1d", "adaptive_avg_pool1d",
        "pixel_shuffle", "pixel_unshuffle", "channel_shuffle",
    )},
    "torch.stack": _stack,
    "torchvision.ops.stochastic_depth.stochastic_depth": _stochastic_depth,
    "torch.cat": _cat, "torch.concat": _cat, "torch.concatenate": _cat,
    "torch.rsub": _rsub, "torch.where": _where,
    "torch.special.erf": _unary("erf"), "torch._assert": _asserted,
    **{f"operator.{name}": convert for name, convert in _OPERATORS.items()},
    **{f"operator.i{name}": convert for name, convert in _OPERATORS.items()},
    **{f"torch.{name}_": c for name, c in _SHARED.items() if c in ELEMENTWISE},
    "torch.nn.functional.leaky_relu_": _ACTIVATIONS["leaky_relu"],
    "operator.neg": _unary("neg"),
    "builtins.getattr": _getattr,
}  # fmt: skip
"""By path."""
