"""Slopes from values: what an activation's derivative is where only its result is kept.

ReLU's slope at x is 1 where x > 0, and so it is where max(x, 0) > 0; the logistic function's is
z·(1 − z). So the array before an activation need not be kept, and a convolution can apply it as it
stores. Others, such as x·sigmoid(x), need their argument, which is then stored beside the result.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from ...equation import Applied, Contraction, Node
from ...equation.scalar import (
    Call,
    Expression,
    Function,
    Literal,
    Variable,
    absolute,
    clipped,
    expm1,
    maximum,
    minimum,
    sigmoid,
    softplus,
    step,
    substituted,
    tanh,
    where,
)

_X = Variable("x")


def function_of(node: Node) -> Function | None:
    """The function that a node applies to every element where it stands; None of other nodes."""
    equation = node.equation
    if not isinstance(equation, Contraction) or equation.kind != "pointwise":
        return None
    (term,) = equation.terms
    (factor,) = term.factors
    alike = factor.access.positions == term.target.positions and term.scale.value == 1
    return factor.function if isinstance(factor, Applied) and alike else None


def slope_of_value(node: Node, equation: Contraction) -> Contraction:
    """The adjoint of a pointwise node with its slope read off the result, where that can be.

    Args:
        node: any node.
        equation: its adjoint.
    """
    function = function_of(node)
    body = None if function is None else _slope(function.body)
    if function is None or body is None:
        return equation
    (term,) = equation.terms
    slope = Function(f"{function.name}′ of its value", body)
    result = node.equation.target.array
    factors = tuple(
        Applied(slope, f.access.to(result)) if isinstance(f, Applied) else f for f in term.factors
    )
    shapes = dict(equation.shapes) | {result: node.equation.shape_of[result]}
    return replace(equation, terms=(replace(term, factors=factors),), shapes=tuple(shapes.items()))


def _slope(body: Expression) -> Expression | None:
    """The slope as an expression in the function's value, called x there; None where it needs x.

    It follows from what the function is, and not from its name, which a layer may choose freely.
    """
    for form, slope, holds in _READ_OFF:
        numbers: dict[str, float] = {}
        if _matches(form, body, numbers) and holds(numbers):
            return substituted(slope, {name: Literal(n) for name, n in numbers.items()})
    return None


def _matches(form: Expression, body: Expression, numbers: dict[str, float]) -> bool:
    """Whether a body has a form, in which names other than x stand for numbers."""
    if isinstance(form, Variable) and form != _X:
        return isinstance(body, Literal) and numbers.setdefault(form.name, body.value) == body.value
    if isinstance(form, Call) and isinstance(body, Call):
        pairs = zip(form.arguments, body.arguments, strict=False)
        alike = form.operation == body.operation and len(form.arguments) == len(body.arguments)
        return alike and all(_matches(one, other, numbers) for one, other in pairs)
    return form == body


_A, _B, _C = map(Variable, "abc")

Numbers = Mapping[str, float]


def _always(numbers: Numbers) -> bool:
    return True


def _above_0(*names: str) -> Callable[[Numbers], bool]:
    return lambda numbers: all(numbers[name] > 0 for name in names)


_READ_OFF: Sequence[tuple[Expression, Expression, Callable[[Numbers], bool]]] = (
    (maximum(_X, 0), step(_X), _always),
    (sigmoid(_X), _X * (1 - _X), _always),
    (tanh(_X), 1 - _X * _X, _always),
    # above 0 exactly where x is, if the numbers are above 0
    (where(_X, _X, _A * _X), where(_X, 1, _A), _above_0("a")),
    (where(_X, _X, _A * expm1(_X)), where(_X, 1, _X + _A), _above_0("a")),
    (where(_X, _X, expm1(_X)), where(_X, 1, _X + 1), _always),
    (_B * where(_X, _X, _A * expm1(_X)), where(_X, _B, _X + _A * _B), _above_0("a", "b")),
    (where(_X, _X, _A * expm1(_X / _A)), where(_X, 1, _X / _A + 1), _above_0("a")),
    (where(_X, _X, expm1(_X / _A)), where(_X, 1, _X + 1), lambda n: n["a"] == 1),
    # inside exactly where x is
    (clipped(_X, _A, _B), step(_X - _A) * step(_B - _X), lambda n: n["a"] < n["b"]),
    (clipped(_X, 0, _B), step(_X) * step(_B - _X), _above_0("b")),
    (clipped(_X + _A, 0, _B) / _B, step(_X) * step(1 - _X) / _B, _above_0("b")),
    (where(step(absolute(_X) - _A), _X, 0), step(absolute(_X)), lambda n: n["a"] >= 0),
    (_X - minimum(_A, maximum(_B, _X)), step(absolute(_X)), lambda n: n["a"] == -n["b"] >= 0),
    (where(step(_X - _A), _X, _B), step(_X - _A), lambda n: n["b"] <= n["a"]),
    # exp(z) − 1 is exp(x), and so on
    (where(_X - _A, _X, softplus(_X) / _B), -expm1(-_X), lambda n: n["b"] == 1 and n["a"] >= 17),
    (
        where(_B * _X - _A, _X, softplus(_B * _X) / _B),
        -expm1(-(_B * _X)),
        lambda n: n["b"] > 0 and n["a"] >= 17,
    ),
    (-softplus(-_X), -expm1(_X), _always),
    (_X / (1 + absolute(_X)), (1 - absolute(_X)) * (1 - absolute(_X)), _always),
)
"""Forms of functions, their slopes in terms of their values, and what must hold of the numbers."""
