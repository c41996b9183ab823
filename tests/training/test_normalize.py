"""Normalisation by given numbers: arithmetic, gradients, files, and what is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from comparing import FLOAT32, FLOAT64, assert_close

import gradtrail as gt

from .common import ENGINES, SHAPE, arrays_of, assert_same_bits, data, trained

MEAN, STD = (0.4, 0.6), (0.2, 0.5)


def behind(*layers: gt.Layer, dtype: object = np.float32, seed: int = 1) -> gt.Network:
    return gt.Network(SHAPE, [*layers, gt.Flatten(), gt.Linear(3)], seed=seed, dtype=dtype)


def by_hand(x: np.ndarray, mean: object, std: object) -> np.ndarray:
    mean, std = (np.broadcast_to(np.asarray(n, float), (2,)) for n in (mean, std))
    return (x.astype(float) - mean[:, None, None]) / std[:, None, None]


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(
    ("mean", "std"), [(MEAN, STD), (0.5, 0.25), ([-3.0, 7.0], 2), (0, (1e-3, 1e3))], ids=str
)
def test_it_is_the_arithmetic(mean: object, std: object, engine: str) -> None:
    x, y = data(20)
    net = gt.Network(SHAPE, [gt.Normalize(mean, std)])
    expected = by_hand(x, mean, std)
    assert_close(net.predict(x, engine=engine), expected, FLOAT32)
    t = gt.trace(behind(gt.Normalize(mean, std)), x, y, engine=engine)
    assert_close(t.value["normalize1.output"], expected, FLOAT32)
    upstream = t.grad["normalize1.output"]
    scale = 1 / np.broadcast_to(np.asarray(std, float), (2,))
    assert_close(t.grad["input"], upstream * scale[:, None, None], FLOAT32)


@pytest.mark.parametrize("engine", ENGINES)
def test_training_behind_it_is_training_on_normalised_images(engine: str) -> None:
    x, y = data()
    inside, outside = behind(gt.Normalize(MEAN, STD)), behind()
    settings = {"engine": engine, "optimizer": gt.SGD(0.05)}
    one = trained(inside, (x, y), **settings)
    other = trained(outside, (by_hand(x, MEAN, STD).astype(np.float32), y), **settings)
    assert_close(np.array(one.step_losses), np.array(other.step_losses), FLOAT32, "losses")
    assert inside.parameters.keys() == outside.parameters.keys()
    for name in inside.parameters:
        assert_close(inside.parameters[name], outside.parameters[name], FLOAT32, name)


@pytest.mark.parametrize("engine", ENGINES)
def test_flat_samples_have_a_number_for_each_feature(engine: str) -> None:
    mean, std = np.arange(5.0), np.arange(1.0, 6.0)
    net = gt.Network((5,), [gt.Normalize(mean, std)])
    x = np.random.Generator(np.random.PCG64(1)).random((7, 5), np.float32)
    assert_close(net.predict(x, engine=engine), (x - mean) / std, FLOAT32)


def test_its_gradient_is_confirmed_and_its_terms_are_told() -> None:
    x, y = data(4)
    net = behind(gt.Normalize(MEAN, STD), dtype=np.float64)
    assert len(gt.check_gradients(net, x, y).elements) > 20
    t = gt.trace(net, x, y)
    terms = t.value.terms("normalize1.output", (2, 1, 3, 4))
    assert terms.value == pytest.approx((x[2, 1, 3, 4] - 0.6) / 0.5, rel=1e-6)
    assert sorted(row.product for row in terms) == pytest.approx(
        sorted([x[2, 1, 3, 4] / 0.5, -0.6 / 0.5]), rel=1e-6
    )
    np.testing.assert_allclose(t.value["normalize1.mean"], MEAN)
    np.testing.assert_allclose(t.value["normalize1.scale"], 1 / np.array(STD))


def test_it_is_kept_with_the_network(tmp_path: Path) -> None:
    x, _ = data()
    for layer in (gt.Normalize(MEAN, STD), gt.Normalize(0.5, 0.25, name="pixels")):
        net = behind(layer)
        trained(net, epochs=1)
        net.save(tmp_path / "net.safetensors")
        again = gt.load(tmp_path / "net.safetensors")
        assert again.layers[0] == layer
        np.testing.assert_array_equal(again.predict(x), net.predict(x))
        assert_same_bits(arrays_of(again), arrays_of(net))


def test_equal_settings_are_equal() -> None:
    layers = [gt.Normalize(list(MEAN), np.array(STD)), gt.Normalize(MEAN, STD)]
    assert layers[0] == layers[1]
    assert hash(layers[0]) == hash(layers[1])
    assert eval(repr(layers[0]), vars(gt)) == layers[0]
    assert gt.Normalize(np.float32(0.5), 1) == gt.Normalize(0.5, 1.0)


@pytest.mark.parametrize(
    "value", [float("nan"), float("inf"), "0.5", None, True, (0.1, None), [[0.1]], (0.1, np.nan)]
)
@pytest.mark.parametrize("name", ["mean", "std"])
def test_what_is_no_number_is_refused(name: str, value: object) -> None:
    arguments = {"mean": 0.0, "std": 1.0} | {name: value}
    with pytest.raises(gt.ArgumentError, match=f"Normalize: {name} must be one (finite )?number"):
        gt.Normalize(**arguments)


@pytest.mark.parametrize("std", [0, -1, (1.0, 0.0), 1e-50, (1.0, 1e-320)])
def test_a_deviation_that_cannot_be_divided_by_is_refused(std: object) -> None:
    with pytest.raises(gt.ArgumentError, match="Normalize: std must be one number above 0"):
        gt.Normalize(0.0, std)


def test_a_deviation_of_0_is_told_what_it_is_of() -> None:
    with pytest.raises(gt.ArgumentError, match="a channel that never changes has .* 0: give 1$"):
        gt.Normalize((0.5, 0.0), (0.2, 0.0))


def test_as_many_numbers_as_channels_are_asked_for() -> None:
    with pytest.raises(gt.ArgumentError, match="Normalize: mean has no number"):
        gt.Normalize((), 1.0)
    with pytest.raises(gt.ShapeError, match="has a mean for each of 3 channels but gets 2.*Give 2"):
        gt.Network(SHAPE, [gt.Normalize((0.1, 0.2, 0.3), 1.0)])
    with pytest.raises(gt.ShapeError, match="has a std for each of 3 features but gets 5"):
        gt.Network((5,), [gt.Normalize(0, (1.0, 2.0, 3.0))])


def test_it_computes_in_float64_where_the_network_does() -> None:
    x, _ = data(5)
    net = gt.Network(SHAPE, [gt.Normalize(MEAN, STD)], dtype=np.float64)
    assert_close(net.predict(x.astype(np.float64)), by_hand(x, MEAN, STD), FLOAT64)
