"""The learning-rate range test: what it finds, and that it leaves no trace."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import gradtrail as gt


def data() -> tuple[np.ndarray, np.ndarray]:
    draw = np.random.Generator(np.random.PCG64(3))
    y = draw.integers(0, 2, 96)
    return (draw.normal(size=(96, 6)) + 2 * y[:, None]).astype(np.float32), y


@pytest.mark.parametrize("engine", ["cpu", "reference"])
def test_it_finds_where_the_loss_falls_and_leaves_the_network(engine: str, tmp_path: Path) -> None:
    net, sgd = gt.Network((6,), [gt.Linear(8), gt.ReLU(), gt.Linear(2)], seed=0), gt.SGD(0.1, 0.9)
    gt.train(net, data(), optimizer=sgd, epochs=1, batch_size=32, engine=engine, progress=False)
    before = {n: net.parameters[n].tobytes() for n in net.parameters}
    memory, drawn = sgd.remembered(net), net.drawn
    kept = {n: {k: a.tobytes() for k, a in s.items()} for n, s in memory.arrays.items()}
    fresh = gt.Network((6,), [gt.Linear(8), gt.ReLU(), gt.Linear(2)], seed=0)
    found = gt.lr_range_test(
        fresh, data(), optimizer=gt.SGD(0.1), steps=60, least=1e-4, most=1e4, engine=engine
    )
    assert len(found.rates) == len(found.losses) < 60  # it comes apart, and is left then
    assert found.suggestion is not None
    assert 1e-3 < found.suggestion < found.rates[found.smoothed.argmin()] * 1.01
    assert found.reason.startswith(f"The loss falls fastest at a rate of {found.suggestion:.2g}")
    assert found.reason in str(found)
    assert np.allclose(np.diff(np.log(found.rates)), np.log(1e8) / 59)
    found.plot(tmp_path / "rates.svg")
    assert (tmp_path / "rates.svg").read_text(encoding="utf-8").count("<path") > 5
    gt.lr_range_test(net, data(), optimizer=sgd, steps=10, engine=engine)
    assert {n: net.parameters[n].tobytes() for n in net.parameters} == before
    assert (sgd.lr, sgd.remembered(net).step, net.drawn) == (0.1, memory.step, drawn)
    now = sgd.remembered(net).arrays
    assert {n: {k: a.tobytes() for k, a in s.items()} for n, s in now.items()} == kept


def test_what_is_no_range() -> None:
    net = gt.Network((6,), [gt.Linear(2)], seed=0)
    with pytest.raises(gt.ArgumentError, match="rates with 0 < least < most, got 1 and 1.0"):
        gt.lr_range_test(net, data(), least=1)
    with pytest.raises(gt.ArgumentError, match="steps must be"):
        gt.lr_range_test(net, data(), steps=3)
    level = gt.lr_range_test(net, data(), optimizer=gt.SGD(1), steps=10, least=1e-12, most=1e-11)
    assert level.suggestion is None or level.suggestion < 1e-10


def test_what_no_rate_is_to_blame_for_is_told() -> None:
    net, (x, y) = gt.Network((6,), [gt.Linear(2)], seed=0), data()
    with pytest.raises(gt.NonFiniteError, match=r"lr_range_test: input\[0,0\], sample \d+ is nan"):
        gt.lr_range_test(net, (x * np.float32(np.nan), y))
    with pytest.raises(gt.ArgumentError, match="optimizer must be an object .* got 'adam'"):
        gt.lr_range_test(net, (x, y), optimizer="adam")
    normed = gt.Network((6,), [gt.Linear(2), gt.BatchNorm1d()], seed=0)
    with pytest.raises(gt.DataError, match="a batch of 1 sample has 1 position there"):
        gt.lr_range_test(normed, (x, y), batch_size=len(x) - 1)
    net.freeze()
    with pytest.raises(gt.ArgumentError, match="lr_range_test: every parameter .* is frozen"):
        gt.lr_range_test(net, (x, y))


def test_a_loss_below_0_does_not_come_apart_at_once() -> None:
    net, (x, _) = gt.Network((6,), [gt.Linear(1)], seed=0), data()
    below = gt.PointwiseLoss("(z − t)**2 − 9")
    found = gt.lr_range_test(net, (x, x[:, :1]), loss=below, optimizer=gt.SGD(1), most=0.1)
    assert len(found.losses) == 100
    assert found.losses.max() < 0
    assert found.suggestion > 1e-4
