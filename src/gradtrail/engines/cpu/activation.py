"""Slopes from values: what an activation's derivative is where only its result is kept.

ReLU's slope at x is 1 where x > 0, and so it is where max(x, 0) > 0; the logistic function's is
z·(1 − z). So the array before an activation need not be kept, and a convolution can apply it as it
stores.
"""

from __future__ import annotations

from dataclasses import replace

from ...equation import Applied, Contraction, Node
from ...equation.scalar import Expression, Function, Literal, Variable, step, where

__all__ = ["slope_of_value"]

_Z = Variable("x")


def slope_of_value(node: Node, equation: Contraction) -> Contraction:
    """The adjoint of a pointwise node with its slope read off the result, where that can be.

    Args:
        node: any node.
        equation: its adjoint.
    """
    if node.equation.kind != "pointwise" or not isinstance(node.equation, Contraction):
        return equation
    applied = node.equation.terms[0].factors[0]
    assert isinstance(applied, Applied)
    body = _slope(applied.function)
    if body is None:
        return equation
    (term,) = equation.terms
    slope = Function(f"{applied.function.name}′ of its value", body)
    result = node.equation.target.array
    factors = tuple(
        Applied(slope, f.access.to(result)) if isinstance(f, Applied) else f for f in term.factors
    )
    shapes = dict(equation.shapes) | {result: node.equation.shape_of[result]}
    return replace(equation, terms=(replace(term, factors=factors),), shapes=tuple(shapes.items()))


def _slope(function: Function) -> Expression | None:
    """The slope as an expression in the function's value, called x there."""
    match function.name:
        case "relu":
            return step(_Z)
        case "sigmoid":
            return _Z * (1 - _Z)
        case "tanh":
            return 1 - _Z * _Z
        case "leaky_relu":
            negative = _negative_slope(function)
            if negative is not None and negative > 0:
                return where(_Z, Literal(1.0), Literal(negative))
    return None


def _negative_slope(function: Function) -> float | None:
    """The slope below 0: minus the value at −1."""
    found = -function(-1.0)
    return found if function(-2.0) == -2 * found else None
