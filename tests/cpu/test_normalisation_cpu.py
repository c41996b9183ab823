"""Batch norm in float32 of channels that hardly vary, far from 0."""

from __future__ import annotations

import numpy as np
import pytest

import gradtrail as gt

from .targets import each_of


def normed(x: np.ndarray) -> gt.Network:
    layers = [gt.BatchNorm2d(), gt.Flatten(), gt.Linear(2)]
    return gt.Network(x.shape[1:], layers, seed=0)


def traced(x: np.ndarray, engine: gt.CPU | str) -> gt.Trace:
    return gt.trace(normed(x), x, np.arange(len(x)) % 2, engine=engine)


@pytest.mark.parametrize("target", each_of("avx512", "avx2", "wide", "baseline"))
@pytest.mark.parametrize("level", [1000.1, 100_000.3, 16_777_216.0])
@pytest.mark.parametrize("count", [1, 20, 64])
def test_a_constant_channel_is_normalised_to_0(level: float, count: int, target: str) -> None:
    """It was 0.039 at 1,000.1 and 0.93 at 100,000.3: a mean of roundings, times 316."""
    x = np.full((count, 2, 8, 8), level, np.float32)
    x[:, 1] = -x[:, 1]
    t = traced(x, gt.CPU(target=target))
    np.testing.assert_array_equal(t.value["norm1.output"], np.zeros_like(x))
    assert np.abs(t.grad["input"]).max() < 1e3 * np.abs(t.grad["norm1.output"]).max()


@pytest.mark.parametrize("target", each_of("avx512", "avx2", "wide", "baseline"))
@pytest.mark.parametrize("level", [0.0, 1000.1, 100_000.3])
def test_a_channel_that_hardly_varies_keeps_its_digits(level: float, target: str) -> None:
    """Steps of a few units in the last place: as near to the reference as any channel."""
    draw = np.random.Generator(np.random.PCG64(1))
    x = np.full((50, 3, 5, 7), level, np.float32)
    x += (draw.standard_normal(x.shape) * max(level, 1) * 1e-6).astype(np.float32)
    t, right = traced(x, gt.CPU(target=target)), traced(x, "reference")
    for name in ("norm1.output", "fc1.output"):
        size = np.abs(right.value[name]).max()
        np.testing.assert_allclose(t.value[name], right.value[name], atol=2e-6 * size)
    for name in ("norm1.weight", "norm1.bias"):  # sums whose products are about 1 together
        np.testing.assert_allclose(t.grad[name], right.grad[name], atol=1e-6)
    size = np.abs(right.grad["input"]).max()
    np.testing.assert_allclose(t.grad["input"], right.grad["input"], atol=2e-5 * size)


def test_the_mean_may_lie_between_two_numbers_of_float32() -> None:
    """Half of the numbers are the one, half the next: ±2⁻⁸·r with r = 1/√(2⁻¹⁶ + ε)."""
    low = np.float32(100_000.0)
    x = np.where(np.arange(2 * 32) % 2, np.nextafter(low, np.float32(2e5)), low)
    x = x.reshape(32, 1, 1, 2).astype(np.float32)
    output = traced(x, gt.CPU()).value["norm1.output"]
    expected = 2.0**-8 / np.sqrt(2.0**-16 + 1e-5)
    np.testing.assert_allclose(np.abs(output), expected, rtol=1e-6)
    assert expected == pytest.approx(0.777, abs=1e-3)


def test_running_statistics_of_a_constant_channel() -> None:
    x = np.full((40, 1, 3, 3), 1000.1, np.float32)
    net = normed(x)
    gt.train(net, (x, np.arange(40) % 2), epochs=1, batch_size=40, progress=False)
    np.testing.assert_allclose(net.buffers["norm1.running_mean"], [100.01], rtol=1e-6)
    np.testing.assert_allclose(net.buffers["norm1.running_var"], [0.9], rtol=1e-6)


@pytest.mark.parametrize("target", each_of("avx512", "avx2", "wide", "baseline"))
@pytest.mark.parametrize("level", [1000.1, 100_000.3])
@pytest.mark.parametrize("count", [1, 20])
def test_in_evaluation_it_keeps_its_digits_too(level: float, count: int, target: str) -> None:
    """The mean is taken off before anything is multiplied: the error was 0.03 to 0.06."""
    draw = np.random.Generator(np.random.PCG64(2))
    x = np.full((20, 3, 4, 4), level, np.float32)
    x += (draw.standard_normal(x.shape) * level * 1e-6).astype(np.float32)
    net = gt.Network((3, 4, 4), [gt.BatchNorm2d(), gt.Conv2d(4, 1)], seed=0)
    net.buffers["norm1.running_mean"] = x.mean(axis=(0, 2, 3), dtype=np.float64)
    net.buffers["norm1.running_var"] = x.var(axis=(0, 2, 3), dtype=np.float64)
    right = net.predict(x, engine="reference")
    found = net.predict(x[:count], engine=gt.CPU(target=target))
    np.testing.assert_allclose(found, right[:count], atol=2e-6 * np.abs(right).max())


def test_given_means_are_taken_off_first() -> None:
    net = gt.Network((1, 2, 2), [gt.Normalize(1000.0, 1e-3), gt.Flatten(), gt.Linear(2)], seed=0)
    x = np.full((20, 1, 2, 2), np.nextafter(np.float32(1000), np.float32(2000)), np.float32)
    t = gt.trace(net, x, np.zeros(20, int))
    np.testing.assert_allclose(t.value["normalize1.output"], 0.06103515625, rtol=1e-6)
