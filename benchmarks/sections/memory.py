"""Peak memory as the batch grows."""

from __future__ import annotations

from collections.abc import Mapping

from ..child import ask
from ..ours import NAME
from ..report import Part, Table, mebibytes
from ..session import Session
from ..settings import MEMORY

__all__ = ["growth", "measure"]


def measure(session: Session) -> Part:
    """One network with growing batches, each in a process of its own."""
    part = Part("Peak memory")
    table = Table(("side", "batch >", "input >", "process without input >", "of that, the steps >"))
    for side in (NAME, *(peer.name for peer in session.peers)):
        found = []
        for batch_size in MEMORY.batches:
            session.told(f"peak memory: {side}, batch {batch_size}")
            if side == NAME:
                _asked(session, side, batch_size)  # fills the code cache; compiling is no step's
            used = _asked(session, side, batch_size)
            found.append(used)
            table.add(
                side, f"{batch_size:,}", mebibytes(used["input"]),
                mebibytes(used["peak"] - used["input"]), mebibytes(used["peak"] - used["before"]),
            )  # fmt: skip
        if side == NAME:
            _judge(part, growth(found[0], found[-1]))
    part.body.insert(0, _explained())
    part.body.append(table)
    return part


def _explained() -> str:
    return (
        f"{MEMORY.network}, {MEMORY.steps} training steps in a fresh process; the most that the "
        "process held at once. *The steps*: what was not there before the first one, the input and "
        "the libraries taken off."
    )


def _judge(part: Part, grown: float) -> None:
    """The growth of ours, in a sentence, and whether it is what was set out for."""
    least, most = MEMORY.batches[0], MEMORY.batches[-1]
    sentence = (
        f"From batch {least:,} to {most:,} gradtrail's process grows by {100 * grown:.1f} % beyond "
        f"the input (at most {100 * MEMORY.growth:.0f} % was set out for)."
    )
    part.body.append(sentence)
    if grown > MEMORY.growth:
        part.failed.append(sentence)


def growth(least: Mapping[str, int], most: Mapping[str, int]) -> float:
    """By which part a process grows beyond its input, from the least batch to the greatest."""
    small, large = (used["peak"] - used["input"] for used in (least, most))
    return large / small - 1


def _asked(session: Session, side: str, batch_size: int) -> Mapping[str, int]:
    found: Mapping[str, int] = ask(
        {
            "measure": "memory",
            "network": MEMORY.network,
            "batch_size": batch_size,
            "threads": session.threads,
            "options": dict(session.options),
            "steps": MEMORY.steps,
            "side": side,
        }
    )
    return found
