"""Which layer some arithmetic on single numbers is, told by its values.

A GELU is written in a dozen ways: x·½·(1 + erf(x/√2)), the factors in any order, the root as a
constant of six digits or sixteen, or with tanh. Instead of knowing them all, a function is
evaluated at some points while the graph is read, and compared with what the layers give there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache

import numpy as np

from ...arrays.operations import OPERATIONS
from ...equation import scalar
from ...equation.scalar import Expression, Variable, evaluate_scalar
from ...layers import GELU, Hardsigmoid, Hardtanh, LeakyReLU, ReLU, ReLU6
from ...layers.activations import Activation
from ..known_activations import ACTIVATIONS

_FAR = np.outer([-1, 1], [20.5, 130, 1100, 1e5, 1e7, 1e10]).ravel()

GRID = np.concatenate([_FAR, np.linspace(-7.3, 7.9, 77), [-1.0, 0.0, 1.0]])
"""The points: far ones, where a bound or an added 1e-7 shows, and many about 0, lying unevenly, so
that an even and an odd function differ."""

_NEAR = 3e-6  # constants are often float32, whose rounding of √½ moves a GELU by 2e-7
_STRAIGHT = 2e-7  # but a function of straight pieces is told to float32's precision
_NOTHING = 1e-12  # what cancels leaves where a function is 0, or goes towards it

X = Variable("x")

UNARY: Mapping[str, Callable[[Expression], Expression]] = {
    "abs": scalar.absolute,
    "ceil": lambda x: -scalar.floor(-x),
    "erf": scalar.erf,
    "exp": scalar.exp,
    "expm1": scalar.expm1,
    "floor": scalar.floor,
    "log": scalar.log,
    "log1p": scalar.log1p,
    "neg": lambda x: -x,
    "reciprocal": lambda x: 1 / x,
    "round": scalar.nearest,
    "rsqrt": lambda x: 1 / scalar.sqrt(x),
    "sign": scalar.sign,
    "sqrt": scalar.sqrt,
}
"""Functions that are no layer of their own, but occur within one."""

BINARY: Mapping[str, Callable[[Expression, Expression], Expression]] = {
    "add": lambda a, b: a + b,
    "sub": lambda a, b: a - b,
    "mul": lambda a, b: a * b,
    "div": lambda a, b: a / b,
    "pow": lambda a, b: a**b,
    "max": lambda a, b: scalar.maximum(a, b),
    "min": lambda a, b: scalar.minimum(a, b),
    "gt": lambda a, b: scalar.where(a - b, 1, 0),
    "ge": lambda a, b: scalar.where(b - a, 0, 1),
    "lt": lambda a, b: scalar.where(b - a, 1, 0),
    "le": lambda a, b: scalar.where(a - b, 0, 1),
}


def computed(name: str, *arguments: np.ndarray) -> np.ndarray:
    """An operation from `UNARY` or `BINARY` on arrays."""
    variables = tuple(map(Variable, "xy"[: len(arguments)]))
    body = BINARY[name](*variables) if len(arguments) == 2 else UNARY[name](*variables)
    held = {v.name: np.asarray(a) for v, a in zip(variables, arguments, strict=True)}
    with np.errstate(all="ignore"):
        return np.asarray(evaluate_scalar(body, held, OPERATIONS))


def curve_of(body: Expression) -> np.ndarray:
    """A function's values at `GRID`."""
    with np.errstate(all="ignore"):
        values = evaluate_scalar(body, {"x": GRID}, OPERATIONS)
    return np.broadcast_to(np.asarray(values, np.float64), GRID.shape)


def activation_values(layer: Activation, x: np.ndarray) -> np.ndarray:
    """A layer's values at x, (points,) float64; NaN where x is not finite or they overflow."""
    return _known(layer) if x is GRID else _applied(layer, x)


def _applied(layer: Activation, x: np.ndarray) -> np.ndarray:
    finite = np.isfinite(x)
    with np.errstate(all="ignore"):
        values = evaluate_scalar(layer.function.body, {"x": np.where(finite, x, 0)}, OPERATIONS)
    return np.where(finite, values, np.nan)


@lru_cache(maxsize=64)
def _known(layer: Activation) -> np.ndarray:
    """Its values at `GRID`: of every plain activation, so they are kept."""
    values = _applied(layer, GRID)
    values.setflags(write=False)
    return values


def layer_of(curve: np.ndarray) -> Activation | None:
    """The activation with these values at `GRID`, or None."""
    if not np.isfinite(curve[len(_FAR) :]).all():
        return None
    return next((k for k in (*_PLAIN, *_fitted(curve)) if _agrees(curve, k)), None)


def _agrees(curve: np.ndarray, layer: Activation) -> bool:
    """Whether a curve is a layer's but for the rounding of constants.

    That scales a value: where the layer gives 0 or nearly so, the curve must, since the logarithm
    of a ReLU and of what is 1e-6 more are two functions. Far away either may overflow.
    """
    expected = _known(layer)
    near = _STRAIGHT if isinstance(layer, _STRAIGHT_ONES) else _NEAR
    allowed = near * np.maximum(1, np.abs(expected))
    small = (expected == 0) | (np.abs(GRID) >= np.abs(_FAR).min())
    allowed = np.where(small, near * np.abs(expected) + _NOTHING, allowed)
    known = np.isfinite(curve) & np.isfinite(expected)
    with np.errstate(invalid="ignore"):
        return bool((np.abs(curve - expected) <= allowed)[known].all())


_STRAIGHT_ONES = (ReLU, ReLU6, LeakyReLU, Hardtanh, Hardsigmoid)

_PLAIN = (*(k.layer() for k in ACTIVATIONS if not k.settings), GELU(), GELU(approximate="tanh"))
"""Those without a number that the curve would tell."""


def _fitted(curve: np.ndarray) -> Iterator[Activation]:
    """Those with numbers that the curve tells: a slope, or two bounds."""
    slope, low, high = -float(curve[-3]), float(curve.min()), float(curve.max())  # the first at −1
    if abs(slope) < 1:
        yield LeakyReLU(shortest_decimal(slope))
    if GRID.min() < low < high < GRID.max():
        yield Hardtanh(shortest_decimal(low), shortest_decimal(high))


def shortest_decimal(number: float) -> float:
    """The shortest decimal that is the same number: 0.1 for float32's 0.10000000149.

    A number that is none of float32 keeps all of its digits, but for what rounding left behind.
    """
    single = np.float32(number)
    short = float(str(single))
    same = number == float(single) or abs(number - short) <= 1e-14 * abs(short)
    return short if same else number
