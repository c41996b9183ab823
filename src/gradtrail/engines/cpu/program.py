"""A program: a list of native calls, the whole step planned once. `planning/` makes them.

The step is laid out for a block of sixteen samples, so one program serves every batch size. What
depends on the batch (1/N, how many lanes hold samples) is in the frame.

A program is a list of phases. Within a phase of blocks a block runs through all calls on one
thread; batch norm needs the whole batch and ends a phase.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .kernels.kernel import Kernel
from .keys import ArrayKey
from .memory_plan import MemoryPlan
from .options import Options
from .phases import Phase
from .target import LANES

if TYPE_CHECKING:
    import numpy as np


@dataclass(frozen=True)
class KernelCall:
    """One kernel with the arrays it gets.

    Args:
        kernel: the function.
        arguments: what it is given.
        layer: on whose behalf.
        does: `forward`, `backward towards weight`, …
        work: multiply-adds for one sample.
        cycles: estimated for one block; 0 where none were estimated.
    """

    kernel: Kernel
    arguments: tuple[ArrayKey, ...]
    layer: str
    does: str
    work: int = 0
    cycles: float = 0.0


@dataclass
class Program:
    """A step for any batch size.

    Args:
        phases: in order.
        memory: where the arrays lie.
        shapes: array → shape, in forward order, for a block of samples.
        options: what it is for.
        constants: arrays that are given once: shares of windows.
        per_block: how many samples a block holds.
    """

    phases: list[Phase[KernelCall]]
    memory: MemoryPlan
    shapes: Mapping[str, tuple[int, ...]]
    options: Options
    constants: dict[ArrayKey, np.ndarray]
    per_block: int = LANES

    @property
    def calls(self) -> Iterable[KernelCall]:
        """All calls in order."""
        return (c for p in self.phases for c in p.calls)

    @property
    def segmented(self) -> bool:
        """Whether a barrier cuts the blocks, so that each needs memory of its own."""
        return sum(p.kind == "blocks" for p in self.phases) > 1
