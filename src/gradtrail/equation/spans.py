"""How far the indices of a formula run, and the padding that its positions declare by themselves.

What a position subtracts is padding, before and behind, and the index runs as far as its windows
fit: in `X[n,c,y·s+i−1]` the least position is −1, so there is 1 of padding on both sides, and y
runs over ⌊(H + 2·1 − R)/s⌋ + 1 values, as a convolution's with `padding=1`. Several positions with
one index on one axis (`y−1`, `y+1`) are one window. An index that stands alone at an axis runs over
that axis, and one that is given as far as is said; then only what is reached is padding. What a
position on the left subtracts is cut off on both sides, as a transposed convolution's padding.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence

from ..errors import ShapeError
from .access import Access, Applied, Factor, Term
from .affine import Affine
from .frozen import frozen

Shapes = Mapping[str, tuple[int, ...]]


@frozen
class Window:
    """What one index reads on one axis of an array, all its positions together.

    Args:
        array: the letter.
        axis: which axis.
        name: the index that moves the window.
        step: how far one step of it goes; negative where it goes backwards.
        low, high: the least and the greatest position while the index is 0.
        bare: whether the index stands alone there.
    """

    array: str
    axis: int
    name: str
    step: int
    low: int
    high: int
    bare: bool

    def runs(self, size: int) -> int:
        """How many values the index takes on an axis of this size; below 1 where nothing fits."""
        if self.bare:
            return size
        if self.step > 0:
            return (size - 1 + max(0, -self.low) - self.high) // self.step + 1
        return (self.low + max(0, self.high - size + 1)) // -self.step + 1

    def fits(self, size: int) -> str:
        """How that number arises, in words."""
        axis = f"axis {self.axis} of {self.array}"
        return f"{size} as {axis}" if self.bare else f"{self.runs(size)} as fit into {axis}"


def spans(
    reads: Sequence[Access], shapes: Shapes, given: Mapping[str, int]
) -> tuple[dict[str, int], frozenset[str]]:
    """The ranges that the inputs determine, with those that are given; which made windows fit.

    Args:
        reads: the inputs' accesses.
        shapes: of the inputs.
        given: ranges that hold as they are.

    Raises:
        ShapeError: an index would run over no value or over two different numbers.
    """
    known, fitted = dict(given), set[str]()
    while True:
        found: dict[str, list[Window]] = {}
        for window in _windows(reads, known):
            found.setdefault(window.name, []).append(window)
        new = {name: _agreed(name, windows, shapes) for name, windows in found.items()}
        if not new:
            break
        known |= new
        fitted |= {name for name, windows in found.items() if not any(w.bare for w in windows)}
    _check_bare(reads, shapes, known)
    return known, frozenset(fitted)


def _windows(reads: Sequence[Access], known: Mapping[str, int]) -> Iterator[Window]:
    """The windows whose one open index is what moves them."""
    places = dict.fromkeys((access.array, axis) for access in reads for axis in _axes(access))
    for array, axis in places:
        positions = [a.positions[axis] for a in reads if a.array == array]
        grouped: dict[tuple[str, int], list[Affine]] = {}
        for position in positions:
            unknown = [n for n in position.names if n not in known]
            if len(unknown) == 1:
                step = position.coefficient(unknown[0])
                grouped.setdefault((unknown[0], step), []).append(position)
        for (name, step), several in grouped.items():
            still = [p.substitute({name: 0}).bounds(known) for p in several]
            low, high = min(b[0] for b in still), max(b[1] for b in still)
            yield Window(array, axis, name, step, low, high, any(p.plain for p in several))


def _axes(access: Access) -> range:
    return range(len(access.positions))


def _agreed(name: str, windows: Sequence[Window], shapes: Shapes) -> int:
    """The range that all windows give."""
    sizes = [w.runs(shapes[w.array][w.axis]) for w in windows]
    if len(set(sizes)) > 1:
        told = " but ".join(dict.fromkeys(w.fits(shapes[w.array][w.axis]) for w in windows))
        raise ShapeError(
            f"index {name} would run over {told}",
            f"Make the two agree, or say how far it runs: {name}=…",
        )
    if sizes[0] < 1:
        (window, *_) = windows
        size = shapes[window.array][window.axis]
        raise ShapeError(
            f"a window of {window.high - window.low + 1} does not fit into the {size} positions of "
            f"axis {window.axis} of {window.array}",
            f"Use a smaller window, or subtract more from its position, or give {name}=…",
            window.axis,
        )
    return sizes[0]


def _check_bare(reads: Sequence[Access], shapes: Shapes, known: Mapping[str, int]) -> None:
    """A bare index that is given does not run beyond its axis."""
    for access in reads:
        for axis, position in enumerate(access.positions):
            name, size = position.plain, shapes[access.array][axis]
            if name is not None and known.get(name, 0) > size:
                raise ShapeError(
                    f"index {name} runs over {known[name]} values, but axis {axis} of "
                    f"{access.array} has {size}",
                    f"Give a smaller {name}, or none",
                    axis,
                )


def with_margins(
    terms: Sequence[Term], inputs: Shapes, ranges: Mapping[str, int], fitted: Collection[str]
) -> tuple[tuple[Term, ...], tuple[int, ...]]:
    """The terms with the padding that their positions declare, and the shape of their target.

    Args:
        terms: without padding.
        inputs: the shapes of the inputs.
        ranges: of all indices but those that only the target's size determines.
        fitted: the indices whose range makes windows fit, with as much padding on both sides.

    Raises:
        ShapeError: two lines say different sizes of one axis of the target, or one of none.
    """
    target = terms[0].target
    shape = tuple(_size(axis, terms, ranges) for axis in range(len(target.positions)))
    known = dict(ranges)
    for term in terms:
        for axis, position in enumerate(term.target.positions):
            if position.plain is not None:
                known.setdefault(position.plain, shape[axis])
    found = []
    for term in terms:
        margins = [_target_margin(p, shape[a], known) for a, p in enumerate(term.target.positions)]
        factors = tuple(_with_padding(f, inputs, known, fitted) for f in term.factors)
        found.append(Term(term.target.padded(*margins), factors, term.scale))
    return tuple(found), shape


def _size(axis: int, terms: Sequence[Term], ranges: Mapping[str, int]) -> int:
    """The size of one axis of the target."""
    letter = terms[0].target.array
    positions = list(dict.fromkeys(t.target.positions[axis] for t in terms))
    bare = {p.plain: ranges[p.plain] for p in positions if p.plain and p.plain in ranges}
    sizes = set(bare.values())
    if len(sizes) > 1:
        told = " and ".join(f"{size} by {name}" for name, size in bare.items())
        raise ShapeError(f"axis {axis} of {letter} would have two sizes, {told}")
    if sizes:
        return sizes.pop()
    reached = [b for p in positions if p.plain is None for b in (p.bounds(ranges),)]
    size = max((high + 1 - max(0, -low) for low, high in reached), default=0)
    if size < 1:
        raise ShapeError(
            f"axis {axis} of {letter} would have no element: what its position subtracts is cut "
            "off on both sides",
            "Subtract less",
            axis,
        )
    return size


def _target_margin(position: Affine, size: int, known: Mapping[str, int]) -> tuple[int, int]:
    low, high = position.bounds(known)
    return max(0, -low), max(0, high - size + 1)


def _with_padding(
    factor: Factor, inputs: Shapes, known: Mapping[str, int], fitted: Collection[str]
) -> Factor:
    """A factor whose positions beyond its array are declared to be padding."""
    access = factor.access
    shape = inputs.get(access.array)
    if shape is None:
        return factor
    margins = []
    for position, size in zip(access.positions, shape, strict=True):
        low, high = position.bounds(known)
        before, behind = max(0, -low), max(0, high - size + 1)
        if any(name in fitted for name in position.names):
            behind = max(behind, before)
        margins.append((before, behind))
    wide = access.padded(*margins)
    return Applied(factor.function, wide) if isinstance(factor, Applied) else wide
