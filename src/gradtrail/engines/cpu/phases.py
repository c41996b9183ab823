"""Phases of calls, and the table of them that the driver reads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Generic, NamedTuple, TypeVar

import numpy as np

from .driver import CALL, KINDS, PHASE, TASKS, PhaseRow
from .raw import address

Call = TypeVar("Call")


@dataclass
class Phase(Generic[Call]):
    """Calls between two barriers: of kernels in a program, of functions in a listing.

    Args:
        kind: `blocks`; `one` for a single task; `each` for a task per call, which packs what
            follows from the weights alone; `chunks` for ranges of a length.
        calls: in order.
        length: of what the chunks divide.
        chunk: how much of it one task takes.
    """

    kind: str
    calls: list[Call] = field(default_factory=list)
    length: int = 0
    chunk: int = 1


class Argument(NamedTuple):
    """What a function is given: an address, so many bytes behind a region's beginning."""

    region: int
    offset: int


class FunctionCall(NamedTuple):
    """A function's name, and what it is given."""

    symbol: str
    arguments: tuple[Argument, ...] = ()


_KIND, _TASKS = (PhaseRow._fields.index(name) for name in ("kind", "tasks"))


class PhaseTable(NamedTuple):
    """Phases as the driver reads them, with what running them takes.

    Args:
        rows: the phases, (P, PHASE) int64, which point at the calls.
        calls: (n, CALL) int64 each; kept here, since the rows hold only their addresses.
        at: where the rows lie.
        tasks: the most that a phase has.
    """

    rows: np.ndarray
    calls: tuple[np.ndarray, ...]
    at: int
    tasks: int

    @classmethod
    def of(cls, rows: np.ndarray, *calls: np.ndarray) -> PhaseTable:
        """Rows as they are now."""
        return cls(rows, calls, address(rows), int(rows[:, _TASKS].max()))

    @classmethod
    def made(
        cls, phases: Sequence[Phase[FunctionCall]], addresses: Mapping[str, int]
    ) -> PhaseTable:
        """Phases with the functions' addresses.

        Args:
            phases: in order.
            addresses: of the functions, by name.
        """
        calls = [c for p in phases for c in p.calls]
        table = np.zeros((max(1, len(calls)), CALL), np.int64)
        for row, call in zip(table, calls, strict=False):
            flat = [number for argument in call.arguments for number in argument]
            row[: 2 + len(flat)] = [addresses[call.symbol], len(call.arguments), *flat]
        rows = np.zeros((len(phases), PHASE), np.int64)
        at, back = address(table), False
        for row, phase in zip(rows, phases, strict=True):
            count, chunk = len(phase.calls), max(phase.chunk, -(-phase.length // TASKS))
            chunks = -(-phase.length // chunk)
            tasks = {"one": 1, "blocks": 0, "each": count}.get(phase.kind, chunks)
            row[:] = [*PhaseRow(KINDS[phase.kind], at, count, tasks, phase.length, chunk, back)]
            if phase.kind == "blocks":  # the next begins where this one ends, with what is near
                back = not back
            at += count * CALL * 8
        return cls.of(rows, table)

    def without(self, kind: str) -> PhaseTable:
        """These phases without those of a kind."""
        return PhaseTable.of(self.rows[self.rows[:, _KIND] != KINDS[kind]], *self.calls)

    def grouped(self, groups: int, *behind: PhaseTable) -> PhaseTable:
        """These phases for so many groups of blocks, and others behind them."""
        rows = self.rows.copy()
        rows[rows[:, _KIND] == KINDS["blocks"], _TASKS] = groups
        calls = [table for part in (self, *behind) for table in part.calls]
        return PhaseTable.of(np.concatenate([rows, *(b.rows for b in behind)]), *calls)
