"""Slopes from values: what an activation's derivative is where only its result is kept.

ReLU's slope at x is 1 where x > 0, and so it is where max(x, 0) > 0; the logistic function's is
z·(1 − z). So the array before an activation need not be kept, and a convolution can apply it as it
stores.
"""

from __future__ import annotations

from dataclasses import replace

from ...equation import Applied, Contraction, Node
from ...equation.scalar import (
    Call,
    Expression,
    Function,
    Literal,
    Variable,
    maximum,
    sigmoid,
    step,
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
    if body == maximum(_X, 0):
        return step(_X)
    if body == sigmoid(_X):
        return _X * (1 - _X)
    if body == tanh(_X):
        return 1 - _X * _X
    negative = _negative_slope(body)
    if negative > 0:  # so that the value is above 0 exactly where x is
        return where(_X, Literal(1.0), Literal(negative))
    return None


def _negative_slope(body: Expression) -> float:
    """What x is multiplied by below 0, of a function that leaves it as it is above; 0 of others."""
    match body:
        case Call("where", (condition, positive, Call("mul", (Literal(value), other)))):
            if condition == positive == other == _X:
                return value
    return 0.0
