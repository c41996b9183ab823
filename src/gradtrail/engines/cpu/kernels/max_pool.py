"""Max pooling: the first maximum of each window, and which point of the window won."""

from __future__ import annotations

import math
from collections.abc import Iterable
from itertools import product as cartesian
from math import prod

from ....equation import Selection
from ....equation.frozen import frozen
from ..addresses import access_stream, bare, reach
from ..builder import Carried, Code
from ..ir_types import Value
from ..layout import Layout
from ..nest import Stream
from .kernel import Kernel


@frozen
class Axis:
    """Where a window lies on one axis: position `place·stride + offset·dilation − before`.

    Where the window is the same everywhere on it, there is no place. With `spans` the window has at
    each place the offsets from … to ….
    """

    place: str | None
    offset: str
    stride: int
    dilation: int
    before: int
    size: int
    window: int
    spans: tuple[tuple[int, int], ...] = ()


_WRITTEN_OUT = 64
"""The most points of a window that are written out one behind the other."""

_Cut = tuple[Axis, Value, Value]
"""An axis of a window, and from which offset to which it lies inside the array."""


@frozen
class Select(Kernel):
    """The maximum of each window and the winner's number.

    Arguments: target, source, winner.

    Args:
        target, source, winner: the streams.
        outer: the target's indices with their ranges.
        axes: the window, outermost axis first.
        cut: whether a window may lie partly outside, where nothing is compared.
    """

    target: Stream
    source: Stream
    winner: Stream
    outer: tuple[tuple[str, int], ...]
    axes: tuple[Axis, ...]
    cut: bool

    def lines(self) -> list[str]:
        """See `Kernel.lines`."""
        found = [f"{'    ' * d}for {n} in 0…{s - 1}:" for d, (n, s) in enumerate(self.outer)]
        indent = "    " * len(self.outer)
        over = ", ".join(f"{a.offset} in 0…{a.window - 1}" for a in self.axes)
        inside = " inside the array" if self.cut else ""
        found += [
            f"{indent}for {over}{inside}:",
            f"{indent}    where {self.source.written} > best: best, winner = it, its number",
            f"{indent}{self.target.written}, {self.winner.written} = best, winner",
        ]
        return found

    def write(self, code: Code) -> None:
        """See `Kernel.write`."""
        streams = (self.target, self.source, self.winner)
        places = [code.at(code.argument(s.argument), s.offset) for s in streams]
        self._loops(code, list(self.outer), places, {})

    def _loops(
        self,
        code: Code,
        left: list[tuple[str, int]],
        places: list[Value],
        bound: dict[str, Value],
    ) -> None:
        streams = (self.target, self.source, self.winner)
        if left:
            (name, size), *rest = left
            with code.loop(name, size) as at:
                moved = [
                    code.at(p, at, s.stride(name, code.width)) if s.stride(name, code.width) else p
                    for p, s in zip(places, streams, strict=True)
                ]
                self._loops(code, rest, moved, bound | {name: at})
            return
        for part in range(code.target.parts):
            target, source, winner = (
                code.at(p, part * s.stride("part", code.width))
                for p, s in zip(places, streams, strict=True)
            )
            looped = self.cut or prod(a.window for a in self.axes) > _WRITTEN_OUT
            best, number = self._cut(code, source, bound) if looped else self._whole(code, source)
            code.store(best, target)
            code.store(number, winner)

    def _whole(self, code: Code, source: Value) -> tuple[Value, Value]:
        """A window that lies inside, written out."""
        steps = [self.source.stride(a.offset, code.width) for a in self.axes]
        points = cartesian(*(range(a.window) for a in self.axes))
        offsets = (sum(p * s for p, s in zip(point, steps, strict=True)) for point in points)
        values = (code.load(code.at(source, offset)) for offset in offsets)
        return first_maximum(code, values, self.winner.element)

    def _cut(self, code: Code, source: Value, bound: dict[str, Value]) -> tuple[Value, Value]:
        """A window of which only what lies inside is compared."""
        window = [(axis, *self._inside(code, axis, bound)) for axis in self.axes]
        first = code.index(0)
        for axis, low, _ in window:
            first = code.add_index(code.mul_index(first, axis.window), low)
        state = Carried([code.number(-math.inf), self._numbered(code, first)])
        self._compare(code, window, source, code.index(0), state)
        return state.now[0], state.now[1]

    def _compare(
        self, code: Code, window: list[_Cut], place: Value, number: Value, state: Carried
    ) -> None:
        """The loops over the window, with best and winner handed on."""
        if not window:
            best, won = state.now
            value = code.load(place)
            wins = better(code, value, best)
            state.now = [
                code.select(wins, value, best),
                code.select(wins, self._numbered(code, number), won),
            ]
            return
        (axis, low, high), *rest = window
        with code.loop(axis.offset, high, low, carried=state) as at:
            moved = code.at(place, at, self.source.stride(axis.offset, code.width))
            counted = code.add_index(code.mul_index(number, axis.window), at)
            inner = Carried(state.now)
            self._compare(code, rest, moved, counted, inner)
            state.next = inner.now

    def _numbered(self, code: Code, number: Value) -> Value:
        return code.spread_whole(number, self.winner.element)

    def _inside(self, code: Code, axis: Axis, bound: dict[str, Value]) -> tuple[Value, Value]:
        """The offsets from … to … whose position lies inside the array."""
        if axis.spans and axis.place is not None:
            ends = code.table("i64", [end for span in axis.spans for end in span])
            span = code.at(ends, bound[axis.place], 16)
            return code.load(span, "i64"), code.load(code.at(span, 8), "i64")
        place = code.index(0) if axis.place is None else bound[axis.place]
        start = code.add_index(code.mul_index(place, axis.stride), -axis.before)
        d = axis.dilation
        low = code.new("i64", f"sdiv {code.sub_index(d - 1, start)}, {d}")
        room = code.sub_index(axis.size - 1, start)
        high = code.add_index(code.new("i64", f"sdiv {room}, {d}"), 1)
        return code.greatest(low, 0), code.least(high, axis.window)


def better(code: Code, value: Value, best: Value) -> Value:
    """Whether a value takes the place of the best so far: greater, or the first NaN."""
    return code.both(code.compare("ugt", value, best), code.compare("ord", best, best))


def first_maximum(code: Code, values: Iterable[Value], element: str) -> tuple[Value, Value]:
    """The first maximum of registers, lane by lane, and its number as an `element`."""
    first, *others = values
    best, number = first, code.whole(0, code.vector(element))
    for at, value in enumerate(others, 1):
        wins = better(code, value, best)
        best = code.select(wins, value, best)
        number = code.select(wins, code.whole(at, code.vector(element)), number)
    return best, number


def halves(equation: Selection) -> bool:
    """Whether it takes the maxima of windows of 2 × 2 that stand side by side on a plane."""
    source = bare(equation.source)
    if len(source) != 3 or source[0].plain is None or len(equation.over) != 2:
        return False
    for offset, position in zip(equation.over, source[1:], strict=True):
        place = next(n for n in (*position.names, "") if n != offset)
        sides = position.coefficient(place), position.coefficient(offset)
        alike = sides == (2, 1) and position.offset.integer == 0
        if not alike or equation.range_of[offset] != 2:
            return False
    return not any(a or b for a, b in reach(equation, equation.source))


def winner_element(equation: Selection) -> str:
    """What a winner's number is stored as."""
    return "i8" if prod(equation.range_of[n] for n in equation.over) <= 256 else "i32"


def _spans(equation: Selection) -> dict[str, tuple[str, tuple[tuple[int, int], ...]]]:
    """For each index that constants leave few values of, by which, and from where to where."""
    found = {}
    for one in equation.within:
        by, name = one.names
        partners = one.partners(by, equation.range_of[by])
        found[name] = by, tuple((held[0], held[-1] + 1) for held in partners)
    return found


def select_kernel(equation: Selection, layouts: dict[str, Layout]) -> Select:
    """The kernel of a selection; arguments: target, source, winner."""
    target, source, won = (
        access_stream(access, layouts[access.array], place)
        for place, access in enumerate(equation.accesses[:3])
    )
    shape = equation.shape_of[equation.source.array][1:]
    axes = []
    spans = _spans(equation)
    for position, size in zip(bare(equation.source), shape, strict=True):
        offset = next((n for n in position.names if n in equation.over), None)
        if offset is None:
            continue
        place_name = next((n for n in position.names if n not in equation.over), None)
        place_name, ends = spans.get(offset, (place_name, ()))
        axes.append(
            Axis(
                place_name,
                offset,
                0 if place_name is None else position.coefficient(place_name),
                position.coefficient(offset),
                -position.offset.integer,
                size,
                equation.range_of[offset],
                ends,
            )
        )
    outer = tuple((n, equation.range_of[n]) for p in bare(equation.result) for n in p.names)
    cut = any(a or b for a, b in reach(equation, equation.source)) or bool(spans)
    return Select(target, source, won, outer, tuple(axes), cut)
