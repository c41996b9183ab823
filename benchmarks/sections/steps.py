"""A training step, forward, loss, backward and update, against every mode of every peer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial

from ..counting import step_work
from ..ours import NAME, Learner, engine
from ..peak import Peak
from ..peers import Peer
from ..report import Bar, Part, Table, milliseconds, number, percent
from ..session import Session
from ..settings import FLOOR, TRAINING, Workload
from ..task import DisagreementError, Task, UnavailableError, task_for, without_dropout
from ..turns import Contender, Times, best, quartiles, ratio, spread, take_turns

__all__ = ["measure"]

PEAK, PEAK_OF_ONE = "FMA peak", "FMA peak, 1 thread"

SHARED = 0.85
"""Below this part of as many times one thread's peak, the threads do not have processors of their
own."""


def measure(session: Session) -> Part:
    """Every network, side by side."""
    part = Part("A training step")
    short = Table(("network / batch", "gradtrail >", "best peer", "its time >", "ratio >",
                   "quartiles >", "goal >"))  # fmt: skip
    long = Table(("network / batch", "side", "median >", "quartiles >", "times ours >",
                  "GFLOP/s >", "of the peak >"))  # fmt: skip
    notes: list[str] = []
    for workload in session.workloads:
        found = _Compared(session, workload)
        notes += found.notes
        found.summarise(short, part)
        found.list_all(long)
        part.bars += found.bars()
    part.body += [_EXPLAINED, short, "Every side:", long]
    part.body += ["\n".join(f"- {note}" for note in notes)] if notes else []
    return part


_EXPLAINED = (
    "Forward, loss, backward, SGD with momentum; float32; the same weights (the first losses agree "
    f"to {TRAINING.agreement:g}), the same data, the same number of threads; the sides take turns. "
    "The ratio is the best peer's median over ours, and its quartiles are those over the rounds. "
    "GFLOP/s count the direct multiply-adds of convolutions and linear layers, whatever algorithm "
    "a side uses, so that Winograd may exceed the peak, which was measured in the same rounds."
)


class _Compared:
    """One network on all sides."""

    def __init__(self, session: Session, workload: Workload) -> None:
        self.workload, self.notes = workload, list[str]()
        session.told(f"training step, {workload.title}: getting ready")
        task = task_for(workload, session.threads)
        ours = Learner(task, session.options)
        plain = replace(task, network=without_dropout(task.network))
        expected = ours() if plain.network is task.network else Learner(plain, session.options)()
        contenders = [Contender(NAME, ours)]
        for peer in session.peers:
            for mode in session.modes(peer):
                title = peer.titled(mode)
                session.told(f"training step, {workload.title}: getting {title} ready")
                try:
                    step = checked(peer, mode, task, plain, expected)
                except UnavailableError as reason:
                    self.notes.append(f"{workload.name}: no {title}, since {reason}")
                    continue
                contenders.append(Contender(title, step, partial(peer.begin, task.threads)))
        self.theirs = [c.name for c in contenders[1:]]
        processor = engine(task.threads, session.options).processor
        peak, one = Peak(processor, task.threads), Peak(processor, 1)
        contenders += [Contender(PEAK, peak.burst), Contender(PEAK_OF_ONE, one.burst)]
        self.times = take_turns(
            contenders,
            session.seconds,
            told=lambda text: session.told(f"training step, {workload.title}: {text}"),
        )
        self.peak = peak.rate(self.times[PEAK].median)
        self.peak_of_one = one.rate(self.times[PEAK_OF_ONE].median)
        self._warn(task.threads)
        self.work = 2.0 * step_work(task.network, task.batch_size)
        self.best = best(self.times, self.theirs)

    def _warn(self, threads: int) -> None:
        """A note where the threads share their processors."""
        times = self.peak / self.peak_of_one
        if times < SHARED * threads:
            self.notes.append(
                f"{self.workload.name}: {threads} threads reach only {number(times)} times one "
                "thread's peak, so they share processors, with other work or with each other. A "
                "library whose threads wait for each other suffers more from that than we do"
            )

    def summarise(self, table: Table, part: Part) -> None:
        """The row against the best peer, and whether it is what was set out for."""
        ours, title = self.times[NAME], self.workload.title
        if self.best is None:
            table.add(title, milliseconds(ours.median), "none", "", "", "", "")
            return
        theirs = self.times[self.best]
        found, (low, high) = ratio(theirs, ours), spread(theirs, ours)
        goal = self.workload.goal
        reached = "" if goal is None else f"{number(goal)} {'✓' if found >= goal else '✗'}"
        table.add(
            title, milliseconds(ours.median), self.best, milliseconds(theirs.median),
            f"**{number(found)}**", f"{number(low)} – {number(high)}", reached,
        )  # fmt: skip
        if found < (FLOOR if goal is None else goal):
            wanted = number(FLOOR if goal is None else goal)
            part.failed.append(f"{title}: {number(found)} × {self.best}, wanted {wanted}")

    def list_all(self, table: Table) -> None:
        """A row for every side and one for the peak."""
        ours = self.times[NAME]
        for name in (NAME, *self.theirs):
            times = self.times[name]
            rate = self.work / times.median
            low, high = quartiles(times.all)
            table.add(
                self.workload.title, name, milliseconds(times.median),
                f"{number(1e3 * low)} – {number(1e3 * high)}", number(ratio(times, ours)),
                number(rate / 1e9), percent(rate / self.peak),
            )  # fmt: skip
        for name, rate in ((PEAK, self.peak), (PEAK_OF_ONE, self.peak_of_one)):
            share = percent(rate / self.peak)
            table.add(self.workload.title, name, "", "", "", number(rate / 1e9), share)

    def bars(self) -> list[Bar]:
        """The peers' bars of the picture."""
        ours = self.times[NAME]

        def bar(name: str, times: Times) -> Bar:
            low, high = spread(times, ours)
            goal = self.workload.goal
            return Bar(self.workload.title, name, ratio(times, ours), low, high, goal)

        return [bar(name, self.times[name]) for name in self.theirs]


def checked(peer: Peer, mode: str, task: Task, plain: Task, expected: float) -> Callable[[], float]:
    """A peer's learner whose first loss was compared with ours.

    Args:
        peer: whose.
        mode: of it.
        task: what it trains.
        plain: the task without dropout, for the comparison; the same where there is none.
        expected: our first loss there.

    Raises:
        DisagreementError: the losses differ.
        UnavailableError: the mode does not work here.
    """
    learner = peer.learner(mode, task)
    first = learner() if plain is task else peer.learner(mode, plain)()
    if not abs(first - expected) <= TRAINING.agreement:
        raise DisagreementError(
            f"the first loss of {peer.titled(mode)} is {first:.6f}, ours {expected:.6f}; they "
            "differ in what they compute, so nothing is timed"
        )
    return learner
