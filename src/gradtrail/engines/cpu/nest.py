"""Loop nests: sums of products over index ranges, with a schedule, as code.

A `Nest` knows nothing of layers. Its accesses are byte addresses affine in the indices (`Stream`);
its `Schedule` says which indices are outer loops, which make up the tile of accumulators that stays
in registers, and in which order the summed ones run:

    for y:                              outer
        for k by 3, for x by 2:         the tile, 3·2 accumulators
            Z = b[k]
            for c:                      summed, a loop
                for i, j:               summed, unrolled
                    Z += W[k,c,i,j]·X[c,y+i,x+j]
            store Z

Every accumulator adds its products in the same order whatever the tile, so two processors with a
fused multiply-add give the same bits.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import field
from itertools import product as cartesian
from math import prod

from ...equation.frozen import frozen
from ...equation.scalar import Function
from .builder import Carried, Code, F, I, Value
from .epilogue import epilogue_line, finished, is_unit
from .functions import compiled

__all__ = ["Clip", "Epilogue", "Factor", "Nest", "PART", "Schedule", "Stream", "Sum", "write_nest"]

PART = "part"
"""The index of the registers that hold the 16 lanes."""


@frozen
class Stream:
    """Where the elements of one access lie: byte `offset + Σ stride·index` of an argument.

    Args:
        argument: which argument of the function.
        strides: index → bytes.
        offset: of the element whose indices are all 0.
        lanes: whether 16 lanes stand at each place, or one number that all lanes share.
        element: what is stored: `float`, or a winner's `i8` or `i32`.
        written: the access as it is printed.
    """

    argument: int
    strides: tuple[tuple[str, int], ...]
    offset: int = 0
    lanes: bool = True
    element: str = F
    written: str = ""

    def stride(self, name: str, width: int) -> int:
        """Bytes from one value of an index to the next; 0 where it does not occur."""
        if name == PART:
            return width * (1 if self.element == "i8" else 4) if self.lanes else 0
        return dict(self.strides).get(name, 0)


@frozen
class Factor:
    """A stream, what is applied to it, or what it is compared with.

    Args:
        stream: where it is read.
        function: applied to what is read; where it gives 0 the product is absent.
        equals: the factor is 1 where the stream holds `Σ coefficient·index + constant`, else 0.
    """

    stream: Stream
    function: Function | None = None
    equals: tuple[tuple[tuple[str, int], ...], int] | None = None


@frozen
class Sum:
    """One term: `scale · Π factors`, summed over those of its indices that the target lacks."""

    factors: tuple[Factor, ...]
    summed: tuple[str, ...] = ()
    scale: float | None = None
    scale_field: int | None = None


@frozen
class Epilogue:
    """What happens to an accumulator before it is stored.

    Args:
        kind: `apply` a function; multiply by its value at the stream, or by the stream itself
            (`slope`); `add` the stream; `keep`: store what there is to the stream, too.
    """

    kind: str
    function: Function | None = None
    stream: Stream | None = None


@frozen
class Clip:
    """An axis where an index may leave the array: `0 ≤ position < size`.

    Args:
        index: whose range is narrowed.
        coefficient: its factor in the position, of either sign.
        others: the other indices with theirs; their loops are outside.
        constant: what is added.
        size: of the axis.
    """

    index: str
    coefficient: int
    others: tuple[tuple[str, int], ...]
    constant: int
    size: int


@frozen
class Schedule:
    """How a nest runs.

    Args:
        outer: loops, outermost first; those of the tile come with their steps.
        tile: index → how many of its values are held at once.
        unrolled: summed indices that are written out.
        apart: outer loops that are written out, so that ranges that depend on them are numbers.
        rest: what happens at the end of a range that the tile does not divide: `overlap` computes
            some elements twice, `shorter` has code of its own.
    """

    outer: tuple[str, ...]
    tile: tuple[tuple[str, int], ...] = ()
    unrolled: tuple[str, ...] = ()
    rest: str = "overlap"
    apart: tuple[str, ...] = ()


@frozen
class Nest:
    """Sums of products for every element of a target.

    Args:
        target: where they go.
        sums: the terms.
        ranges: of all indices.
        schedule: how it runs.
        adds: whether to what is there already.
        over_lanes: whether the lanes are summed, too.
        epilogue: what happens before storing.
        clips: where the target's indices leave the array.
    """

    target: Stream
    sums: tuple[Sum, ...]
    ranges: tuple[tuple[str, int], ...]
    schedule: Schedule
    adds: bool = False
    over_lanes: bool = False
    epilogue: tuple[Epilogue, ...] = ()
    clips: tuple[Clip, ...] = field(default=())

    def lines(self) -> list[str]:
        """The nest as indented text."""
        tile, ranges = dict(self.schedule.tile), dict(self.ranges)
        found, depth = [], 0

        def say(text: str) -> None:
            found.append("    " * depth + text)

        for name in self.schedule.outer:
            step = tile.get(name, 1)
            if name != PART and ranges[name] > step:
                by = f" by {step}" if step > 1 else ""
                say(f"for {name} in 0…{ranges[name] - 1}{by}:")
                depth += 1
        tiled = [(name, n) for name, n in self.schedule.tile if n > 1 and name != PART]
        held = " × ".join(f"{n} {name}" for name, n in tiled)
        start = self.target.written if self.adds and not self.over_lanes else "0"
        say(f"acc = {start}" + (f"            {held} accumulators" if held else ""))
        base = depth
        for one in self.sums:
            depth = base
            loops = [n for n in one.summed if n not in self.schedule.unrolled and ranges[n] > 1]
            narrowed = {clip.index for clip in self.clips}
            for name in loops:
                inside = " inside the array" if name in narrowed else ""
                say(f"for {name} in 0…{ranges[name] - 1}{inside}:")
                depth += 1
            flat = [n for n in one.summed if n in self.schedule.unrolled and ranges[n] > 1]
            if flat:
                sizes = ", ".join(f"{n} in 0…{ranges[n] - 1}" for n in flat)
                say(f"for {sizes}:            unrolled")
                depth += 1
            scale = f"{one.scale:g}·" if one.scale is not None else ""
            say("acc += " + scale + "·".join(_written(f) for f in one.factors))
        depth = base
        for step_ in self.epilogue:
            say(epilogue_line(step_))
        if self.over_lanes:
            say("acc = sum of the lanes")
        say(f"{self.target.written} {'+=' if self.adds and self.over_lanes else '='} acc")
        return found


def _written(factor: Factor) -> str:
    if factor.equals is not None:
        names, constant = factor.equals
        value = " + ".join([f"{c}·{n}" if c != 1 else n for n, c in names] or [str(constant)])
        return f"[{factor.stream.written} = {value}]"
    if factor.function is not None:
        return f"{factor.function.name}({factor.stream.written})"
    return factor.stream.written


Point = dict[str, int]


def write_nest(code: Code, nest: Nest) -> None:
    """Write the code of a nest."""
    _Writer(code, nest).run()


class _Writer:
    """A nest being written: the address of every stream, advanced as the loops open."""

    def __init__(self, code: Code, nest: Nest) -> None:
        self.code, self.nest = code, nest
        self.ranges = dict(nest.ranges) | {PART: code.target.parts}
        self.tile = dict(nest.schedule.tile)
        streams = [nest.target, *(f.stream for s in nest.sums for f in s.factors)]
        streams += [e.stream for e in nest.epilogue if e.stream is not None]
        arguments = {s.argument: code.argument(s.argument) for s in streams}
        self.places = {s: code.at(arguments[s.argument], s.offset) for s in streams}
        self.bound: dict[str, Value] = {}
        self.hoisted: dict[Factor, Value] = {}
        self.scales = {
            s.scale_field: code.splat(code.frame(s.scale_field, F))
            for s in nest.sums
            if s.scale_field is not None
        }

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
        step = tile.get(name, 1)
        start, stop = self._bounds(name)
        saved = (dict(self.places), dict(self.bound), dict(self.hoisted))
        if name in self.nest.schedule.apart:
            for number in range(self.ranges[name]):
                self._bind(name, self.code.index(number))
                self._outer(rest, tile)
                self._restore(saved)
            return
        if isinstance(stop, int) and isinstance(start, int):
            whole = max(0, stop - start) // step * step
            if whole > 0:
                with self.code.loop(name, start + whole, start, step) as at:
                    self._bind(name, at)
                    self._outer(rest, tile)
            self._restore(saved)
            if start + whole < stop:
                self._rest(name, start + whole, stop, rest, tile, step if whole else 0)
                self._restore(saved)
            return
        self._dynamic(name, start, stop, rest, tile)
        self._restore(saved)

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

    def _dynamic(
        self,
        name: str,
        start: int | Value,
        stop: int | Value,
        left: list[str],
        tile: dict[str, int],
    ) -> None:
        """A loop whose bounds are found while running; the rest goes one by one."""
        step = tile.get(name, 1)
        saved = (dict(self.places), dict(self.bound), dict(self.hoisted))
        if step == 1:
            with self.code.loop(name, stop, start) as at:
                self._bind(name, at)
                self._outer(left, tile)
            return
        begin, end = self.code.index(start), self.code.index(stop)
        code = self.code
        length = code.greatest(code.sub_index(end, begin), 0)
        short = code.new(I, f"urem {length}, {step}")
        whole = code.sub_index(code.add_index(begin, length), short)
        with code.loop(name, whole, begin, step) as at:
            self._bind(name, at)
            self._outer(left, tile)
        self._restore(saved)
        with code.loop(name, end, whole) as at:
            self._bind(name, at)
            self._outer(left, tile | {name: 1})

    def _restore(
        self, saved: tuple[dict[Stream, Value], dict[str, Value], dict[Factor, Value]]
    ) -> None:
        self.places, self.bound, self.hoisted = dict(saved[0]), dict(saved[1]), dict(saved[2])

    def _bind(self, name: str, at: Value) -> None:
        """Give an index its value: every stream moves along."""
        self.bound[name] = at
        for stream, place in self.places.items():
            stride = self._stride(stream, name)
            if stride:
                self.places[stream] = self.code.at(place, at, stride)

    def _bounds(self, name: str) -> tuple[int | Value, int | Value]:
        """From where to where an index runs, given the loops around it."""
        start: int | Value = 0
        stop: int | Value = self.ranges[name]
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
        """Sum the lanes of each element and store one number."""
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
        self, one: Sum, points: list[Point], values: list[Value], fresh: bool
    ) -> list[Value]:
        """Add one term to all accumulators of the tile."""
        loops = [n for n in one.summed if n not in self.nest.schedule.unrolled]
        flat = {n: self.ranges[n] for n in one.summed if n in self.nest.schedule.unrolled}
        bare = fresh and not self.nest.adds and not loops and prod(flat.values()) == 1
        saved = (dict(self.places), dict(self.bound), dict(self.hoisted))
        found = self._loops(loops, _points(flat), one, points, values, bare)
        self._restore(saved)
        return found

    def _loops(
        self,
        loops: list[str],
        flat: list[Point],
        one: Sum,
        points: list[Point],
        values: list[Value],
        bare: bool,
    ) -> list[Value]:
        """The loops of a sum, with the accumulators handed from round to round."""
        if not loops:
            for offsets in flat:
                values = self._products(one, points, values, offsets, bare)
            return values
        state = Carried(values)
        start, stop = self._bounds(loops[0])
        if isinstance(start, int) and isinstance(stop, int) and start >= stop:
            return values  # nothing lies inside
        with self.code.loop(loops[0], stop, start, carried=state) as at:
            saved = (dict(self.places), dict(self.bound), dict(self.hoisted))
            self._bind(loops[0], at)
            state.next = self._loops(loops[1:], flat, one, points, state.now, bare)
            self._restore(saved)
        return state.now

    def _products(
        self,
        one: Sum,
        points: list[Point],
        values: list[Value],
        offsets: Point,
        bare: bool,
    ) -> list[Value]:
        """One product for every accumulator; what several of them read is read once."""
        known: dict[object, Value] = {}
        return [
            self._product(one, p | offsets, value, known, bare)
            for p, value in zip(points, values, strict=True)
        ]

    def _product(
        self, one: Sum, point: Point, value: Value, known: dict[object, Value], bare: bool
    ) -> Value:
        code = self.code
        several = len(one.factors) > 1
        gates = [f for f in one.factors if f.equals is not None or (several and _gating(f))]
        plain = [f for f in one.factors if f not in gates]
        read = [self._factor(f, point, known) for f in plain]
        scale: Value | None = None
        if one.scale_field is not None:
            scale = self.scales[one.scale_field]
            if one.scale is not None:
                scale = code.mul(scale, code.number(one.scale))
        elif one.scale is not None:
            scale = code.number(one.scale)
        if scale is not None:
            read.append(scale)
        if gates:
            return self._gated(gates, read, point, value, known, bare)
        if not read:
            read = [code.number(1.0)]
        while len(read) > 2 or (len(read) == 2 and bare):
            read = [code.mul(read[0], read[1]), *read[2:]]
        if bare:
            return read[0]
        return code.fma(read[0], read[1], value) if len(read) == 2 else code.add(value, read[0])

    def _gated(
        self,
        gates: list[Factor],
        read: list[Value],
        point: Point,
        value: Value,
        known: dict[object, Value],
        bare: bool,
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
                absent = code.compare("oeq", slope, code.number(0.0))
                scaled = total if is_unit(gate.function) else code.mul(slope, total)
                total = code.select(absent, code.number(0.0), scaled)
        return total if bare else code.add(value, total)

    def _wanted(self, gate: Factor, point: Point) -> Value:
        """What a gate compares with, in the stream's type."""
        assert gate.equals is not None
        code = self.code
        names, constant = gate.equals
        moving: Value | None = None
        for name, coefficient in names:
            if name in point:
                constant += coefficient * point[name]
            if name in self.bound:
                part = code.mul_index(self.bound[name], coefficient)
                moving = part if moving is None else code.add_index(moving, part)
        if moving is None:
            return code.whole(constant, code.vector(gate.stream.element))
        total = code.add_index(moving, constant)
        element = gate.stream.element
        return code.splat(code.new(element, f"trunc {total} to {element}"))

    def _factor(self, factor: Factor, point: Point, known: dict[object, Value]) -> Value:
        if factor in self.hoisted:
            return self.hoisted[factor]
        key = (factor, self._offset(factor.stream, point))
        if key not in known:
            known[key] = self._read(factor.stream, point, factor)
        return known[key]

    def _read(self, stream: Stream, point: Point, factor: Factor) -> Value:
        """A factor's value in all lanes, its function applied."""
        place = self._place(stream, point)
        value = self.code.load(place) if stream.lanes else self.code.spread(place)
        if factor.function is not None:
            value = compiled(self.code, factor.function.body, {"x": value})
        return value

    def _read_raw(self, stream: Stream, point: Point, known: dict[object, Value]) -> Value:
        key = (stream, self._offset(stream, point))
        if key not in known:
            known[key] = self.code.load(
                self._place(stream, point), self.code.vector(stream.element)
            )
        return known[key]

    def _finish(self, point: Point, value: Value) -> None:
        code, target = self.code, self.nest.target
        value = finished(code, self.nest.epilogue, value, lambda s: self._place(s, point))
        code.store(value, self._place(target, point))

    def _stride(self, stream: Stream, name: str) -> int:
        return stream.stride(name, self.code.width)

    def _offset(self, stream: Stream, point: Point) -> int:
        return sum(self._stride(stream, n) * at for n, at in point.items())

    def _place(self, stream: Stream, point: Point) -> Value:
        return self.code.at(self.places[stream], self._offset(stream, point))


def _known(index: int | Value) -> int | Value:
    """A bound as a number, where it is one."""
    if isinstance(index, Value) and index.constant is not None:
        return index.constant
    return index


def _gating(factor: Factor) -> bool:
    """Whether a factor is a slope, whose zeros let nothing through."""
    return factor.function is not None and factor.stream.lanes


def _points(sizes: Mapping[str, int]) -> list[Point]:
    names: Sequence[str] = list(sizes)
    return [
        dict(zip(names, at, strict=True)) for at in cartesian(*(range(sizes[n]) for n in names))
    ]
