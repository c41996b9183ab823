"""A whole step of one engine against the same step of another."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from comparing import FLOAT32, assert_all_close

from gradtrail.engines import Computed


def assert_agree(got: Computed, expected: Computed, tolerance: float = FLOAT32) -> None:
    """Every value and every gradient; a failure names the array, the index and both numbers."""
    assert_all_close(_named("value", got), _named("value", expected), tolerance)
    assert_all_close(_named("gradient", got), _named("gradient", expected), tolerance)


def _named(side: str, computed: Computed) -> dict[str, np.ndarray]:
    arrays = computed.values if side == "value" else computed.gradients
    return {f"{side} of {name}": np.asarray(array) for name, array in arrays.items()}


def assert_same_bits(
    got: Mapping[str, np.ndarray], expected: Mapping[str, np.ndarray], what: str = ""
) -> None:
    """The same names and the same bits; a NaN equals itself, and −0 is not 0."""
    assert got.keys() == expected.keys()
    for name, array in got.items():
        assert array.dtype == expected[name].dtype, f"{name}: {array.dtype}"
        assert array.shape == expected[name].shape, f"{name}: {array.shape}"
        whole = np.dtype(f"u{array.dtype.itemsize}")
        ours, theirs = (np.ascontiguousarray(a).view(whole) for a in (array, expected[name]))
        wrong = np.argwhere(ours != theirs)
        if len(wrong):
            index = tuple(int(i) for i in wrong[0])
            raise AssertionError(
                f"{what} {name}: at {[*index]} got {array[index]!r}, not {expected[name][index]!r};"
                f" {len(wrong)} of {array.size} differ"
            )
