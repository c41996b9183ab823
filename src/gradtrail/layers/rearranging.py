"""Some elements alone, or all of them in another order: slices, permutations, other shapes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import field
from itertools import accumulate, pairwise
from math import prod
from typing import Any, ClassVar, final

from ..checking.arguments import is_whole
from ..checking.calls import call_example
from ..equation import Affine, Array, Number, contraction, index, term
from ..equation.frozen import frozen
from ..errors import ArgumentError, ShapeError
from ..showing.axis_names import size_names
from .functional import GraphNode
from .layer import Declaration, Layer, Shape, canonical, times
from .sample_axes import Axes, checked_axes, input_names, output_names, some_axes

X, Z = Array("X"), Array("Z")

_Bound = int | None | tuple[int | None, ...]
"""A bound of a slice, or one for each axis."""


@final
@call_example("gt.Slice(0, 8)")
@frozen
class Slice(Layer):
    """Takes some positions of an axis, as Python's slices do: `x[:, start:stop:step]`.

    Shapes: X (N, C, H, W), Z the same but for the axes that are sliced.

    Forward:
        Z[n,c,y,x] = X[n,c,y·s+a,x]

    Adjoints:
        dX[n,c,y·s+a,x] = dZ[n,c,y,x]
        dX[n,c,h,x] = dZ[n,c,(h−a)/s,x]

    Args:
        start: a, the first position; None is the beginning, below 0 counts from the end. One
            number, or one for each axis, as for `stop` and `step`.
        stop: the position that ends it, which is not taken; None is the end.
        step: s, from each to the next; below 0 goes backwards; None is 1.
        axis: which axis, or several; the channels are 1.
        name: instead of slice1, …

    Raises:
        ArgumentError: an argument that is no whole number, or not as many as axes.
    """

    prefix: ClassVar[str] = "slice"

    start: _Bound = None
    stop: _Bound = None
    step: _Bound = None
    axis: Axes = 1
    name: str | None = field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        canonical(self)
        axes = some_axes(self, self.axis, "axis")
        for name in ("start", "stop", "step"):
            self._each(name, len(axes))

    def _each(self, name: str, axes: int) -> tuple[int | None, ...]:
        """A bound for each axis."""
        given: Any = getattr(self, name)
        listed = given if isinstance(given, tuple) else (given,) * axes
        if len(listed) != axes:
            raise ArgumentError(
                f"Slice: {name} has {len(listed)} entries for {axes} axes; give one for each"
            )
        wrong = [e for e in listed if not (e is None or is_whole(e)) or (name == "step" and e == 0)]
        if wrong:
            than = " other than 0" if name == "step" else ""
            raise ArgumentError(
                f"Slice: {name} must be a whole number{than}, or None, got {wrong[0]!r}"
            )
        return listed

    def declare(self, *sources: Shape, training: bool) -> Declaration:
        """See `Layer.declare`; any shape."""
        (shape,) = sources
        taken = self.taken(shape)
        names = output_names(len(shape))
        positions, ranges = list(map(index, names)), dict(zip(names, shape, strict=True))
        for axis, places in taken:
            mark = "" if len(taken) == 1 else f"_{names[axis]}"
            ranges[names[axis]] = len(places)
            positions[axis] = _strided(names[axis], places, mark)
        z = Z[tuple(map(index, names))]
        equation = contraction(term(z, X[tuple(positions)]), ranges=ranges, shapes={"X": shape})
        return Declaration(equation)

    def taken(self, shape: Shape) -> tuple[tuple[int, range], ...]:
        """The axes that are sliced, each with the positions that are taken of it.

        Args:
            shape: of the input, samples first.

        Raises:
            ShapeError: no such axis, or none of its positions.
        """
        axes = checked_axes(some_axes(self, self.axis, "axis"), shape)
        bounds = (self._each(name, len(axes)) for name in ("start", "stop", "step"))
        found = []
        for axis, *listed in zip(axes, *bounds, strict=True):
            places = range(*slice(*listed).indices(shape[axis]))
            if not places:
                raise ShapeError(
                    f"takes none of the {shape[axis]} positions of axis {axis} "
                    f"({size_names(len(shape))[axis]})",
                    "Choose start and stop so that at least one lies between them",
                )
            found.append((axis, places))
        return tuple(found)


def _strided(name: str, taken: range, mark: str) -> Affine:
    """`y·s+a`; a step or a start that changes nothing is not written."""
    step = 1 if taken.step == 1 else Number(taken.step, f"s{mark}")
    return index(name) * step + (Number(taken.start, f"a{mark}") if taken.start else 0)


@call_example("gt.split(node, 2)")
def split(
    node: GraphNode, sizes_or_parts: int | Sequence[int], axis: int = 1
) -> tuple[GraphNode, ...]:
    """A node cut into several along an axis, one behind the other; each is a `Slice`.

    Args:
        node: what is cut.
        sizes_or_parts: how many positions each has; or one number, into how many equal parts.
        axis: along which; the channels are 1.

    Raises:
        ArgumentError: something that is no node, or sizes that are none.
        ShapeError: sizes that do not add up to the axis, or parts that do not divide it.
    """
    if not isinstance(node, GraphNode):
        raise ArgumentError(f"split: node must be a node, such as gt.Input gives, got {node!r}")
    several = isinstance(sizes_or_parts, Sequence) and not isinstance(sizes_or_parts, str)
    listed: list[Any] = list(sizes_or_parts) if several else [sizes_or_parts]  # type: ignore[arg-type]
    if not listed or not all(is_whole(size, 1) for size in listed):
        raise ArgumentError(
            f"split: sizes_or_parts must be whole numbers ≥ 1, got {sizes_or_parts!r}"
        )
    if not is_whole(axis) or axis == 0:
        raise ArgumentError(f"split: axis must be a whole number other than 0, got {axis!r}")
    (place,) = checked_axes((axis,), (1, *node.shape))
    size = node.shape[place - 1]
    if not several:
        listed = [size // listed[0]] * listed[0]
    if sum(listed) != size or not all(listed):
        asked = f"sizes {listed}" if several else f"{sizes_or_parts} equal parts"
        raise ShapeError(
            f"split: axis {axis} has {size} positions, which are not {asked}",
            "Give sizes that add up to it",
        )
    ends = list(accumulate(listed))
    starts = [end - size for end, size in zip(ends, listed, strict=True)]
    return tuple(Slice(a, b, axis=axis)(node) for a, b in zip(starts, ends, strict=True))


@final
@call_example("gt.Permute((0, 2, 3, 1))")
@frozen
class Permute(Layer):
    """The axes in another order: `x.permute(0, 2, 3, 1)`.

    Shapes: X (N, C, H, W), Z with the same sizes in another order.

    Forward:
        Z[n,y,x,c] = X[n,c,y,x]

    Adjoints:
        dX[n,c,y,x] = dZ[n,y,x,c]

    Args:
        dims: which axis of the input each axis of the output is, that of the samples first.
        name: instead of permute1, …

    Raises:
        ArgumentError: something else than 0 and the other axes, each once.
    """

    prefix: ClassVar[str] = "permute"

    dims: tuple[int, ...]
    name: str | None = field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        canonical(self)
        dims: Any = self.dims
        several = isinstance(dims, tuple) and all(map(is_whole, dims)) and len(dims) > 1
        if not several or sorted(d % len(dims) for d in dims) != list(range(len(dims))) or dims[0]:
            raise ArgumentError(
                "Permute: dims must name all axes in their new order, each once and that of the "
                f"samples, 0, first, such as (0, 2, 3, 1); got {self.dims!r}"
            )

    def declare(self, *sources: Shape, training: bool) -> Declaration:
        """See `Layer.declare`; as many axes as there are `dims`."""
        (shape,) = sources
        if len(shape) != len(self.dims):
            raise ShapeError(
                f"puts {len(self.dims)} axes in order, samples among them, but gets a sample of "
                f"{times(shape[1:])}",
                f"Give {len(shape)} dims",
            )
        names = output_names(len(shape))
        moved = term(Z[tuple(index(names[d]) for d in self.dims)], X[tuple(map(index, names))])
        return Declaration(contraction(moved, ranges={}, shapes={"X": shape}))


@final
@call_example("gt.Reshape((4, -1))")
@frozen
class Reshape(Layer):
    """The elements of each sample in another shape, their order row by row kept.

    Shapes: X (N, C, H, W), Z (N, *shape). Shown for X (N, C, H, W) to Z (N, C, H·W).

    Forward:
        Z[n,c,h·|w|+w] = X[n,c,h,w]

    Adjoints:
        dX[n,c,h,w] = dZ[n,c,h·|w|+w]

    Args:
        shape: of a sample; one entry may be −1, which is what remains.
        name: instead of reshape1, …

    Raises:
        ArgumentError: an entry that is no size, or a second −1.
    """

    prefix: ClassVar[str] = "reshape"

    shape: int | tuple[int, ...]
    name: str | None = field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        canonical(self)
        sizes: Any = self.shape if isinstance(self.shape, tuple) else (self.shape,)
        whole = all(is_whole(size) and (size > 0 or size == -1) for size in sizes)
        if not sizes or not whole or sizes.count(-1) > 1:
            raise ArgumentError(
                "Reshape: shape must be the sizes of a sample, whole numbers ≥ 1 and at most one "
                f"−1 for what remains, got {self.shape!r}"
            )

    def declare(self, *sources: Shape, training: bool) -> Declaration:
        """See `Layer.declare`; any shape of as many elements."""
        (shape,) = sources
        sizes = self.sizes(shape)
        digits = _digits(shape[1:], sizes)
        if digits is None:
            raise ShapeError(
                f"cannot lay out {times(shape[1:])} as {times(sizes)} in one step: no size divides "
                "the other where they meet",
                "Put a Flatten before it",
            )
        names = _digit_names(digits, shape, sizes)
        n = index("n")
        z, x = (_positions(s, digits, names) for s in (sizes, shape[1:]))
        ranges = {names[low]: size for low, size in digits.items()}
        laid = term(Z[n, *z], X[n, *x])
        return Declaration(contraction(laid, ranges=ranges, shapes={"X": shape}))

    def sizes(self, shape: Shape) -> Shape:
        """The new sizes of a sample, −1 filled in.

        Args:
            shape: of the input, samples first.

        Raises:
            ShapeError: they do not hold as many elements.
        """
        sizes: tuple[int, ...] = self.shape if isinstance(self.shape, tuple) else (self.shape,)
        elements, known = prod(shape[1:]), prod(size for size in sizes if size > 0)
        if -1 in sizes and elements % known == 0:
            return tuple(elements // known if size < 0 else size for size in sizes)
        if prod(sizes) != elements:
            raise ShapeError(
                f"cannot lay out {times(shape[1:])} = {elements} elements as {times(sizes)}",
                f"Choose sizes whose product {'divides' if -1 in sizes else 'is'} {elements}",
            )
        return sizes


def _ends(sizes: Sequence[int]) -> list[tuple[int, int]]:
    """For each axis how many elements lie from one position to the next, and in the whole axis."""
    found, step = [], 1
    for size in reversed(sizes):
        found.append((step, step * size))
        step *= size
    return found[::-1]


def _digits(old: Shape, new: Shape) -> dict[int, int] | None:
    """An element's number among all in digits that both shapes are made of, the last one first.

    Returns:
        For each digit what it counts by, with how many values it has; None where a size of one
        shape ends within a position of the other.
    """
    cuts = sorted({end for sizes in (old, new) for ends in _ends(sizes) for end in ends})
    pairs = list(pairwise(cuts))
    if any(high % low for low, high in pairs):
        return None
    return {low: high // low for low, high in pairs}


def _digit_names(digits: dict[int, int], shape: Shape, sizes: Shape) -> dict[int, str]:
    """An index for each digit: that of the axis that it is, or one of its own."""
    found: dict[int, str] = {}
    sides = (
        (shape[1:], input_names(shape)[1:]),
        (sizes, output_names(len(sizes) + 1)[1:]),
    )
    for own, names in sides:
        for name, (low, high) in zip(names, _ends(own), strict=True):
            if high > low and digits[low] == high // low and name not in found.values():
                found.setdefault(low, name)
    spare = (f"i_{place}" for place in range(len(digits)))
    return {low: found.get(low) or next(spare) for low in digits}


def _positions(sizes: Shape, digits: dict[int, int], names: dict[int, str]) -> list[Affine]:
    """The position on each axis: its digits, each times what the lower ones of the axis count."""
    found = []
    for low, high in _ends(sizes):
        position = Affine()
        inside = [d for d in digits if low <= d < high]
        for digit in reversed(inside):
            lower = "·".join(f"|{names[d]}|" for d in reversed(inside) if d < digit)
            position += index(names[digit]) * (Number(digit // low, lower) if lower else 1)
        found.append(position)
    return found
