"""Which checkpoint a training goes on from: the newest that is whole, of this very training."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from ..errors import ArgumentError, GradtrailError, warn
from ..graph import Graph
from ..graph.description import arguments_from
from ..graph.difference import difference
from ..renamed import SCHEDULES
from .checkpoints import Checkpoints, NewestCheckpoint
from .inspection import inspect
from .schedules import Constant, Schedule
from .snapshot import differing_bits, provenance
from .stopping import Best

if TYPE_CHECKING:
    from .course import Course, Setup

_SHOWN = 200


def found_for(setup: Setup, checkpoints: Checkpoints, resume: bool) -> NewestCheckpoint | None:
    """The checkpoint to go on from, every field of it checked; None where there is none.

    Args:
        setup: of the training.
        checkpoints: where they are kept.
        resume: whether it is gone on.

    Raises:
        ArgumentError: another network, other settings or other data made it; or there is one, and
            nobody asked for it.
        FileError: it holds what no training writes.
    """
    if not resume:
        checkpoints.none_yet()
        return None
    found = checkpoints.newest()
    if found is None:
        return None
    for reason in found.damaged:
        warn(f"a newer checkpoint was passed over: {reason}; {found.path} is taken")
    _same(found, setup)
    inspect(found, setup)
    _longer(found, setup.course, setup.course.steps(len(setup.feed)))
    for sentence in differing_bits(found.snapshot.about["written"], provenance(setup.engine)):
        warn(f"{found.path} {sentence}")
    return found


_OTHER_DATA = (
    "; some sample, label, class or file's name is another, or their order: give what it began "
    "with, or begin anew without resume"
)
"""What a checksum does not say."""


def _same(found: NewestCheckpoint, setup: Setup) -> None:
    """Whether the same training made it; the number of epochs may be another.

    Raises:
        ArgumentError: it did not.
    """
    about, settings = found.snapshot.about, setup.course.settings()
    kept = about["course"]
    if isinstance(kept, dict) and "epochs" in kept:
        settings["epochs"] = kept["epochs"]
    schedule = kept.get("schedule") if isinstance(kept, dict) else None
    if isinstance(schedule, dict) and isinstance(kind := schedule.get("type"), str):
        schedule["type"] = SCHEDULES.get(kind, kind)
    feeds = setup.feed, setup.held_out
    identities = (f and f.identity(about["format"]) for f in feeds)
    for what, now in (
        ("course", settings),
        ("architecture", setup.network.architecture()),
        ("engine", setup.engine.settings()),
        *zip(("data", "validation"), identities, strict=True),
    ):
        for apart in _setting_differences(about[what], now, "" if what == "course" else what):
            layer = _layer(about[what], setup.network) if what == "architecture" else None
            remedy = _OTHER_DATA if ".fingerprint" in apart else ""
            raise ArgumentError(f"{found.path} is of another training: {layer or apart}{remedy}")


def _layer(kept: Any, network: Graph) -> str | None:
    """Where a checkpoint's network is another, if it describes one."""
    try:
        return difference(Graph(**arguments_from(kept)), network)
    except (GradtrailError, RecursionError):
        return None


def _setting_differences(one: Any, other: Any, where: str = "") -> Iterator[str]:
    """Where two settings as JSON differ: `optimizer.lr: 0.1, not 0.05`."""
    if isinstance(one, dict) and isinstance(other, dict):
        for key in [*one, *(k for k in other if k not in one)]:
            path = f"{where}.{key}" if where else key
            yield from _setting_differences(one.get(key), other.get(key), path)
    elif one != other:
        yield f"{where}: {_shown(one)}, not {_shown(other)}"


def _shown(value: Any) -> str:
    """A setting, whatever somebody wrote in its place."""
    try:
        text = repr(value)
    except RecursionError:
        return "something within something"
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"


def _longer(found: NewestCheckpoint, course: Course, steps: int) -> None:
    """Whether a training can end with another epoch than was said before.

    Args:
        found: checked.
        course: with the new number of epochs.
        steps: of an epoch.

    Raises:
        ArgumentError: that epoch is over already, or the training has ended early.
    """
    before, history = found.snapshot.about["course"]["epochs"], found.snapshot.history()
    if course.epochs == before:
        return
    begun = history.epochs + (found.snapshot.position().place > 0)
    if course.epochs < begun:
        raise ArgumentError(
            f"{found.path} is in epoch {begun} already, so epochs={course.epochs} is over; give "
            f"at least {begun}"
        )
    rule = course.stopping
    if rule is not None and Best(rule, history.best).over(history):
        raise ArgumentError(
            f"{found.path} is of a training that ended early, with patience {rule.patience}; more "
            f"epochs than {before} change nothing. Begin another one with its weights (on the "
            "command line --model RUN), or leave epochs as it was"
        )
    schedule = course.schedule
    if schedule is not None and not (isinstance(schedule, Constant) and not schedule.warm_up):
        _tell_rate(schedule, history.steps, before * steps, course.epochs * steps)


def _tell_rate(schedule: Schedule, done: int, before: int, now: int) -> None:
    """Say how the rate goes on: a schedule is a course over the whole training.

    Args:
        schedule: that has another length now.
        done: how many steps are.
        before: how many there were to be.
        now: how many there are to be.
    """
    was = schedule.factor((done - 0.5) / before)
    comes = schedule.factor(min(done + 0.5, now) / now)
    warn(
        f"the schedule {type(schedule).__name__} runs over the whole training, which has {now:,} "
        f"steps now instead of {before:,}: the rate goes on at {comes:.3g} of the full one, behind "
        f"{was:.3g}. A training of as many epochs from the beginning would be another one"
    )
