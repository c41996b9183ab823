"""Functions of single numbers as expressions, to evaluate, differentiate, print and compile.

A pointwise layer names its function here once, and its derivative follows; an optimiser's update
is a list of such expressions. The derivative of `max(x, 0)` at 0 is 0, and a NaN passes through.
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
log = _of_one("log", "The natural logarithm; −∞ at 0 and a NaN below.")
sqrt = _of_one("sqrt", "The square root.")
tanh = _of_one("tanh", "The hyperbolic tangent.")
sigmoid = _of_one("sigmoid", "The logistic function 1/(1 + exp(−x)), without overflow.")
erf = _of_one("erf", "The error function.")
step = _of_one("step", "0 where x ≤ 0 and 1 elsewhere: the slope of max(x, 0), 0 at 0.")


def maximum(x: Expression | float, y: Expression | float) -> Expression:
    """The greater of the two; a NaN wins."""
    return Call("max", (scalar(x), scalar(y)))


def where(
    condition: Expression, positive: Expression | float, other: Expression | float
) -> Expression:
    """`positive` where the condition is above 0, `other` elsewhere."""
    return Call("where", (condition, scalar(positive), scalar(other)))


def _sigmoid(x: float) -> float:
    return 1.0 / (1.0 + math.exp(-x)) if x >= 0 else math.exp(x) / (1.0 + math.exp(x))


def _log(x: float) -> float:
    if x > 0:
        return math.log(x)
    return -math.inf if x == 0 else math.nan


def _maximum(x: float, y: float) -> float:
    return x if x > y or math.isnan(x) else y


OPERATIONS: Mapping[str, Callable[..., Any]] = {
    "add": lambda x, y: x + y,
    "sub": lambda x, y: x - y,
    "mul": lambda x, y: x * y,
    "div": lambda x, y: x / y,
    "exp": math.exp,
    "log": _log,
    "sqrt": math.sqrt,
    "tanh": math.tanh,
    "sigmoid": _sigmoid,
    "erf": math.erf,
    "max": _maximum,
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


def derivative(expression: Expression, name: str) -> Expression:
    """The derivative of `expression` with respect to the variable `name`, by the chain rule."""
    if isinstance(expression, Literal):
        return Literal(0.0)
    if isinstance(expression, Variable):
        return Literal(1.0 if expression.name == name else 0.0)
    assert isinstance(expression, Call)
    arguments = expression.arguments
    slopes = _SLOPES[expression.operation](*arguments)
    total: Expression = Literal(0.0)
    for slope, argument in zip(slopes, arguments, strict=True):
        inner = derivative(argument, name)
        if inner != Literal(0.0):  # an argument without the variable adds nothing
            total = total + slope * inner
    return total


def switches(expression: Expression) -> tuple[Expression, ...]:
    """The expressions at whose sign changes the slope jumps: x for `max(x, 0)`."""
    if not isinstance(expression, Call):
        return ()
    inner = tuple(s for a in expression.arguments for s in switches(a))
    first = expression.arguments[0]
    if expression.operation == "max":
        return (first - expression.arguments[1], *inner)
    return (first, *inner) if expression.operation in ("step", "where") else inner


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
    "exp": lambda x: (exp(x),),
    "log": lambda x: (1 / x,),
    "sqrt": lambda x: (0.5 / sqrt(x),),
    "tanh": lambda x: (1 - tanh(x) * tanh(x),),
    "sigmoid": lambda x: (sigmoid(x) * (1 - sigmoid(x)),),
    "erf": lambda x: (2 / _ROOT_PI * exp(-(x * x)),),
    "max": lambda x, y: (step(x - y), 1 - step(x - y)),
    "step": lambda x: (Literal(0.0),),
    "where": lambda condition, x, y: (
        Literal(0.0),
        where(condition, Literal(1.0), Literal(0.0)),
        where(condition, Literal(0.0), Literal(1.0)),
    ),
}


# What changes nothing is left out; not 0·x, which is a NaN where x is one.


def _add(x: Expression, y: Expression) -> Expression:
    if Literal(0.0) in (x, y):
        return y if x == Literal(0.0) else x
    return Call("add", (x, y))


def _subtract(x: Expression, y: Expression) -> Expression:
    return x if y == Literal(0.0) else Call("sub", (x, y))


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
