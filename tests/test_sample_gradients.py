"""Each sample's gradients: what they are, and what can be asked without making them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from cases import CASES, Case, arrays, uniform
from comparing import FLOAT64, assert_all_close, assert_close
from per_sample import alone, labelled, meet, shares

import gradtrail as gt
from gradtrail.engines import Batch, Reference, SampleGradients, sample_gradients
from gradtrail.engines.sample_gradients import OuterShares, ParameterShares, StoredShares

N, K, F = 5, 3, 4

LEARNING = [case for case in CASES if case.network().parameters]


def batch(case: Case, size: int) -> tuple[gt.Network, Batch, gt.Loss]:
    """The case with so many samples and random targets for the squared error."""
    held, loss = arrays(replace(case, shape=(size, *case.shape[1:]))), gt.MeanSquaredError()
    net = held.network
    outputs = net.system(size, training=case.training).shapes[net.output_name]
    y = uniform(np.random.Generator(np.random.PCG64(size)), outputs)
    return net, Batch.of(net, held.x, y, loss), loss


@pytest.mark.parametrize("case", LEARNING, ids=lambda case: case.id)
def test_the_reference_gives_each_samples_own_gradient(case: Case) -> None:
    net, step, loss = batch(case, 3)
    got = Reference().per_sample(net, step, loss, training=case.training)
    computed = Reference().compute(net, step, loss, training=case.training)
    if meet(net, loss, case.training):
        expected = shares(net, step, loss, case.training, computed)
    else:
        expected = alone(net, step, loss, case.training)
    assert list(got) == list(net.parameters)
    assert_all_close(got, expected, FLOAT64)
    assert_all_close(got.mean(), {n: computed.gradients[n] for n in net.parameters}, FLOAT64)


def test_batch_norms_shares_are_the_products_that_lie_at_a_sample() -> None:
    net = gt.Network(
        (2, 4, 5),
        [gt.Conv2d(3, 3), gt.BatchNorm2d(), gt.ReLU(), gt.Flatten(), gt.Linear(4)],
        dtype=np.float64,
        seed=2,
    )
    step, loss = labelled(net, N, 7)
    computed = Reference().compute(net, step, loss, training=True, per_sample=True)
    got, dz = computed.per_sample, computed.gradients["norm1.output"]
    assert got is not None
    u = computed.values["norm1.normalised"]
    assert_close(got["norm1.weight"], N * (dz * u).sum(axis=(2, 3)), FLOAT64)
    assert_close(got["norm1.bias"], N * dz.sum(axis=(2, 3)), FLOAT64)
    back, x = computed.gradients["conv1.output"], step.x
    windows = np.lib.stride_tricks.sliding_window_view(x, (3, 3), axis=(2, 3))
    expected = N * np.einsum("nkyx,ncyxij->nkcij", back, windows)
    assert_close(got["conv1.weight"], expected, FLOAT64)


def test_they_come_only_where_they_are_asked_for() -> None:
    net = gt.Network((4,), [gt.Linear(3)], dtype=np.float64)
    step, loss = labelled(net, N, 1)
    computed = Reference().compute(net, step, loss, training=True)
    assert computed.per_sample is None
    forward = {"training": True, "backward": False, "per_sample": True}
    assert Reference().compute(net, step, loss, **forward).per_sample is None


def test_a_network_without_parameters_has_none() -> None:
    net = gt.Network((2, 4, 4), [gt.AvgPool2d(4), gt.Flatten()], dtype=np.float64)
    step, loss = labelled(net, N, 1)
    got = Reference().per_sample(net, step, loss, training=True)
    assert len(got) == 0
    assert got.norms().tolist() == [0.0] * N


# -- what is asked without making arrays ------------------------------------------------------


def held(
    lanes: int, dtype: type = np.float64
) -> tuple[dict[str, ParameterShares], SampleGradients]:
    """Three parameters, `lanes` samples side by side; what lies beyond the N-th is no sample's."""
    draw, blocks = np.random.default_rng(lanes), -(-N // lanes)

    def some(*shape: int) -> np.ndarray:
        found = draw.standard_normal((blocks, *shape, lanes)).astype(dtype)
        flat = np.moveaxis(found, -1, 1).reshape(blocks * lanes, *shape)
        flat[N:] = np.inf
        return np.moveaxis(flat.reshape(blocks, lanes, *shape), 1, -1).copy()

    parts = {
        "conv1.weight": StoredShares(some(K, 2, 3)),
        "conv1.bias": StoredShares(some(K)),
        "fc1.weight": OuterShares(some(K), some(F)),
    }
    return parts, SampleGradients(parts, N)


@pytest.mark.parametrize("lanes", [1, 2, 4, 16])
def test_norms_and_inner_products_are_those_of_the_arrays(lanes: int) -> None:
    _, g = held(lanes)
    whole = {name: g[name] for name in g}
    assert {n: a.shape for n, a in whole.items()} == {n: (N, *s) for n, s in g.shapes.items()}
    flat = np.concatenate([a.reshape(N, -1) for a in whole.values()], axis=1)
    assert_close(g.norms(), np.linalg.norm(flat, axis=1), FLOAT64)
    assert_close(g.norms(["fc1.weight"]), np.linalg.norm(whole["fc1.weight"], axis=(1, 2)), FLOAT64)
    draw = np.random.default_rng(9)
    direction = {name: draw.standard_normal(shape) for name, shape in g.shapes.items()}
    along = np.concatenate([d.ravel() for d in direction.values()])
    assert_close(g.dots(direction), flat @ along, FLOAT64)
    few = ["conv1.bias", "fc1.weight"]
    expected = sum((whole[n] * direction[n]).reshape(N, -1).sum(axis=1) for n in few)
    assert_close(g.dots(direction, few), expected, FLOAT64)
    assert_close(g.dots({n: direction[n] for n in few}), expected, FLOAT64)
    assert_all_close(g.mean(), {n: a.mean(axis=0) for n, a in whole.items()}, FLOAT64)


@pytest.mark.parametrize("lanes", [1, 16])
def test_one_axis_may_be_kept(lanes: int) -> None:
    _, g = held(lanes)
    draw = np.random.default_rng(5)
    for name, shape in g.shapes.items():
        d, whole = draw.standard_normal(shape), g[name]
        for axis in range(-len(shape), len(shape)):
            moved = np.moveaxis(whole, axis % len(shape) + 1, 1).reshape(N, shape[axis], -1)
            norms = np.sqrt((moved**2).sum(axis=-1))
            assert_close(g.norms_of(name, axis), norms, FLOAT64, name)
            products = np.moveaxis(whole * d, axis % len(shape) + 1, 1)
            products = products.reshape(N, shape[axis], -1).sum(axis=-1)
            assert_close(g.dots_of(name, d, axis), products, FLOAT64, name)
        assert_close(g.norms_of(name, None), g.norms([name]), FLOAT64)
        assert_close(g.dots_of(name, d, None), g.dots({name: d}), FLOAT64)
    assert g.norms_of("conv1.weight").shape == (N, K)


def test_a_sample_that_is_not_finite_leaves_the_others_alone() -> None:
    parts, g = held(4)
    expected = g.norms(), g.dots(g.mean())
    blocks, direction = parts["conv1.weight"].blocks.copy(), g.mean()
    blocks[0, 1, 0, 2, 1], blocks[0, 2, 1, 0, 3] = np.nan, np.inf
    broken = SampleGradients({**parts, "conv1.weight": StoredShares(blocks)}, N)
    for got, whole in zip((broken.norms(), broken.dots(direction)), expected, strict=True):
        assert np.isfinite(got).tolist() == [True, False, True, False, True]
        assert_close(got[::2], whole[::2], FLOAT64)


def test_a_single_number_has_a_norm() -> None:
    g = SampleGradients({"scale": StoredShares(np.arange(6.0).reshape(3, 2))}, N)
    assert_close(g.norms(), N * np.arange(5.0), FLOAT64)
    assert_close(g.dots({"scale": np.array(-2.0)}), -2 * N * np.arange(5.0), FLOAT64)
    assert_close(g["scale"], N * np.arange(5.0), FLOAT64)


def test_many_numbers_are_squared_piece_by_piece(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sample_gradients, "_NEAR", 13)
    _, g = held(2)
    expected = np.linalg.norm(g["conv1.weight"].reshape(N, -1), axis=1)
    assert_close(g.norms(["conv1.weight"]), expected, FLOAT64)


def test_small_gradients_have_norms() -> None:
    """The squares are taken in float64: in float32 they would be 0."""
    parts, _ = held(1, np.float32)
    small = SampleGradients({"conv1.bias": StoredShares(parts["conv1.bias"].blocks * 1e-25)}, N)
    expected = np.linalg.norm(small["conv1.bias"].astype(np.float64), axis=1)
    assert (expected > 0).all()
    assert_close(small.norms(), expected, 1e-6)


def test_the_factors_are_multiplied_only_where_the_product_is_asked_for() -> None:
    parts, g = held(2)
    made = parts["fc1.weight"]
    assert isinstance(made, OuterShares)
    assert made.deltas.size + made.inputs.size < g["fc1.weight"].size * 2
    g["fc1.weight"][...] = 0  # what was given out is the caller's own
    assert np.abs(g["fc1.weight"]).max() > 0
    g["conv1.bias"][...] = 0
    assert np.abs(g["conv1.bias"]).max() > 0


def test_it_says_what_it_holds() -> None:
    _, g = held(2)
    assert repr(g) == (
        "SampleGradients(conv1.weight (5, 3, 2, 3), conv1.bias (5, 3), fc1.weight (5, 3, 4))"
    )
    assert (g.count, len(g), "fc1.weight" in g, "fc2.weight" in g) == (N, 3, True, False)


def test_what_is_not_there_is_named() -> None:
    _, g = held(2)
    with pytest.raises(gt.UnknownNameError, match="no parameter is called 'fc2.weight'; did you"):
        g["fc2.weight"]
    with pytest.raises(gt.UnknownNameError, match="no parameter is called 'conv1.wight'"):
        g.norms(["conv1.wight"])
    with pytest.raises(gt.UnknownNameError, match="no array of the direction is called 'conv1.b"):
        g.dots({}, ["conv1.bias"])
    with pytest.raises(gt.ArgumentError, match=r"conv1.bias must have its shape \(3,\), got \(4,"):
        g.dots({"conv1.bias": np.zeros(4)})
    with pytest.raises(gt.ArgumentError, match="from 0 to 1, as fc1.weight has shape .*; got 2"):
        g.norms_of("fc1.weight", 2)


@pytest.mark.parametrize("axis", [True, "a", 1.0, (0,), False])
def test_an_axis_is_a_whole_number(axis) -> None:
    _, g = held(2)
    for ask in (g.norms_of, lambda n, a: g.dots_of(n, np.zeros(g.shapes[n]), a)):
        with pytest.raises(gt.ArgumentError, match=r"axis_kept must be None or from 0 to 1"):
            ask("fc1.weight", axis)
    assert g.norms_of("fc1.weight", np.int64(1)).shape == (N, F)


def test_one_name_may_stand_alone() -> None:
    _, g = held(2)
    direction = {name: np.ones(shape) for name, shape in g.shapes.items()}
    np.testing.assert_array_equal(g.norms("fc1.weight"), g.norms(["fc1.weight"]))
    np.testing.assert_array_equal(
        g.dots(direction, "fc1.weight"), g.dots(direction, ["fc1.weight"])
    )
    for name in (None, ["fc1.weight"]):
        with pytest.raises(gt.UnknownNameError, match="no parameter is called"):
            g[name]  # type: ignore[index]


def test_a_direction_may_have_other_arrays() -> None:
    net = gt.Network((4,), [gt.Linear(3), gt.ReLU(), gt.Linear(2)], seed=1, dtype=np.float64)
    draw = np.random.default_rng(2)
    t = gt.trace(net, draw.random((N, 4)), [0, 1, 0, 1, 0], per_sample=True)
    g = t.grad.per_sample
    few = {name: t.grad[name] for name in net.parameters}
    np.testing.assert_array_equal(g.dots(t.grad), g.dots(few))
    with pytest.raises(gt.UnknownNameError, match=r"no parameter is called 'fc1\.output'"):
        g.dots(t.grad, ["fc1.output"])
    with pytest.raises(gt.UnknownNameError, match=r"no parameter is called 'fc1\.wieght'; did you"):
        g.dots({"fc1.wieght": np.zeros((3, 4))})
