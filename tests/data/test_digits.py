"""The digits that come along, and images enlarged."""

from __future__ import annotations

import numpy as np
import pytest

import gradtrail as gt


def test_the_digits() -> None:
    (x, y), (x_test, y_test) = gt.data.digits()
    assert (x.shape, x_test.shape) == ((len(y), 1, 8, 8), (len(y_test), 1, 8, 8))
    assert len(y) + len(y_test) == 1797
    assert (x.dtype, y.dtype) == (np.float32, np.int64)
    assert (x.min(), x.max()) == (0, 1)
    shares = np.bincount(y_test, minlength=10) / np.bincount(np.concatenate([y, y_test]))
    assert (np.abs(shares - 0.2) < 0.01).all()
    assert np.array_equal(gt.data.digits().test[1], y_test)


def test_the_embedded_file_is_small() -> None:
    from importlib.resources import files

    with files("gradtrail.data").joinpath("digits.npz").open("rb") as file:
        assert len(file.read()) <= 50_000


def test_enlarging_keeps_a_ramp_and_the_mean() -> None:
    ramp = np.arange(8, dtype=np.float32)[None, None, None, :].repeat(8, axis=2)
    large = gt.data.enlarged(ramp, 8, 16)
    assert large.shape == (1, 1, 8, 16)
    np.testing.assert_allclose(np.diff(large[0, 0, 0, 1:-1]), 0.5, rtol=1e-6)
    np.testing.assert_allclose(large.mean(), ramp.mean(), rtol=1e-6)
    np.testing.assert_array_equal(gt.data.enlarged(ramp, 8, 8), ramp)
    with pytest.raises(
        gt.DataError, match=r"no larger than 4 × 4, got an array of shape \(1, 1, 8, 8\)$"
    ):
        gt.data.enlarged(ramp, 4, 4)
