"""Which checkpoint a training goes on from: the newest that is whole, of this very training.

Every field of it is checked against the training before anything of it is used: a digest shows
damage, but anybody can write one. What is read here ends as places in memory, as divisors and as
weights, so each number is held to what a training of these settings can have.
"""

from __future__ import annotations

import math
import reprlib
from collections.abc import Iterable, Iterator, Mapping
from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import ArgumentError, DataError, FileError, GradtrailError, warn
from ..graph import Graph
from ..graph.description import arguments_from
from ..graph.difference import difference
from ..optimizers.composed import AVERAGE
from ..renamed import SCHEDULES
from .checkpoints import Checkpoints, NewestCheckpoint
from .history import History, in_files
from .schedules import Constant, ReduceLROnPlateau, Schedule
from .snapshot import UNKNOWN_PROVENANCE, Snapshot, differing_bits, provenance
from .stopping import Best
from .training import Position
from .watched_weights import check_watched

if TYPE_CHECKING:
    from .course import Course, Setup
    from .feed import Feed

_SHOWN = 200
"""Letters of a setting in a message."""

_OTHER_DATA = (
    "; some sample, label, class or file's name is another, or their order: give what it began "
    "with, or begin anew without resume"
)
"""What a checksum does not say."""

_MOST = 1 << 53
"""How many epochs or updates there may be: each number until there is a float of its own."""

_HUGE = float(np.finfo(np.float64).max)
"""What every finite number is below."""


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
    _inspect(found, setup)
    _longer(found, setup)
    for sentence in differing_bits(found.snapshot.about["written"], provenance(setup.engine)):
        warn(f"{found.path} {sentence}")
    return found


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


def _longer(found: NewestCheckpoint, setup: Setup) -> None:
    """Whether a training can end with another epoch than was said before.

    Raises:
        ArgumentError: that epoch is over already, or the training has ended early.
    """
    course, steps = setup.course, setup.course.steps(len(setup.feed))
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
    level = isinstance(schedule, Constant | ReduceLROnPlateau) and not schedule.warm_up
    if schedule is not None and not level:
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


def _inspect(found: NewestCheckpoint, setup: Setup) -> None:
    """Check a checkpoint whose settings, network and data are those of the training.

    Args:
        found: the checkpoint.
        setup: of the training.

    Raises:
        FileError: a field or an array is missing, or holds what this training cannot have.
    """
    snapshot = found.snapshot
    try:
        at = _position(snapshot, setup.course, setup.feed)
        for drawn in snapshot.drawn():
            _whole("drawn", drawn, 0, _MOST)
        history = snapshot.history()
        _history(history, at, setup)
        _arrays(snapshot, setup, history)
        _watched(snapshot, at, len(setup.feed))
        written = snapshot.about["written"]
        _known("written", written, UNKNOWN_PROVENANCE)
        if not all(isinstance(value, str) for value in written.values()):
            raise DataError("written must be texts")
    except DataError as cause:
        raise FileError(
            f"{found.path} holds what this training cannot have written: {cause}; delete it, and "
            "the one before it is taken"
        ) from None


def _whole(name: str, value: Any, least: int, most: int) -> int:
    """A whole number within bounds."""
    if type(value) is not int or not least <= value <= most:
        bounds = f"from {least:,} to {most:,}" if least < most else f"{least:,}"
        raise DataError(f"{name} is {reprlib.repr(value)}, but must be {bounds}")
    return value


def _finite(name: str, value: Any, least: float = 0.0, most: float = math.inf) -> float:
    """A finite number within bounds."""
    number = type(value) in (int, float) and abs(value) < _HUGE
    if not number or not least <= value <= most:
        raise DataError(
            f"{name} is {reprlib.repr(value)}, but must be a finite number from {least:g} to "
            f"{most:g}"
        )
    return float(value)


def _known(name: str, table: Any, wanted: Iterable[str]) -> None:
    """A table with these keys and no others."""
    if not isinstance(table, dict) or table.keys() != set(wanted):
        raise DataError(f"{name} must have the keys {', '.join(wanted)}")


def _position(snapshot: Snapshot, course: Course, feed: Feed) -> Position:
    """Where the training was: its place decides what native code reads."""
    epochs = _whole("course.epochs", snapshot.about["course"]["epochs"], 1, _MOST)
    told = snapshot.about["position"]
    beside = ("answers", "parts")
    more = [name for name in beside if isinstance(told, dict) and name in told]
    _known("position", told, (*(f for f in Position._fields if f not in beside), *more))
    _tallies(told.get("parts", []), course)
    at, steps, count = snapshot.position(), course.steps(len(feed)), len(feed)
    epoch = _whole("position.epoch", at.epoch, 0, epochs)
    place = _whole("position.place", at.place, 0, 0 if epoch == epochs else steps)
    done = epoch * steps + place
    _whole("position.steps", at.steps, done or 1, done)
    _whole("updates", snapshot.about["updates"], done, _MOST)
    seen = min(place * course.of_step, count)
    _whole("position.seen", at.seen, seen, seen)
    _whole("position.answers", at.answers, 0, seen * prod(feed.outputs[1:]))
    if at.correct is not None or not place or _classes(course, feed):
        _whole("position.correct", at.correct, 0, at.answers if _classes(course, feed) else 0)
    longest = _HUGE if place else 0.0
    _finite("position.seconds", at.seconds, 0.0, longest)
    _finite("position.total", at.total, -longest, longest)
    _finite("position.mass", at.mass, *_masses(course, feed, seen))
    for part, own in zip(course.loss.parts, at.parts, strict=False):
        where, labels = f"position.parts of {part.name}", feed.y[part.name]
        classed = part.loss.classes(labels[:1], part.prediction(1)) is not None
        _finite(f"{where}: total", own.total, -longest, longest)
        most = part.loss.mass(labels, part.prediction(len(feed)))
        _finite(f"{where}: mass", own.mass, 0.0, most * (1 + 1e-9))
        answers = _whole(f"{where}: answers", own.answers, 0, seen * prod(part.shape[1:]))
        if own.correct is not None or classed:
            _whole(f"{where}: correct", own.correct, 0, answers if classed else 0)
    return at


def _tallies(told: Any, course: Course) -> None:
    """The sums of several outputs: none at an epoch's beginning, and else of each."""
    count = len(course.loss.parts)
    rows = isinstance(told, list) and all(isinstance(t, list) and len(t) == 4 for t in told)
    if not rows or len(told) not in (0, count):
        raise DataError(f"position.parts must be rows of 4 for {count} outputs")


def _masses(course: Course, feed: Feed, seen: int) -> tuple[float, float]:
    """Between which bounds the samples seen so far count, apart from rounding."""
    if course.mixup or course.loss.even(feed.y, feed.prediction):
        return seen, seen
    whole = course.loss.mass(feed.y, feed.prediction)
    slack = 1e-9 * whole
    return (whole - slack if seen == len(feed) else 0.0), (whole + slack if seen else 0.0)


def _classes(course: Course, feed: Feed) -> bool:
    """Whether outputs are classes, so that right answers are counted."""
    return feed.classified(course.loss)


def _history(history: History, at: Position, setup: Setup) -> None:
    """The figures of every step and every epoch that is over, and which epoch was the best."""
    course, held_out = setup.course, setup.held_out
    held = held_out is not None
    wanted = {
        "step_losses": at.steps,
        "loss": at.epoch,
        "seconds": at.epoch,
        "accuracy": at.epoch if _classes(course, setup.feed) else 0,
        "validation_loss": at.epoch if held else 0,
        "validation_accuracy": at.epoch if held_out and _classes(course, held_out) else 0,
    }
    for part in course.loss.parts:
        labels = setup.feed.y[part.name][:1]
        classed = part.loss.classes(labels, part.prediction(1)) is not None
        figures = ("loss", "accuracy") if classed else ("loss",)
        wanted |= {f"{part.name}.{figure}": at.epoch for figure in figures}
        if held:
            wanted |= {f"{part.name}.validation_{figure}": at.epoch for figure in figures}
    if history.by_output.keys() - wanted.keys():
        raise DataError(f"history has {', '.join(history.by_output.keys() - wanted.keys())}")
    for name, count in wanted.items():
        values = history[name] if "." not in name else history.by_output.get(name, [])
        _whole(f"the number of history/{in_files(name)}", len(values), count, count)
        shares = name.endswith("accuracy")
        if (shares or name == "seconds") and values:
            _finite(f"history/{name}", min(values))
            _finite(f"history/{name}", max(values), 0.0, 1.0 if shares else _HUGE)
    best = Best(course.stopping).best_of(history)
    if history.best != best:
        raise DataError(f"best is {history.best!r}, but by the history it must be {best!r}")


def _arrays(snapshot: Snapshot, setup: Setup, history: History) -> None:
    """All arrays, none missing and none too many, in shape and type."""
    network, course = setup.network, setup.course
    parameters, buffers = network.parameters.shapes, network.buffers.shapes
    whole: dict[str, tuple[int, ...]] = {**parameters, **buffers}
    kept = course.stopping is not None and course.stopping.keep_best and history.best is not None
    finite = {
        **{f"value/{name}": shape for name, shape in whole.items()},
        **{f"best/{name}": shape for name, shape in whole.items() if kept},
        **{
            f"statistics/{name}": shape
            for name, shape in buffers.items()
            if course.average is not None and name not in network.frozen
        },
    }
    remembered = {
        f"state/{kind}/{name}": parameters[name]
        for group in setup.optimizer.grouped(network)
        for name in group.names
        for kind in setup.optimizer.within(group).rule.state
    }
    given = {
        name: array
        for name, array in snapshot.arrays.items()
        if not name.startswith(("history/", "watched/"))
    }
    for name in sorted(given.keys() ^ (finite.keys() | remembered.keys())):
        raise DataError(f"array {name!r} " + ("is of no use" if name in given else "is missing"))
    for name, shape in {**finite, **remembered}.items():
        array = given[name]
        if array.shape != shape or array.dtype not in (np.float32, np.float64):
            raise DataError(
                f"array {name!r} is {array.dtype} {array.shape}, but must be float32 or float64 "
                f"{shape}"
            )
    share = 1.0 if course.average is None else 1 - course.average**history.steps
    averages = [name for name in remembered if name.startswith(f"state/{AVERAGE}/")]
    for name in (*finite, *averages):
        averaged = name.startswith((f"state/{AVERAGE}/", "statistics/"))
        with np.errstate(over="ignore"):
            narrow = (given[name] / (share if averaged else 1.0)).astype(network.dtype)
        if not np.isfinite(narrow).all():
            raise DataError(f"array {name!r} has a NaN, an infinity or too large a number")


def _watched(snapshot: Snapshot, at: Position, samples: int) -> None:
    """What was watched; elements that this training does not watch are looked at, too."""
    kept: Mapping[str, Any] | None = snapshot.about["watched"]
    arrays = snapshot.under("watched/")
    if kept is None:
        if arrays:
            raise DataError("it holds what was watched, but names no element")
        return
    _known("watched", kept, ("every", "elements"))
    every = _whole("watched.every", kept["every"], 1, _MOST)
    check_watched(arrays, kept["elements"], at.steps, samples, every)
