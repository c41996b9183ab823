"""Images moved by affine maps: a scalar loop, the NumPy version, and machine code."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from comparing import assert_close
from cpu.targets import PRESETS, runs_here

import gradtrail as gt
from gradtrail.engines.bilinear import WarpInput, warp

RUNNABLE = [name for name in PRESETS if runs_here(name)]

SIZES = [(1, 1, 1), (1, 1, 7), (2, 5, 1), (1, 3, 3), (3, 7, 5), (1, 16, 16), (2, 9, 17), (1, 4, 33)]
"""One pixel, one row, one column, widths below a register, of one, and just above."""

NOTHING = (0, 0, 0, 0)


def images(kind: str, count: int, shape: tuple[int, int, int], seed: int = 1) -> np.ndarray:
    draw = np.random.Generator(np.random.PCG64(seed))
    if kind == "uint8":
        return draw.integers(0, 256, (count, *shape), np.uint8)
    return draw.standard_normal((count, *shape), np.float32)


def maps_and_boxes(
    count: int, height: int, width: int, seed: int = 2
) -> tuple[np.ndarray, np.ndarray]:
    """Maps of every kind, those that lead far outside among them; boxes, empty ones among them."""
    draw = np.random.Generator(np.random.PCG64(seed))
    maps = draw.uniform(-2, 2, (count, 2, 3))
    maps[:, :, 2] *= max(height, width)
    maps[0] = [[1, 0, 0], [0, 1, 0]]
    maps[1 % count] = [[1, 0, 1], [0, 1, -1]]
    maps[2 % count] = [[-1, 0, height - 1], [0, -1, width - 1]]
    maps[3 % count] = [[1, 0, 1e6], [0, 1, -1e6]]
    boxes = np.zeros((count, 4), np.int32)
    for row in boxes[::2]:
        row[:2] = np.sort(draw.integers(0, height + 1, 2))
        row[2:] = np.sort(draw.integers(0, width + 1, 2))
    return maps.astype(np.float32), boxes


def hat(t: float) -> float:
    return max(0.0, 1.0 - abs(t))


def brute(
    source: np.ndarray, places: np.ndarray, maps: np.ndarray, boxes: np.ndarray, divisor: float
) -> np.ndarray:
    """The equation of engines/bilinear.py, pixel by pixel over the whole old image, in float64."""
    channels, height, width = source.shape[1:]
    out = np.zeros((len(places), channels, height, width))
    for n, c, y, x in itertools.product(*map(range, out.shape)):
        if boxes[n, 0] <= y < boxes[n, 1] and boxes[n, 2] <= x < boxes[n, 3]:
            continue
        py, px = (float(row[0]) * y + float(row[1]) * x + float(row[2]) for row in maps[n])
        for i, j in itertools.product(range(height), range(width)):
            weight = hat(py - i) * hat(px - j)
            if weight:
                out[n, c, y, x] += weight * float(source[places[n], c, i, j]) / divisor
    return out


def numpys(source: np.ndarray, places: np.ndarray, *moved: np.ndarray, divisor: float = 1.0):
    out = np.full((len(places), *source.shape[1:]), np.nan, np.float32)
    warp(WarpInput(source, places, *moved, divisor), out)
    return out


@pytest.mark.parametrize("kind", ["float32", "uint8"])
@pytest.mark.parametrize("shape", [(1, 1, 1), (1, 1, 4), (2, 4, 3), (1, 6, 5)], ids=str)
def test_numpys_version_is_the_equation(shape: tuple[int, int, int], kind: str) -> None:
    source, places = images(kind, 5, shape), np.array([3, 0, 4, 4, 1, 2, 0, 1])
    maps, boxes = maps_and_boxes(8, *shape[1:])
    divisor = 255.0 if kind == "uint8" else 0.5
    found = numpys(source, places, maps, boxes, divisor=divisor)
    # positions are float32: off by an ulp of a number up to some ten, times a slope of some units
    assert_close(found, brute(source, places, maps, boxes, divisor), 2e-5)


def guarded(shape: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
    """An array of float32 within a larger one, 64 numbers before it and behind."""
    size = int(np.prod(shape))
    held = np.full(size + 128, -77.0, np.float32)
    return held, held[64 : 64 + size].reshape(shape)


@pytest.mark.parametrize("target", PRESETS)
@pytest.mark.parametrize("kind", ["float32", "uint8"])
@pytest.mark.parametrize("shape", SIZES, ids=str)
def test_machine_code_gives_numpys_bits_and_writes_nothing_else(
    shape: tuple[int, int, int], kind: str, target: str
) -> None:
    if target not in RUNNABLE:
        pytest.skip(f"this machine cannot run {target}")
    source = images(kind, 6, shape)
    draw = np.random.Generator(np.random.PCG64(9))
    divisor = 255.0 if kind == "uint8" else 1.0
    for count in (1, 3, 4, 5, 13):
        places = draw.integers(0, 6, count)
        maps, boxes = maps_and_boxes(count, *shape[1:], seed=count)
        expected = numpys(source, places, maps, boxes, divisor=divisor)
        before = [a.copy() for a in (source, places, maps, boxes)]
        for threads in (1, 2, 3):
            held, out = guarded((count, *shape))
            engine = gt.CPU(threads, target=target)
            engine.warp(WarpInput(source, places, maps, boxes, divisor), out)
            assert out.tobytes() == expected.tobytes()
            assert (held[:64] == -77).all()
            assert (held[-64:] == -77).all()
        for array, was in zip((source, places, maps, boxes), before, strict=True):
            np.testing.assert_array_equal(array, was)


@pytest.mark.parametrize("engine", [gt.CPU(2), gt.Reference()], ids=["cpu", "reference"])
@pytest.mark.parametrize("kind", ["float32", "uint8"])
def test_what_is_exact_by_construction(kind: str, engine: gt.CPU | gt.Reference) -> None:
    shape = (2, 5, 7)
    source = images(kind, 1, shape)
    plain = source[0].astype(np.float32) / np.float32(3)

    def moved(map_: list[list[float]], box: tuple[int, ...] = NOTHING) -> np.ndarray:
        out = np.empty((1, *shape), np.float32)
        maps, boxes = np.array([map_], np.float32), np.array([box], np.int32)
        engine.warp(WarpInput(source, np.zeros(1, np.int64), maps, boxes, 3.0), out)
        return out[0]

    np.testing.assert_array_equal(moved([[1, 0, 0], [0, 1, 0]]), plain)
    for down, right in itertools.product((-6, -2, 0, 1, 5), (-8, -1, 0, 3, 7)):
        expected = np.zeros_like(plain)
        for y, x in itertools.product(range(5), range(7)):
            if 0 <= y - down < 5 and 0 <= x - right < 7:
                expected[:, y, x] = plain[:, y - down, x - right]
        np.testing.assert_array_equal(moved([[1, 0, -down], [0, 1, -right]]), expected)
    np.testing.assert_array_equal(moved([[-1, 0, 4], [0, 1, 0]]), plain[:, ::-1])
    np.testing.assert_array_equal(moved([[1, 0, 0], [0, -1, 6]]), plain[:, :, ::-1])
    np.testing.assert_array_equal(moved([[-1, 0, 4], [0, -1, 6]]), plain[:, ::-1, ::-1])
    covered = plain.copy()
    covered[:, 1:3, 2:7] = 0
    np.testing.assert_array_equal(moved([[1, 0, 0], [0, 1, 0]], (1, 3, 2, 7)), covered)
    np.testing.assert_array_equal(moved([[1, 0, 0], [0, 1, 0]], (0, 5, 0, 7)), 0 * covered)
    half = moved([[1, 0, 0.5], [0, 1, 0]])
    below = np.concatenate([plain[:, 1:], np.zeros((2, 1, 7), np.float32)], axis=1)
    np.testing.assert_allclose(half, (plain + below) / 2, rtol=1e-6, atol=1e-7)


def test_images_of_one_shape_come_from_several_threads_at_once() -> None:
    import threading

    source, places = images("float32", 40, (1, 12, 12)), np.arange(40)
    maps, boxes = maps_and_boxes(40, 12, 12)
    expected, found = numpys(source, places, maps, boxes), [np.empty(0)] * 3

    def work(number: int) -> None:
        for _ in range(10):
            out = np.empty((40, 1, 12, 12), np.float32)
            gt.CPU(2).warp(WarpInput(source, places, maps, boxes, 1.0), out)
            found[number] = out

    workers = [threading.Thread(target=work, args=(i,)) for i in range(3)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    for out in found:
        assert out.tobytes() == expected.tobytes()


def test_no_image_is_no_work() -> None:
    for engine in (gt.CPU(), gt.Reference()):
        nothing = np.empty((0, 1, 3, 3), np.float32)
        maps, boxes = np.empty((0, 2, 3), np.float32), np.empty((0, 4), np.int32)
        none = WarpInput(images("uint8", 2, (1, 3, 3)), np.empty(0, np.int64), maps, boxes, 1.0)
        engine.warp(none, nothing)
