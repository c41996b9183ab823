"""Arguments that are numbers or flags, Python's or NumPy's; True and False are no numbers."""

from __future__ import annotations

import math
from numbers import Real
from typing import TypeGuard

import numpy as np

from ..errors import ArgumentError


def is_whole(value: object, least: float = -math.inf) -> TypeGuard[int]:
    """Whether a value is a whole number, and not below the least."""
    if not isinstance(value, int | np.integer) or isinstance(value, bool):
        return False
    return bool(value >= least)


def is_real(value: object) -> TypeGuard[float]:
    """Whether a value is one real number."""
    return isinstance(value, Real) and not isinstance(value, bool)


def is_finite(value: object) -> TypeGuard[float]:
    """Whether a value is one number that a float can be: no NaN, no infinity, no 10⁴⁰⁰."""
    try:
        return is_real(value) and math.isfinite(value)
    except OverflowError:
        return False


def whole_number(what: str, value: object, least: int, most: int | None = None) -> int:
    """An argument that must be a whole number, as Python's.

    Args:
        what: what it is called, with what takes it: `Network: seed`.
        value: what came.
        least: the least that it may be.
        most: the largest; None for any.

    Raises:
        ArgumentError: it is none, or beyond these; naming it and the value.
    """
    if not is_whole(value, least) or (most is not None and value > most):
        bounds = f"≥ {least}" if most is None else f"from {least} to {most}"
        raise ArgumentError(f"{what} must be a whole number {bounds}, got {value!r}")
    return int(value)


def positive(where: str, **values: object) -> None:
    """Check that arguments are whole numbers of at least 1.

    Raises:
        ArgumentError: naming the function or layer, the argument and the value.
    """
    for name, value in values.items():
        whole_number(f"{where}: {name}", value, 1)


def flags(where: str, **values: object) -> None:
    """Check that arguments are True or False.

    Raises:
        ArgumentError: naming the function, the argument and the value.
    """
    for name, value in values.items():
        if not isinstance(value, bool | np.bool_):
            raise ArgumentError(f"{where}: {name} must be True or False, got {value!r}")
