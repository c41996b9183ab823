"""The machine's peak: fused multiply-adds alone, from registers, measured like everything else."""

from __future__ import annotations

import time
from statistics import median

import numpy as np

from gradtrail.engines.cpu.builder import Carried, Code
from gradtrail.engines.cpu.compiler import Compiler
from gradtrail.engines.cpu.driver import CALL, KINDS, PHASE
from gradtrail.engines.cpu.frame import SLOTS, Slot
from gradtrail.engines.cpu.ir_types import Value
from gradtrail.engines.cpu.phases import PhaseTable
from gradtrail.engines.cpu.pool import pool_for
from gradtrail.engines.cpu.raw import address
from gradtrail.engines.cpu.target import Target

__all__ = ["ACCUMULATORS", "Peak", "kernel_text"]

ACCUMULATORS = 12
"""Independent sums: more than two units of latency 4 need, and few enough for 16 registers."""

_SECONDS = 1e-3
"""Of a burst: long beside handing it to the threads, short beside what interrupts it."""

_NAME = "fma_peak"


def kernel_text(target: Target) -> str:
    """The module of `void fma_peak(ptr args, ptr frame)`.

    It runs from the frame's START to its STOP; each round is one multiply-add per accumulator. The
    sum goes to the frame, which is the task's own copy, so that nothing can be left out.
    """
    code = Code(_NAME, target)
    half = code.number(0.5)  # x ← x/2 + 1/2 stays an ordinary number
    state = Carried([code.number(1.0 + i / ACCUMULATORS) for i in range(ACCUMULATORS)])
    start, stop = code.frame(Slot.START), code.frame(Slot.STOP)
    with code.loop("i", stop, start, carried=state):
        state.next = [code.fma(value, half, half) for value in state.now]
    total = state.now[0]
    for value in state.now[1:]:
        total = code.add(total, value)
    code.store(total, Value("%frame", "ptr"), align=8)
    return code.text()


class Peak:
    """Bursts of multiply-adds, on the threads that run our steps.

    Args:
        target: the processor.
        threads: how many run at once, the caller's among them.
    """

    def __init__(self, target: Target, threads: int) -> None:
        text = kernel_text(target)
        self._compiler = Compiler(target)
        (found,) = self._compiler.addresses([(_NAME, text, lambda: text)])
        self._call = np.zeros(CALL, np.int64)
        self._call[0] = found
        self._phase = np.zeros((1, PHASE), np.int64)
        self._frame = np.zeros(SLOTS, np.int64)
        self._pool = pool_for(target)
        self.target, self.threads = target, threads
        self.rounds = 1000
        for _ in range(8):
            taken = self._timed()
            self.rounds = max(1000, int(self.rounds * min(20.0, _SECONDS / taken)))

    @property
    def operations(self) -> float:
        """Floating-point operations of a burst: two for each multiply-add."""
        return 2.0 * self.rounds * ACCUMULATORS * self.target.width * self.threads

    def burst(self) -> None:
        """Run on all threads; returns when the last is done."""
        length = self.rounds * self.threads
        at = address(self._call)
        self._phase[0] = (KINDS["chunks"], at, 1, self.threads, length, self.rounds, 0)
        self._pool.run(PhaseTable.of(self._phase), address(self._frame), self.threads)

    def _timed(self) -> float:
        begun = time.perf_counter()
        self.burst()
        return time.perf_counter() - begun

    def rate(self, seconds: float) -> float:
        """Operations per second, if a burst takes so many."""
        return self.operations / seconds

    def measured(self, bursts: int = 9) -> float:
        """Operations per second: the median of some bursts."""
        return self.rate(median(self._timed() for _ in range(bursts)))
