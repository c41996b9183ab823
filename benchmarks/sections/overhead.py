"""What a step costs outside native code."""

from __future__ import annotations

import time
from statistics import median

from ..ours import Learner, native_seconds
from ..report import Part, Table, milliseconds
from ..session import Session
from ..settings import LIMITS, Workload
from ..task import task_for
from ..turns import quartiles

__all__ = ["measure"]

WARM, LEAST = 5, 20


def measure(session: Session) -> Part:
    """Every network."""
    part = Part("Outside native code")
    table = Table(("network / batch", "step >", "outside native code >", "quartiles >", "steps >"))
    for workload in session.workloads:
        session.told(f"outside native code: {workload.title}")
        whole, outside = _measured(session, workload)
        found = median(outside)
        low, high = quartiles(outside)
        table.add(
            workload.title, milliseconds(median(whole)), f"{1e6 * found:.0f} µs",
            f"{1e6 * low:.0f} – {1e6 * high:.0f}", f"{len(whole):,}",
        )  # fmt: skip
        if found > LIMITS.overhead:
            wanted = f"{1e6 * LIMITS.overhead:.0f} µs"
            part.failed.append(
                f"{workload.title}: {1e6 * found:.0f} µs of a step are outside native code, "
                f"wanted {wanted}"
            )
    part.body += [
        "A whole step as the training loop makes it (the batch's record included), less the time "
        "in its one native call; medians over the steps.",
        table,
    ]
    return part


def _measured(session: Session, workload: Workload) -> tuple[list[float], list[float]]:
    """Seconds per step: of the whole, and of what is not native."""
    learner = Learner(task_for(workload, session.threads), session.options)
    for _ in range(WARM):
        learner()
    whole: list[float] = []
    clock = time.perf_counter
    with native_seconds(learner, clock) as native:
        end = clock() + session.seconds
        while clock() < end or len(whole) < LEAST:
            begun = clock()
            learner()
            whole.append(clock() - begun)
    return whole, [a - b for a, b in zip(whole, native, strict=True)]
