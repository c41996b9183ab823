"""Loops over the indices of several arrays, and sums along some of them, lane by lane.

    kept    the indices outside: statistics, or sums, are had for each of their points
    over    the indices inside, which the sums run over

An array's address moves with each index that it shows. What moves with no further loop is read
before that loop, once. Sums begin anew in every loop and are added to the loop around it, so that
the error grows with the sizes and not with their product; in the innermost loop some totals take
turns. Where a sum strides over rows of places, several places side by side are summed at once.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from ....equation.frozen import frozen
from ..builder import Carried, Code
from ..ir_types import Value
from ..nest import Stream
from ..target import LANES
from .kernel import Kernel

Indices = tuple[tuple[str, int], ...]
"""Indices with their ranges, outermost first."""

Registers = list[list[Value]]
"""One row for each place of those side by side, in it one register for each part of the lanes."""

_CHAINS = 4
"""How many totals take turns in the innermost loop of a sum."""


@dataclass(frozen=True)
class _Reader:
    """One array where the loops are.

    Args:
        stream: how its address moves.
        at: the address.
        held: what stands there, once it is read; one row where that is the same for all places.
    """

    stream: Stream
    at: Value
    held: Registers | None = None

    def step(self, name: str) -> int:
        """Bytes from one value of an index to the next."""
        return dict(self.stream.strides).get(name, 0)


@dataclass(frozen=True)
class LoopPoint:
    """Where the loops are, in all arrays.

    Args:
        code: being written.
        readers: the arrays by letter.
        tile: the index of the places side by side; empty where there is one.
        places: how many of them.
    """

    code: Code
    readers: Mapping[str, _Reader]
    tile: str = ""
    places: int = 1

    def moved(self, name: str, by: Value | int) -> LoopPoint:
        """By so many values of an index."""
        readers = {
            letter: replace(r, at=self.code.at(r.at, by, r.step(name))) if r.step(name) else r
            for letter, r in self.readers.items()
        }
        return replace(self, readers=readers)

    def __contains__(self, letter: str) -> bool:
        return letter in self.readers

    def address(self, letter: str, place: int, part: int) -> Value:
        """Of a register of an array with lanes."""
        reader = self.readers[letter]
        offset = place * reader.step(self.tile) + self.code.parts[part]
        return self.code.at(reader.at, offset)

    def value(self, letter: str, place: int, part: int) -> Value:
        """What stands in an array, at one of the places side by side."""
        reader = self.readers[letter]
        if reader.held is not None:
            return reader.held[place if len(reader.held) > 1 else 0][part]
        if reader.stream.lanes:
            return self.code.load(self.address(letter, place, part))
        return self.code.spread(self.code.at(reader.at, place * reader.step(self.tile)))

    def put(self, letter: str, place: int, part: int, value: Value) -> None:
        """Write a register."""
        self.code.store(value, self.address(letter, place, part))

    def each(self) -> Iterator[tuple[int, int]]:
        """The registers: place and part."""
        for place in range(self.places):
            for part in range(self.code.target.parts):
                yield place, part

    def registers(self, of: Callable[[int, int], Value]) -> Registers:
        """One register for each."""
        return [[of(p, q) for q in range(self.code.target.parts)] for p in range(self.places)]

    def settled(self, letters: Sequence[str], ahead: Indices) -> LoopPoint:
        """With those of the arrays read that no index ahead moves."""
        readers = dict(self.readers)
        for letter in letters:
            reader = readers.get(letter)
            if reader is None or reader.held is not None:
                continue
            if not any(reader.step(name) for name, _ in ahead):
                readers[letter] = replace(reader, held=self._read(letter, reader))
        return replace(self, readers=readers)

    def _read(self, letter: str, reader: _Reader) -> Registers:
        """What stands there, read once where all registers are the same."""
        if reader.step(self.tile):
            return self.registers(lambda place, part: self.value(letter, place, part))
        if reader.stream.lanes:
            row = [self.value(letter, 0, part) for part in range(self.code.target.parts)]
        else:
            row = [self.value(letter, 0, 0)] * self.code.target.parts
        return [row]

    def with_held(self, letter: str, held: Registers) -> LoopPoint:
        """With what stands in an array known, though it may not be in memory."""
        reader = replace(self.readers[letter], held=held)
        return replace(self, readers={**self.readers, letter: reader})


Step = Callable[[LoopPoint, int, int, list[Value]], list[Value]]
"""The totals after one element, from where it is, which register it is, and the totals before."""

Combine = Callable[[Value, Value], Value]


@frozen
class AlongAxes(Kernel):
    """A kernel over points of `kept`, with sums over `over`.

    Args:
        kept, over: the indices.
        streams: letter → how the array's address moves; an argument each.
    """

    kept: Indices
    over: Indices
    streams: tuple[tuple[str, Stream], ...]

    @abstractmethod
    def at_point(self, spot: LoopPoint) -> None:
        """Write what is done at a point of `kept`, or at several side by side."""

    def write(self, code: Code) -> None:
        """See `Kernel.write`."""
        readers = {
            letter: _Reader(stream, code.at(code.argument(stream.argument), stream.offset))
            for letter, stream in self.streams
        }
        self._outer(LoopPoint(code, readers), self.kept)

    def _outer(self, spot: LoopPoint, kept: Indices) -> None:
        if not kept:
            self.at_point(spot.settled(self.settling, self.over))
            return
        (name, size), *rest = kept
        many = self._side_by_side(spot.code) if not rest else 1

        def some(number: Value, count: int) -> None:
            moved = spot.moved(name, spot.code.mul_index(number, many))
            moved = replace(moved, tile=name if many > 1 else "", places=count)
            ahead = (*rest, *self.over)
            if rest:
                self._outer(moved.settled(self.settling, ahead), tuple(rest))
            else:
                self.at_point(moved.settled(self.settling, ahead))

        spot.code.groups(name, size, many, some)

    def _side_by_side(self, code: Code) -> int:
        """How many places are taken at once: several where the last index kept is a row's."""
        stream = dict(self.streams)["X"]
        in_row = bool(self.kept) and stream.stride(self.kept[-1][0], 0) == 4 * LANES
        return max(1, _CHAINS // code.target.parts) if in_row else 1

    @cached_property
    def settling(self) -> tuple[str, ...]:
        """The letters that are read as soon as no loop ahead moves them: not what is written."""
        return ()

    def written(self, letter: str) -> str:
        """An array's element, as it is printed."""
        return dict(self.streams)[letter].written

    @property
    def loop_lines(self) -> tuple[str, str]:
        """The loops outside and inside, as they are printed."""
        outside, inside = (
            ", ".join(f"{n} in 0…{size - 1}" for n, size in indices) or "the sample"
            for indices in (self.kept, self.over)
        )
        return f"for {outside}:", inside

    def each(self, spot: LoopPoint, write: Callable[[LoopPoint], None]) -> None:
        """Loops over the points of `over`."""

        def inside(here: LoopPoint, indices: Indices) -> None:
            if not indices:
                write(here)
                return
            (name, size), *rest = indices
            with here.code.loop(name, size) as at:
                inside(here.moved(name, at).settled(self.settling, tuple(rest)), tuple(rest))

        inside(spot, self.over)

    def sums(
        self,
        spot: LoopPoint,
        count: int,
        step: Step,
        start: Value | None = None,
        join: Combine | None = None,
    ) -> list[Registers]:
        """`count` totals over the points of `over`, for each register.

        Args:
            spot: the point of `kept`.
            count: how many.
            step: what an element adds.
            start: the total of nothing, 0 by default.
            join: the total of two parts, their sum by default.
        """
        code = spot.code
        first, both = start or code.number(0.0), join or code.add
        cells = list(spot.each())
        chains = _CHAINS if spot.places == 1 else 1
        begin = [first] * (count * chains * len(cells))

        def row(here: LoopPoint, name: str, many: int, totals: list[Value]) -> list[Value]:
            found = list(totals)
            for chain in range(many):
                there = here.moved(name, chain) if name else here
                for c, (place, part) in enumerate(cells):
                    own = [(k * chains + chain) * len(cells) + c for k in range(count)]
                    made = step(there, place, part, [found[o] for o in own])
                    for o, value in zip(own, made, strict=True):
                        found[o] = value
            return found

        def inside(here: LoopPoint, indices: Indices) -> list[Value]:
            if not indices:
                return row(here, "", 1, begin)
            (name, size), *rest = indices
            state = Carried(begin)
            if rest:
                with code.loop(name, size, carried=state) as at:
                    there = here.moved(name, at).settled(self.settling, tuple(rest))
                    part = inside(there, tuple(rest))
                    state.next = [both(a, b) for a, b in zip(state.now, part, strict=True)]
                return state.now
            whole = size // chains * chains
            if whole:
                with code.loop(name, whole, 0, chains, carried=state) as at:
                    state.next = row(here.moved(name, at), name, chains, state.now)
            return row(here.moved(name, whole), name, size - whole, state.now)

        totals = inside(spot, self.over)
        rows: list[Registers] = []
        for k in range(count):
            chain = [totals[(k * chains + c) * len(cells) :][: len(cells)] for c in range(chains)]
            while len(chain) > 1:
                half = len(chain) // 2
                pairs = zip(chain[:half], chain[half:], strict=True)
                chain = [[both(a, b) for a, b in zip(p, q, strict=True)] for p, q in pairs]
            width = code.target.parts
            rows.append([chain[0][at : at + width] for at in range(0, len(cells), width)])
        return rows
