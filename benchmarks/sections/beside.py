"""Sides beside a training step: how many times as long as one each of them takes."""

from __future__ import annotations

from collections.abc import Sequence

from ..ours import NAME, Learner
from ..report import Table, milliseconds, number
from ..session import Session
from ..settings import Workload
from ..task import Task
from ..turns import Contender, Times, quartiles, ratio, take_turns

__all__ = ["STEP", "beside_a_step", "table_of"]

STEP = f"{NAME}, a training step"


def table_of(what: str) -> Table:
    """The empty table.

    Args:
        what: the head over the sides.
    """
    return Table(("network / batch", what, "median >", "quartiles >", "times a step >"))


def beside_a_step(
    session: Session,
    heading: str,
    workload: Workload,
    task: Task,
    others: Sequence[Contender],
    table: Table,
) -> dict[str, Times]:
    """Let a training step and other sides take turns, and add a row for each.

    Args:
        session: for how long, and who hears of it.
        heading: what is measured, as it is told.
        workload: the network, as the table names it.
        task: what the step trains.
        others: the other sides.
        table: of `table_of`.

    Returns:
        The times by name, the step's under `STEP`.
    """
    times = take_turns(
        [Contender(STEP, Learner(task, session.options)), *others],
        session.seconds,
        told=lambda text: session.told(f"{heading}: {text}"),
    )
    for name, found in times.items():
        low, high = quartiles(found.all)
        table.add(
            workload.title, name, milliseconds(found.median),
            f"{number(1e3 * low)} – {number(1e3 * high)}", number(ratio(found, times[STEP])),
        )  # fmt: skip
    return times
