"""Where the time goes: every layer and pass of a step, against the machine's peak.

Each native call of the step is timed by itself, over all blocks of the batch on one thread, so that
neither barriers nor the other threads' memory traffic are in it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from statistics import median
from typing import Any

import numpy as np

from gradtrail import Network
from gradtrail.engines.cpu.driver import CALL, KINDS, PHASE
from gradtrail.engines.cpu.kernels.kernel import Kernel
from gradtrail.engines.cpu.kernels.nest_kernel import NestKernel
from gradtrail.engines.cpu.options import Options
from gradtrail.engines.cpu.phases import PhaseTable
from gradtrail.engines.cpu.planning.planner import plan_program

from ..counting import FORWARD, direct, pass_of, towards
from ..ours import Learner
from ..peak import Peak
from ..report import Part, Table, milliseconds, number, percent
from ..session import Session
from ..settings import Workload
from ..task import task_for

__all__ = ["Row", "gathered", "measure", "summed"]

LEAST, SHOWN = 5, 0.01
"""Rounds at least; rows below this share of the step are put together."""


@dataclass
class Row:
    """A layer's pass.

    Args:
        layer: such as `conv1`.
        which: `forward`, `backward towards conv1.weight`, …
        kernels: the kinds of its native calls.
        seconds: of all of them, on one thread.
        work: direct multiply-adds for the batch; 0 where there are none to speak of.
    """

    layer: str
    which: str
    kernels: list[str] = field(default_factory=list)
    seconds: float = 0.0
    work: int = 0


@dataclass(frozen=True)
class _Timed:
    """One native call with its row in the driver's table of phases."""

    layer: str
    does: str
    kernel: str
    phase: np.ndarray


def measure(session: Session) -> Part:
    """Every network."""
    part = Part("Where the time goes")
    part.body.append(_EXPLAINED)
    for workload in session.workloads:
        session.told(f"where the time goes: {workload.title}")
        _measure(session, workload, part)
    return part


_EXPLAINED = (
    "Every native call by itself on one thread, over all blocks of the batch; medians, and the FMA "
    "peak of one thread from the same rounds. GFLOP/s count direct multiply-adds. Calls of one "
    "layer and pass stand together, first by kind of layer, then each layer; rows below 1 % are "
    "summed up. Calls run one after the other over the whole batch here, but block by block in a "
    "step, where arrays stay in cache."
)


def _measure(session: Session, workload: Workload, part: Part) -> None:
    task = task_for(workload, session.threads)
    learner = Learner(task, session.options)
    learner()
    calls = _calls(learner.trainer)
    peak = Peak(learner.trainer.setup.target, 1)
    seconds, burst = _timed(learner.trainer, calls, peak, session.seconds)
    rows = gathered(
        [(c.layer, c.does, c.kernel, s) for c, s in zip(calls, seconds, strict=True)],
        direct(task.network, task.batch_size),
    )
    whole, top = sum(row.seconds for row in rows), peak.rate(burst)
    part.body += [
        f"### {workload.title}\n\n{milliseconds(whole)} on one thread; the peak of one thread is "
        f"{number(top / 1e9)} GFLOP/s.",
        _table(summed(rows, task.network), whole, top),
        _table(rows, whole, top),
    ]


def _calls(trainer: Any) -> list[_Timed]:
    """Every native call of the last step, as a phase of its own; the update last."""
    loaded, found = trainer.loaded, list[_Timed]()
    options = Options(training=True, backward=True)
    program = plan_program(trainer.network, trainer.loss, options, trainer.setup)
    whole = np.concatenate([part.rows for part in trainer._phases(loaded)])
    for phase, row in zip(program.phases, whole, strict=False):
        for place, call in enumerate(phase.calls):
            one = np.array([row])
            one[0, 1] += 8 * CALL * place
            one[0, 2] = 1
            if phase.kind == "each":  # as many tasks as calls
                one[0, 3] = 1
            found.append(_Timed(call.layer, call.does, _kernel(call.kernel), one))
    last = whole[len(program.phases) :].copy()
    return [*found, _Timed("update", "sum of the groups and update", "update", last)]


def _kernel(kernel: Kernel) -> str:
    """How a kernel computes, in a few words."""
    return "loop nest" if isinstance(kernel, NestKernel) else kernel.algorithm


def _timed(
    trainer: Any, calls: Sequence[_Timed], peak: Peak, seconds: float
) -> tuple[list[float], float]:
    """The median seconds of each call, less those of a call that does nothing, and of a burst.

    The calls run in the order of the step, so that each finds what it would find there.
    """
    pool, frame = trainer.loaded.pool, trainer.loaded.context.at
    nothing = np.zeros((1, PHASE), np.int64)
    nothing[0, :4] = (KINDS["one"], calls[0].phase[0, 1], 0, 1)
    times: list[list[float]] = [[] for _ in calls]
    empty: list[float] = []
    bursts: list[float] = []
    clock = time.perf_counter

    def timed(run: Callable[[], None]) -> float:
        begun = clock()
        run()
        return clock() - begun

    end = clock() + seconds
    while clock() < end or len(bursts) <= LEAST:
        for call, found in zip(calls, times, strict=True):
            empty.append(timed(partial(pool.run, PhaseTable.of(nothing), frame, 1)))
            found.append(timed(partial(pool.run, PhaseTable.of(call.phase), frame, 1)))
        bursts.append(timed(peak.burst))
    least = median(empty)
    # the first round warms up
    return [max(0.0, median(found[1:]) - least) for found in times], median(bursts[1:])


def gathered(
    calls: Sequence[tuple[str, str, str, float]], work: dict[tuple[str, str], int]
) -> list[Row]:
    """The calls of each layer and pass in one row.

    Args:
        calls: layer, what it does, kind of kernel, seconds.
        work: multiply-adds by layer and pass.
    """
    rows: dict[tuple[str, str], Row] = {}
    for layer, does, kernel, seconds in calls:
        key = (layer, pass_of(does))
        row = rows.setdefault(key, Row(*key, work=work.get(key, 0)))
        row.seconds += seconds
        if kernel not in row.kernels:
            row.kernels.append(kernel)
    return list(rows.values())


def summed(rows: Sequence[Row], network: Network) -> list[Row]:
    """The rows by kind of layer: forward, backward towards parameters, towards inputs."""
    kinds = {step.name: step.layer.kind for step in network.steps}
    found: dict[tuple[str, str], Row] = {}
    for row in rows:
        target = row.which.removeprefix(towards(""))
        which = FORWARD
        if row.which.startswith("backward"):
            which = towards("parameters" if target in network.parameters else "inputs")
        key = (kinds.get(row.layer, row.layer), which if row.layer in kinds else row.which)
        total = found.setdefault(key, Row(*key))
        total.seconds, total.work = total.seconds + row.seconds, total.work + row.work
        total.kernels += [k for k in row.kernels if k not in total.kernels]
    return sorted(found.values(), key=lambda row: -row.seconds)


def _table(rows: Sequence[Row], whole: float, top: float) -> Table:
    table = Table(("layer", "pass", "kernels", "time >", "share >", "GFLOP/s >", "of the peak >"))
    small = [row for row in rows if row.seconds < SHOWN * whole]
    for row in rows:
        if row in small:
            continue
        rate = 2.0 * row.work / row.seconds
        speed = (number(rate / 1e9), percent(rate / top)) if row.work else ("", "")
        kernels = ", ".join(row.kernels)
        table.add(
            row.layer, row.which, kernels, milliseconds(row.seconds),
            f"{100 * row.seconds / whole:.1f} %", *speed,
        )  # fmt: skip
    rest = sum(row.seconds for row in small)
    if small:
        share = f"{100 * rest / whole:.1f} %"
        table.add(f"{len(small)} others", "", "", milliseconds(rest), share, "", "")
    work = sum(row.work for row in rows)
    rate = 2.0 * work / whole
    speed = (number(rate / 1e9), percent(rate / top))
    table.add("**all**", "", "", milliseconds(whole), "100 %", *speed)
    return table
