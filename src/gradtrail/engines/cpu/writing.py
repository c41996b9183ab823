"""A loop nest as code: loops open from the outside in, and every stream's address moves along."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import product as cartesian
from math import prod

from .builder import Carried, Code
from .epilogue import pass_through, write_epilogue
from .ir_types import F, Value
from .nest import PART, Factor, Nest, Stream, TermSum
from .tapping import TableRow, TapTable
from .vector_math import compile_expression

Point = dict[str, int]

Bounds = tuple[int | Value, int | Value]
"""From where to where an index runs."""


def write_nest(code: Code, nest: Nest) -> None:
    """Write the code of a nest."""
    _Writer(code, nest).run()


@dataclass(frozen=True)
class _TileSum:
    """A sum while it is added to the accumulators of a tile.

    Args:
        sum: the sum.
        points: of the accumulators.
        offsets: those of the summed indices that are written out, one after another.
        bare: whether its only product is all that there is: nothing stands in the accumulators.
    """

    sum: TermSum
    points: list[Point]
    offsets: list[Point]
    bare: bool


class _Writer:
    """A nest being written: the address of every stream, advanced as the loops open."""

    def __init__(self, code: Code, nest: Nest) -> None:
        self.code, self.nest = code, nest
        self.ranges = dict(nest.ranges) | {PART: code.target.parts}
        self.tile = dict(nest.schedule.tile)
        streams = [nest.target, *(f.stream for s in nest.sums for f in s.factors)]
        streams += [f.less for s in nest.sums for f in s.factors if f.less is not None]
        streams += [e.stream for e in nest.epilogue if e.stream is not None]
        arguments = {s.argument: code.argument(s.argument) for s in streams}
        self.places = {s: code.at(arguments[s.argument], s.offset) for s in streams}
        self.bound: dict[str, Value] = {}
        self.hoisted: dict[Factor, Value] = {}
        unrolled = nest.schedule.unrolled
        self.tables = {t.index: TapTable(code, t, t.index in unrolled) for t in nest.taps}
        self.rows: dict[str, TableRow] = {}
        self.numbers: dict[str, Value | None] = {}
        self.reached: dict[object, Value] = {}

    def run(self) -> None:
        """All loops and their bodies."""
        self._outer(list(self.nest.schedule.outer), dict(self.tile))

    def _outer(self, left: list[str], tile: dict[str, int]) -> None:
        """Open the remaining outer loops, then write the tile."""
        if not left:
            self._hoist()
            self._body(tile)
            return
        name, *rest = left
        start, stop = self._bounds(name)
        if name in self.nest.schedule.apart:
            for number in range(self.ranges[name]):
                with self._scope():
                    self._bind(name, self.code.index(number))
                    self._outer(rest, tile)
        elif isinstance(stop, int) and isinstance(start, int):
            step = tile.get(name, 1)
            whole = max(0, stop - start) // step * step
            if whole > 0:
                self._loop(name, (start, start + whole), step, rest, tile)
            if start + whole < stop:
                with self._scope():
                    self._rest(name, start + whole, stop, rest, tile, step if whole else 0)
        else:
            self._dynamic(name, (start, stop), rest, tile)

    def _loop(
        self, name: str, bounds: Bounds, step: int, left: list[str], tile: dict[str, int]
    ) -> None:
        """A loop over an index, and what stands in it."""
        start, stop = bounds
        with self._scope(), self.code.loop(name, stop, start, step) as at:
            self._bind(name, at)
            self._outer(left, tile)

    @contextmanager
    def _scope(self) -> Iterator[None]:
        """Behind it, addresses and indices are as before."""
        before = dict(self.places), dict(self.bound), dict(self.hoisted)
        tapped = dict(self.rows), dict(self.numbers), dict(self.reached)
        yield
        self.places, self.bound, self.hoisted = before
        self.rows, self.numbers, self.reached = tapped

    def _rest(
        self, name: str, done: int, stop: int, left: list[str], tile: dict[str, int], step: int
    ) -> None:
        """What the tile does not divide."""
        if step and self.nest.schedule.rest == "overlap":
            self._bind(name, self.code.index(stop - step))
            self._outer(left, tile)
            return
        self._bind(name, self.code.index(done))
        self._outer(left, tile | {name: stop - done})

    def _dynamic(self, name: str, bounds: Bounds, left: list[str], tile: dict[str, int]) -> None:
        """A loop whose bounds are found while running; the rest goes one by one."""
        step, code = tile.get(name, 1), self.code
        if step == 1:
            self._loop(name, bounds, 1, left, tile)
            return
        begin, end = map(code.index, bounds)
        length = code.greatest(code.sub_index(end, begin), 0)
        short = code.bits("urem", length, code.index(step))
        whole = code.sub_index(code.add_index(begin, length), short)
        self._loop(name, (begin, whole), step, left, tile)
        self._loop(name, (whole, end), 1, left, tile | {name: 1})

    def _bind(self, name: str, at: Value) -> None:
        """Give an index its value, of a tapped one the number of what is taken: streams move."""
        if name in self.tables:
            at, self.numbers[name] = self.tables[name].tap(self.rows[name], at)
        self.bound[name] = at
        for table in self.tables.values():
            if table.taps.by == name:
                self.rows[table.taps.index] = table.row(at)
        for stream, place in self.places.items():
            stride = self._stride(stream, name)
            if stride:
                self.places[stream] = self.code.at(place, at, stride)

    def _bounds(self, name: str) -> Bounds:
        """From where to where an index runs, given the loops around it."""
        start: int | Value = 0
        stop: int | Value = self.ranges[name]
        if name in self.tables:
            stop = self.rows[name].count
        for clip in self.nest.clips:
            if clip.index != name:
                continue
            code, big = self.code, 1 << 20
            rest = code.index(clip.constant)
            for other, coefficient in clip.others:
                rest = code.add_index(rest, code.mul_index(self.bound[other], coefficient))
            s = abs(clip.coefficient)
            # the least and the greatest distance, in steps of the index
            near = code.sub_index(0, rest)
            far = code.sub_index(clip.size - 1, rest)
            if clip.coefficient < 0:
                near, far = code.sub_index(rest, clip.size - 1), rest
            low = code.floor_divided(code.add_index(near, s - 1), s, big)
            high = code.add_index(code.floor_divided(far, s, big), 1)
            start, stop = code.greatest(low, start), code.least(high, stop)
        return _known(start), _known(stop)

    def _hoist(self) -> None:
        """Factors that the tile and the sums do not move are computed once."""
        for one in self.nest.sums:
            inner = {*self.tile, *one.summed}
            for factor in one.factors:
                moves = any(self._stride(factor.stream, n) for n in inner)
                if not moves and not factor.stream.lanes and factor not in self.hoisted:
                    self.hoisted[factor] = self._read(factor.stream, {}, factor)

    # -- the tile --------------------------------------------------------------------------

    def _body(self, tile: dict[str, int]) -> None:
        """Accumulate, finish and store one tile."""
        points = _points(tile)
        starts = [self._start(p) for p in points]
        for place, one in enumerate(self.nest.sums):
            starts = self._summed(one, points, starts, fresh=place == 0)
        if self.nest.over_lanes:
            self._finish_sums(points, starts)
            return
        for point, value in zip(points, starts, strict=True):
            self._finish(point, value)

    def _finish_sums(self, points: list[Point], values: list[Value]) -> None:
        """TermSum the lanes of each element and store one number."""
        code, parts = self.code, self.ranges[PART]
        together: dict[tuple[tuple[str, int], ...], list[Value]] = {}
        for point, value in zip(points, values, strict=True):
            key = tuple((n, at) for n, at in point.items() if n != PART)
            together.setdefault(key, []).append(value)
        for key, lanes in together.items():
            assert len(lanes) == parts
            total = code.lanes_sum(lanes)
            place = self._place(self.nest.target, dict(key))
            code.store(code.add(code.load(place, F), total) if self.nest.adds else total, place)

    def _start(self, point: Point) -> Value:
        if self.nest.adds and not self.nest.over_lanes:
            return self.code.load(self._place(self.nest.target, point))
        return self.code.number(0.0)

    def _summed(
        self, one: TermSum, points: list[Point], values: list[Value], fresh: bool
    ) -> list[Value]:
        """Add one term to all accumulators of the tile."""
        loops = [n for n in one.summed if n not in self.nest.schedule.unrolled]
        flat = {n: self.ranges[n] for n in one.summed if n in self.nest.schedule.unrolled}
        bare = fresh and not self.nest.adds and not loops and prod(flat.values()) == 1
        with self._scope():
            return self._loops(loops, _TileSum(one, points, _points(flat), bare), values)

    def _loops(self, loops: list[str], tile_sum: _TileSum, values: list[Value]) -> list[Value]:
        """The loops of a sum, with the accumulators handed from round to round."""
        if not loops:
            for offsets in tile_sum.offsets:
                values = self._products(tile_sum, offsets, values)
            return values
        state = Carried(values)
        start, stop = self._bounds(loops[0])
        if isinstance(start, int) and isinstance(stop, int) and start >= stop:
            return values  # nothing lies inside
        with self.code.loop(loops[0], stop, start, carried=state) as at, self._scope():
            self._bind(loops[0], at)
            state.next = self._loops(loops[1:], tile_sum, state.now)
        return state.now

    def _products(self, tile_sum: _TileSum, offsets: Point, values: list[Value]) -> list[Value]:
        """One product for every accumulator; what several of them read is read once."""
        known: dict[object, Value] = {}
        return [
            self._product(tile_sum, p | offsets, value, known)
            for p, value in zip(tile_sum.points, values, strict=True)
        ]

    def _product(
        self, tile_sum: _TileSum, point: Point, value: Value, known: dict[object, Value]
    ) -> Value:
        code, one, bare = self.code, tile_sum.sum, tile_sum.bare
        several = len(one.factors) > 1
        gates = [f for f in one.factors if f.equals is not None or (several and _gating(f))]
        plain = [f for f in one.factors if f not in gates]
        read = [*self._number(one, point, known), *(self._factor(f, point, known) for f in plain)]
        if one.scale is not None:
            read.append(code.number(one.scale))
        if gates:
            total = self._gated(gates, read, point, known)
            return total if bare else code.add(value, total)
        if not read:
            read = [code.number(1.0)]
        while len(read) > 2 or (len(read) == 2 and bare):
            read = [code.mul(read[0], read[1]), *read[2:]]
        if bare:
            return read[0]
        return code.fma(read[0], read[1], value) if len(read) == 2 else code.add(value, read[0])

    def _number(self, one: TermSum, point: Point, known: dict[object, Value]) -> list[Value]:
        """The product of what the taps of a sum are multiplied by, once for all accumulators."""
        names = [n for n in one.summed if n in self.tables]
        key = tuple((n, point.get(n)) for n in names)
        if key not in known:
            taken = [self.rows[n].taken[p][1] if p is not None else self.numbers[n] for n, p in key]
            numbers = [number for number in taken if number is not None]
            if not numbers:
                return []
            total = numbers[0]
            for more in numbers[1:]:
                total = self.code.mul(total, more)
            known[key] = total
        return [known[key]]

    def _gated(
        self, gates: list[Factor], read: list[Value], point: Point, known: dict[object, Value]
    ) -> Value:
        """Where a gate is closed there is no product, not even of a NaN with 0."""
        code = self.code
        total = read[0] if read else code.number(1.0)
        for more in read[1:]:
            total = code.mul(total, more)
        for gate in gates:
            if gate.equals is not None:
                held = self._read_raw(gate.stream, point, known)
                wanted = self._wanted(gate, point)
                total = code.select(code.compare("eq", held, wanted), total, code.number(0.0))
            else:
                slope = self._factor(gate, point, known)
                total = pass_through(code, gate.function, slope, total)
        return total

    def _wanted(self, gate: Factor, point: Point) -> Value:
        """What a gate compares with, in the stream's type."""
        assert gate.equals is not None
        code = self.code
        names, constant = gate.equals
        moving: Value | None = None
        for name, coefficient in names:
            if name in point and name in self.tables:
                part = code.mul_index(self.rows[name].taken[point[name]][0], coefficient)
                moving = part if moving is None else code.add_index(moving, part)
            elif name in point:
                constant += coefficient * point[name]
            if name in self.bound:
                part = code.mul_index(self.bound[name], coefficient)
                moving = part if moving is None else code.add_index(moving, part)
        if moving is None:
            return code.whole(constant, code.vector(gate.stream.element))
        total = code.add_index(moving, constant)
        return code.spread_whole(total, gate.stream.element)

    def _factor(self, factor: Factor, point: Point, known: dict[object, Value]) -> Value:
        if factor in self.hoisted:
            return self.hoisted[factor]
        key = (factor, self._where(factor.stream, point))
        if key not in known:
            known[key] = self._read(factor.stream, point, factor)
        return known[key]

    def _read(self, stream: Stream, point: Point, factor: Factor) -> Value:
        """A factor's value in all lanes, its function applied."""
        value = self._lanes(stream, point)
        if factor.less is not None:
            value = self.code.sub(value, self._lanes(factor.less, point))
        if factor.function is not None:
            value = compile_expression(self.code, factor.function.body, {"x": value})
        return value

    def _lanes(self, stream: Stream, point: Point) -> Value:
        place = self._place(stream, point)
        return self.code.load(place) if stream.lanes else self.code.spread(place)

    def _read_raw(self, stream: Stream, point: Point, known: dict[object, Value]) -> Value:
        key = (stream, self._where(stream, point))
        if key not in known:
            known[key] = self.code.load(
                self._place(stream, point), self.code.vector(stream.element)
            )
        return known[key]

    def _finish(self, point: Point, value: Value) -> None:
        code, target = self.code, self.nest.target
        value = write_epilogue(code, self.nest.epilogue, value, lambda s: self._place(s, point))
        code.store(value, self._place(target, point))

    def _stride(self, stream: Stream, name: str) -> int:
        return stream.stride(name, self.code.width)

    def _where(self, stream: Stream, point: Point) -> tuple[int, tuple[tuple[str, int], ...]]:
        """How far a point moves a stream, and by which taps it does besides."""
        known = ((n, at) for n, at in point.items() if n not in self.tables)
        offset = sum(self._stride(stream, n) * at for n, at in known)
        moved = (n for n in self.tables if n in point and self._stride(stream, n))
        return offset, tuple((n, point[n]) for n in moved)

    def _place(self, stream: Stream, point: Point) -> Value:
        offset, taps = self._where(stream, point)
        place = self.places[stream]
        for name, number in taps:
            key = (place, name, number, self._stride(stream, name))
            if key not in self.reached:
                taken, _ = self.rows[name].taken[number]
                self.reached[key] = self.code.at(place, taken, key[-1])
            place = self.reached[key]
        return self.code.at(place, offset)


def _known(index: int | Value) -> int | Value:
    """A bound as a number, where it is one."""
    if isinstance(index, Value) and index.constant is not None:
        return index.constant
    return index


def _gating(factor: Factor) -> bool:
    """Whether a factor is a slope, whose zeros let nothing through."""
    return factor.function is not None and factor.stream.lanes and not factor.given


def _points(sizes: Mapping[str, int]) -> list[Point]:
    names: Sequence[str] = list(sizes)
    return [
        dict(zip(names, at, strict=True)) for at in cartesian(*(range(sizes[n]) for n in names))
    ]
