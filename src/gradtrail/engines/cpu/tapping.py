"""Tables of the values that constants of an equation leave of a summed index, in a nest's code.

    Z[n,c,y,x] = Σ_{h,w} U[y,h]·V[x,w]·X[n,c,h,w]

Row y takes few h: their places and numbers stand in a table of the code, row by row. Where rows
are about as long, their sums are written out, and a short row takes its last place in several
parts; else a loop runs over as many as there are. So nothing is multiplied by 0, and what is not a
number stays where it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from ...equation.frozen import frozen
from .builder import Code
from .ir_types import F, I, Value

_FULL = 0.6
"""How much of a table must be taken so that its rows are written out, all equally long."""


@frozen
class Taps:
    """A summed index of which few values are taken, by the value of another.

    Args:
        index: the summed one.
        by: the other, whose loop is outside.
        rows: for each value of `by` the values that are taken, with their numbers.
        written: the constants as they are printed.
    """

    index: str
    by: str
    rows: tuple[tuple[tuple[int, float], ...], ...]
    written: str = ""

    @cached_property
    def width(self) -> int:
        """The most that one row takes."""
        return max(1, *map(len, self.rows)) if self.rows else 1

    @cached_property
    def even(self) -> bool:
        """Whether all rows take as many."""
        return all(len(row) == self.width for row in self.rows)

    @cached_property
    def full(self) -> bool:
        """Whether rows are so nearly of one length that they are best made so."""
        taken = sum(map(len, self.rows))
        return all(self.rows) and taken >= _FULL * self.width * len(self.rows)

    @cached_property
    def filled(self) -> tuple[tuple[tuple[int, float], ...], ...]:
        """The rows all equally long: the last place of a short one is taken in equal parts."""
        found = []
        for row in self.rows:
            (place, number), parts = row[-1], self.width - len(row) + 1
            found.append((*row[:-1], *((place, number / parts),) * parts))
        return tuple(found)


@dataclass(frozen=True)
class TableRow:
    """A row of the table, while the code that takes it is written.

    Args:
        places: where its places stand.
        numbers: where its numbers stand; None where all are 1.
        count: how many there are.
        taken: where they are written out, all places, and all numbers in all lanes.
    """

    places: Value
    numbers: Value | None
    count: int | Value
    taken: tuple[tuple[Value, Value | None], ...] = ()


class TapTable:
    """The table of one index in a function's code.

    Args:
        code: the function.
        taps: what is taken.
        unrolled: whether the index is written out.
    """

    def __init__(self, code: Code, taps: Taps, unrolled: bool) -> None:
        self.code, self.taps, self.unrolled = code, taps, unrolled
        rows = taps.filled if unrolled else taps.rows
        ones = all(number == 1 for row in rows for _, number in row)
        places, numbers = [self._flat(rows, part) for part in (0, 1)]
        self._places = code.table(I, [int(place) for place in places])
        self._numbers = None if ones else code.table(F, numbers)
        uneven = not (unrolled or taps.even)
        self._counts = code.table(I, [len(row) for row in rows]) if uneven else None

    def _flat(self, rows: Sequence[Sequence[tuple[int, float]]], part: int) -> list[float]:
        """All places or all numbers, rows made equally long with zeros that nobody reads."""
        width = self.taps.width
        padded = ((*(tap[part] for tap in row), *(0,) * (width - len(row))) for row in rows)
        return [entry for row in padded for entry in row]

    def row(self, at: Value) -> TableRow:
        """The row for one value of `by`."""
        code, width = self.code, self.taps.width
        places = code.at(self._places, at, 8 * width)
        numbers = None if self._numbers is None else code.at(self._numbers, at, 4 * width)
        if self._counts is not None:
            return TableRow(places, numbers, code.load(code.at(self._counts, at, 8), I))
        row = TableRow(places, numbers, width)
        if not self.unrolled:
            return row
        taken = tuple(self.tap(row, code.index(number)) for number in range(width))
        return TableRow(places, numbers, width, taken)

    def tap(self, row: TableRow, at: Value) -> tuple[Value, Value | None]:
        """One place of a row, and its number in all lanes."""
        code = self.code
        place = code.load(code.at(row.places, at, 8), I)
        return place, None if row.numbers is None else code.spread(code.at(row.numbers, at, 4))
