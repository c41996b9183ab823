"""A formula that is computed of each element by itself, of one array or of several."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import field
from fractions import Fraction
from typing import ClassVar, final

from ..checking.calls import call_example
from ..equation import Access, Applied, Factor, Number, Term, contraction
from ..equation.frozen import frozen
from ..equation.scalar import Call, Expression, Function, Literal, Variable, substituted, where
from ..equation.scalar_text import scalar_from_text, variables
from ..errors import ArgumentError, EquationError, ShapeError
from .broadcasting import LETTERS, met
from .layer import Declaration, Layer, Shape

_NAMES = "fghuvwpqrst"
"""What the functions in a formula are called, in order."""


@final
@call_example('gt.Pointwise("x*sigmoid(x)")')
@frozen
class Pointwise(Layer):
    """A formula of each element by itself: `gt.Pointwise("x*sigmoid(x)")`.

    Every name in it is one of the layer's inputs, in order of appearance; `gt.Pointwise("a*b + c")`
    has three. Inputs may stand still along some axes, as those of `Multiply` may.

    Forward:
        Z[n,c,y,x] = f(X[n,c,y,x])

    Adjoints:
        dX[n,c,y,x] = f′(X[n,c,y,x])·dZ[n,c,y,x]

    With several inputs it is a sum of products of functions of one number each:
    `sigmoid(a)*b + c` is, `max(a, b)` is not. Where `max` or `min` compares equal numbers, the
    slope is the second one's: that of `max(x, 0)` at 0 is 0. `clip` has the slope 1 at its ends;
    `abs` and `sign` have 0 at 0. A function that is 0 lets nothing through of what it multiplies,
    not even a NaN.

    Args:
        formula: numbers, names, +, -, *, /, **, brackets, `… if … > … else …`, pi, e, inf, and
            abs, ceil, clip(x, low, high), erf, exp, expm1, floor, log, log1p, max, min, pow, relu,
            relu6, round, sigmoid, sign, softplus, sqrt, tanh.
        name: instead of pointwise1, …

    Raises:
        ArgumentError: it is no formula; the column is named.
    """

    prefix: ClassVar[str] = "pointwise"

    formula: str
    name: str | None = field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        if not isinstance(self.formula, str):
            raise ArgumentError(f"Pointwise: formula must be a text, got {self.formula!r:.60}")
        try:
            read = tuple(_products(self.body, self.formula))
        except EquationError as cause:
            raise ArgumentError(f"Pointwise: {cause}") from cause
        if not self.inputs or not read:
            raise ArgumentError(f"Pointwise: {self.formula!r} names no input; write x for it")
        if len(self.inputs) > len(LETTERS):
            raise ArgumentError(f"Pointwise: takes {len(LETTERS)} inputs, got {len(self.inputs)}")

    @property
    def takes(self) -> tuple[int, int]:  # type: ignore[override]
        """As many nodes as there are names."""
        return (len(self.inputs), len(self.inputs))

    @property
    def body(self) -> Expression:
        """The formula as an expression."""
        return scalar_from_text(self.formula)

    @property
    def inputs(self) -> tuple[str, ...]:
        """The names in the formula, in order of appearance."""
        return variables(self.body)

    @property
    def function(self) -> Function | None:
        """The function that is applied; None where there are several inputs."""
        if len(self.inputs) > 1:
            return None
        return Function("f", substituted(self.body, {self.inputs[0]: _X}))

    def declare(self, *sources: Shape, training: bool) -> Declaration:
        """See `Layer.declare`; one input for each name."""
        if len(sources) != len(self.inputs):
            raise ShapeError(
                f"reads {len(self.inputs)} inputs ({', '.join(self.inputs)}), got {len(sources)}"
            )
        result, read = met(sources)
        if self.function is not None:
            term = Term(result, (Applied(self.function, read[0]),))
            return Declaration(contraction(term, ranges={}, shapes={"X": sources[0]}))
        accesses = dict(zip(self.inputs, read, strict=True))
        called: dict[Expression, Function] = {}
        terms = tuple(
            _term(result, product, accesses, called)
            for product in _products(self.body, self.formula)
        )
        letters = [access.array for access in read]
        shapes = dict(zip(letters, sources, strict=True))
        return Declaration(contraction(*terms, ranges={}, shapes=shapes), sources=tuple(letters))


_X = Variable("x")
_ONE = Literal(1.0)

Product = tuple[float, tuple[Expression, ...]]
"""A number, and expressions of one variable each, that are multiplied."""


def _products(expression: Expression, text: str) -> Iterator[Product]:
    """An expression as a sum of products of functions of one variable each.

    Raises:
        EquationError: it is none.
    """
    if isinstance(expression, Literal):
        yield expression.value, ()
        return
    if len(variables(expression)) == 1:
        yield _scaled(expression)
        return
    assert isinstance(expression, Call)
    first, second, *_ = (*expression.arguments, _ONE)
    match expression.operation:
        case "add" | "sub":
            yield from _products(first, text)
            for scale, factors in _products(second, text):
                yield (scale if expression.operation == "add" else -scale), factors
        case "mul":
            for one, left in _products(first, text):
                for other, right in _products(second, text):
                    yield one * other, (*left, *right)
        case "div" if len(variables(second)) == 1:
            for scale, factors in _products(first, text):
                yield scale, (*factors, 1 / second)
        case "div" if not variables(second):
            yield from _products(first * (1 / second), text)
        case "pow" if second == Literal(2.0):
            yield from _products(first * first, text)
        case operation:
            names = ", ".join(variables(expression))
            join = {"max": "maximum", "min": "minimum"}.get(operation)
            hint = f"; gt.{join}(…) takes nodes" if join else ""
            raise EquationError(
                f"{text!r}: {operation} is taken of {names} together; of several inputs only sums "
                f"of products are one layer, so put what is inside into a layer of its own{hint}"
            )


def _scaled(expression: Expression) -> Product:
    """An expression of one variable, and the number before it."""
    match expression:
        case Call("mul", (Literal(value), other)) if math.isfinite(value):
            return value, (other,)
    return 1.0, (expression,)


def _term(
    result: Access,
    product: Product,
    accesses: dict[str, Access],
    called: dict[Expression, Function],
) -> Term:
    """A product as an equation's term; a constant is a function of the first input."""
    scale, parts = product
    if not (parts and math.isfinite(scale)):  # the same for whatever the first input is
        same = where(Variable(next(iter(accesses))), scale, scale)
        scale, parts = 1.0, (same, *parts)
    factors: list[Factor] = []
    for part in parts:
        (name, *_) = variables(part)
        body = substituted(part, {name: _X})
        if body == _X:
            factors.append(accesses[name])
            continue
        if body not in called:
            called[body] = Function(_named(body, called), body)
        factors.append(Applied(called[body], accesses[name]))
    return Term(result, tuple(factors), Number(Fraction(str(scale)) if scale % 1 else int(scale)))


def _named(body: Expression, called: dict[Expression, Function]) -> str:
    """What formulas call a function: as its only operation is called, else f, g, h, …"""
    match body:
        case Call(operation, (Variable(),)):
            return operation
    own = sum(function.name[0] in _NAMES and len(function.name) < 3 for function in called.values())
    return _NAMES[own] if own < len(_NAMES) else f"f{own}"
