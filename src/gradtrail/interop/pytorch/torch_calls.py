"""What a module's `forward` does, as data: calls within calls."""

from __future__ import annotations

from typing import Any

from ...equation.frozen import frozen


@frozen
class ForwardCall:
    """One call in `forward`; among the arguments are other calls, and `input`.

    Args:
        op: "call_module", "call_function", "call_method", "get_attr" or "placeholder", as in
            torch.fx.
        target: the layer's name, `operator.add` or `torch.cat`, the method, a parameter's name, or
            an input's.
        arguments: by position.
        name: what the result is called; None within another call.
    """

    op: str
    target: str
    arguments: tuple[Any, ...]
    name: str | None = None


def greatest(source: ForwardCall, axis: int, keepdim: bool, name: str | None) -> ForwardCall:
    """The first maximum along an axis."""
    pair = ForwardCall("call_method", "max", (source, axis, keepdim))
    return ForwardCall("call_function", "operator.getitem", (pair, 0), name)
