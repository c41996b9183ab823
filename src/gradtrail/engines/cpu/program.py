"""A program: a list of native calls, the whole step planned once. `planning/` makes them.

The step is laid out for a block of sixteen samples, so one program serves every batch size. What
depends on the batch (1/N, how many lanes hold samples) is in the frame.

A program is a list of phases. Within a phase of blocks a block runs through all calls on one
thread; batch norm needs the whole batch and ends a phase.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ...equation import System
from .kernels.base import Kernel
from .memory import Memory
from .options import Options
from .target import LANES

if TYPE_CHECKING:
    import numpy as np

__all__ = ["Call", "Phase", "Program"]


@dataclass(frozen=True)
class Call:
    """One kernel with the buffers it gets.

    Args:
        kernel: the function.
        arguments: names of buffers.
        layer: on whose behalf.
        does: `forward`, `backward towards weight`, …
        work: multiply-adds for one sample.
        cycles: estimated for one block; 0 where none were estimated.
    """

    kernel: Kernel
    arguments: tuple[str, ...]
    layer: str
    does: str
    work: int = 0
    cycles: float = 0.0


@dataclass
class Phase:
    """Calls between two barriers.

    Args:
        kind: `blocks`; `one` for a single task; `each` for a task per call, which packs what
            follows from the weights alone; `chunks` for ranges of a length.
        calls: in order.
        length: of what the chunks divide.
        chunk: how much of it one task takes.
    """

    kind: str
    calls: list[Call] = field(default_factory=list)
    length: int = 0
    chunk: int = 1


@dataclass
class Program:
    """A step for any batch size.

    Args:
        phases: in order.
        memory: where the arrays lie.
        system: the equations, for a block of sixteen samples.
        options: what it is for.
        constants: arrays that are given once: shares of windows.
        per_block: how many samples a block holds.
    """

    phases: list[Phase]
    memory: Memory
    system: System
    options: Options
    constants: dict[str, np.ndarray]
    per_block: int = LANES

    @property
    def calls(self) -> Iterable[Call]:
        """All calls in order."""
        return (c for p in self.phases for c in p.calls)

    @property
    def segmented(self) -> bool:
        """Whether a barrier cuts the blocks, so that each needs memory of its own."""
        return sum(p.kind == "blocks" for p in self.phases) > 1
