"""Which elements read which: exact images and preimages of elements, boxes and unions of boxes.

A Region is a union of boxes, each a set of positions per axis (not only intervals: a stride or a
dilation leaves gaps). `preimage` goes from an equation's target to what it reads, `image` from an
operand to the target elements that read it; both are exact through strides, padding, dilation,
groups and layouts such as flatten.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import product as cartesian
from math import prod
from operator import mul

from ..errors import EquationError
from .access import Access, Sparse
from .affine import Affine, Ranges
from .equation import Dependence, Equation
from .frozen import frozen

Box = tuple[tuple[int, ...], ...]
"""Per axis the positions, ascending."""


@frozen
class Region:
    """A set of elements of one array, as a union of boxes.

    Args:
        boxes: each gives the positions on every axis, ascending; boxes may overlap.
    """

    boxes: tuple[Box, ...] = ()

    @classmethod
    def element(cls, index: Sequence[int]) -> Region:
        """The one element at `index`."""
        return cls((tuple((p,) for p in index),))

    @classmethod
    def box(cls, *axes: Iterable[int]) -> Region:
        """All elements whose positions lie in `axes`: `Region.box(range(2), [0], [3, 5])`."""
        box = tuple(tuple(sorted(set(axis))) for axis in axes)
        return cls((box,) if all(box) else ())

    @classmethod
    def whole(cls, shape: Sequence[int]) -> Region:
        """Every element of an array."""
        return cls.box(*map(range, shape))

    def __or__(self, other: Region) -> Region:
        return Region(_outermost(_merged((*self.boxes, *other.boxes))))

    def __bool__(self) -> bool:
        return bool(self.boxes)

    def __contains__(self, index: Sequence[int]) -> bool:
        return any(all(p in axis for p, axis in zip(index, box, strict=True)) for box in self.boxes)

    def __iter__(self) -> Iterator[tuple[int, ...]]:
        """The elements in ascending order, each once."""
        yield from sorted({index for box in self.boxes for index in cartesian(*box)})

    def __len__(self) -> int:
        if len(self.boxes) == 1:
            return prod(len(axis) for axis in self.boxes[0])
        return sum(1 for _ in self)

    @property
    def bounds(self) -> tuple[tuple[int, int], ...]:
        """Per axis the least and the greatest position; the region must not be empty."""
        return tuple(
            (min(a[0] for a in axes), max(a[-1] for a in axes))
            for axes in zip(*self.boxes, strict=True)
        )

    def axis(self, axis: int) -> tuple[int, ...]:
        """The positions that occur on one axis."""
        return tuple(sorted({p for box in self.boxes for p in box[axis]}))


def preimage(equation: Equation, operand: str, region: Region) -> Region:
    """The elements of `operand` that the target elements in `region` read."""
    _inside(region, equation, equation.target.array)
    found = Region()
    for read in equation.reads_of(operand):
        found |= _carried(equation, read.target, read.operand, read, region)
    return found


def image(equation: Equation, operand: str, region: Region) -> Region:
    """The target elements that read an element of `operand` in `region`."""
    _inside(region, equation, operand)
    found = Region()
    for read in equation.reads_of(operand):
        found |= _carried(equation, read.operand, read.target, read, region)
    return found


def _inside(region: Region, equation: Equation, letter: str) -> None:
    """Refuse a region that reaches beyond its array."""
    shape = equation.shape_of.get(letter)
    if shape is None:
        raise EquationError(f"the equation of {equation.target.array} knows no array {letter}")
    for box in region.boxes:
        fits = len(box) == len(shape)
        if not fits or any(a[0] < 0 or a[-1] >= n for a, n in zip(box, shape, strict=True)):
            raise EquationError(f"the region {box} reaches beyond {letter}, whose shape is {shape}")


def unread(equation: Equation, operand: str) -> tuple[tuple[int, ...], ...]:
    """Per axis of `operand`, the positions that no target element ever reads.

    A stride that does not divide the size leaves some at the end, a stride larger than the window
    some in between.
    """
    shape = equation.shape_of[operand]
    if any(_reads_all(equation, read) for read in equation.reads_of(operand)):
        return ((),) * len(shape)
    whole = Region.whole(equation.shape_of[equation.target.array])
    read = preimage(equation, operand, whole)
    return tuple(tuple(sorted(set(range(n)) - set(read.axis(a)))) for a, n in enumerate(shape))


def _reads_all(equation: Equation, read: Dependence) -> bool:
    """Whether every element is surely read: bare indices over whole axes, nothing cropped."""
    shape, names = equation.shape_of[read.operand.array], [p.plain for p in read.operand.positions]
    whole = all(
        equation.range_of.get(n or "") == size for n, size in zip(names, shape, strict=True)
    )
    apart = len(set(names)) == len(names)
    alone = not any(a.padding for a in (read.target, *read.beside)) and not read.sparse
    return whole and apart and alone


@frozen
class _Condition:
    """A position that must lie among the allowed ones."""

    position: Affine
    allowed: frozenset[int]

    def holds_always(self, ranges: Ranges) -> bool:
        """Whether every index point meets it."""
        low, high = self.position.bounds(ranges)
        span = range(low, high + 1)
        return self.position.divisor.value == 1 and self.allowed.issuperset(span)


def _carried(
    equation: Equation, start: Access, end: Access, read: Dependence, region: Region
) -> Region:
    """From elements of one access to those of another that share an index point with them.

    An index point counts only where the accesses beside them exist, too, and no constant is 0: no
    product, no reading.
    """
    existing = [
        _Condition(position, frozenset(range(size)))
        for access in read.beside
        for position, size in zip(access.positions, equation.shape_of[access.array], strict=True)
    ]
    found: list[Box] = []
    for box in region.boxes:
        selected = map(_Condition, start.positions, map(frozenset, box))
        conditions = [c for c in (*selected, *existing) if not c.holds_always(equation.range_of)]
        groups = _groups(conditions, read.sparse, end)
        choices = [_pieces(equation, end, group) for group in groups]
        for combined in cartesian(*choices):
            axes = dict(pair for piece in combined for pair in piece)
            found.append(tuple(axes[a] for a in range(len(end.positions))))
    return Region(_merged(found))


@dataclass
class _Group:
    """Indices that are tied together.

    Args:
        names: the indices.
        conditions: on them.
        sparse: constants that must not be 0 where they stand.
        axes: of the other access, that they move.
    """

    names: set[str]
    conditions: list[_Condition] = field(default_factory=list)
    sparse: list[Sparse] = field(default_factory=list)
    axes: list[int] = field(default_factory=list)


def _groups(
    conditions: Sequence[_Condition], sparse: Sequence[Sparse], end: Access
) -> list[_Group]:
    """Conditions and axes apart where they share no index: each group is carried by itself."""
    single = [_Group({*c.position.names}, [c]) for c in conditions]
    single += [_Group({*s.names}, sparse=[s]) for s in sparse]
    single += [_Group({*p.names}, axes=[axis]) for axis, p in enumerate(end.positions)]
    groups: list[_Group] = []
    for one in single:
        for group in [g for g in groups if g.names & one.names]:
            groups.remove(group)
            one = _Group(
                one.names | group.names,
                group.conditions + one.conditions,
                group.sparse + one.sparse,
                group.axes + one.axes,
            )
        groups.append(one)
    return groups


Piece = tuple[tuple[int, tuple[int, ...]], ...]
"""Some axes of a box: (axis, positions) pairs."""


def _pieces(equation: Equation, end: Access, group: _Group) -> list[Piece]:
    """One group: for each value of the indices that tie it together, what lies opposite."""
    ranges, sizes, axes = equation.range_of, equation.shape_of[end.array], group.axes
    positions = [c.position for c in group.conditions] + [end.positions[a] for a in axes]
    tied = {n for s in group.sparse for n in s.names}
    shared = [n for n in ranges if sum(n in p.names for p in positions) > 1 or n in tied]
    arriving = [(_reach(end.positions[a], shared, ranges), sizes[a]) for a in axes]
    found: dict[Box, None] = {}
    for values in _points(group, shared, ranges):
        there = tuple(
            tuple(sorted({p for p in reached(values) if 0 <= p < size}))
            for reached, size in arriving
        )
        if all(there):
            found[there] = None
    return [tuple(zip(axes, box, strict=True)) for box in _merged(found)]


def _points(group: _Group, shared: Sequence[str], ranges: Ranges) -> Iterator[tuple[int, ...]]:
    """The values of the shared indices for which the others can meet every condition.

    A value is given up as soon as some condition is out of reach, whatever the rest will be.
    """
    conditions = group.conditions
    reaches = [(_reach(c.position, shared, ranges), c.allowed) for c in conditions]
    lines = [_line(c, shared, ranges) for c in conditions]
    choices = [_choices(group.sparse, shared, depth, ranges) for depth in range(len(shared))]

    def further(values: tuple[int, ...], totals: list[int]) -> Iterator[tuple[int, ...]]:
        depth = len(values)
        for total, (_, rest, low, high) in zip(totals, lines, strict=True):
            if total + rest[depth][1] < low or total + rest[depth][0] > high:
                return
        if depth == len(shared):
            if all(not allowed.isdisjoint(reached(values)) for reached, allowed in reaches):
                yield values
            return
        for value in choices[depth](values):
            next_totals = [
                t + line[0][depth] * value for t, line in zip(totals, lines, strict=True)
            ]
            yield from further((*values, value), next_totals)

    if all(c.allowed for c in conditions):
        yield from further((), [c.position.offset.integer for c in conditions])


def _choices(
    sparse: Sequence[Sparse], shared: Sequence[str], depth: int, ranges: Ranges
) -> Callable[[tuple[int, ...]], Iterable[int]]:
    """The values of one shared index, as a function of those before it."""
    name = shared[depth]
    partners = [
        (shared.index(other), one.partners(other, ranges[other]))
        for one in sparse
        for other in one.names
        if name in one.names and other in shared[:depth]
    ]
    if not partners:
        return lambda values: range(ranges[name])
    (place, first), *others = partners

    def chosen(values: tuple[int, ...]) -> Iterable[int]:
        here = first[values[place]]
        return [v for v in here if all(v in after[values[at]] for at, after in others)]

    return chosen


_Line = tuple[list[int], list[tuple[int, int]], int, int]


def _line(condition: _Condition, shared: Sequence[str], ranges: Ranges) -> _Line:
    """Coefficients, what is still to be added at each depth, the least and greatest total allowed.

    Args:
        condition: on a position.
        shared: the indices that are walked, outermost first.
        ranges: of all indices.

    Returns:
        Per shared index its coefficient; per depth, from none of them having its value to all, the
        least and the greatest that the other indices and the shared ones to come add.
    """
    position, divisor = condition.position, condition.position.divisor.integer
    steps = [position.coefficient(n) for n in shared]
    reaches = {n: position.coefficient(n) * (ranges[n] - 1) for n in {*position.names, *shared}}
    free = [reach for name, reach in reaches.items() if name not in shared]
    low, high = sum(r for r in free if r < 0), sum(r for r in free if r > 0)
    rest = [(low, high)]
    for name in reversed(shared):
        low, high = low + min(reaches[name], 0), high + max(reaches[name], 0)
        rest.append((low, high))
    rest.reverse()  # first with all of the shared indices to come, last with none
    return steps, rest, min(condition.allowed) * divisor, max(condition.allowed) * divisor


def _reach(
    position: Affine, shared: Sequence[str], ranges: Ranges
) -> Callable[[tuple[int, ...]], list[int]]:
    """The positions over all values of the other indices, as a function of the shared ones."""
    free = [(c.integer, ranges[n]) for n, c in position.terms if n not in shared]
    sums = [position.offset.integer]
    for coefficient, size in free:
        sums = [s + coefficient * value for s in sums for value in range(size)]
    steps = [position.coefficient(n) for n in shared]
    divisor = position.divisor.integer

    def reached(values: tuple[int, ...]) -> list[int]:
        base = sum(map(mul, steps, values))
        if divisor == 1:
            return [base + s for s in sums]
        return [(base + s) // divisor for s in sums if (base + s) % divisor == 0]

    return reached


def _merged(boxes: Iterable[Box]) -> tuple[Box, ...]:
    """The same union in fewer boxes: those that differ on one axis only become one."""
    current = tuple(dict.fromkeys(boxes))
    if len(current) < 2:
        return current
    changed = True
    while changed:
        changed = False
        for axis in range(len(current[0])):
            groups: dict[Box, set[int]] = {}
            for box in current:
                groups.setdefault((*box[:axis], *box[axis + 1 :]), set()).update(box[axis])
            if len(groups) < len(current):
                changed = True
                current = tuple(
                    (*rest[:axis], tuple(sorted(along)), *rest[axis:])
                    for rest, along in groups.items()
                )
    return current


def _outermost(boxes: tuple[Box, ...]) -> tuple[Box, ...]:
    """Without those that lie inside another: where branches meet, the widest often holds all."""
    if len(boxes) < 2:
        return boxes
    sets = [tuple(map(frozenset, box)) for box in boxes]
    order = sorted(range(len(boxes)), key=lambda b: -prod(map(len, sets[b])))
    kept: list[int] = []
    for here in order:
        axes = sets[here]
        if not any(all(a <= b for a, b in zip(axes, sets[k], strict=True)) for k in kept):
            kept.append(here)
    return tuple(boxes[k] for k in sorted(kept))
