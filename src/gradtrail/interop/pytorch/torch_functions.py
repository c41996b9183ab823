"""PyTorch's functions and methods, one converter each; to add one, add it to a table.

A converter takes the builder and then the arguments under PyTorch's names. No PyTorch is imported:
functions are known by their paths. Windows, norms and shapes have files of their own, each with its
tables; here are activations and arithmetic, and the tables of all.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from inspect import Parameter, Signature
from math import prod
from typing import Any, NamedTuple

import numpy as np

from ... import layers as available
from ...layers import Dropout, Layer, StochasticDepth
from ..known_activations import ACTIVATIONS, KnownActivation
from ..reading.arithmetic import UNARY
from ..reading.building import Builder
from ..reading.einsum_formulas import einsum
from ..reading.refusals import Refusal
from ..reading.values import PLACES, Places, Value, Weights
from .torch_norms import NORMS, RESIZING
from .torch_shapes import SHAPE_FUNCTIONS, SHAPE_METHODS, SHAPES, SHUFFLES
from .torch_windows import WINDOWS, Converter

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


def _dropout1d(
    b: Builder, input: Any, p: float = 0.5, training: bool = True, inplace: bool = False
) -> Any:
    """Samples without channels are taken for channels of one: whole ones are dropped."""
    layer = StochasticDepth(p) if len(b.shape(input)) == 1 else available.Dropout1d(p)
    return b.layer(layer, input) if training else input


_DROPOUTS = {
    "dropout": _dropout(Dropout),
    **{f"dropout{rank}d": _dropout(getattr(available, f"Dropout{rank}d")) for rank in (2, 3)},
    "dropout1d": _dropout1d,
}


def _softmax(logarithm: bool) -> Converter:
    def convert(
        b: Builder, input: Any, dim: int | None = None, _stacklevel: int = 3, dtype: Any = None
    ) -> Any:
        return b.softmax(input, dim, logarithm=logarithm)

    return convert


def _softmin(
    b: Builder, input: Any, dim: int | None = None, _stacklevel: int = 3, dtype: Any = None
) -> Any:
    return b.tensor(b.softmax(b.unary("neg", input), dim))  # never left out: no loss includes it


_SOFTMAX = {"softmax": _softmax(False), "log_softmax": _softmax(True)}


def _prelu(b: Builder, input: Any, weight: Any) -> Any:
    if isinstance(weight, Weights):  # one for each channel, whatever else the samples have
        along = [-1, *[1] * (len(b.shape(input)) - 1)]
        weight = replace(weight, values=weight.values.reshape(along))
    return b.prelu(input, weight)


# -- sums -----------------------------------------------------------------------------------------


def _linear(b: Builder, input: Any, weight: Any, bias: Any = None) -> Any:
    return b.linear(input, weight, bias)


def _matmul(b: Builder, input: Any, other: Any) -> Any:
    return b.matmul(input, other)


def _attention(
    b: Builder,
    query: Any,
    key: Any,
    value: Any,
    attn_mask: Any = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> Any:
    """softmax(q·kᵀ/√d)·v."""
    if attn_mask is not None or dropout_p or is_causal or enable_gqa:
        raise Refusal("attends with a mask, a dropout, an order or groups, which no layer here has")
    factor = b.shape(query)[-1] ** -0.5 if scale is None else scale
    scores = b.binary("mul", b.matmul(query, b.transpose(key, -2, -1)), factor)
    return b.matmul(b.softmax(scores, -1), value)


def _variance(
    b: Builder,
    input: Any,
    dim: Any = None,
    unbiased: bool = True,
    keepdim: bool = False,
    *,
    correction: float | None = None,
) -> Any:
    """The mean square of what remains without the mean, times n/(n − correction)."""
    axes = _axes("variance", None if isinstance(dim, bool) else dim)
    count = prod(b.shape(input)[b.axis(input, axis) - 1] for axis in axes)
    less = float(unbiased) if correction is None else correction
    if count <= less:
        raise Refusal(f"takes the variance of {count} elements less {less:g}")
    remains = b.binary("sub", input, b.mean(input, axes, keep=True))
    squares = b.mean(b.binary("mul", remains, remains), axes, keep=keepdim)
    return b.binary("mul", squares, count / (count - less))


def _axes(name: str, dim: Any) -> Sequence[int]:
    """The axes that something is taken over; none that are named are all."""
    axes = dim if isinstance(dim, Sequence) else [] if dim is None else [dim]
    if not axes:
        raise Refusal(f"takes the {name} over everything, samples included")
    return axes


def _reduced(name: str) -> Converter:
    def convert(
        b: Builder, input: Any, dim: Any = None, keepdim: bool = False, dtype: Any = None
    ) -> Any:
        return b.reduce(name, input, _axes(name, dim), keep=keepdim)

    return convert


def _max(b: Builder, input: Any, dim: Any = None, keepdim: bool = False) -> Any:
    """The maximum over an axis with where it was, or of two tensors."""
    if isinstance(dim, Value | Weights | np.ndarray):
        return b.binary("max", input, dim)
    return _Found(_reduced("maximum")(b, input, dim, keepdim))


class _Found(NamedTuple):
    """What PyTorch finds along an axis."""

    values: Any
    indices: Places = PLACES


def _min(b: Builder, input: Any, dim: Any = None, keepdim: bool = False) -> Any:
    """The minimum of two tensors; that over axes is no layer."""
    if not isinstance(dim, Value | Weights | np.ndarray):
        raise Refusal("takes the minimum over axes, while layers take the maximum, as of -x")
    return b.binary("min", input, dim)


def _stochastic_depth(b: Builder, input: Any, p: float, mode: str, training: bool = True) -> Any:
    return b.layer(StochasticDepth(p, mode), input) if training and p > 0 else input


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


def _filled_like(number: float) -> Converter:
    """A constant in the shape of the samples, which their gradient does not reach."""

    def convert(b: Builder, input: Any, **settings: Any) -> Any:
        zeros = b.binary("mul", input, 0.0)
        return b.binary("add", zeros, number) if number else zeros

    return convert


def _clamp(b: Builder, input: Any, min: Any = None, max: Any = None) -> Any:
    return b.clip(input, min, max)


def _where(b: Builder, condition: Any, input: Any, other: Any) -> Any:
    return b.choose(condition, input, other)


def _asserted(b: Builder, condition: Any, message: Any = None) -> None:
    if isinstance(condition, Value):
        raise Refusal("asserts something of the samples' values")


_REDUCTIONS: Mapping[str, Converter] = {  # in torch and as methods, as all that follow
    "mean": _reduced("mean"), "var": _variance,
    "sum": _reduced("sum"), "amax": _reduced("maximum"), "max": _max, "min": _min,
    "matmul": _matmul, "bmm": _matmul,
}  # fmt: skip

_ARITHMETIC: Mapping[str, Converter] = {
    **{name: _ACTIVATIONS[name] for name in ("relu", "sigmoid", "tanh")},
    "add": _scaled("add"), "sub": _scaled("sub"), "subtract": _scaled("sub"),
    "mul": _binary("mul"), "multiply": _binary("mul"),
    "div": _binary("div"), "divide": _binary("div"), "true_divide": _binary("div"),
    "pow": _pow, "square": _square, "clamp": _clamp, "clip": _clamp,
    **{name: _binary(name) for name in ("gt", "ge", "lt", "le")},
    **{name: _unary(name) for name in UNARY},
}  # fmt: skip

_SHARED: Mapping[str, Converter] = {
    **SHAPES, **_REDUCTIONS, **_SOFTMAX, **_ARITHMETIC,
    "maximum": _binary("max"), "minimum": _binary("min"),
}  # fmt: skip

METHODS: Mapping[str, Converter] = {**_SHARED, **SHAPE_METHODS}
"""By the name of the method; one behind which an underscore stands writes over its input."""

_FUNCTIONAL: Mapping[str, Converter] = {
    **_ACTIVATIONS, **_SOFTMAX, **_DROPOUTS, **WINDOWS, **NORMS, **RESIZING, **SHUFFLES,
    "linear": _linear, "prelu": _prelu, "softmin": _softmin,
}  # fmt: skip

_OPERATORS: Mapping[str, Converter] = {
    "add": _binary("add"), "sub": _binary("sub"), "mul": _binary("mul"),
    "truediv": _binary("div"), "pow": _pow,
    **{name: _binary(name) for name in ("gt", "ge", "lt", "le")},
}  # fmt: skip
"""By Python's names; one before which an i stands writes over its first operand."""

ELEMENTWISE = frozenset({
    *_ARITHMETIC.values(), *_OPERATORS.values(), *_DROPOUTS.values(),
    *(_ACTIVATIONS[known.function] for known in ACTIVATIONS if known.inplace),
})  # fmt: skip
"""What can be written over its input."""

FUNCTIONS: Mapping[str, Converter] = {
    **{f"torch.{name}": convert for name, convert in _SHARED.items()},
    **{f"torch.nn.functional.{name}": convert for name, convert in _FUNCTIONAL.items()},
    **{f"torch.{name}": _FUNCTIONAL[name] for name in (
        *(f"{kind}{r}d" for kind in ("conv", "conv_transpose", "max_pool") for r in (1, 2, 3)),
        "avg_pool1d", "adaptive_avg_pool1d", *SHUFFLES,
    )},
    **SHAPE_FUNCTIONS,
    "torchvision.ops.stochastic_depth.stochastic_depth": _stochastic_depth,
    "torch.zeros_like": _filled_like(0.0), "torch.ones_like": _filled_like(1.0),
    "torch.einsum": einsum, "torch.functional.einsum": einsum,
    "torch.rsub": _rsub, "torch.where": _where,
    "torch.nn.functional.scaled_dot_product_attention": _attention,
    "torch.special.erf": _unary("erf"), "torch._assert": _asserted,
    **{f"operator.{name}": convert for name, convert in _OPERATORS.items()},
    **{f"operator.i{name}": convert for name, convert in _OPERATORS.items()},
    **{f"torch.{name}_": convert for name, convert in _ARITHMETIC.items()},
    "torch.nn.functional.leaky_relu_": _ACTIVATIONS["leaky_relu"],
    "operator.matmul": _matmul, "operator.neg": _unary("neg"),
}  # fmt: skip
"""By path."""
