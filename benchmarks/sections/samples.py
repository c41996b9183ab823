"""Each sample's gradients of all parameters, against a training step and against a peer's."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import numpy as np

from ..ours import NAME, sampler
from ..peers import Peer
from ..report import Part, Table, number
from ..session import Session
from ..settings import SAMPLES, Workload
from ..task import DisagreementError, Task, UnavailableError, task_for, without_dropout
from ..turns import Contender, ratio
from .beside import STEP, beside_a_step, table_of

__all__ = ["measure"]

AGREEMENT = 1e-4
"""By how much two sides' gradients of a sample may differ, as a part of their norm; the median
over the samples, since a ReLU that falls the other way changes a single one."""

HELD, NORMS, MADE = "held", "held, norms", "as arrays"


def measure(session: Session) -> Part:
    """Every network."""
    part = Part("Each sample's gradients")
    table = table_of("side")
    notes: list[str] = []
    for workload in session.workloads:
        _compare(session, workload, table, part, notes)
    part.body += [_EXPLAINED, table]
    part.body += ["\n".join(f"- {note}" for note in notes)] if notes else []
    return part


_EXPLAINED = (
    "`CPU.per_sample` in training: forward, loss, backward, and each sample's gradients of all "
    "parameters instead of their sum; no update. *Held*: as the engine keeps them, norms and inner "
    "products are found from that; *as arrays*: an array (N, …) made of every parameter, which is "
    "what a peer gives. The gradients of both sides agree. A step is our training step: forward, "
    "loss, backward, SGD with momentum."
)


def _compare(
    session: Session, workload: Workload, table: Table, part: Part, notes: list[str]
) -> None:
    """The sides of one network, as rows."""
    heading = f"each sample's gradients, {workload.title}"
    session.told(f"{heading}: getting ready")
    task = task_for(workload, session.threads)
    ours = sampler(task, session.options)
    contenders = [
        Contender(f"{NAME}, {HELD}", ours),
        Contender(f"{NAME}, {NORMS}", lambda: ours().norms()),
        Contender(f"{NAME}, {MADE}", lambda: dict(ours())),
    ]
    for peer in session.peers:
        try:
            contenders.append(_checked(session, peer, task))
        except UnavailableError as reason:
            notes.append(f"{workload.name}: no {peer.name}, since {reason}")
    times = beside_a_step(session, heading, workload, task, contenders, table)
    took, goal = ratio(times[f"{NAME}, {HELD}"], times[STEP]), SAMPLES.get(workload.name)
    if goal is not None and took > goal:
        part.failed.append(
            f"{workload.title}: each sample's gradients take {number(took)} times a step, wanted "
            f"{number(goal)}"
        )


def _checked(session: Session, peer: Peer, task: Task) -> Contender:
    """A peer's side, whose gradients were compared with ours; without dropout, as draws differ.

    Raises:
        DisagreementError: the gradients differ.
        UnavailableError: the peer does not give them.
    """
    plain = replace(task, network=without_dropout(task.network))
    expected, got = sampler(plain, session.options)(), peer.sampler(plain)()
    for name, array in got.items():
        apart = np.linalg.norm((np.asarray(array) - expected[name]).reshape(len(array), -1), axis=1)
        difference = float(np.median(apart / expected.norms([name])))
        if not difference <= AGREEMENT:
            raise DisagreementError(
                f"{peer.name}'s gradients of {name} for each sample differ from ours by "
                f"{difference:.1e} of their norm; nothing is timed"
            )
    return Contender(peer.titled("vmap"), peer.sampler(task), partial(peer.begin, task.threads))
