"""A function of numbers as calls of PyTorch's functions, one for each of its operations."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...equation.scalar import Call, Expression, Literal, Variable
from .torch_calls import ForwardCall

_TARGETS: Mapping[str, str] = {
    "add": "operator.add",
    "sub": "operator.sub",
    "mul": "operator.mul",
    "div": "operator.truediv",
    "pow": "operator.pow",
    "exp": "torch.exp",
    "expm1": "torch.expm1",
    "log": "torch.log",
    "log1p": "torch.log1p",
    "sqrt": "torch.sqrt",
    "tanh": "torch.tanh",
    "sigmoid": "torch.sigmoid",
    "softplus": "torch.nn.functional.softplus",
    "erf": "torch.erf",
    "abs": "torch.abs",
    "sign": "torch.sign",
    "floor": "torch.floor",
    "round": "torch.round",
    "max": "torch.maximum",
    "min": "torch.minimum",
}
"""Operations that are one function."""


def expression_call(
    body: Expression, inputs: Mapping[str, ForwardCall], name: str | None
) -> ForwardCall:
    """An expression as one call, with the others inside.

    Args:
        body: the expression.
        inputs: variable → what stands for it.
        name: what the result is called; None within another call.
    """

    def call(target: str, *arguments: Any, name: str | None = None) -> ForwardCall:
        return ForwardCall("call_function", target, arguments, name)

    def written(part: Expression, name: str | None = None) -> Any:
        match part:
            case Literal(value):
                return value
            case Variable(variable):
                held = inputs[variable]
                return held if name is None else call("torch.clone", held, name=name)
            case Call("min", (Call("max", (x, Literal(low))), Literal(high))):
                hard = "torch.nn.functional.hardtanh"
                return call(hard, written(x), low, high, name=name)
            case Call("max", (x, Literal(0.0))):
                return call("torch.relu", written(x), name=name)
            case Call("max", (x, Literal(low))):
                return call("torch.nn.functional.threshold", written(x), low, low, name=name)
            case Call("max", (Literal(low), x)):
                return call("torch.clamp", written(x), low, name=name)
            case Call("min", (Literal(high), x) | (x, Literal(high))):
                return call("torch.clamp", written(x), None, high, name=name)
            case Call("step", (x,)):
                closed = call("operator.le", written(x), 0.0)
                return call("torch.where", closed, 0.0, 1.0, name=name)
            case Call("where", (condition, positive, other)):
                above = call("operator.gt", written(condition), 0.0)
                return call("torch.where", above, written(positive), written(other), name=name)
            case Call(operation, arguments):
                return call(_TARGETS[operation], *map(written, arguments), name=name)
        raise AssertionError(part)

    found = written(body, name)
    assert isinstance(found, ForwardCall)
    return found
