"""Training: optimisers, the loop, what it leaves behind. See README.md."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .history import History
from .loop import evaluate, train
from .optimizers import SGD, Adam, AdamW, Optimizer
from .schedules import Cosine, OneCycle, Schedule

if TYPE_CHECKING:
    from .watch import Watched, load_watched

__all__ = [
    "Adam",
    "AdamW",
    "Cosine",
    "History",
    "OneCycle",
    "Optimizer",
    "SGD",
    "Schedule",
    "Watched",
    "evaluate",
    "load_watched",
    "train",
]


def __getattr__(name: str) -> Any:
    """Imported at its first use."""
    if name not in ("Watched", "load_watched"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from . import watch

    return getattr(watch, name)
