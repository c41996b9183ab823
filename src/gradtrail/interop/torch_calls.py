"""What a module's `forward` does, as data: calls within calls."""

from __future__ import annotations

from typing import Any

from ..equation.frozen import frozen


@frozen
class ForwardCall:
    """One call in `forward`; among the arguments are other calls, and `input`.

    Args:
        op: "call_module", "call_function" or "call_method", as in torch.fx.
        target: the layer's name, `operator.add` or `torch.cat`, or the method.
        arguments: by position.
        name: what the result is called; None within another call.
    """

    op: str
    target: str
    arguments: tuple[Any, ...]
    name: str | None = None
