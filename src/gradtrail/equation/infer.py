"""Shapes by inference: the ranges of the indices through the affine positions, and back.

A layer declares its accesses, the ranges it knows (channels out, kernel offsets) and the shape of
its input; every other range and every other shape follows here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ..errors import EquationError, ShapeError
from .access import Access
from .affine import Affine
from .frozen import frozen

Shapes = Mapping[str, Sequence[int]]
Sizes = Mapping[str, int]


@frozen
class Inferred:
    """Ranges and shapes as an equation takes them."""

    ranges: tuple[tuple[str, int], ...]
    shapes: tuple[tuple[str, tuple[int, ...]], ...]


def infer(accesses: Sequence[Access], ranges: Sizes, shapes: Shapes) -> Inferred:
    """Every range and shape that the known ones determine.

    Args:
        accesses: the target first, then what is read.
        ranges: the indices whose ranges are given.
        shapes: the arrays whose shapes are given.

    Raises:
        ShapeError: an index would have to run over no value, or over two different numbers.
        EquationError: something stays undetermined.
    """
    known = dict(ranges)
    given = {array: tuple(shape) for array, shape in shapes.items()}
    for access in accesses:
        if access.array in given and len(given[access.array]) != len(access.positions):
            raise ShapeError(
                f"{access.array} has {len(access.positions)} axes in the equation, but "
                f"its shape is {given[access.array]}"
            )
    progress = True
    while progress:
        from_shapes = [_ranges_from(a, given[a.array], known) for a in accesses if a.array in given]
        progress = any(from_shapes) or _shapes_from(accesses, given, known)
    names = dict.fromkeys(n for access in accesses for n in access.names)
    missing = [n for n in names if n not in known]
    if missing:
        raise EquationError(f"nothing determines the range of {', '.join(missing)}")
    for access in accesses:
        if access.array in shapes:
            _check_whole(access, given[access.array], known, ranges)
    order = dict.fromkeys(access.array for access in accesses)
    return Inferred(tuple((n, known[n]) for n in names), tuple((a, given[a]) for a in order))


def _shapes_from(
    accesses: Sequence[Access], given: dict[str, tuple[int, ...]], known: Sizes
) -> bool:
    """Fill in the shapes of arrays that some access reaches fully; whether there were any."""
    found: dict[str, tuple[int, ...]] = {}
    for access in accesses:
        if access.array in given or any(n not in known for n in access.names):
            continue
        reached = tuple(
            position.bounds(known)[1] + 1 - access.margin(axis)[1]
            for axis, position in enumerate(access.positions)
        )
        if min(reached, default=1) < 1:
            raise ShapeError(
                f"{access.array} would have the shape {reached}: the padding crops all of it away",
                "Use less padding or a larger window",
            )
        found[access.array] = tuple(map(max, found.get(access.array, reached), reached))
    given.update(found)
    return bool(found)


def _ranges_from(access: Access, shape: Sequence[int], known: dict[str, int]) -> bool:
    """Fill in the ranges that the shape of one array determines; whether there were any."""
    found = False
    for axis, (position, size) in enumerate(zip(access.positions, shape, strict=True)):
        unknown = [n for n in position.names if n not in known]
        if len(unknown) == 1 and position.coefficient(unknown[0]) > 0:
            known[unknown[0]] = _fitting(access, axis, size, unknown[0], known)
            found = True
    return found


def _check_whole(access: Access, shape: Sequence[int], known: Sizes, chosen: Sizes) -> None:
    """A bare index covers the whole axis of a given array, unless its range was chosen."""
    for axis, (position, size) in enumerate(zip(access.positions, shape, strict=True)):
        name = position.plain
        if name is not None and name not in chosen and known[name] != size:
            raise ShapeError(
                f"axis {axis} of {access.array} has {size} elements, but index {name} "
                f"runs over {known[name]}"
            )


def _fitting(access: Access, axis: int, size: int, name: str, known: Sizes) -> int:
    """How many values of `name` keep the position inside the padded axis."""
    position = access.positions[axis]
    window = extent(position, name, known)
    before, behind = access.margin(axis)
    room = size + before + behind
    if room < window or size < 1:
        padding = f" and {before} + {behind} of padding" if before or behind else ""
        raise ShapeError(
            f"a window of {window} does not fit into the {size} positions{padding} "
            f"of axis {axis} of {access.array}",
            "Use a smaller window or more padding",
            axis,
        )
    return (room - window) // position.coefficient(name) + 1


def extent(position: Affine, name: str, known: Sizes) -> int:
    """How many positions one value of `name` spans: the window's size, dilation included."""
    others = (n for n in position.names if n != name)
    return 1 + sum(abs(position.coefficient(n)) * (known[n] - 1) for n in others)
