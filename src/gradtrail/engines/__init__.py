"""Engines: what computes a network. See README.md."""

from __future__ import annotations

from ..errors import ArgumentError
from .base import Batch, Computed, Engine, Stepped, Trainer
from .reference import Reference

__all__ = ["Batch", "Computed", "Engine", "Reference", "Stepped", "Trainer", "engine_for"]


def engine_for(engine: str | Engine | None) -> Engine:
    """The engine that an `engine=` argument means; None is the default.

    Raises:
        ArgumentError: a name that no engine has.
    """
    if isinstance(engine, Engine):
        return engine
    if engine is None or engine == "reference":
        return Reference()
    raise ArgumentError(f'engine must be "reference" or an Engine object, got {engine!r}')
