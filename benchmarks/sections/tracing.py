"""What a trace costs beside a training step, and what its answers take."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import gradtrail as gt

from ..ours import NAME, engine
from ..report import Part, Table, milliseconds, number
from ..session import Session
from ..settings import QUERY, TRACE, Workload
from ..task import Task, task_for
from ..turns import Contender, ratio
from .beside import STEP, beside_a_step, table_of

__all__ = ["measure"]

TRACED = "gt.trace"
TERMS, BY, WHY, FOLLOW = "terms, top(10)", 'terms, by("n")', "why", "follow, k = 5"


def measure(session: Session) -> Part:
    """Every network."""
    part = Part("Tracing")
    table = table_of("what")
    for workload in session.workloads:
        _compare(session, workload, table, part)
    part.body += [_EXPLAINED, table]
    return part


_EXPLAINED = (
    "`gt.trace` runs forward, loss and backward and keeps every array; those that are looked at "
    "are put in order when they are asked for. The questions are about one weight of the first "
    "convolution, whose gradient is a sum over all samples and positions; each asks a trace that "
    "is there already, from the beginning. A step is our training step: forward, loss, backward, "
    "SGD with momentum."
)


def _questions(task: Task, traced: gt.Trace) -> dict[str, Callable[[], Any]]:
    """What is asked about one weight."""
    name = next(n for n in task.network.parameters if n.endswith(".weight"))
    index = tuple(size // 2 for size in task.network.parameters[name].shape)
    return {
        TERMS: lambda: traced.grad.terms(name, index).top(10),
        BY: lambda: traced.grad.terms(name, index).by("n"),
        WHY: lambda: traced.grad.why(name, index),
        FOLLOW: lambda: traced.grad.follow(name, index, k=5),
    }


def _compare(session: Session, workload: Workload, table: Table, part: Part) -> None:
    """The rows of one network."""
    heading = f"tracing, {workload.title}"
    session.told(f"{heading}: getting ready")
    task = task_for(workload, session.threads)
    runs = engine(session.threads, session.options).direct
    x, y = task.batches[0]

    def trace() -> gt.Trace:
        return gt.trace(task.network, x, y, engine=runs)

    asked = {TRACED: trace} | _questions(task, trace())
    contenders = [Contender(f"{NAME}, {what}", ask) for what, ask in asked.items()]
    times = beside_a_step(session, heading, workload, task, contenders, table)
    took, goal = ratio(times[f"{NAME}, {TRACED}"], times[STEP]), TRACE.get(workload.name)
    if goal is not None and took > goal:
        part.failed.append(
            f"{workload.title}: a trace takes {number(took)} times a step, wanted {number(goal)}"
        )
    query, least = times[f"{NAME}, {TERMS}"].median, QUERY.get(workload.name)
    if least is not None and query > least:
        part.failed.append(
            f"{workload.title}: terms take {milliseconds(query)}, wanted {milliseconds(least)}"
        )
