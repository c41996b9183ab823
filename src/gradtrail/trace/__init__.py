"""Tracing: every number of a learning step asked where it came from. See README.md."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .trace import Trace, trace

if TYPE_CHECKING:
    from .check import GradientReport, check_gradients
    from .ranking import Influence, influence

__all__ = ["GradientReport", "Influence", "Trace", "check_gradients", "influence", "trace"]


_LATER = {
    **dict.fromkeys(("GradientReport", "check_gradients"), "check"),
    **dict.fromkeys(("Influence", "influence"), "ranking"),
}


def __getattr__(name: str) -> Any:
    """Imported at its first use."""
    if name not in _LATER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{_LATER[name]}"), name)


def __dir__() -> list[str]:
    """With what has not been imported yet, so that completion offers it."""
    return sorted({*globals(), *__all__})
