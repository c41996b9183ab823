"""A function of one number as ONNX's operators, one for each of its operations."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from ...equation.scalar import Call, Expression, Literal, Variable

if TYPE_CHECKING:
    from ...layers.steps import Step
    from .onnx_writing import Writing

_OPERATORS: Mapping[str, str] = {
    "add": "Add",
    "sub": "Sub",
    "mul": "Mul",
    "div": "Div",
    "pow": "Pow",
    "exp": "Exp",
    "log": "Log",
    "sqrt": "Sqrt",
    "tanh": "Tanh",
    "sigmoid": "Sigmoid",
    "softplus": "Softplus",
    "erf": "Erf",
    "abs": "Abs",
    "sign": "Sign",
    "floor": "Floor",
    "round": "Round",
    "max": "Max",
    "min": "Min",
}
"""Operations that are one operator."""


def write_expression(
    w: Writing, step: Step, body: Expression, inputs: Mapping[str, str], *, called: str = ""
) -> str:
    """Write a step's output as an expression of its inputs; equal parts are written once.

    Args:
        w: the model being written.
        step: whose output it is.
        body: the expression.
        inputs: variable → the array's name.
        called: which part of the layer it is; by default its output.

    Returns:
        What the result is called.
    """
    known: dict[Expression, str] = {}

    def node(operator: str, *arguments: str, last: bool = False) -> str:
        return w.node(operator, step, arguments, part=called if last else operator.lower())

    def constant(value: float) -> str:
        return w.constant(step, "constant", value)

    def written(part: Expression, last: bool = False) -> str:
        if isinstance(part, Variable) and not last:
            return inputs[part.name]
        if part not in known:
            known[part] = _written(part, last)
        return known[part]

    def _written(part: Expression, last: bool) -> str:
        match part:
            case Literal(value):
                return constant(value)
            case Variable(name):
                return node("Identity", inputs[name], last=last)
            case Call("min", (Call("max", (inner, Literal(low))), Literal(high))):
                bounds = {"min": low, "max": high}
                name = called if last else "clip"
                return w.told("Clip", step, [written(inner)], bounds, part=name)
            case Call("max", (inner, Literal(0.0))):
                return node("Relu", written(inner), last=last)
            case Call("where", (Call("step", (x,)), positive, other)):
                shut = node("LessOrEqual", written(x), constant(0.0))
                return node("Where", shut, written(other), written(positive), last=last)
            case Call(operation, arguments) if operation in _OPERATORS:
                return node(_OPERATORS[operation], *map(written, arguments), last=last)
            case Call(operation, arguments):
                return _COMPOSED[operation](node, constant, *map(written, arguments), last=last)
        raise AssertionError(part)

    return written(body, last=True)


def _expm1(node: Callable[..., str], constant: Callable[..., str], x: str, *, last: bool) -> str:
    return node("Sub", node("Exp", x), constant(1.0), last=last)


def _log1p(node: Callable[..., str], constant: Callable[..., str], x: str, *, last: bool) -> str:
    return node("Log", node("Add", x, constant(1.0)), last=last)


def _step(node: Callable[..., str], constant: Callable[..., str], x: str, *, last: bool) -> str:
    """0 where x ≤ 0, and 1 elsewhere, of a NaN too."""
    low = node("LessOrEqual", x, constant(0.0))
    return node("Where", low, constant(0.0), constant(1.0), last=last)


def _where(
    node: Callable[..., str],
    constant: Callable[..., str],
    condition: str,
    positive: str,
    other: str,
    *,
    last: bool,
) -> str:
    above = node("Greater", condition, constant(0.0))
    return node("Where", above, positive, other, last=last)


_COMPOSED: Mapping[str, Callable[..., str]] = {
    "expm1": _expm1,
    "log1p": _log1p,
    "step": _step,
    "where": _where,
}
"""Operations that are several operators."""
