"""Shapes by inference: the ranges of the indices through the affine positions, and back.

A layer declares its accesses, the ranges it knows (channels out, kernel offsets) and the shape of
its input; every other range and every other shape follows here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ..errors import EquationError, ShapeError
from .access import Access, Term
from .affine import Affine
from .frozen import frozen
from .kinds import Contraction, Equation, Loss, LossRule, Normalisation, Selection

__all__ = ["contraction", "explain_size", "infer", "loss", "normalisation", "selection"]

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
    while any([_ranges_from(a, given[a.array], known) for a in accesses if a.array in given]) or (
        _shapes_from(accesses, given, known)
    ):
        pass
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
    extent = _extent(position, name, known)
    before, behind = access.margin(axis)
    room = size + before + behind
    if room < extent or size < 1:
        padding = f" and {before} + {behind} of padding" if before or behind else ""
        raise ShapeError(
            f"a window of {extent} does not fit into the {size} positions{padding} "
            f"of axis {axis} of {access.array}",
            "Use a smaller window or more padding",
        )
    return (room - extent) // position.coefficient(name) + 1


def _extent(position: Affine, name: str, known: Sizes) -> int:
    """How many positions one value of `name` spans: the window's size, dilation included."""
    others = (n for n in position.names if n != name)
    return 1 + sum(abs(position.coefficient(n)) * (known[n] - 1) for n in others)


def explain_size(equation: Equation, axis: int) -> str:
    """How the size of one axis of the target arose: `(28 + 2·2 − 5)/1 + 1 = 28`.

    Empty where the size is just handed on or chosen.
    """
    size = equation.shape_of[equation.target.array][axis]
    position = equation.target.positions[axis]
    if position.plain is not None:
        for access in equation.accesses:
            for at, source in enumerate(access.positions):
                if position.plain in source.names and source.plain is None:
                    return _strided(equation, access, at, position.plain, size)
        if len(equation.accesses) == 1 or not isinstance(equation, Contraction):
            return ""
    targets = {t.target for t in equation.terms} if isinstance(equation, Contraction) else set()
    parts = [_reach(equation, t, axis) for t in targets if t.positions[axis].plain is None]
    if not parts:
        return ""
    if len(targets) > 1 and all(len(t.positions[axis].terms) == 1 for t in targets):
        joined = sorted((t.positions[axis].at(dict.fromkeys(t.names, 0)) or 0, t) for t in targets)
        widths = [str(equation.range_of[t.positions[axis].names[0]]) for _, t in joined]
        return f"{' + '.join(widths)} = {size}"
    return f"{parts[0]} = {size}"


def _strided(equation: Equation, access: Access, axis: int, name: str, size: int) -> str:
    """A convolution's arithmetic: what fits into the padded axis, window by window."""
    position, known = access.positions[axis], equation.range_of
    before, behind = access.margin(axis)
    length = equation.shape_of[access.array][axis]
    stride = position.coefficient(name)
    padding = ""
    if before or behind:
        padding = f" + 2·{before}" if before == behind else f" + {before} + {behind}"
    offsets = [(n, position.coefficient(n)) for n in position.names if n != name]
    window = "1"
    if len(offsets) == 1:
        ((offset, dilation),) = offsets
        window = str(known[offset]) if dilation == 1 else f"({dilation}·({known[offset]} − 1) + 1)"
    elif offsets:
        window = str(_extent(position, name, known))
    even = (length + before + behind - _extent(position, name, known)) % stride == 0
    fraction = f"({length}{padding} − {window})/{stride}"
    return f"{fraction if even else '⌊' + fraction + '⌋'} + 1 = {size}"


def _reach(equation: Equation, target: Access, axis: int) -> str:
    """A composed position's arithmetic: mixed radix as a product, a transposed window as a sum."""
    position, known = target.positions[axis], equation.range_of
    before, behind = target.margin(axis)
    radix = 1
    for name, coefficient in reversed(position.terms):
        if coefficient.integer != radix:
            break
        radix *= known[name]
    else:
        if (before, behind) == (0, 0) and position.offset.integer == 0:
            return "·".join(str(known[n]) for n in position.names)
    parts = [f"({known[n]} − 1)·{c.integer}" for n, c in position.terms]
    crop = f" − {before} − {behind}" if before != behind else f" − 2·{before}" if before else ""
    return f"{' + '.join(parts)} + 1{crop}".replace("− -", "+ ")


def contraction(*terms: Term, ranges: Sizes, shapes: Shapes) -> Contraction:
    """A `Contraction` whose open ranges and shapes are inferred; see `infer`."""
    found = infer([a for t in terms for a in t.accesses], ranges, shapes)
    return Contraction(terms, ranges=found.ranges, shapes=found.shapes)


def selection(
    result: Access,
    source: Access,
    *,
    over: Sequence[str],
    winner: str,
    ranges: Sizes,
    shapes: Shapes,
) -> Selection:
    """A `Selection` whose open ranges and shapes are inferred; see `infer`."""
    found = infer([result, source, result.to(winner)], ranges, shapes)
    return Selection(result, source, tuple(over), winner, ranges=found.ranges, shapes=found.shapes)


def normalisation(
    result: Access,
    source: Access,
    statistic: Access,
    *,
    epsilon: float,
    scale: str | None,
    shift: str | None,
    letters: tuple[str, str, str],
    shapes: Shapes,
) -> Normalisation:
    """A `Normalisation` whose ranges and shapes are inferred; `letters` are v, r and U."""
    variance, inverse, normalised = letters
    per_channel = [p for p in (scale, shift, statistic.array, variance, inverse) if p is not None]
    accesses = [result, source, result.to(normalised), *map(statistic.to, per_channel)]
    found = infer(accesses, {}, shapes)
    return Normalisation(
        result,
        source,
        statistic,
        epsilon,
        scale,
        shift,
        variance,
        inverse,
        normalised,
        ranges=found.ranges,
        shapes=found.shapes,
    )


def loss(
    rule: LossRule,
    result: Access,
    source: Access,
    labels: str,
    *,
    probabilities: str | None = None,
    weight: str | None = None,
    shapes: Shapes,
) -> Loss:
    """A `Loss` whose ranges and shapes are inferred."""
    accesses = [result, source, source.to(labels)]
    if probabilities is not None:
        accesses.append(source.to(probabilities))
    if weight is not None:
        accesses.append(Access(weight, source.positions[:1]))
    found = infer(accesses, {}, shapes)
    return Loss(
        rule,
        result,
        source,
        labels,
        probabilities,
        weight,
        ranges=found.ranges,
        shapes=found.shapes,
    )
