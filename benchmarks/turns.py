"""Measuring several sides in one run: they take turns, so that noise hits all alike.

A round gives every side a turn: a pause in which the side before comes to rest (thread pools spin
for a while after their work), runs that are not counted, and runs that are. The order rotates from
round to round. What is quoted is the median over all counted runs of a side.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from statistics import median
from typing import Protocol

__all__ = [
    "Contender",
    "Pace",
    "Side",
    "Times",
    "best",
    "quartiles",
    "ratio",
    "ratios",
    "runs",
    "spread",
    "take_turns",
    "without_collection",
]

Clock = Callable[[], float]


def _nothing() -> None:
    """Nothing has to be prepared."""


@dataclass(frozen=True)
class Pace:
    """How long turns are.

    Args:
        rounds: how many turns each side gets.
        warm: runs at the beginning of a turn that are not counted.
        least: counted runs in a turn at least.
        pause: seconds before a turn.
    """

    rounds: int = 8
    warm: int = 2
    least: int = 3
    pause: float = 0.02


def runs(
    found: list[float], seconds: float, pace: Pace, clock: Clock = time.perf_counter
) -> Iterator[None]:
    """One turn: whoever iterates makes one run for each item.

    Args:
        found: takes the seconds of each counted run.
        seconds: of counted runs, about.
        pace: how long turns are.
        clock: seconds that only grow.
    """
    for _ in range(pace.warm):
        yield
    end = clock() + seconds
    while True:
        begun = clock()
        yield
        now = clock()
        found.append(now - begun)
        if now >= end and len(found) >= pace.least:
            return


class Side(Protocol):
    """What takes turns."""

    @property
    def name(self) -> str:
        """As tables show it."""

    def turn(self, seconds: float, pace: Pace, clock: Clock) -> list[float]:
        """Make one turn's runs, and give the seconds of the counted ones."""


@dataclass(frozen=True)
class Contender:
    """A side in this process.

    Args:
        name: as tables show it.
        run: what is timed.
        begin: called before each turn, such as to set a library's number of threads.
    """

    name: str
    run: Callable[[], object]
    begin: Callable[[], object] = _nothing

    def turn(self, seconds: float, pace: Pace, clock: Clock) -> list[float]:
        """See `Side.turn`."""
        self.begin()
        found: list[float] = []
        for _ in runs(found, seconds, pace, clock):
            self.run()
        return found


@dataclass
class Times:
    """The seconds of one side's runs, turn by turn."""

    name: str
    turns: list[list[float]] = field(default_factory=list)

    @property
    def all(self) -> list[float]:
        """Every counted run."""
        return [t for turn in self.turns for t in turn]

    @property
    def median(self) -> float:
        """The median of all counted runs."""
        return median(self.all)


def take_turns(
    contenders: Sequence[Side],
    seconds: float,
    pace: Pace = Pace(),
    *,
    clock: Clock = time.perf_counter,
    sleep: Callable[[float], object] = time.sleep,
    told: Callable[[str], object] = lambda text: None,
) -> dict[str, Times]:
    """Time the contenders in turn.

    Args:
        contenders: with different names.
        seconds: of counted runs for each, about; slow ones take longer, for `pace.least` runs.
        pace: how long turns are.
        clock: seconds that only grow.
        sleep: waits so many seconds.
        told: hears what happens now.

    Returns:
        The times by name, in the contenders' order.
    """
    names = [c.name for c in contenders]
    if len(set(names)) < len(names):
        raise ValueError(f"every side needs a name of its own, got {names}")
    times = {name: Times(name) for name in names}
    with without_collection():
        for number in range(pace.rounds):
            shift = number % max(1, len(contenders))
            for contender in (*contenders[shift:], *contenders[:shift]):
                told(f"{contender.name}, round {number + 1} of {pace.rounds}")
                sleep(pace.pause)
                turn = contender.turn(seconds / pace.rounds, pace, clock)
                times[contender.name].turns.append(turn)
    return times


@contextmanager
def without_collection() -> Iterator[None]:
    """Without Python's garbage collection, which would hit one side and not another."""
    before = gc.isenabled()
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        if before:
            gc.enable()


def ratio(slow: Times, fast: Times) -> float:
    """How many times longer one side takes: the quotient of the medians."""
    return slow.median / fast.median


def ratios(slow: Times, fast: Times) -> list[float]:
    """The ratio in each round, from its own medians."""
    pairs = zip(slow.turns, fast.turns, strict=True)
    return [median(a) / median(b) for a, b in pairs]


def spread(slow: Times, fast: Times) -> tuple[float, float]:
    """The quartiles of the ratio over the rounds."""
    return quartiles(ratios(slow, fast))


def quartiles(values: Sequence[float]) -> tuple[float, float]:
    """The values a quarter and three quarters of the way up, between neighbours in proportion."""
    ordered = sorted(values)

    def at(part: float) -> float:
        place = part * (len(ordered) - 1)
        low = int(place)
        high = min(low + 1, len(ordered) - 1)
        return ordered[low] + (place - low) * (ordered[high] - ordered[low])

    return at(0.25), at(0.75)


def best(times: Mapping[str, Times], names: Sequence[str]) -> str | None:
    """The name with the least median, or None where there are no names."""
    return min(names, key=lambda n: times[n].median, default=None)
