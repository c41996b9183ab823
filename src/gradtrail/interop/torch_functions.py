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

from ..checking.arguments import is_whole
from ..layers.windows import Windows
from .arithmetic import UNARY
from .building import Builder, kernel_of
from .known_activations import ACTIVATIONS, KnownActivation
from .margins import cropped_margins
from .refusals import Refusal
from .values import BATCH, Value, Weights

Converter = Callable[..., Any]


def pair(value: Any) -> tuple[int, int]:
    """One number for both spatial axes, or one for each."""
    listed = tuple(value) if isinstance(value, Sequence) else (value, value)
    listed = listed * 2 if len(listed) == 1 else listed
    if len(listed) != 2 or not all(map(is_whole, listed)):
        raise Refusal(f"has {value!r} where one whole number or one for each axis is needed")
    return listed


def _windows(kernel: Any, stride: Any, padding: Any, dilation: Any = 1) -> Windows:
    """Windows as PyTorch's functions are told them; without a stride they lie side by side."""
    size = pair(kernel)
    step = pair(stride) if stride not in (None, (), []) else size
    return Windows(size, step, tuple((p, p) for p in pair(padding)), pair(dilation))


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


def _dropout(
    b: Builder, input: Any, p: float = 0.5, training: bool = True, inplace: bool = False
) -> Any:
    return b.dropout(input, p) if training else input


def _softmax(
    b: Builder, input: Any, dim: int | None = None, _stacklevel: int = 3, dtype: Any = None
) -> Any:
    return b.softmax(input, dim)


def _prelu(b: Builder, input: Any, weight: Any) -> Any:
    if isinstance(weight, Weights):  # one for each channel, whatever else the samples have
        along = [-1, *[1] * (len(b.shape(input)) - 1)]
        weight = replace(weight, values=weight.values.reshape(along))
    return b.prelu(input, weight)


# -- layers with weights, and pools ---------------------------------------------------------------


def _linear(b: Builder, input: Any, weight: Any, bias: Any = None) -> Any:
    return b.linear(input, weight, bias)


def _conv2d(
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
    windows = _windows(kernel_of(weight), stride, margin, dilation)
    return b.convolution(input, weight, bias, windows, groups=groups, same=same)


def _conv_transpose2d(
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
    windows = _windows(kernel_of(weight), stride, padding, dilation)
    cropped = replace(windows, margins=cropped_margins(windows.margins, pair(output_padding)))
    return b.transposed_convolution(input, weight, bias, cropped, groups=groups)


def _max_pool2d(
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
        raise Refusal("returns the winners' indices (return_indices=True), which no layer reads")
    windows = _windows(kernel_size, stride, padding, dilation)
    return b.maximum_pool(input, windows, ceiling=ceil_mode)


def _avg_pool2d(
    b: Builder,
    input: Any,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Any:
    windows = _windows(kernel_size, stride, padding)
    if divisor_override not in (None, count := prod(windows.kernel)):
        raise Refusal(f"divides by {divisor_override} (divisor_override) instead of {count}")
    return b.average_pool(input, windows, ceiling=ceil_mode, counted=count_include_pad)


def _adaptive_avg_pool2d(b: Builder, input: Any, output_size: Any) -> Any:
    sizes = b.maps(input)
    listed = output_size if isinstance(output_size, Sequence) else (output_size, output_size)
    asked = tuple(s if a is None else a for a, s in zip(listed, sizes, strict=True))
    if asked == (1, 1):
        return b.average(input, keep=True)
    if asked == sizes:
        return input
    if any(a < 1 or s % a for a, s in zip(asked, sizes, strict=True)):
        raise Refusal(
            f"averages maps of {sizes[0]} × {sizes[1]} to {asked[0]} × {asked[1]}, for which "
            "windows of one size do not exist"
        )
    kernel = pair(tuple(s // a for a, s in zip(asked, sizes, strict=True)))
    return b.average_pool(input, _windows(kernel, None, 0), ceiling=False, counted=True)


def _pad(
    b: Builder, input: Any, pad: Sequence[int], mode: str = "constant", value: float | None = None
) -> Any:
    margins = list(pad) + [0] * (4 - len(pad))
    if mode != "constant" or value not in (None, 0) or len(margins) != 4 or min(margins) < 0:
        raise Refusal(f"pads {pad} with mode={mode!r}, value={value}; only maps, with zeros")
    left, right, top, bottom = margins
    return b.pad(input, ((top, bottom), (left, right)))


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
    return b.reshape(input, list(target))


def _squeeze(b: Builder, input: Any, dim: Any = None) -> Any:
    if dim is None:
        raise Refusal("squeezes every axis of size 1, and the batch may be one; name the axes")
    return b.squeeze(input, dim if isinstance(dim, Sequence) else [dim])


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
    "softmax": _softmax, "log_softmax": _softmax,
    "flatten": _flatten, "reshape": _reshape, "squeeze": _squeeze, "mean": _mean,
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

VIEWS = frozenset({_contiguous, _flatten, _reshape, _squeeze})
"""What gives a view of its input, or the input itself, rather than a tensor of its own."""

_FUNCTIONAL: Mapping[str, Converter] = {
    **_ACTIVATIONS, "softmax": _softmax, "log_softmax": _softmax,
    "dropout": _dropout, "prelu": _prelu,
    "linear": _linear,
    "conv2d": _conv2d, "conv_transpose2d": _conv_transpose2d,
    "max_pool2d": _max_pool2d, "avg_pool2d": _avg_pool2d,
    "adaptive_avg_pool2d": _adaptive_avg_pool2d, "pad": _pad,
}  # fmt: skip

_OPERATORS: Mapping[str, Converter] = {
    "add": _binary("add"), "sub": _binary("sub"), "mul": _binary("mul"),
    "truediv": _binary("div"), "pow": _pow,
    **{name: _binary(name) for name in ("gt", "ge", "lt", "le")},
}  # fmt: skip
"""By Python's names; one before which an i stands writes over its first operand."""

ELEMENTWISE = frozenset({
    *(convert for name, convert in _SHARED.items() if name not in (
        "softmax", "log_softmax", "flatten", "reshape", "squeeze", "mean",
        "maximum", "minimum", "clone",
    )),
    *_OPERATORS.values(), _dropout,
    *(_ACTIVATIONS[known.function] for known in ACTIVATIONS if known.inplace),
})  # fmt: skip
"""What can be written over its input."""

FUNCTIONS: Mapping[str, Converter] = {
    **{f"torch.{name}": convert for name, convert in _SHARED.items()},
    **{f"torch.nn.functional.{name}": convert for name, convert in _FUNCTIONAL.items()},
    "torch.max_pool2d": _max_pool2d, "torch.conv2d": _conv2d,
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
