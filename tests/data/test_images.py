"""Arrays as images, shares held out, and statistics of channels."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import gradtrail as gt
from gradtrail.data import ArrayImages, ImageFolder, channel_statistics, split

from .pictures import folder, noise

X, Y = noise(12, 2, 3, 4), np.arange(12) % 3
NUMBERS = np.arange(24).reshape(2, 1, 3, 4)


def test_arrays_as_images() -> None:
    images = ArrayImages(X, Y, ["a", "b", "c", "d"])
    assert isinstance(images, gt.data.Images)
    assert (len(images), images.shape, images.cached) == (12, (2, 3, 4), 12)
    assert (images.classes, images.paths, images.skipped) == (("a", "b", "c", "d"), (), ())
    assert repr(images) == "ArrayImages(12 images of 2 × 3 × 4)"
    np.testing.assert_array_equal(images.read([5, 0, 5]), X[[5, 0, 5]])
    x, y = images.arrays()
    np.testing.assert_array_equal(x, X.astype(np.float32) / 255)
    np.testing.assert_array_equal(y, Y)
    y[0] = 9  # a copy
    assert images.y[0] == 0
    part = images.subset(np.array([11, 1], dtype=np.uint8))
    assert (part.y.tolist(), part.cached, part.paths) == ([2, 1], 2, ())
    np.testing.assert_array_equal(part.read([0]), X[[11]])
    assert repr(part) == "2 images of ArrayImages(12 images of 2 × 3 × 4)"
    assert ArrayImages(X, Y).classes == ("0", "1", "2")


def test_labels_cannot_be_changed_through_images() -> None:
    images = ArrayImages(X, Y)
    for part in (images, images.subset([0])):
        with pytest.raises(ValueError, match="read-only"):
            part.y[0] = 1


@pytest.mark.parametrize(
    ("x", "y", "classes", "message"),
    [
        (X / 255, Y, None, r"x must be uint8 \(M, C, H, W\) .*got float64 \(12, 2, 3, 4\)"),
        (X[:, 0], Y, None, r"got uint8 \(12, 3, 4\)"),
        (X[:0], Y[:0], None, r"with one image at least, got uint8 \(0, 2, 3, 4\)"),
        (X.tolist(), Y, None, "got list"),
        (X, Y[1:], None, "y has 11 labels for 12 samples"),
        (X, Y / 1, None, r"y must be whole numbers \(N,\).*got float64 \(12,\)"),
        (X, Y[:, None], None, r"got int64 \(12, 1\)"),
        (X, Y - 1, None, r"y\[0\] is -1, but classes count from 0"),
        (X, Y.astype(np.uint64) + (1 << 63), None, r"y\[0\] is 9223372036854775808, but"),
        (X, Y, ["a", "b"], "y has label 2, but classes has 2 names, for labels 0 to 1"),
        (X, Y, ["a", "b", "a"], "classes has 'a' twice"),
        (X, Y, "abc", "classes must be names, got 'abc'"),
    ],
)
def test_arrays_that_do_not_fit(x, y, classes, message: str) -> None:
    with pytest.raises(gt.DataError, match=f"ArrayImages: .*{message}"):
        ArrayImages(x, y, classes)


def test_a_split_holds_out_of_every_class_alike() -> None:
    y = np.repeat([0, 1, 2, 5], [100, 10, 2, 1])
    x = np.arange(len(y))
    (x_train, y_train), (x_test, y_test) = split(x, y, 0.25, seed=3)
    assert sorted([*x_train, *x_test]) == x.tolist()
    assert np.bincount(y_test, minlength=6).tolist() == [25, 2, 1, 0, 0, 0]
    np.testing.assert_array_equal(y[x_test], y_test)
    assert (np.diff(x_train) > 0).all()
    assert (np.diff(x_test) > 0).all()
    assert y_train.dtype == y_test.dtype == np.int64
    np.testing.assert_array_equal(split(x, y, 0.25, seed=3).test[0], x_test)
    assert not np.array_equal(split(x, y, 0.25).test[0], x_test)


def test_a_share_of_nearly_nothing_and_nearly_all() -> None:
    y = np.repeat([0, 1], 5)
    assert np.bincount(split(y, y, 0.001).test[1]).tolist() == [1, 1]
    assert np.bincount(split(y, y, 0.999).train[1]).tolist() == [1, 1]


def test_which_are_held_out_stays_the_same_from_version_to_version() -> None:
    assert split(np.arange(20), np.arange(20) % 2, 0.2).test[0].tolist() == [5, 8, 12, 19]


def test_splits_that_cannot_be() -> None:
    for share in (0, 1, 1.5, True, "half"):
        with pytest.raises(gt.ArgumentError, match=f"share must be between 0 and 1.*got {share!r}"):
            split(X, Y, share)
    for seed in (-1, 0.5, True):
        with pytest.raises(gt.ArgumentError, match=f"seed must be a whole .* 0, got {seed!r}"):
            split(X, Y, 0.5, seed)
    with pytest.raises(gt.DataError, match="no class has two samples .3 samples in 3 classes"):
        split(X[:3], Y[:3], 0.5)
    with pytest.raises(gt.DataError, match="y has 3 labels for 12 samples"):
        split(X, Y[:3], 0.5)
    with pytest.raises(gt.DataError, match="x must be an array with a first axis N, got list"):
        split([1, 2], [0, 0], 0.5)
    with pytest.raises(gt.DataError, match="there is no sample"):
        split(X[:0], Y[:0], 0.5)


def test_statistics_of_bytes_are_exact(tmp_path: Path) -> None:
    pixels = noise(300, 3, 40, 50)
    pixels[:, 1] //= 3
    mean, std = pixels.mean(axis=(0, 2, 3)) / 255, pixels.std(axis=(0, 2, 3)) / 255
    for data in (pixels, ArrayImages(pixels, np.zeros(300, int))):
        found = channel_statistics(data)
        assert found[0].dtype == found[1].dtype == np.float64
        np.testing.assert_allclose(found, (mean, std), rtol=1e-13)
    images = ImageFolder(folder(tmp_path), memory=1)
    x, _ = ImageFolder(tmp_path).arrays()
    np.testing.assert_allclose(channel_statistics(images), channel_statistics(x), rtol=1e-6)


def test_statistics_of_floats_do_not_lose_a_small_spread_in_a_large_mean() -> None:
    draw = np.random.Generator(np.random.PCG64(0))
    for dtype in (np.float32, np.float64, np.float16):
        x = draw.normal(200, 0.5, (700, 2, 40, 41)).astype(dtype)
        mean, std = channel_statistics(x)
        exact = x.astype(np.float64)
        np.testing.assert_allclose(mean, exact.mean(axis=(0, 2, 3)), rtol=1e-12)
        np.testing.assert_allclose(std, exact.std(axis=(0, 2, 3)), rtol=1e-9)


@pytest.mark.parametrize(
    ("level", "mean"), [(np.uint8(77), 77 / 255), (np.float32(0.1), 0.1), (np.float64(-3e9), -3e9)]
)
def test_a_constant_channel_has_deviation_1_and_a_note(level: np.generic, mean: float) -> None:
    """However a mean is rounded: nothing is divided by next to nothing."""
    x = np.zeros((9, 3, 5, 7), level.dtype)
    x[:, 0], x[:4, 1], x[:, 2] = 1, 1, level
    x[0, 0] = 0
    with pytest.warns(gt.GradtrailWarning, match=r"channel 2 \(blue\) is .* set to 1") as told:
        found = channel_statistics(x)
    scale = 255 if x.dtype == np.uint8 else 1
    expected = [8 / 9 / scale, 4 / 9 / scale, mean]
    np.testing.assert_allclose(found[0], expected, rtol=1e-7)
    expected = [np.sqrt(8) / 9 / scale, np.sqrt(20) / 9 / scale, 1]
    np.testing.assert_allclose(found[1], expected, rtol=1e-7)
    assert len(told) == 1


def test_a_channel_that_hardly_changes_is_as_good_as_constant() -> None:
    """One pixel of 32,768 is one grey level brighter: a test image with 2 is not 22 away."""
    pixels = np.zeros((2, 2, 128, 128), np.uint8)
    pixels[:, 0] = noise(2, 128, 128)
    pixels[1, 1, 4, 5] = 1
    for x in (pixels, gt.data.levels.unit(pixels)):
        with pytest.warns(gt.GradtrailWarning, match="channel 1 is 1.197e-07 in all images, or n"):
            std = channel_statistics(x)[1]
        assert std[0] == pytest.approx(pixels[:, 0].std() / 255, rel=1e-6)
        assert std[1] == 1


@pytest.mark.parametrize("level", [3, 40, 255])
def test_one_pixel_is_no_scale(level: int) -> None:
    """One of 128 × 3 × 32 × 32: at 255 its deviation is 0.0028, and a hazy test image 3 away."""
    pixels = noise(128, 3, 32, 32)
    pixels[:, 2] = 0
    pixels[3, 2, 4, 4] = level
    for x in (pixels, gt.data.levels.unit(pixels), pixels / 255.0, ArrayImages(pixels, [0] * 128)):
        with pytest.warns(gt.GradtrailWarning, match=r"channel 2 \(blue\) is .* set to 1"):
            assert channel_statistics(x)[1][2] == 1


def test_masks_and_small_measurements_keep_their_deviation() -> None:
    """Levels 0 and 1; all of an image that is faint; numbers between levels, which no byte was."""
    masks = np.zeros((4, 2, 8, 8), np.uint8)
    masks[:, 0, 3:], masks[:, 1, 0, :2] = 255, 1
    for x in (masks, gt.data.levels.unit(masks)):
        expected = np.sqrt(31) / 32 / 255
        assert channel_statistics(x)[1][1] == pytest.approx(expected, rel=1e-6)
    faint = np.zeros((4, 1, 16, 16), np.uint8)
    faint[1, 0, 2, 3] = 6
    assert channel_statistics(faint)[1] == pytest.approx(6 / 255 / 32, rel=1e-3)
    reflected = masks / 255.0
    reflected[:, 1] = 0.0099
    reflected[1, 1, 2, 3] = 0.0299
    assert channel_statistics(reflected)[1][1] == pytest.approx(0.02 / 16, rel=1e-2)


def test_small_numbers_that_are_no_pixels_keep_their_deviation() -> None:
    x = np.where(np.arange(40).reshape(2, 1, 4, 5) % 2, 1e-7, -1e-7)
    assert channel_statistics(x)[1].tolist() == pytest.approx([1e-7], rel=1e-12)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (np.zeros((2, 3, 4)), r"takes images, or floats .*; got float64 \(2, 3, 4\)"),
        (np.zeros((2, 1, 3, 4), int), "got int64"),
        (np.zeros((2, 1, 3, 4), np.uint16), r"uint16 \(2, 1, 3, 4\) holds no floats and no uint8"),
        (np.zeros((0, 1, 3, 4)), r"float64 \(0, 1, 3, 4\) holds no floats"),
        ([1.0], "got list"),
        (np.where(NUMBERS == 17, np.nan, 1), r"the array\[1,0,1,1\] is not finite"),
        (np.where(NUMBERS % 7 == 3, np.inf, 1), r"the array\[0,0,0,3\] is not finite"),
    ],
)
def test_what_has_no_statistics(data, message: str) -> None:
    with pytest.raises(gt.DataError, match=message):
        channel_statistics(data)
