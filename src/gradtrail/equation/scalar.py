"""Functions of single numbers as expressions, to evaluate, differentiate, print and compile.

A pointwise layer names its function here once, and its derivative follows; an optimiser's update
is a list of such expressions. A NaN passes through. Where two are compared and are equal, the slope
is the second one's: that of `max(x, 0)` at 0 is 0, and that of `max(0, x)` is 1.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

from .frozen import frozen


@frozen
class Expression:
    """The base of the three kinds of expression; carries the arithmetic operators."""

    def __add__(self, other: Expression | float) -> Expression:
        return _add(self, scalar(other))

    def __radd__(self, other: float) -> Expression:
        return _add(scalar(other), self)

    def __sub__(self, other: Expression | float) -> Expression:
        return _subtract(self, scalar(other))

    def __rsub__(self, other: float) -> Expression:
        return Call("sub", (scalar(other), self))

    def __mul__(self, other: Expression | float) -> Expression:
        return _multiply(self, scalar(other))

    def __rmul__(self, other: float) -> Expression:
        return _multiply(scalar(other), self)

    def __truediv__(self, other: Expression | float) -> Expression:
        return Call("div", (self, scalar(other)))

    def __rtruediv__(self, other: float) -> Expression:
        return Call("div", (scalar(other), self))

    def __neg__(self) -> Expression:
        return _multiply(Literal(-1.0), self)

    def __pow__(self, exponent: Expression | float) -> Expression:
        return _power(self, scalar(exponent))


@frozen
class Literal(Expression):
    """A number."""

    value: float


@frozen
class Variable(Expression):
    """A named argument; a pointwise function's is `x`."""

    name: str


@frozen
class Call(Expression):
    """An operation from `OPERATIONS` applied to expressions."""

    operation: str
    arguments: tuple[Expression, ...]


@frozen
class Function:
    """A named function of one number, `x`.

    Args:
        name: what formulas call it (`relu`); its derivative is `relu′`.
        body: its value as an expression in the variable `x`.
    """

    name: str
    body: Expression

    def __call__(self, x: float) -> float:
        """The value at `x`."""
        return float(evaluate_scalar(self.body, {"x": x}))

    @property
    def derivative(self) -> Function:
        """The derivative, by the rules of `derivative`."""
        return Function(self.name + "′", derivative(self.body, "x"))


@frozen
class Penalty:
    """What one element adds to a loss: a named function of its prediction `z` and its target `t`.

    Args:
        name: what formulas call it (`huber`); its slope along z is `huber′`.
        body: its value, in z, t and constants by name.
        slope: its derivative along z.
    """

    name: str
    body: Expression
    slope: Expression

    @classmethod
    def of(cls, name: str, body: Expression) -> Penalty:
        """A penalty with its slope, by the rules of `derivative`."""
        return cls(name, body, derivative(body, "z"))


def scalar(value: Expression | float) -> Expression:
    """`value` as an expression."""
    return value if isinstance(value, Expression) else Literal(float(value))


def _of_one(operation: str, meaning: str) -> Callable[[Expression], Expression]:
    """A function of one number, which writes the call of an operation."""

    def call(x: Expression) -> Expression:
        return Call(operation, (x,))

    call.__name__, call.__doc__ = operation, meaning
    return call


exp = _of_one("exp", "The exponential.")
expm1 = _of_one("expm1", "exp(x) − 1, with all its digits near 0.")
log = _of_one("log", "The natural logarithm; −∞ at 0 and a NaN below.")
log1p = _of_one("log1p", "log(1 + x), with all its digits near 0.")
sqrt = _of_one("sqrt", "The square root; a NaN below 0.")
tanh = _of_one("tanh", "The hyperbolic tangent.")
sigmoid = _of_one("sigmoid", "The logistic function 1/(1 + exp(−x)), without overflow.")
softplus = _of_one("softplus", "log(1 + exp(x)), without overflow.")
erf = _of_one("erf", "The error function.")
absolute = _of_one("abs", "|x|; its slope at 0 is 0.")
sign = _of_one("sign", "−1, 0 or 1; flat everywhere.")
floor = _of_one("floor", "The greatest whole number that is not above x; flat everywhere.")
nearest = _of_one("round", "The nearest whole number, ties to the even one; flat everywhere.")
step = _of_one("step", "0 where x ≤ 0 and 1 elsewhere: the slope of max(x, 0), 0 at 0.")


def maximum(x: Expression | float, y: Expression | float) -> Expression:
    """The greater of the two; a NaN wins. Where they are equal the slope is the second one's."""
    return Call("max", (scalar(x), scalar(y)))


def minimum(x: Expression | float, y: Expression | float) -> Expression:
    """The smaller of the two; a NaN wins. Where they are equal the slope is the second one's."""
    return Call("min", (scalar(x), scalar(y)))


def clipped(x: Expression, low: Expression | float, high: Expression | float) -> Expression:
    """x within two bounds, flat at both, as a hard tanh is."""
    return minimum(maximum(x, low), high)


def where(
    condition: Expression, positive: Expression | float, other: Expression | float
) -> Expression:
    """`positive` where the condition is above 0, `other` elsewhere."""
    return Call("where", (condition, scalar(positive), scalar(other)))


def _divided(x: float, y: float) -> float:
    if y != 0:
        return x / y
    return math.nan if x == 0 or math.isnan(x) else math.copysign(math.inf, x) * _signed(y)


def _signed(x: float) -> float:
    return math.copysign(1.0, x)


def _growing(function: Callable[[float], float]) -> Callable[[float], float]:
    """A function whose values beyond the greatest number are ∞."""

    def held(x: float) -> float:
        try:
            return function(x)
        except OverflowError:
            return math.inf

    return held


def _sigmoid(x: float) -> float:
    return 1.0 / (1.0 + math.exp(-x)) if x >= 0 else math.exp(x) / (1.0 + math.exp(x))


def _softplus(x: float) -> float:
    return _maximum(x, 0.0) + math.log1p(math.exp(-abs(x)))


def _log(x: float) -> float:
    if x > 0:
        return math.log(x)
    return -math.inf if x == 0 else math.nan


def _log1p(x: float) -> float:
    if x > -1:
        return math.log1p(x)
    return -math.inf if x == -1 else math.nan


def _sqrt(x: float) -> float:
    return math.nan if x < 0 else math.sqrt(x)


def _raised(x: float, exponent: float) -> float:
    try:
        return math.pow(x, exponent)
    except OverflowError:
        return -math.inf if x < 0 and exponent % 2 == 1 else math.inf
    except ValueError:  # 0 to a negative power, or a root of what is below 0
        if x != 0:
            return math.nan
        return _signed(x) * math.inf if exponent % 2 == 1 else math.inf


def _whole(function: Callable[[float], int]) -> Callable[[float], float]:
    return lambda x: float(function(x)) if math.isfinite(x) else x


def _maximum(x: float, y: float) -> float:
    return x if x > y or math.isnan(x) else y


def _minimum(x: float, y: float) -> float:
    return x if x < y or math.isnan(x) else y


OPERATIONS: Mapping[str, Callable[..., Any]] = {
    "add": lambda x, y: x + y,
    "sub": lambda x, y: x - y,
    "mul": lambda x, y: x * y,
    "div": _divided,
    "pow": _raised,
    "exp": _growing(math.exp),
    "expm1": _growing(math.expm1),
    "log": _log,
    "log1p": _log1p,
    "sqrt": _sqrt,
    "tanh": math.tanh,
    "sigmoid": _sigmoid,
    "softplus": _softplus,
    "erf": math.erf,
    "abs": abs,
    "sign": lambda x: (x > 0) - (x < 0) if x == x else x,
    "floor": _whole(math.floor),
    "round": _whole(round),
    "max": _maximum,
    "min": _minimum,
    "step": lambda x: 0.0 if x <= 0 else 1.0,
    "where": lambda condition, x, y: x if condition > 0 else y,
}
"""Each operation on Python floats; an engine brings the same names for its own arrays."""


def evaluate_scalar(
    expression: Expression,
    variables: Mapping[str, Any],
    operations: Mapping[str, Callable[..., Any]] = OPERATIONS,
) -> Any:
    """The value of `expression`, with the operations of any kind of number or array."""
    if isinstance(expression, Literal):
        return expression.value
    if isinstance(expression, Variable):
        return variables[expression.name]
    assert isinstance(expression, Call)
    arguments = (evaluate_scalar(a, variables, operations) for a in expression.arguments)
    return operations[expression.operation](*arguments)


def substituted(expression: Expression, values: Mapping[str, Expression]) -> Expression:
    """`expression` with other expressions in the places of some variables."""
    if isinstance(expression, Variable):
        return values.get(expression.name, expression)
    if not isinstance(expression, Call):
        return expression
    arguments = tuple(substituted(a, values) for a in expression.arguments)
    return Call(expression.operation, arguments)


def derivative(expression: Expression, name: str) -> Expression:
    """The derivative of `expression` with respect to the variable `name`, by the chain rule."""
    if isinstance(expression, Literal):
        return Literal(0.0)
    if isinstance(expression, Variable):
        return Literal(1.0 if expression.name == name else 0.0)
    assert isinstance(expression, Call)
    arguments = expression.arguments
    if expression.operation == "where":  # what is not chosen may be infinite, and so its slope
        condition, positive, other = arguments
        return where(condition, derivative(positive, name), derivative(other, name))
    slopes = _SLOPES[expression.operation](*arguments)
    total: Expression = Literal(0.0)
    for slope, argument in zip(slopes, arguments, strict=True):
        inner = derivative(argument, name)
        if Literal(0.0) not in (slope, inner):  # what is flat, or lacks the variable, adds nothing
            total = total + slope * inner
    return total


def switches(expression: Expression) -> tuple[Expression, ...]:
    """The expressions at whose sign changes the slope jumps: x for `max(x, 0)`."""
    if not isinstance(expression, Call):
        return ()
    inner = tuple(s for a in expression.arguments for s in switches(a))
    first = expression.arguments[0]
    if expression.operation in ("max", "min"):
        return (first - expression.arguments[1], *inner)
    return (first, *inner) if expression.operation in _BENT else inner


_BENT = ("abs", "sign", "step", "where")
"""Operations with a kink or a jump where their first argument is 0."""


def at_zero(function: Function) -> float:
    """A function's value at 0: what it makes of padding; a NaN where it divides by 0."""
    try:
        return function(0.0)
    except ZeroDivisionError:
        return math.nan


def is_rectifier(function: Function) -> bool:
    """Whether a function is max(x, 0) or its derivative, whatever it is called."""
    return function.body in _RECTIFIERS


_ROOT_PI = math.sqrt(math.pi)

# The slope of each operation with respect to each of its arguments.
_SLOPES: Mapping[str, Callable[..., tuple[Expression, ...]]] = {
    "add": lambda x, y: (Literal(1.0), Literal(1.0)),
    "sub": lambda x, y: (Literal(1.0), Literal(-1.0)),
    "mul": lambda x, y: (y, x),
    "div": lambda x, y: (1 / y, -(x / (y * y))),
    "pow": lambda x, y: (y * _power(x, y - 1), _power(x, y) * log(x)),
    "exp": lambda x: (exp(x),),
    "expm1": lambda x: (exp(x),),
    "log": lambda x: (1 / x,),
    "log1p": lambda x: (1 / (1 + x),),
    "sqrt": lambda x: (0.5 / sqrt(x),),
    "tanh": lambda x: (1 - tanh(x) * tanh(x),),
    "sigmoid": lambda x: (sigmoid(x) * (1 - sigmoid(x)),),
    "softplus": lambda x: (sigmoid(x),),
    "erf": lambda x: (2 / _ROOT_PI * exp(-(x * x)),),
    "abs": lambda x: (sign(x),),
    "sign": lambda x: (Literal(0.0),),
    "floor": lambda x: (Literal(0.0),),
    "round": lambda x: (Literal(0.0),),
    "max": lambda x, y: (step(x - y), 1 - step(x - y)),
    "min": lambda x, y: (step(y - x), 1 - step(y - x)),
    "step": lambda x: (Literal(0.0),),
}


# What changes nothing is left out; not 0·x, which is a NaN where x is one.


def _add(x: Expression, y: Expression) -> Expression:
    if Literal(0.0) in (x, y):
        return y if x == Literal(0.0) else x
    return Call("add", (x, y))


def _subtract(x: Expression, y: Expression) -> Expression:
    if isinstance(x, Literal) and isinstance(y, Literal):
        return Literal(x.value - y.value)
    return x if y == Literal(0.0) else Call("sub", (x, y))


def _power(x: Expression, y: Expression) -> Expression:
    if y in (Literal(0.0), Literal(1.0)):
        return x if y == Literal(1.0) else Literal(1.0)
    return Call("pow", (x, y))


def _multiply(x: Expression, y: Expression) -> Expression:
    if Literal(1.0) in (x, y):
        return y if x == Literal(1.0) else x
    if isinstance(x, Literal) and isinstance(y, Literal):
        return Literal(x.value * y.value)
    return Call("mul", (x, y))


_X = Variable("x")
_RECTIFIERS = tuple(
    form for body in (maximum(_X, 0), maximum(0, _X)) for form in (body, derivative(body, "x"))
)
