"""From an equation to loop nests: which loops, which tile, which mode.

The same code serves convolutions, linear layers, average pooling, element-by-element functions and
copies, forward and backward: all are contractions. What differs is the shape of the nest:

    dense       the target's positions are bare indices: every element is summed in registers and
                stored once
    spread      the target's positions are composed (`y·s+i·d−p`): products are added to what is
                there, offset by offset, after the target was set to zero
    weights     the target has no sample: sums over samples too, which are the lanes
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from itertools import product as cartesian
from math import prod

from ...equation import (
    Access,
    Affine,
    Applied,
    Contraction,
    Indicator,
    Sparse,
    Term,
    gather,
    one_to_one,
)
from ...equation import Factor as EquationFactor
from ...equation.frozen import frozen
from ...equation.scalar import at_zero
from ...errors import EquationError
from .addresses import SAMPLE, access_stream, bare, lanes_of, leaving, reach
from .layout import Layout, Margins, wider
from .nest import PART, Clip, Epilogue, Factor, LoopSchedule, Nest, Stream, TermSum, differences
from .tapping import Taps
from .target import Target
from .tiling import TileCosts, Tiling, readings_of


@frozen
class Form:
    """The terms of an equation that share a target access, ready to become a nest.

    Args:
        equation: the equation in the form it is run.
        terms: those of its terms that this nest adds up.
        sets: whether every element is stored once, instead of added to.
        covers: whether it reaches every element of the target.
        inside: whether summed indices run only where the factors lie inside their arrays, so that
            no halo is read. It pays where much of the sum would be over zeros.
    """

    equation: Contraction
    terms: tuple[Term, ...]
    sets: bool
    covers: bool
    inside: bool = False

    @property
    def target(self) -> Access:
        """Where the terms go."""
        return self.terms[0].target

    @cached_property
    def dense(self) -> bool:
        """Whether the target's positions are bare indices."""
        return all(p.plain for p in self.target.positions)

    @property
    def over_lanes(self) -> bool:
        """Whether the samples are summed over."""
        return not lanes_of(self.target) and any(
            SAMPLE in f.names for t in self.terms for f in t.factors
        )

    def margins(self) -> dict[str, Margins]:
        """Letter → the halo that its accesses need; of the target none."""
        found: dict[str, Margins] = {}
        for term in self.terms:
            for factor in term.factors:
                letter, needed = factor.access.array, reach(self.equation, factor.access)
                needed = ((0, 0),) * len(needed) if self.inside else needed
                found[letter] = wider(found.get(letter), needed)
        return found

    @cached_property
    def ranges(self) -> dict[str, int]:
        """Of every index but the sample's; of one that is tapped, how much is taken at most."""
        names = dict.fromkeys(n for t in self.terms for n in t.names if n != SAMPLE)
        tapped = {taps.index: taps.width for taps in self.taps}
        return {n: tapped.get(n, self.equation.range_of[n]) for n in names}

    @cached_property
    def taps(self) -> tuple[Taps, ...]:
        """The summed indices of which constants of the equation leave few values.

        Raises:
            EquationError: an index that two constants tie, or two that the target shows.
        """
        found: dict[str, Taps] = {}
        for factor in (f for t in self.terms for f in t.factors if isinstance(f, Sparse)):
            by, name = sorted(factor.names, key=lambda n: n not in self.target.names)
            taps = Taps(name, by, factor.taps(by, self.equation.range_of[by]), _text(factor))
            bys = {one.by for one in found.values()}
            tied = found.get(name, taps) != taps or name in bys or by in found
            if tied or name in self.target.names:
                raise EquationError(
                    f"{self.target.array}: the cpu engine sums over what {_text(factor)} leaves of "
                    f"index {name}, which must not be shown or stand in another constant"
                )
            found[name] = taps
        return tuple(found.values())

    @property
    def accesses(self) -> tuple[Access, ...]:
        """What is read and written, without the equation's own constants: these are code."""
        read = (f.access for t in self.terms for f in t.factors if not isinstance(f, Sparse))
        return (self.target, *read)

    @property
    def letters(self) -> list[str]:
        """The arrays that are read and written, the target first."""
        return list(dict.fromkeys(access.array for access in self.accesses))


def solve(equation: Contraction, parameters: Collection[str] = ()) -> Contraction:
    """The equation solved for the target's own positions, where that leaves no quotient.

    It stays as it is where something that is no zero would be read beyond an array: of a parameter,
    which has no halo, or by a function that is not 0 at 0.
    """
    gathered = gather(equation)
    quotients = any(
        p.divisor.value != 1 for t in gathered.terms for a in t.accesses for p in a.positions
    )
    beyond = any(_reads_beyond(f, gathered, parameters) for t in gathered.terms for f in t.factors)
    return equation if quotients or beyond else gathered


def _reads_beyond(
    factor: EquationFactor, equation: Contraction, parameters: Collection[str]
) -> bool:
    """Whether what a factor reads beyond its array may be something else than 0."""
    without_halo = factor.access.array in parameters
    not_zero = isinstance(factor, Applied) and at_zero(factor.function) != 0
    return (without_halo or not_zero) and bool(leaving(equation, factor.access))


def forms(equation: Contraction, parameters: Collection[str] = ()) -> tuple[Form, ...]:
    """One form per target access, in the order of the terms.

    Args:
        equation: any contraction.
        parameters: the letters of parameters, which lie in memory without a halo.
    """
    equation = solve(equation, parameters)
    grouped: dict[Access, list[Term]] = {}
    for term in equation.terms:
        grouped.setdefault(term.target, []).append(term)
    size = prod(equation.shape_of[equation.target.array])
    reached = {
        target: prod(equation.range_of[n] for n in target.names)
        if one_to_one(terms[0], equation.range_of)
        and not any(a or b for a, b in reach(equation, target))
        else 0
        for target, terms in grouped.items()
    }
    apart = all(reached.values()) and sum(reached.values()) == size  # side by side: concat
    found = []
    for target, terms in grouped.items():
        single = one_to_one(terms[0], equation.range_of)
        covers = reached[target] == size
        sets = (apart or len(grouped) == 1) and single
        form = Form(equation, tuple(terms), sets, covers or apart)
        found.append(replace(form, inside=form.sets and form.dense and share_inside(form) < 0.8))
    return tuple(found)


def share_inside(form: Form) -> float:
    """How much of the sums lies inside the arrays that are read."""
    if form.over_lanes or len(form.terms) != 1:
        return 1.0
    share = 1.0
    for position, size, _ in _leaving(form):
        ranges = [range(form.ranges[n]) for n in position.names]
        coefficients = [position.coefficient(n) for n in position.names]
        start = position.offset.integer
        points = [
            start + sum(c * v for c, v in zip(coefficients, values, strict=True))
            for values in cartesian(*ranges)
        ]
        share *= sum(0 <= p < size for p in points) / len(points)
    return share


def _leaving(form: Form) -> list[tuple[Affine, int, str]]:
    """Positions of factors that leave their arrays, with the axis's size and the summed index."""
    found = []
    for factor in form.terms[0].factors:
        for position, size in leaving(form.equation, factor.access):
            moved = [n for n in position.names if n in form.terms[0].summed]
            if len(moved) == 1:
                found.append((position, size, moved[0]))
    return found


def nest_of(
    form: Form,
    layouts: Mapping[str, Layout],
    target: Target,
    *,
    adds: bool = False,
    epilogue: tuple[Epilogue, ...] = (),
) -> tuple[Nest, tuple[str, ...], Tiling]:
    """The nest of a form.

    Args:
        form: the terms.
        layouts: letter → layout.
        target: the processor.
        adds: whether the target holds something already.
        epilogue: what happens before storing; its streams' arguments come behind the letters.

    Returns:
        The nest; the letters that its arguments stand for, the target's first; what it costs.
    """
    letters = form.letters
    place = {letter: at for at, letter in enumerate(letters)}

    def read(factor: EquationFactor) -> Factor:
        access = factor.access
        written = _text(factor)
        found = access_stream(access, layouts[access.array], place[access.array], written)
        if isinstance(factor, Applied):
            return Factor(found, factor.function)
        if isinstance(factor, Indicator):
            names = tuple((n, c.integer) for n, c in factor.value.terms)
            return Factor(found, None, (names, factor.value.offset.integer))
        return Factor(found)

    shown = [n for n in form.target.names if n != SAMPLE]
    sums = tuple(
        TermSum(
            tuple(read(f) for f in t.factors if not isinstance(f, Sparse)),
            sum_order(form, [n for n in t.names if n not in shown and n != SAMPLE]),
            None if t.scale.value == 1 else float(t.scale.value),
        )
        for t in form.terms
    )
    sums = sums if form.over_lanes else differences(sums)
    schedule, tiling = _schedule(form, shown, sums, target, adds)
    nest = Nest(
        access_stream(form.target, layouts[form.target.array], 0, _text(form.target)),
        sums,
        tuple(form.ranges.items()),
        schedule,
        adds=adds,
        over_lanes=form.over_lanes,
        epilogue=epilogue,
        clips=_clips(form),
        taps=form.taps,
    )
    return nest, tuple(letters), tiling


_WAITING = 320 << 10
"""How many bytes of accumulators may wait in memory between the rows of a weight gradient."""


def goes_by_rows(form: Form, waiting: Layout) -> bool:
    """Whether a weight gradient is added up row by row, its accumulators `waiting` in between."""
    pairs = len(form.terms) == 1 and len(form.terms[0].factors) == 2
    places = [n for n in form.terms[0].summed if n != SAMPLE]
    return pairs and len(places) >= 2 and waiting.size <= _WAITING


def by_rows(nest: Nest, lanes: Stream) -> Nest:
    """A weight gradient whose first summed index, the rows, is the outermost loop.

    A row of both factors then stays near while all weights take their products from it. Between
    rows the accumulators wait in memory, lane by lane.

    Args:
        nest: sums over samples too, and has one sum.
        lanes: where the accumulators wait.
    """
    (one,) = nest.sums
    rows, *rest = one.summed
    schedule = replace(nest.schedule, outer=(rows, *nest.schedule.outer))
    kept = tuple(n for n in schedule.unrolled if n != rows)
    return replace(
        nest,
        target=lanes,
        sums=(replace(one, summed=tuple(rest)),),
        schedule=replace(schedule, unrolled=kept),
        adds=True,
        over_lanes=False,
    )


def _text(factor: EquationFactor) -> str:
    from ...equation import text

    access = factor.access
    shown = replace(access, positions=bare(access), padding=())
    return text(shown, numbers=True) if shown.positions else access.array


def _clips(form: Form) -> tuple[Clip, ...]:
    """Where composed positions of the target leave it."""
    narrowed = [(p, s, _moved(form, p.names)) for p, s in leaving(form.equation, form.target)]
    if form.inside:
        narrowed += _leaving(form)
    return tuple(
        Clip(
            moved,
            position.coefficient(moved),
            tuple((n, c.integer) for n, c in position.terms if n != moved),
            position.offset.integer,
            size,
        )
        for position, size, moved in narrowed
    )


def _moved(form: Form, names: Sequence[str]) -> str:
    """The index of a composed position that runs over places: the one with the widest range."""
    return max(names, key=lambda n: form.ranges[n])


def _schedule(
    form: Form, shown: list[str], sums: Sequence[TermSum], target: Target, adds: bool
) -> tuple[LoopSchedule, Tiling]:
    """Order of loops and tile."""
    main = max(sums, key=lambda s: prod([form.ranges[n] for n in s.summed]) * (1 + len(s.factors)))
    composed = [p for p in bare(form.target) if p.plain is None]
    clipped = {c.index for c in _clips(form)} if composed else set()
    offsets = [
        n
        for p in composed
        for n in p.names
        if n != _moved(form, p.names) and not (form.sets and not clipped)
    ]
    rest = [n for n in shown if n not in offsets]
    order = [*offsets, *_tapped(_ordered(rest, main), form)]
    rounds = prod([form.ranges[n] for n in main.summed])
    tileable = {n: form.ranges[n] for n in _tileable(order, offsets, main, form)}
    overlap = not adds and not form.over_lanes
    tiling = TileCosts(target, readings_of(main), tileable, rounds, overlap).cheapest()
    tile = (*((n, size) for n, size in tiling.tile if size > 1), (PART, target.parts))
    schedule = LoopSchedule(
        (*order, PART),
        tile,
        _unrolled(form, main, dict(tile)),
        "overlap" if overlap else "shorter",
        tuple(offsets) if clipped and prod([form.ranges[n] for n in offsets]) <= 9 else (),
    )
    return schedule, tiling


def _tapped(names: list[str], form: Form) -> list[str]:
    """Indices that say what is taken of others outside, and the last of them innermost.

    The tile is of channels then, for which a place of the table is read once.
    """
    by = [n for n in names if n in {taps.by for taps in form.taps}]
    return [*by[:-1], *(n for n in names if n not in by), *by[-1:]]


def _ordered(names: list[str], main: TermSum) -> list[str]:
    """Rows outside, channels within, columns innermost: what is read again is still near."""
    wide = [f for f in main.factors if f.stream.lanes]
    of_wide = {n for f in wide for n, _ in f.stream.strides}
    if not main.summed:
        return names
    channels = [n for n in names if n not in of_wide]
    places = [n for n in names if n in of_wide]
    if len(wide) > 1:  # a weight gradient: both factors go by samples
        return names
    return [*places[:-1], *channels, *places[-1:]]


def sum_order(form: Form, names: list[str]) -> tuple[str, ...]:
    """The order of a sum; where its ranges are narrowed, those indices are outside."""
    narrowed = {moved for _, _, moved in _leaving(form)} if form.inside else set()
    narrowed |= {taps.by for taps in form.taps}
    return (*(n for n in names if n in narrowed), *(n for n in names if n not in narrowed))


def _tileable(order: list[str], offsets: list[str], main: TermSum, form: Form) -> list[str]:
    """The indices that the tile may hold several values of."""
    fixed = {n for clip in _clips(form) for n, _ in clip.others} if form.inside else set()
    fixed |= {taps.by for taps in form.taps}
    loose = [n for n in order if n not in offsets and n not in fixed]
    return loose if main.summed or form.over_lanes else loose[-2:]


def _unrolled(form: Form, main: TermSum, tile: Mapping[str, int]) -> tuple[str, ...]:
    """Summed indices to write out: the innermost ones, as long as the body stays short."""
    body = prod(tile.values())
    found: list[str] = []
    narrowed = {clip.index for clip in _clips(form)} | {taps.by for taps in form.taps}
    narrowed |= {taps.index for taps in form.taps if not taps.full}
    for name in reversed(main.summed):
        size = form.ranges[name]
        if body * size > 320 or size > 16 or name in narrowed:
            break
        body *= size
        found.append(name)
    return tuple(found)
