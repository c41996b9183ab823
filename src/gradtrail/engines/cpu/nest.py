"""Loop nests: sums of products over index ranges, with a schedule. `writing.py` makes code of them.

A `Nest` knows nothing of layers. Its accesses are byte addresses affine in the indices (`Stream`);
its `LoopSchedule` says which indices are outer loops, which make up the tile of accumulators that
stays in registers, and in which order the summed ones run:

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

from collections.abc import Sequence
from dataclasses import replace

from ...equation.frozen import frozen
from ...equation.scalar import Function
from .tapping import Taps

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
    element: str = "float"
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
        given: whether it is a parameter's, whose zeros keep no product away.
        less: what is taken off what is read, before anything is multiplied.
    """

    stream: Stream
    function: Function | None = None
    equals: tuple[tuple[tuple[str, int], ...], int] | None = None
    given: bool = False
    less: Stream | None = None


@frozen
class TermSum:
    """One term: `scale · Π factors`, summed over those of its indices that the target lacks."""

    factors: tuple[Factor, ...]
    summed: tuple[str, ...] = ()
    scale: float | None = None


def differences(sums: Sequence[TermSum]) -> tuple[TermSum, ...]:
    """Products that differ in their last factor and in their sign as one product of a difference.

    γ·r·X − γ·r·μ keeps few digits where X and μ are large and near each other; X − μ is exact then.
    """
    found: list[TermSum] = []
    for one in sums:
        before = found[-1] if found else None
        if before is None or not _opposite(before, one):
            found.append(one)
            continue
        *others, last = before.factors
        found[-1] = TermSum((*others, replace(last, less=one.factors[-1].stream)))
    return tuple(found)


def _opposite(one: TermSum, other: TermSum) -> bool:
    ends = one.factors[-1], other.factors[-1]
    read, taken = ({n for n, _ in f.stream.strides} for f in ends)
    return (
        (one.scale, other.scale) == (None, -1.0)
        and one.factors[:-1] == other.factors[:-1]
        and not (one.summed or other.summed)
        and taken <= read
        and ends[0].stream.lanes
        and all(f.function is None and f.equals is None and f.less is None for f in ends)
    )


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
class LoopSchedule:
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
        taps: summed indices of which few values are taken.
    """

    target: Stream
    sums: tuple[TermSum, ...]
    ranges: tuple[tuple[str, int], ...]
    schedule: LoopSchedule
    adds: bool = False
    over_lanes: bool = False
    epilogue: tuple[Epilogue, ...] = ()
    clips: tuple[Clip, ...] = ()
    taps: tuple[Taps, ...] = ()

    def lines(self) -> list[str]:
        """The nest as indented text."""
        tile, ranges = dict(self.schedule.tile), dict(self.ranges)
        taps = {one.index: one for one in self.taps}
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
                inside = f" of those that {taps[name].by} takes" if name in taps else inside
                say(f"for {name} in 0…{ranges[name] - 1}{inside}:")
                depth += 1
            flat = [n for n in one.summed if n in self.schedule.unrolled and ranges[n] > 1]
            if flat:
                sizes = ", ".join(f"{n} in 0…{ranges[n] - 1}" for n in flat)
                say(f"for {sizes}:            unrolled")
                depth += 1
            scale = f"{one.scale:g}·" if one.scale is not None else ""
            numbers = [taps[name].written for name in one.summed if name in taps]
            say("acc += " + scale + "·".join([*numbers, *map(_written, one.factors)]))
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
    taken = "" if factor.less is None else factor.less.written
    return f"({factor.stream.written} − {taken})" if taken else factor.stream.written


def epilogue_line(step: Epilogue, beside: str = "") -> str:
    """What a step does, as text.

    Args:
        step: of an epilogue.
        beside: how its array is called where its stream has no name: layers share such a kernel.
    """
    where = beside if step.stream is None else step.stream.written or beside
    name = "" if step.function is None else step.function.name
    return {
        "apply": f"acc = {name}(acc)",
        "slope": f"acc = {name}({where})·acc" if name else f"acc = {where}·acc",
        "add": f"acc += {where}",
        "keep": f"{where} = acc",
    }[step.kind]
