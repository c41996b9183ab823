"""Several arrays met element by element, of which some stand still along some axes.

A[n,c,y,x]·B[n,c]        an array with fewer axes has the first ones
A[n,c,y,x]·B[n,0,y,x]    an axis of one element is the same everywhere
"""

from __future__ import annotations

from collections.abc import Sequence

from ..equation import Access, Affine, Array
from ..errors import ShapeError
from .layer import Shape, elementwise, times

LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXY"
"""What several inputs of a layer are called, in order."""


def nth(place: int) -> str:
    """An input of a join in messages, counted from 1; a plan puts the layer's name instead."""
    return f"input {place}"


def met(
    shapes: Sequence[Shape], rule: str = "sizes must be equal or 1", remedy: str = ""
) -> tuple[Access, tuple[Access, ...]]:
    """The element of the result, and that of each input.

    Args:
        shapes: of the inputs, samples first.
        rule: what is said of two that do not fit each other.
        remedy: what to do then.

    Raises:
        ShapeError: two that do not fit each other.
    """
    widest = max(shapes, key=len)
    whole = tuple(
        max(shape[axis] for shape in shapes if axis < len(shape)) for axis in range(len(widest))
    )
    for one, first in enumerate(shapes, 1):
        for other, second in enumerate(shapes[one:], one + 1):
            if _differ(first, second):
                raise ShapeError(
                    f"{nth(one)} is {times(first[1:])} but {nth(other)} is {times(second[1:])}; "
                    f"{rule}",
                    remedy,
                )
    each = elementwise(widest)
    letters = LETTERS if len(shapes) > 1 else "X"
    found = tuple(
        Array(letter)[_still(each, shape, whole)]
        for letter, shape in zip(letters, shapes, strict=False)
    )
    return Array("Z")[each], found


def _differ(one: Shape, other: Shape) -> bool:
    return any(a != b and 1 not in (a, b) for a, b in zip(one, other, strict=False))


def _still(each: tuple[Affine, ...], shape: Shape, whole: Shape) -> tuple[Affine, ...]:
    """The position in an array: 0 on an axis of one element where the result has more."""
    return tuple(
        Affine() if size == 1 < most else index
        for index, size, most in zip(each, shape, whole, strict=False)
    )
