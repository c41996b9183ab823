"""Tracing: every number of a learning step asked where it came from. See README.md."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .check import GradientReport, check_gradients
from .trace import Trace, trace

if TYPE_CHECKING:
    from .ranking import Influence, influence

__all__ = ["GradientReport", "Influence", "Trace", "check_gradients", "influence", "trace"]


def __getattr__(name: str) -> Any:
    """Imported at its first use."""
    if name not in ("Influence", "influence"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from . import ranking

    return getattr(ranking, name)
