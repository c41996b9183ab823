"""What became of one case, and how many became what."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

import gradtrail as gt

from ..report import Part, Table, percent, verdict

__all__ = ["Outcome", "apart", "listed_names", "part_of", "tried"]


@dataclass(frozen=True)
class Outcome:
    """One case.

    Args:
        kind: the operator or layer that it is about.
        name: the case's.
        refused: why it was not read; empty where it was.
        apart: the largest difference of any number, relative to its array's largest.
        allowed: how large that may be.
    """

    kind: str
    name: str
    refused: str = ""
    apart: float = 0.0
    allowed: float = 0.0

    @property
    def word(self) -> str:
        """`right`, `refused` or `wrong`."""
        if self.refused:
            return "refused"
        return "right" if self.apart <= self.allowed else "wrong"


def tried(kind: str, name: str, allowed: float, compare: Callable[[], float]) -> Outcome:
    """A case's outcome.

    Args:
        kind: see `Outcome`.
        name: see `Outcome`.
        allowed: see `Outcome`.
        compare: gives how far apart the two sides are; what gradtrail refuses, it raises.
    """
    try:
        return Outcome(kind, name, "", compare(), allowed)
    except gt.GradtrailError as cause:
        return Outcome(kind, name, str(cause))


def listed_names(file: str) -> tuple[str, ...]:
    """The names in one of the folder's lists, one per line."""
    lines = (Path(__file__).parent / "names" / f"{file}.txt").read_text().splitlines()
    return tuple(line for line in lines if not line.startswith("#"))


def apart(ours: np.ndarray, theirs: np.ndarray) -> float:
    """The largest difference, relative to the largest number; what is not finite must be the same.

    Infinity where shapes differ.
    """
    if ours.shape != theirs.shape:
        return float("inf")
    finite = np.isfinite(theirs)
    same = (ours == theirs) | (np.isnan(ours) & np.isnan(theirs)) | finite
    if not same.all() or not np.isfinite(ours[finite]).all():
        return float("inf")
    scale = max(1.0, float(np.abs(theirs[finite]).max(initial=0.0)))
    return float(np.abs(ours[finite] - theirs[finite]).max(initial=0.0) / scale)


def part_of(title: str, found: Sequence[Outcome], wanted: float | None) -> tuple[Part, bool]:
    """A section of the report, and whether it is as good as is asked.

    Args:
        title: its heading.
        found: all cases.
        wanted: the share that must be right, 0 to 1; None where nothing is asked.
    """
    counts = Counter(one.word for one in found)
    passed = not counts["wrong"] and (wanted is None or counts["right"] >= wanted * len(found))
    summary = (
        f"{verdict(passed)}: of {len(found)} cases {counts['right']} are right "
        f"({percent(counts['right'] / max(1, len(found)))}), {counts['refused']} refused, "
        f"{counts['wrong']} wrong."
    )
    table = Table(("about", "right >", "refused >", "wrong >"))
    for kind in sorted({one.kind for one in found}):
        words = Counter(one.word for one in found if one.kind == kind)
        table.add(kind, *(str(words[word]) for word in ("right", "refused", "wrong")))
    body: list[str | Table] = [summary, table, _reasons(found)]
    wrong = [f"{one.name}: {one.apart:.1e}" for one in found if one.word == "wrong"]
    if wrong:
        body.insert(1, "Wrong: " + "; ".join(wrong))
    return Part(title, body, failed=wrong), passed


def _reasons(found: Iterable[Outcome]) -> Table:
    """What is refused, the most common reason first."""
    by_reason: dict[str, list[str]] = {}
    for one in found:
        if one.refused:
            told = re.sub(r"^\S+case\.onnx: ", "", one.refused)
            plain = re.sub(r"\d[\d.,]*", "#", re.sub(r"'[^']*'", "'…'", told))
            by_reason.setdefault(plain[:160], []).append(one.name)
    table = Table(("what is refused", "cases >", "such as"))
    for reason, names in sorted(by_reason.items(), key=lambda pair: -len(pair[1])):
        table.add(reason, str(len(names)), ", ".join(names[:3]))
    return table
