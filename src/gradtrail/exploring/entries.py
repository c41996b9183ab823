"""What a change says, checked: numbers and places as JSON has them."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..checking.arguments import is_whole
from ..errors import ArgumentError


def finite_number(value: object) -> float:
    """A finite number.

    Raises:
        ArgumentError: it is none.
    """
    try:
        found = float(value) if isinstance(value, int | float) else math.nan
    except OverflowError:
        found = math.inf
    if isinstance(value, bool) or not math.isfinite(found):
        raise ArgumentError(f"needs a finite number, got {value!r:.40}")
    return found


def representable(value: float, array: np.ndarray) -> float:
    """A number that an array of floats can hold.

    Raises:
        ArgumentError: it is too large.
    """
    if abs(value) > np.finfo(array.dtype).max:
        raise ArgumentError(f"{value:g} is beyond what {array.dtype} can hold")
    return value


def array_of_numbers(what: str, values: Any, array: np.ndarray) -> np.ndarray:
    """All numbers of an array of floats, in order, in its shape.

    Args:
        what: they are, as it is called in a message.
        values: the list.
        array: that they are to take the place of.

    Raises:
        ArgumentError: another number of them, or one that is none or too large.
    """
    several = isinstance(values, list | tuple)
    if not several or len(values) != array.size:
        got = f"{len(values)} of them" if several else f"{values!r:.40}"
        counted = "1 number" if array.size == 1 else f"{array.size} numbers"
        raise ArgumentError(f"{what} is {counted}, got {got}")
    return np.array([representable(finite_number(v), array) for v in values], array.dtype).reshape(
        array.shape
    )


def is_place(place: object, size: int) -> bool:
    """Whether it is a whole number from 0 to below the size."""
    return is_whole(place, 0) and place < size
