"""Training steps while a page follows the training, against the same without."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from statistics import median
from typing import Any

import gradtrail as gt
from gradtrail.engines import Batch
from gradtrail.exploring.explorer import Explorer
from gradtrail.exploring.live import Live, session_of
from gradtrail.streams import Drawn
from gradtrail.training import Observer
from gradtrail.training.course import Course
from gradtrail.training.loop import prepare_training

from ..child import ROOT
from ..ours import engine
from ..report import Part, Table, mebibytes, milliseconds, number
from ..session import Session
from ..settings import EXPLORING, TRAINING, Workload
from ..task import random_samples
from ..turns import Contender, Pace, Times, quartiles, spread, take_turns

__all__ = ["measure"]

SHOWN = 16
"""How many samples the page shows."""

ALONE, FOLLOWED = "alone", "followed by a page"

PACE = Pace(rounds=12, warm=0, least=1)


def measure(session: Session) -> Part:
    """Every network."""
    part = Part("A page that follows the training")
    heads = ("network / batch", "training", "a step >", "quartiles >", "times as long >")
    table = Table((*heads, "its quartiles >"))
    for workload in session.workloads:
        _compare(session, workload, table, part)
    part.body += [_EXPLAINED, table]
    return part


_EXPLAINED = (
    "Whole stretches of a training, as `gradtrail train --explore` runs it, of some seconds each: "
    "what a page costs comes now and then, and a step's median would not see it. A process asks "
    "what the page asks, every two seconds, and fetches the numbers of a new version as seldom as "
    "the page: so that it takes 1/60 of the time at most. The browser itself, which draws them, is "
    "not in it. *Times as long* is the median over the rounds, each of which has a stretch of both."
)


class _Stretch:
    """A training that goes on; each call makes some more steps.

    Args:
        training: that nobody has run.
    """

    def __init__(self, training: Any) -> None:
        self.training, self.steps = training, 1
        self._batches = self._endless()

    def _endless(self) -> Iterator[Batch]:
        feed, course = self.training.feed, self.training.course
        drawn = Drawn()
        while True:
            order = self.training.order(drawn.epochs)
            yield from feed.batches(order, course.batch_size, seed=course.seed, drawn=drawn)
            drawn = Drawn(drawn.epochs + 1, drawn.steps + self.training.steps)

    def __call__(self) -> None:
        for _ in range(self.steps):
            self.training._step(next(self._batches), time.perf_counter())


def _training(session: Session, workload: Workload, observers: list[Observer]) -> Any:
    network = gt.architecture(workload.name).network(seed=TRAINING.seed)
    data = random_samples(network, TRAINING.batches * workload.batch_size, TRAINING.seed)
    optimizer = gt.SGD(TRAINING.lr, momentum=TRAINING.momentum)
    course = Course(optimizer=optimizer, epochs=1_000_000, batch_size=workload.batch_size)
    made = engine(session.threads, session.options)
    return prepare_training(
        network, data, course, threads=session.threads, engine=made, observers=observers
    )


def _compare(session: Session, workload: Workload, table: Table, part: Part) -> None:
    """The rows of one network."""
    heading = f"exploring, {workload.title}"
    session.told(f"{heading}: getting ready")
    live = Live()
    alone = _Stretch(_training(session, workload, []))
    followed = _Stretch(_training(session, workload, [live]))
    x, y = random_samples(followed.training.network, SHOWN, TRAINING.seed)
    shown = session_of(followed.training, x, y, workload.title)
    alone.steps = followed.steps = _as_many_as_fit(alone, session.seconds)
    with Explorer(shown, live=live) as explorer, _reading(explorer.url, live) as reader:
        live.watch(followed.training, shown, explorer.seconds)
        live.begin(followed.training.history, 1, followed.training.steps)
        times = take_turns(
            [
                Contender(ALONE, alone, reader.pause),
                Contender(FOLLOWED, followed, reader.go),
            ],
            0.0,  # one stretch in each turn
            PACE,
            told=lambda text: session.told(f"{heading}: {text}"),
        )
    for name, found in times.items():
        _row(workload, name, found, times[ALONE], alone.steps, table)
    passed, told = sum(times[FOLLOWED].all), reader.told
    part.body.append(
        f"{workload.title}: {told['versions']} versions of the weights in {passed:.0f} s, "
        f"{mebibytes(told['bytes'])} read. Computing them took {live.seconds / passed:.2%} of the "
        f"time, answering {explorer.seconds() / passed:.2%}, the process that asks "
        f"{told['seconds'] / passed:.2%}, as processors count it."
    )
    found, limit = _times_as_long(times[FOLLOWED], times[ALONE]), EXPLORING.get(workload.name)
    if limit is not None and found > limit:
        part.failed.append(
            f"{workload.title}: a step takes {found:.3f} times as long while a page follows, "
            f"wanted {limit}"
        )


def _times_as_long(slow: Times, fast: Times) -> float:
    """The median of the rounds' quotients: what slows both sides of a round down is not in it."""
    pairs = zip(slow.turns, fast.turns, strict=True)
    return median(median(a) / median(b) for a, b in pairs)


def _as_many_as_fit(stretch: _Stretch, seconds: float) -> int:
    """How many steps take so many seconds, about; the first ones are not counted."""
    for _ in range(3):
        stretch()
    begun, count = time.perf_counter(), 0
    while count < 3 or time.perf_counter() - begun < min(1.0, seconds):
        stretch()
        count += 1
    return max(1, round(seconds * count / (time.perf_counter() - begun)))


class _Talking:
    """The process that asks; see `benchmarks.reader`.

    While it pauses, time stands still for the training that is followed: else the page would get
    what the other side's turns allow it, too.
    """

    def __init__(self, process: subprocess.Popen[str], live: Live) -> None:
        self.process, self.live = process, live
        self.told: dict[str, float] = {}
        self._paused: float | None = None

    def pause(self) -> None:
        self._say("pause")
        if self._paused is None:
            self._paused = time.perf_counter()

    def go(self) -> None:
        if self._paused is not None:
            passed = time.perf_counter() - self._paused
            self.live._last += passed
            self.live._asked += passed
            self._paused = None
        self._say("go")

    def _say(self, word: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(f"{word}\n")
        self.process.stdin.flush()


@contextmanager
def _reading(url: str, live: Live) -> Iterator[_Talking]:
    """A process that asks when it is told to."""
    command = [sys.executable, "-m", "benchmarks.reader", url]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, cwd=ROOT, stdin=pipe, stdout=pipe, text=True) as process:
        talking = _Talking(process, live)
        yield talking
        said, _ = process.communicate(timeout=30)
        if process.returncode:
            raise RuntimeError("the process that asks what a page asks has failed")
        talking.told = json.loads(said)


def _row(
    workload: Workload, name: str, found: Times, alone: Times, steps: int, table: Table
) -> None:
    low, high = quartiles(found.all)
    least, most = spread(found, alone)
    table.add(
        workload.title, name, milliseconds(found.median / steps),
        f"{number(1e3 * low / steps)} – {number(1e3 * high / steps)}",
        f"{_times_as_long(found, alone):.3f}", f"{least:.3f} – {most:.3f}",
    )  # fmt: skip
