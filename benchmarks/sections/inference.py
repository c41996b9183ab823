"""Inference: the outputs of a batch in evaluation."""

from __future__ import annotations

from functools import partial

import numpy as np

from ..ours import NAME, predictor
from ..peers import Peer
from ..report import Part, Table, milliseconds, number
from ..session import Session
from ..settings import INFERENCE_BATCHES, TRAINING, Workload
from ..task import DisagreementError, Task, UnavailableError, random_samples, task_for
from ..turns import Contender, best, ratio, spread, take_turns

__all__ = ["measure"]

AGREEMENT = 1e-4
"""The largest difference of two sides' outputs, as a part of the largest output."""


def measure(session: Session) -> Part:
    """Every network with every batch size."""
    part = Part("Inference")
    table = Table(("network", "batch >", "gradtrail >", "best peer", "its time >", "ratio >",
                   "quartiles >"))  # fmt: skip
    notes: list[str] = []
    for workload in session.workloads:
        task = task_for(workload, session.threads)
        for batch_size in INFERENCE_BATCHES:
            _compare(session, workload, task, batch_size, table, notes)
    part.body += [
        "`net.predict(x)` against the module called in evaluation without gradients; medians. "
        "Compiled modes, which compile anew for every batch size, stay out.",
        table,
    ]
    part.body += ["\n".join(f"- {note}" for note in dict.fromkeys(notes))] if notes else []
    return part


def _compare(
    session: Session,
    workload: Workload,
    task: Task,
    batch_size: int,
    table: Table,
    notes: list[str],
) -> None:
    """One network with one batch size, as a row."""
    x, _ = random_samples(task.network, batch_size, TRAINING.seed + 2)
    ours = predictor(task, session.options, x)
    expected = ours()
    contenders = [Contender(NAME, ours)]
    for peer in session.peers:
        for mode in session.modes(peer, predicting=True):
            try:
                contenders.append(_checked(peer, mode, task, x, expected))
            except UnavailableError as reason:
                notes.append(f"{workload.name}: no {peer.titled(mode)}, since {reason}")
    heading = f"inference, {workload.name}, batch {batch_size}"
    times = take_turns(
        contenders, session.seconds, told=lambda text: session.told(f"{heading}: {text}")
    )
    cells = ["none", "", "", ""]
    fastest = best(times, [c.name for c in contenders[1:]])
    if fastest is not None:
        theirs = times[fastest]
        low, high = spread(theirs, times[NAME])
        share = f"**{number(ratio(theirs, times[NAME]))}**"
        cells = [fastest, milliseconds(theirs.median), share, f"{number(low)} – {number(high)}"]
    table.add(workload.name, str(batch_size), milliseconds(times[NAME].median), *cells)


def _checked(peer: Peer, mode: str, task: Task, x: np.ndarray, expected: np.ndarray) -> Contender:
    """A peer's predictor whose outputs were compared with ours.

    Raises:
        DisagreementError: the outputs differ.
    """
    run = peer.predictor(mode, task, x)
    difference = float(np.abs(np.asarray(run()) - expected).max() / np.abs(expected).max())
    if not difference <= AGREEMENT:
        raise DisagreementError(
            f"the outputs of {peer.titled(mode)} for {len(x)} samples differ from ours by "
            f"{difference:.1e} of the largest; nothing is timed"
        )
    return Contender(peer.titled(mode), run, partial(peer.begin, task.threads))
