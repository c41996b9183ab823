"""Augmentation: what is drawn, what it follows from, and where a marked pixel lands."""

from __future__ import annotations

import math

import numpy as np
import pytest

import gradtrail as gt
from gradtrail.engines.bilinear import WarpInput, warp

SIZE = (9, 7)
MIDDLE = (4.0, 3.0)
MANY = 4000


def drawn(augment: gt.Augment, count: int = MANY, seed: int = 0, epoch: int = 0, **keywords: int):
    begin = keywords.get("begin", 0)
    return augment.drawn(begin, begin + count, SIZE, seed, epoch)


def applied(image: np.ndarray, augment: gt.Augment, count: int = 60) -> np.ndarray:
    """An image as it is seen so many times."""
    maps, boxes = augment.drawn(0, count, image.shape[1:], 0, 0)
    out = np.empty((count, *image.shape), np.float32)
    warp(WarpInput(image[None], np.zeros(count, np.int64), maps, boxes, 1.0), out)
    return out


def marked(y: int, x: int) -> np.ndarray:
    image = np.zeros((1, *SIZE), np.float32)
    image[0, y, x] = 1
    return image


# -- what it follows from ----------------------------------------------------------------------


EVERYTHING = gt.Augment(
    crop=2, flip=0.5, flip_vertical=0.3, shift=0.1, rotation=30, scale=0.2, cutout=3
)


def test_draws_follow_from_seed_epoch_and_place_alone() -> None:
    whole = drawn(EVERYTHING, 10_000)
    for begin, end in ((0, 1), (5, 37), (4090, 4100), (4096, 4097), (4095, 8193), (9_000, 10_000)):
        part = EVERYTHING.drawn(begin, end, SIZE, 0, 0)
        for found, expected in zip(part, whole, strict=True):
            np.testing.assert_array_equal(found, expected[begin:end])
            assert found.flags.c_contiguous
    assert whole.maps.dtype == np.float32
    assert whole.boxes.dtype == np.int32


def test_another_seed_epoch_or_place_gives_others() -> None:
    first = drawn(EVERYTHING, 50)
    for other in (
        drawn(EVERYTHING, 50, seed=1),
        drawn(EVERYTHING, 50, epoch=1),
        drawn(EVERYTHING, 50, begin=50),
        drawn(EVERYTHING, 50, begin=4096),
    ):
        assert (first.maps != other.maps).any(axis=(1, 2)).all()


def test_one_argument_changes_no_other_draw() -> None:
    """So that a training with flips and one with flips and crops flip the same images."""
    flips = drawn(gt.Augment(flip=0.5)).maps[:, 1, 1] < 0
    both = drawn(gt.Augment(flip=0.5, crop=2, rotation=10)).maps[:, 1, 1] < 0
    np.testing.assert_array_equal(flips, both)


# -- ranges and probabilities ------------------------------------------------------------------


def near(share: float, probability: float, count: int = MANY) -> bool:
    """Within four standard deviations."""
    return abs(share - probability) <= 4 * math.sqrt(probability * (1 - probability) / count)


@pytest.mark.parametrize("probability", [0.0, 0.2, 0.5, 1.0])
@pytest.mark.parametrize(("name", "axis"), [("flip", 1), ("flip_vertical", 0)])
def test_images_are_mirrored_as_often_as_asked(name: str, axis: int, probability: float) -> None:
    maps = drawn(gt.Augment(crop=1, **{name: probability})).maps
    assert near(float((maps[:, axis, axis] < 0).mean()), probability)
    assert (maps[:, 1 - axis, 1 - axis] == 1).all()


def test_shifts_are_whole_pixels_each_equally_often() -> None:
    maps = drawn(gt.Augment(crop=2)).maps
    for axis in (0, 1):
        shifts, counts = np.unique(-maps[:, axis, 2], return_counts=True)
        assert shifts.tolist() == [-2, -1, 0, 1, 2]
        assert all(near(count / MANY, 0.2) for count in counts)
    assert abs(np.corrcoef(maps[:, 0, 2], maps[:, 1, 2])[0, 1]) < 0.07


def test_shifts_by_a_share_reach_their_limits_and_no_further() -> None:
    shifts = -drawn(gt.Augment(shift=0.25)).maps[:, :, 2]
    for axis, extent in enumerate(SIZE):
        assert np.abs(shifts[:, axis]).max() <= 0.25 * extent * (1 + 1e-6)
        assert shifts[:, axis].max() > 0.245 * extent
        assert shifts[:, axis].min() < -0.245 * extent
        assert abs(shifts[:, axis].mean()) < 4 * 0.25 * extent / math.sqrt(3 * MANY)


def test_angles_and_sizes_reach_their_limits_and_no_further() -> None:
    maps = drawn(gt.Augment(rotation=25, scale=0.3)).maps.astype(np.float64)
    angles = np.degrees(np.arctan2(maps[:, 0, 1], maps[:, 0, 0]))
    assert np.abs(angles).max() <= 25 + 1e-4
    assert angles.max() > 24.5
    assert angles.min() < -24.5
    sizes = 1 / np.hypot(maps[:, 0, 0], maps[:, 0, 1])
    assert 1 / 1.3 - 1e-5 <= sizes.min() < 0.775
    assert 1.295 < sizes.max() <= 1.3 + 1e-5
    assert near(float((sizes > 1).mean()), 0.5)
    assert drawn(gt.Augment(rotation=180)).maps[:, 0, 0].min() < -0.999


def test_covered_squares_have_their_middle_anywhere() -> None:
    boxes = drawn(gt.Augment(cutout=3)).boxes
    top, bottom, left, right = boxes.T
    assert (top.min(), bottom.max(), left.min(), right.max()) == (0, 9, 0, 7)
    assert ((bottom - top).min(), (bottom - top).max()) == (2, 3)  # cut off at the edge
    inside = (top > 0) & (bottom < 9) & (left > 0) & (right < 7)
    assert ((bottom - top)[inside] == 3).all()
    assert ((right - left)[inside] == 3).all()
    for begin, end, extent in ((top, bottom, 9), (left, right, 7)):
        middles = np.where(begin == 0, end - 2, begin + 1)
        counts = np.bincount(middles, minlength=extent)
        assert len(counts) == extent
        assert all(near(count / MANY, 1 / extent) for count in counts)
    even = drawn(gt.Augment(cutout=4)).boxes
    assert set((even[:, 1] - even[:, 0]).tolist()) == {2, 3, 4}
    assert (drawn(gt.Augment(cutout=100)).boxes == [0, 9, 0, 7]).all()
    assert (drawn(gt.Augment(flip=0.5)).boxes == 0).all()


# -- where a pixel lands -----------------------------------------------------------------------


@pytest.mark.parametrize("pixel", [(0, 0), (4, 3), (7, 1), (2, 6)])
def test_a_mirrored_pixel_lands_on_the_other_side(pixel: tuple[int, int]) -> None:
    y, x = pixel
    for image in applied(marked(y, x), gt.Augment(flip=1.0)):
        np.testing.assert_array_equal(image, marked(y, 6 - x))
    for image in applied(marked(y, x), gt.Augment(flip_vertical=1.0)):
        np.testing.assert_array_equal(image, marked(8 - y, x))


def test_a_shifted_pixel_lands_where_it_was_shifted_to() -> None:
    augment = gt.Augment(crop=2)
    shifts = -augment.drawn(0, 60, SIZE, 0, 0).maps[:, :, 2]
    for image, (down, right) in zip(applied(marked(4, 3), augment), shifts, strict=True):
        np.testing.assert_array_equal(image, marked(4 + int(down), 3 + int(right)))
    corner = applied(marked(0, 0), augment)
    assert 0 < (corner.sum((1, 2, 3)) == 0).mean() < 1  # what goes out does not come in again


def landed(augment: gt.Augment, y: float, x: float, draws: np.ndarray) -> tuple[float, float]:
    """Where (y, x) of the old image goes, by the order that `Augment` states."""
    down, right = y - MIDDLE[0], x - MIDDLE[1]
    if draws[1] < augment.flip_vertical:
        down = -down
    if draws[0] < augment.flip:
        right = -right
    angle = math.radians(augment.rotation) * (2 * draws[2] - 1)
    size = (1 + augment.scale) ** (2 * draws[3] - 1)
    # turned: what is to the right goes down by a positive angle, or up by a negative one
    down, right = (
        size * (down * math.cos(angle) - right * math.sin(angle)),
        size * (down * math.sin(angle) + right * math.cos(angle)),
    )
    shift = [math.floor(d * (2 * augment.crop + 1)) - augment.crop for d in draws[4:6]]
    shift = [
        s + augment.shift * e * (2 * d - 1) for s, e, d in zip(shift, SIZE, draws[6:8], strict=True)
    ]
    return MIDDLE[0] + down + shift[0], MIDDLE[1] + right + shift[1]


@pytest.mark.parametrize(
    "augment",
    [
        gt.Augment(rotation=180),
        gt.Augment(rotation=40, scale=0.5),
        gt.Augment(flip=0.5, rotation=90, crop=3),
        EVERYTHING,
    ],
    ids=str,
)
def test_the_map_leads_back_from_where_each_pixel_goes(augment: gt.Augment) -> None:
    """Mirrored, turned and scaled about the middle, shifted: in this order."""
    draws = np.random.Generator(np.random.PCG64(5)).random((200, 10))
    maps = augment.moved(draws, SIZE).maps.astype(np.float64)
    for row, map_ in zip(draws, maps, strict=True):
        for y, x in ((0, 0), (8, 2), (4, 3), (3, 6)):
            there = landed(augment, y, x, row)
            np.testing.assert_allclose(map_ @ [*there, 1], (y, x), atol=2e-5)


def test_half_a_turn_either_way_is_both_mirrors() -> None:
    """The draws' ends: by −180 and by almost +180 degrees."""
    image = np.random.Generator(np.random.PCG64(6)).random((1, *SIZE), np.float32)
    draws = np.full((2, 10), 0.5)
    draws[:, 2] = 0, np.nextafter(1, 0)
    maps, boxes = gt.Augment(rotation=180).moved(draws, SIZE)
    out = np.empty((2, 1, *SIZE), np.float32)
    warp(WarpInput(image[None], np.zeros(2, np.int64), maps, boxes, 1.0), out)
    np.testing.assert_allclose(out[0], image[:, ::-1, ::-1], atol=2e-5)
    np.testing.assert_allclose(out[1], image[:, ::-1, ::-1], atol=2e-5)


def test_growing_doubles_and_the_middle_stays() -> None:
    draws = np.full((2, 10), 0.5)
    draws[:, 3] = 0, 1
    shrunk, grown = gt.Augment(scale=1.0).moved(draws, SIZE).maps
    np.testing.assert_array_equal(shrunk, [[2, 0, -4], [0, 2, -3]])
    np.testing.assert_array_equal(grown, [[0.5, 0, 2], [0, 0.5, 1.5]])


# -- arguments ---------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["crop", "cutout"])
@pytest.mark.parametrize("value", [-1, 1.5, True, "2", None, float("nan")])
def test_what_is_no_number_of_pixels_is_refused(name: str, value: object) -> None:
    sentence = f"Augment: {name} must be a whole number of pixels ≥ 0, got"
    with pytest.raises(gt.ArgumentError, match=sentence):
        gt.Augment(**{name: value})


LIMITS = {"flip": 1, "flip_vertical": 1, "shift": 1, "rotation": 180, "scale": 10}


@pytest.mark.parametrize("name", LIMITS)
def test_what_is_out_of_range_is_refused(name: str) -> None:
    limit = LIMITS[name]
    for value in (-0.1, limit * 1.01, float("nan"), float("inf"), "1", None, True):
        sentence = f"Augment: {name} must lie between 0 and {limit}, got"
        with pytest.raises(gt.ArgumentError, match=sentence):
            gt.Augment(**{name: value})
    assert getattr(gt.Augment(**{name: limit}), name) == limit


def test_it_says_whether_it_does_anything() -> None:
    assert not gt.Augment().moves
    assert all(gt.Augment(**{name: 1}).moves for name in (*LIMITS, "crop", "cutout"))


def test_settings_are_json_whatever_the_numbers_type() -> None:
    import json

    augment = gt.Augment(crop=np.int64(2), flip=np.float32(0.5), rotation=np.float64(3))
    assert json.loads(json.dumps(augment.settings())) == {"crop": 2, "flip": 0.5, "rotation": 3}
    assert gt.Augment().settings() == {}


def test_a_number_beyond_every_float_is_refused_as_any_other() -> None:
    with pytest.raises(gt.ArgumentError, match="Augment: flip must lie between 0 and 1, got 10000"):
        gt.Augment(flip=10**400)
