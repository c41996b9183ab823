"""Comparison with everything one wants to know when it fails."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

FLOAT64 = 1e-10
"""Relative to the largest magnitude near by. The longest sums here have some thousand terms, which
rounding moves by about 1e-13."""

FLOAT32 = 2e-5
"""Relative to the largest magnitude near by, for whole networks of float32.

A rounding is 6e-8 of a number. A sum of n random terms is off by about √n of them, which is 3e-6
for the 2,000 terms of the longest sums here, and up to six layers, there and back, add theirs.
"""

CANCELLED = 1 / 50
"""How much smaller than the whole array what is near by may be taken to be.

A slice may be small because numbers as large as elsewhere cancel in it, as p − y does for a sample
that is sure; their roundings stay. 1/50 of FLOAT32 is 4e-7 of the array's largest element: √50
roundings, of as many terms. No tolerance makes them smaller, so float32 has at least these.
"""


def assert_close(
    got: np.ndarray,
    expected: np.ndarray,
    tolerance: float,
    name: str = "",
    slices: float = 1.0,
) -> None:
    """Equal shapes, and no element off by more than `tolerance` times what is expected near by.

    In a row of numbers that is the largest of all. In arrays of more axes it is the largest of its
    slice of the first axis, a sample or an output channel, and from three axes on of the second, a
    channel, whichever is less: so a channel that is a hundred thousand times smaller than the
    others has to be right by itself. A slice may be off `slices` times as much as the whole array
    by its own size, and never more than the whole array by its.
    """
    assert got.shape == expected.shape, f"{name}: shape {got.shape} instead of {expected.shape}"
    assert np.isfinite(got).all() == np.isfinite(expected).all(), f"{name}: not finite"
    difference = np.abs(got - expected)
    least = CANCELLED * max(tolerance, FLOAT32 if got.dtype == np.float32 else 0.0)
    near = slices * near_by(expected, min(least / tolerance, 1.0))
    allowed = tolerance * np.maximum(np.minimum(near, np.abs(expected).max(initial=0.0)), 1e-30)
    if not (difference <= allowed).all():
        worst = np.argmax(np.nan_to_num(difference / allowed, nan=np.inf))
        index = np.unravel_index(int(worst), got.shape)
        raise AssertionError(
            f"{name}: at {[*map(int, index)]} got {got[index]!r}, not {expected[index]!r}; "
            f"difference {difference[index]:.3g}, allowed {allowed[index]:.3g}; "
            f"norms {np.linalg.norm(got):.6g} and {np.linalg.norm(expected):.6g}"
        )


def near_by(array: np.ndarray, least: float) -> np.ndarray:
    """For each element how large those are that it is compared with.

    Args:
        array: of any shape.
        least: the share of the largest element that every slice is taken to have.
    """
    sizes = np.abs(array)
    largest = sizes.max(initial=0.0)
    found = np.full(array.shape, largest)
    for axis in range(min(array.ndim - 1, 2)):
        others = tuple(a for a in range(array.ndim) if a != axis)
        slices = sizes.max(axis=others, keepdims=True, initial=0.0)
        found = np.minimum(found, np.maximum(slices, least * largest))
    return found


def assert_all_close(
    got: Mapping[str, np.ndarray],
    expected: Mapping[str, np.ndarray],
    tolerance: float,
    slices: float = 1.0,
) -> None:
    """The same names, each close."""
    assert got.keys() == expected.keys()
    for name, array in got.items():
        assert_close(array, expected[name], tolerance, name, slices)
