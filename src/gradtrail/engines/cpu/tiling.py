"""Which accumulators a nest holds in registers, by counting what each choice costs.

For every tile that fits, the cycles of all its rounds are estimated: multiply-adds against loads
against the latency of a chain, with the rest that the tile does not divide. The cheapest wins. The
choice changes the speed and no result.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product as cartesian
from math import prod

from ...equation.frozen import frozen
from .nest import TermSum
from .target import Target

_LATENCY = 4

_FARTHER = 0.1
"""Cycles that a register's load waits on average: arrays of lanes lie beyond the first cache."""


@frozen
class Reading:
    """What one product reads from memory: which indices move it, and whether lane by lane."""

    moves: frozenset[str]
    lanes: bool


def readings_of(one: TermSum) -> list[Reading]:
    """What each product of a sum reads."""
    streams = [factor.stream for factor in one.factors]
    return [Reading(frozenset(name for name, _ in s.strides), s.lanes) for s in streams]


@frozen
class Tiling:
    """A tile with the cycles that the whole nest is estimated to take.

    Args:
        tile: index → how many of its values.
        cycles: of the whole nest for one block, on one core.
    """

    tile: tuple[tuple[str, int], ...]
    cycles: float


@dataclass(frozen=True)
class TileCosts:
    """What tiles cost in a nest.

    Args:
        target: the processor.
        readings: the factors of the product.
        free: the target's indices that may be in the tile, with their ranges.
        rounds: over how many products each accumulator sums.
        overlap: whether a rest is computed with a whole tile, or with a shorter one.
    """

    target: Target
    readings: Sequence[Reading]
    free: Mapping[str, int]
    rounds: int
    overlap: bool

    def cheapest(self) -> Tiling:
        """The tile to take."""
        best: Tiling | None = None
        registers, parts = self.target.registers, self.target.parts
        for tile in _tiles(dict(self.free), _held(self.target) // parts):
            held = prod(tile.values()) * parts
            if held + self._alive(tile) > registers and held > parts:
                continue
            cycles = self._all_rounds(tile)
            if best is None or cycles < best.cycles * 0.999:
                best = Tiling(tuple(tile.items()), cycles)
        assert best is not None  # the tile of single values always fits
        return best

    def _alive(self, tile: Mapping[str, int]) -> int:
        """Registers that hold what has been read."""
        wide = [_count(r, tile) for r in self.readings if r.lanes]
        return min(wide, default=0) * self.target.parts + 1

    def _round(self, tile: Mapping[str, int]) -> float:
        """Cycles for one product of every accumulator."""
        target = self.target
        held = prod(tile.values()) * target.parts
        wide = sum(_count(r, tile) * target.parts for r in self.readings if r.lanes)
        loads = wide + sum(_count(r, tile) for r in self.readings if not r.lanes)
        per_cycle = 1.0 if target.width == 16 else 2.0
        if target.width == 16:  # a number spread to all lanes rides along with the product
            loads = wide
        busy = max(held / (target.rate * target.parts), loads / per_cycle * 1.1, _LATENCY * 1.02)
        return busy + _FARTHER * wide

    def _all_rounds(self, tile: Mapping[str, int]) -> float:
        """Cycles of the whole nest."""
        total = 0.0
        parts = []
        for name, size in self.free.items():
            step = tile[name]
            whole, left = divmod(size, step)
            entries = [(step, whole)] if whole else []
            if left:
                entries.append((step if self.overlap and whole else left, 1))
            parts.append(entries)
        for entry in cartesian(*parts):
            held = dict(zip(self.free, (n for n, _ in entry), strict=True))
            times = prod(count for _, count in entry)
            beside = 6 + 0.7 * prod(held.values()) * self.target.parts  # starting and storing
            total += times * (self.rounds * self._round(held) + beside)
        return total


def _tiles(free: dict[str, int], most: int) -> Iterator[dict[str, int]]:
    """All tiles of at most so many values."""
    if not free:
        yield {}
        return
    name, *_ = free
    others = {n: size for n, size in free.items() if n != name}
    for size in range(1, min(free[name], most, 8) + 1):
        for tile in _tiles(others, most // size):
            yield {name: size, **tile}


def _held(target: Target) -> int:
    """How many accumulators: some registers stay free for what is being read."""
    return target.registers - (7 if target.registers >= 32 else 4)


def _count(reading: Reading, tile: Mapping[str, int]) -> int:
    return prod(n for name, n in tile.items() if name in reading.moves)
