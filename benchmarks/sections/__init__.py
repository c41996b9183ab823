"""The sections of `benchmarks.training`: each measures one thing and gives one `Part`."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from ..report import Part
from ..session import Session
from . import (
    exploring,
    feeding,
    inference,
    layers,
    memory,
    overhead,
    samples,
    scaling,
    startup,
    steps,
    tracing,
)

__all__ = ["SECTIONS"]

SECTIONS: Mapping[str, Callable[[Session], Part]] = {
    "training": steps.measure,
    "layers": layers.measure,
    "inference": inference.measure,
    "samples": samples.measure,
    "tracing": tracing.measure,
    "feeding": feeding.measure,
    "exploring": exploring.measure,
    "startup": startup.measure,
    "overhead": overhead.measure,
    "memory": memory.measure,
    "scaling": scaling.measure,
}
"""The sections by the names that `--sections` takes, in the order of the report."""
