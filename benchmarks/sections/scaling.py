"""A training step on 1, 2, … threads."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from ..machine import available_threads
from ..ours import NAME, Learner
from ..report import Part, Table, milliseconds, number
from ..session import Session
from ..settings import Workload
from ..task import UnavailableError, task_for
from ..turns import Contender, ratio, take_turns

__all__ = ["counts", "measure"]

PEER = "PyTorch"
"""The peer that may change its number of threads within one run."""


def counts(most: int) -> list[int]:
    """1, 2, 4, … and the most."""
    doubled = [1 << i for i in range(most.bit_length()) if 1 << i < most]
    return [*doubled, most]


def measure(session: Session) -> Part:
    """Every network on every number of threads."""
    part = Part("Threads")
    table = Table(("network / batch", "side", "threads >", "median >", "times the speed of 1 >"))
    for workload in session.workloads:
        _measure(session, workload, table)
    part.body += [
        "The same step on more threads, the numbers of threads taking turns. Our results are the "
        "same bits on any number.",
        table,
    ]
    return part


def _measure(session: Session, workload: Workload, table: Table) -> None:
    task = task_for(workload, session.threads)
    peers = [p for p in session.peers if p.name == PEER and session.modes(p)]
    contenders: dict[tuple[str, int], Contender] = {}
    for threads in counts(available_threads()):
        ours = Learner(replace(task, threads=threads), session.options)
        contenders[NAME, threads] = Contender(f"{NAME}, {threads}", ours)
        for peer in peers:
            mode = session.modes(peer)[0]
            try:
                step = peer.learner(mode, task)
            except UnavailableError:
                continue
            title = peer.titled(mode)
            begin = partial(peer.begin, threads)
            contenders[title, threads] = Contender(f"{title}, {threads}", step, begin)
    times = take_turns(
        list(contenders.values()),
        session.seconds,
        told=lambda text: session.told(f"threads, {workload.title}: {text}"),
    )
    for side, threads in sorted(contenders, key=lambda key: (key[0] != NAME, *key)):
        found, one = (times[contenders[side, n].name] for n in (threads, 1))
        table.add(
            workload.title, side, str(threads), milliseconds(found.median),
            number(ratio(one, found)),
        )  # fmt: skip
    for peer in peers:
        peer.begin(session.threads)
