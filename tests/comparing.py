"""Comparison with everything one wants to know when it fails."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

FLOAT64 = 1e-10
"""Relative to the largest magnitude. The longest sums here have some thousand terms, which rounding
moves by about 1e-13."""

FLOAT32 = 2e-5
"""Relative to the largest magnitude, for whole networks of float32.

A rounding is 6e-8 of a number. A sum of n random terms is off by about √n of them, which is 3e-6
for the 2,000 terms of the longest sums here, and up to six layers, there and back, add theirs.
"""


def assert_close(got: np.ndarray, expected: np.ndarray, tolerance: float, name: str = "") -> None:
    """Equal shapes, and no element off by more than `tolerance` times the largest expected."""
    assert got.shape == expected.shape, f"{name}: shape {got.shape} instead of {expected.shape}"
    assert np.isfinite(got).all() == np.isfinite(expected).all(), f"{name}: not finite"
    difference = np.abs(got - expected)
    largest = float(np.abs(expected).max(initial=0.0))
    if not (difference <= tolerance * max(largest, 1e-30)).all():
        index = np.unravel_index(int(np.nanargmax(difference)), got.shape)
        raise AssertionError(
            f"{name}: at {[*map(int, index)]} got {got[index]!r}, not {expected[index]!r}; "
            f"largest difference {difference[index]:.3g}, allowed {tolerance * largest:.3g}; "
            f"norms {np.linalg.norm(got):.6g} and {np.linalg.norm(expected):.6g}"
        )


def assert_all_close(
    got: Mapping[str, np.ndarray], expected: Mapping[str, np.ndarray], tolerance: float
) -> None:
    """The same names, each close."""
    assert got.keys() == expected.keys()
    for name, array in got.items():
        assert_close(array, expected[name], tolerance, name)
