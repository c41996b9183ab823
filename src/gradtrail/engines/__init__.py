"""Engines: what computes a network. See README.md."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..errors import ArgumentError
from ..machine.first_use import at_first_use
from .batch import Batch, Samples
from .cpu import CPU
from .interface import Computed, Engine, Evaluated, Finished, Stepped, Trainer

if TYPE_CHECKING:
    from ..graph import Graph
    from .reference import Reference
    from .sample_gradients import SampleGradients

__all__ = [
    "Batch",
    "CPU",
    "Computed",
    "Engine",
    "Evaluated",
    "Finished",
    "Reference",
    "SampleGradients",
    "Samples",
    "Stepped",
    "Trainer",
    "engine_for",
]


__getattr__, __dir__ = at_first_use(
    __name__,
    {"Reference": "reference", "SampleGradients": "sample_gradients"},
)


def engine_for(
    engine: str | Engine | None, network: Graph | None = None, threads: int | None = None
) -> Engine:
    """The engine that an `engine=` argument means.

    Args:
        engine: a name, an object, or None for the default: the CPU engine for networks of float32,
            the reference for networks of float64, which are made to check others with.
        network: what will be computed, for the default.
        threads: how many the engine may use.

    Raises:
        ArgumentError: a name that no engine has.
    """
    if isinstance(engine, Engine):
        return engine.on(threads)
    if engine is None:
        wide = network is not None and network.dtype == np.float64
        engine = "reference" if wide else "cpu"
    if engine == "reference":
        from .reference import Reference

        return Reference()
    if engine == "cpu":
        return CPU(threads)
    raise ArgumentError(f'engine must be "cpu", "reference" or an Engine object, got {engine!r}')
