"""What the comparison of arrays lets pass, and what it does not."""

from __future__ import annotations

import numpy as np
import pytest
from comparing import CANCELLED, FLOAT32, FLOAT64, assert_close


def drawn(shape: tuple[int, ...]) -> np.ndarray:
    return np.random.Generator(np.random.PCG64(3)).random(shape) - 0.5


@pytest.mark.parametrize(
    ("shape", "small"),
    [
        ((6, 5), np.s_[2]),
        ((6, 5, 3, 3), np.s_[2]),
        ((6, 5, 3, 3), np.s_[:, 4]),
        ((6, 5, 4), np.s_[:, 1]),
    ],
)
@pytest.mark.parametrize("tolerance", [FLOAT32, FLOAT64])
def test_a_slice_that_is_small_has_to_be_right(
    shape: tuple[int, ...], small: object, tolerance: float
) -> None:
    """100,000 times smaller than the others, and zero instead."""
    expected = drawn(shape)
    expected[small] *= 1e-5
    got = expected.copy()
    assert_close(got, expected, tolerance)
    got[small] = 0
    with pytest.raises(AssertionError, match=r"got (np\.float64\()?0\.0\)?, not .*allowed"):
        assert_close(got, expected, tolerance)


def test_what_is_left_of_numbers_that_cancel_may_have_their_roundings() -> None:
    """A sample whose p − y is a thousandth of the others' has it in steps of 6e-8."""
    expected = drawn((6, 5))
    expected[2] *= 1e-3
    largest = np.abs(expected).max()
    got = expected.copy()
    got[2, 1] += 0.99 * CANCELLED * FLOAT32 * largest
    assert_close(got, expected, FLOAT32)
    got[2, 1] = expected[2, 1] + 1.01 * CANCELLED * FLOAT32 * largest
    with pytest.raises(AssertionError, match=r"at \[2, 1\] got"):
        assert_close(got, expected, FLOAT32)


def test_no_tolerance_is_finer_than_the_roundings_of_float32() -> None:
    expected = drawn((6, 5)).astype(np.float32)
    expected[2] *= np.float32(1e-3)
    got = expected.copy()
    got[2, 1] += 0.9 * CANCELLED * FLOAT32 * np.abs(expected).max()
    assert_close(got, expected, FLOAT32 / 4)
    with pytest.raises(AssertionError, match=r"at \[2, 1\] got"):
        assert_close(got.astype(np.float64), expected, FLOAT32 / 4)


def test_numbers_in_a_row_are_compared_with_the_largest_of_all() -> None:
    """A single number that cancels has nothing near by that tells how large its terms were."""
    expected = np.array([1.0, 1e-5])
    assert_close(np.array([1.0, 0]), expected, FLOAT32)
    with pytest.raises(AssertionError, match=r"at \[1\] got"):
        assert_close(np.array([1.0, 0]), expected, FLOAT32 / 4)


def test_a_slice_of_its_own_size_has_the_whole_tolerance() -> None:
    expected = drawn((4, 3))
    expected[1] *= 0.1
    got = expected.copy()
    got[1] += 0.99 * FLOAT32 * np.abs(expected[1]).max()
    assert_close(got, expected, FLOAT32)
    got[1, 2] += 0.02 * FLOAT32 * np.abs(expected[1]).max()
    with pytest.raises(AssertionError, match=r"at \[1, 2\] got"):
        assert_close(got, expected, FLOAT32)


def test_shapes_and_what_is_not_finite_are_told_apart() -> None:
    with pytest.raises(AssertionError, match=r"a: shape \(2,\) instead of \(3,\)"):
        assert_close(np.zeros(2), np.zeros(3), FLOAT32, "a")
    with pytest.raises(AssertionError, match="a: not finite"):
        assert_close(np.array([1, np.nan]), np.ones(2), FLOAT32, "a")
    assert_close(np.zeros((0, 3)), np.zeros((0, 3)), FLOAT32)
    assert_close(np.array(1.0), np.array(1.0), FLOAT64)
