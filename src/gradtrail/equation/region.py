"""Which elements read which: exact images and preimages of elements, boxes and unions of boxes.

A Region is a union of boxes, each a set of positions per axis (not only intervals: a stride or a
dilation leaves gaps). `preimage` goes from an equation's target to what it reads, `image` from an
operand to the target elements that read it; both are exact through strides, padding, dilation,
groups and layouts such as flatten.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import product as cartesian
from math import prod
from operator import mul

from .access import Access
from .affine import Affine, Ranges
from .frozen import frozen
from .kinds import Equation

__all__ = ["Region", "image", "preimage", "unread"]

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
        return Region(_merged((*self.boxes, *other.boxes)))

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
    found = Region()
    for target, source in equation.reads:
        if source.array == operand:
            found |= _carried(equation, target, source, region)
    return found


def image(equation: Equation, operand: str, region: Region) -> Region:
    """The target elements that read an element of `operand` in `region`."""
    found = Region()
    for target, source in equation.reads:
        if source.array == operand:
            found |= _carried(equation, source, target, region)
    return found


def unread(equation: Equation, operand: str) -> tuple[tuple[int, ...], ...]:
    """Per axis of `operand`, the positions that no target element ever reads.

    A stride that does not divide the size leaves some at the end, a stride larger than the window
    some in between.
    """
    shape = equation.shape_of[operand]
    whole = Region.whole(equation.shape_of[equation.target.array])
    read = preimage(equation, operand, whole)
    return tuple(tuple(sorted(set(range(n)) - set(read.axis(a)))) for a, n in enumerate(shape))


def _carried(equation: Equation, start: Access, end: Access, region: Region) -> Region:
    """From elements of one access to those of another that share an index point with them."""
    parts = _parts(start, end)
    found: list[Box] = []
    for box in region.boxes:
        choices = [_part(equation, start, end, *part, box) for part in parts]
        for combined in cartesian(*choices):
            axes = dict(pair for piece in combined for pair in piece)
            found.append(tuple(axes[a] for a in range(len(end.positions))))
    return Region(_merged(found))


_Group = tuple[set[str], list[int], list[int]]
"""Indices, with the axes of the first and of the second access that they move."""


def _parts(start: Access, end: Access) -> list[tuple[list[int], list[int]]]:
    """The axes of both accesses in groups that share no index: each can be carried by itself."""
    groups: list[_Group] = []
    starts: list[_Group] = [(set(p.names), [a], []) for a, p in enumerate(start.positions)]
    ends: list[_Group] = [(set(p.names), [], [a]) for a, p in enumerate(end.positions)]
    for names, leaving, arriving in (*starts, *ends):
        for group in [g for g in groups if g[0] & names]:
            groups.remove(group)
            names, leaving, arriving = (
                names | group[0],
                group[1] + leaving,
                group[2] + arriving,
            )
        groups.append((names, leaving, arriving))
    return [(leaving, arriving) for _, leaving, arriving in groups]


Piece = tuple[tuple[int, tuple[int, ...]], ...]
"""Some axes of a box: (axis, positions) pairs."""


def _part(
    equation: Equation, start: Access, end: Access, starts: list[int], ends: list[int], box: Box
) -> list[Piece]:
    """One group of axes: for each value of the shared indices, what lies opposite."""
    ranges = equation.range_of
    inside = {a: set(box[a]) for a in starts}
    sizes = equation.shape_of[end.array]
    shared = _shared([start.positions[a] for a in starts] + [end.positions[a] for a in ends])
    full = all(len(inside[a]) == equation.shape_of[start.array][a] for a in starts)
    if full and _covers(equation, start, starts, end, ends):
        return [tuple((a, tuple(range(sizes[a]))) for a in ends)]
    leaving = [(_reach(start.positions[a], shared, ranges), inside[a]) for a in starts]
    arriving = [(_reach(end.positions[a], shared, ranges), sizes[a]) for a in ends]
    found: dict[Box, None] = {}
    for values in cartesian(*(range(ranges[n]) for n in shared)):
        if any(selected.isdisjoint(reached(values)) for reached, selected in leaving):
            continue
        there = tuple(
            tuple(sorted({p for p in reached(values) if 0 <= p < size}))
            for reached, size in arriving
        )
        if all(there):
            found[there] = None
    return [tuple(zip(ends, axes, strict=True)) for axes in _merged(found)]


def _shared(positions: Sequence[Affine]) -> tuple[str, ...]:
    """The indices that tie several axes together; the others move one axis alone."""
    counts: dict[str, int] = {}
    for position in positions:
        for name in position.names:
            counts[name] = counts.get(name, 0) + 1
    return tuple(n for n, count in counts.items() if count > 1)


def _reach(
    position: Affine, shared: tuple[str, ...], ranges: Ranges
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


def _covers(
    equation: Equation, start: Access, starts: list[int], end: Access, ends: list[int]
) -> bool:
    """Whether from all of `starts` all of `ends` is surely reached, with nothing cropped."""
    names = [end.positions[a].plain for a in ends]
    sizes = [equation.shape_of[end.array][a] for a in ends]
    whole = [equation.range_of.get(n or "") == size for n, size in zip(names, sizes, strict=True)]
    return (
        all(whole)
        and len(set(names)) == len(names)
        and all(start.margin(a) == (0, 0) for a in starts)
        and all(start.positions[a].divisor.value == 1 for a in starts)
    )


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
