"""Coefficients of 0 in a formula: what they multiply gets nothing, whatever its value is.

Z[n,c] = 0·X[n,c]       a term whose scale is 0
f(x) = 0·sigmoid(x)     a function that is the same for every x
"""

from __future__ import annotations

from ..equation import Applied, Contraction, Node
from ..equation.scalar import Call, Expression, Literal, Variable

_ZERO = Literal(0.0)


def multiplies_by_zero(node: Node, factor: Applied) -> bool:
    """Whether a function, or the one whose slope it is, multiplies what it reads by 0.

    Args:
        node: the layer in whose equation the function stands.
        factor: of that equation, or of an adjoint of it.
    """
    equation, name = node.equation, factor.function.name.removesuffix("′")
    terms = equation.terms if isinstance(equation, Contraction) else ()
    applied = (f for term in terms for f in term.factors if isinstance(f, Applied))
    return any(_lost(f.function.body) for f in applied if f.function.name == name)


def _lost(expression: Expression) -> bool:
    """Whether a coefficient of 0 stands before every variable."""
    if not isinstance(expression, Call):
        return not isinstance(expression, Variable)
    return _is_zero(expression) or all(map(_lost, expression.arguments))


def _is_zero(expression: Expression) -> bool:
    """Whether an expression is 0 by a factor that is: 0·x, and the product of that with more."""
    if not isinstance(expression, Call):
        return expression == _ZERO
    first = expression.arguments[0]
    match expression.operation:
        case "mul":
            return any(map(_is_zero, expression.arguments))
        case "div":
            return _is_zero(first)
    return False
