"""What a layer's formula is held to: numbers within bounds, inputs that fit, each element once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import product as cartesian
from math import isfinite, prod
from typing import Any

from ..checking.arguments import is_finite, is_whole
from ..equation import Access, Affine, Applied, Contraction, Selection, Term, one_to_one
from ..equation.affine import Ranges
from ..equation.formula_words import SAMPLE, Written
from ..equation.reader import fail
from ..equation.scalar import at_zero
from ..equation.syntax import Name, Over
from ..errors import ArgumentError, EquationError, ShapeError
from .bounds import LARGEST
from .layer import Shape, times

_MOST_PRODUCTS = 1 << 40
"""How many products one term may have for one sample."""

_LISTED = 1 << 16
"""How many positions of an axis are listed, to see whether two lines meet there."""


def checked_numbers(numbers: Mapping[str, Any]) -> dict[str, int | float]:
    """The numbers given to a formula, as Python's.

    Raises:
        ArgumentError: one that is no number, or beyond all sizes.
    """
    found: dict[str, int | float] = {}
    for name, value in numbers.items():
        if not is_finite(value) or abs(value) > LARGEST:
            raise ArgumentError(
                f"Equation: {name} is given to the formula, and must be a number up to "
                f"{LARGEST:,}, got {value!r}"
            )
        found[name] = int(value) if is_whole(value) else float(value)
    return found


def range_given(name: str, value: float, written: float) -> int:
    """An index's range from a keyword, which agrees with the one in the text.

    Raises:
        EquationError: it is no whole number from 1, or the text says another.
    """
    if not is_whole(value, 1):
        raise EquationError(
            f"{name} is an index, and {name}=… how many values it takes, a whole number ≥ 1; "
            f"got {value!r}"
        )
    if value != written:
        raise EquationError(f"index {name} runs over {written} in the text, but {name}={value}")
    return int(value)


def check_shapes(found: Written, sources: Sequence[Shape]) -> dict[str, Shape]:
    """The shapes of the inputs by letter.

    Raises:
        ShapeError: other inputs than the formula has, or of other numbers of axes.
    """
    letters = found.inputs
    if len(sources) != len(letters):
        raise ShapeError(
            f"the formula has {len(letters)} input{'s' * (len(letters) != 1)}, "
            f"{' and '.join(letters)}, but gets {len(sources)}",
            "Call the layer with as many nodes",
        )
    axes = {e.letter: len(e.positions) for e in found.elements}
    for letter, shape in zip(letters, sources, strict=True):
        if len(shape) != axes[letter]:
            raise ShapeError(
                f"{letter} has {axes[letter]} positions in the formula, the sample's among them, "
                f"but gets a sample of {times(shape[1:])}",
                f"Write {letter} with {len(shape)} positions",
            )
    return dict(zip(letters, sources, strict=True))


def bare_sizes(found: Written, shapes: Mapping[str, Shape]) -> dict[str, int]:
    """The ranges of the indices that stand alone at an axis of an input: what |i| is."""
    sizes: dict[str, int] = {}
    for element in found.elements:
        shape = shapes.get(element.letter, ())
        for position, size in zip(element.positions, shape, strict=False):
            if isinstance(position.alone, Name):
                sizes.setdefault(position.alone.text, size)
    return sizes


def check_bounded_work(equation: Contraction | Selection, parameters: Sequence[str]) -> None:
    """Refuse what no memory would hold and no machine compute.

    Raises:
        ShapeError: a parameter or a sum beyond the bounds.
    """
    _check_axes(equation, parameters)
    for letter in parameters:
        size = prod(equation.shape_of[letter])
        if size > LARGEST:
            raise ShapeError(f"{letter} would have {size:,} numbers; at most {LARGEST:,} are taken")
    names = [tuple(equation.range_of)]
    if isinstance(equation, Contraction):
        names = [t.names for t in equation.terms]
    most = max(prod(equation.range_of[n] for n in ns if n != SAMPLE) for ns in names)
    if most > _MOST_PRODUCTS:
        raise ShapeError(
            f"a sum would have {most:,} products for one sample; at most {_MOST_PRODUCTS:,} are "
            "taken",
            "Give smaller ranges",
        )


def _check_axes(equation: Contraction | Selection, parameters: Sequence[str]) -> None:
    """Indices that stand alone at one axis of a parameter run alike: another order is a mistake.

    Raises:
        ShapeError: they do not.
    """
    sizes: dict[tuple[str, int], tuple[str, int]] = {}
    for access in (a for a in equation.accesses if a.array in parameters):
        for axis, name in enumerate(p.plain for p in access.positions):
            if name is None:
                continue
            size = equation.range_of[name]
            other, known = sizes.setdefault((access.array, axis), (name, size))
            if known != size:
                raise ShapeError(
                    f"axis {axis} of {access.array} has {known} positions as {other} runs over "
                    f"it, but {size} as {name} does",
                    f"Exchange the indices of {access.array}, or take another letter",
                )


def check_absent(terms: Sequence[Term], shapes: Mapping[str, Shape], ranges: Ranges) -> None:
    """Beyond its array an element is absent, and a function that is not 0 at 0 would not see that.

    Raises:
        ShapeError: such a function is read there, and nothing beside it is 0 at the same places.
    """
    for term in terms:
        for factor in term.factors:
            if not isinstance(factor, Applied) or factor.access.array not in shapes:
                continue
            padding = at_zero(factor.function)
            if padding == 0:
                continue
            for axis in _left(factor.access, shapes, ranges):
                if not (isfinite(padding) and _beside(factor, term, axis, shapes)):
                    array, name = factor.access.array, factor.function.name
                    raise ShapeError(
                        f"{name} is read beyond axis {axis} of {array}, where there is no "
                        f"element, but {name}(0) is not 0",
                        "Apply it in a layer of its own, before this one",
                        axis,
                    )


def check_beginnings(terms: Sequence[Term], parameters: Sequence[str], ranges: Ranges) -> None:
    """A parameter begins at 0, and has no padding that a position below could lie in.

    Raises:
        ShapeError: a position of one is below 0 somewhere.
    """
    for access in (f.access for t in terms for f in t.factors if f.access.array in parameters):
        for axis, position in enumerate(access.positions):
            low, _ = position.bounds(ranges)
            if low < 0:
                raise ShapeError(
                    f"axis {axis} of {access.array} is read from {low} on, but a parameter begins "
                    "at 0",
                    f"Add {-low} to that position",
                )


def _left(access: Access, shapes: Mapping[str, Shape], ranges: Ranges) -> list[int]:
    """The axes on which an access leaves its array."""
    found = []
    for axis, (position, size) in enumerate(
        zip(access.positions, shapes[access.array], strict=True)
    ):
        low, high = position.bounds(ranges)
        if low < 0 or high >= size:
            found.append(axis)
    return found


def _beside(factor: Applied, term: Term, axis: int, shapes: Mapping[str, Shape]) -> bool:
    """Whether a bare element of the same size and position makes the product absent."""
    position, size = factor.access.positions[axis], shapes[factor.access.array][axis]
    return any(
        isinstance(f, Access)
        and f.array in shapes
        and any(
            (p, s) == (position, size) for p, s in zip(f.positions, shapes[f.array], strict=True)
        )
        for f in term.factors
    )


def check_window(found: Written, over: Over, term: Term) -> None:
    """A maximum is one line over a window: of each axis at most one index, and one place.

    Raises:
        EquationError: it is something else.
    """
    if len(found.lines) > 1:
        fail("a maximum is a formula of one line", found.lines[1].target.place)
    if sorted(over.names) != sorted(term.summed):
        listed = ",".join(term.summed)
        fail(
            f"a maximum runs over what {found.target} leaves open, {listed or 'nothing'}",
            over.place,
        )
    moved: list[str] = []
    for position in term.factors[0].access.positions:
        window = [n for n in position.names if n in term.summed]
        forward = all(position.coefficient(n) > 0 for n in position.names)
        if len(window) > 1 or len(position.names) - len(window) > 1 or not forward:
            fail("a position under a maximum is one index plus one of the window's", over.place)
        moved += window
    if len(set(moved)) < len(moved) or not all(p.plain for p in term.target.positions):
        fail(
            "a maximum's window has an index of its own for each axis, and goes to one element",
            over.place,
        )


def check_defined_once(
    found: Written, terms: Sequence[Term], counts: Sequence[int], ranges: Mapping[str, int]
) -> None:
    """Where a line says =, no element gets more than its one sum; += adds.

    Args:
        found: the formula.
        terms: of all lines, in order.
        counts: how many of them each line has.
        ranges: of all indices.

    Raises:
        ShapeError: two sums lead to one element.
    """
    targets: list[Term] = []
    at = 0
    for line, count in zip(found.lines, counts, strict=True):
        term = terms[at]
        at += count
        if line.adds:
            pass
        elif not one_to_one(term, ranges):
            raise ShapeError(
                f"several values of {', '.join(term.target.names[1:])} lead to one element of "
                f"{found.target}, which has one sum where the formula says =",
                "Write += to add them up",
            )
        elif any(_meet(term, other, ranges) for other in targets):
            raise ShapeError(
                f"two lines lead to the same elements of {found.target}, each with =",
                "Write += in the second, to add to what the first one gives",
            )
        targets.append(term)


def _meet(one: Term, other: Term, ranges: Mapping[str, int]) -> bool:
    """Whether two targets may have an element in common."""
    pairs = zip(one.target.positions, other.target.positions, strict=True)
    return all(_places(a, ranges) & _places(b, ranges) for a, b in pairs)


def _places(position: Affine, ranges: Mapping[str, int]) -> set[int]:
    """The places on an axis that a position reaches; all between them where there are many."""
    if prod(ranges[n] for n in position.names) > _LISTED:
        low, high = position.bounds(ranges)
        return set(range(low, min(high, low + _LISTED) + 1))
    points = cartesian(*(range(ranges[n]) for n in position.names))
    values = (dict(zip(position.names, point, strict=True)) for point in points)
    return {at for value in values if (at := position.at(value)) is not None}
