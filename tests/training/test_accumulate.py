"""Batches computed in pieces: the step is that of the whole, whatever counts how much."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from comparing import FLOAT32, assert_close

import gradtrail as gt


def data(count: int = 43) -> tuple[np.ndarray, np.ndarray]:
    draw = np.random.Generator(np.random.PCG64(2))
    y = draw.integers(0, 3, count)
    y[::5] = 9
    return draw.normal(size=(count, 2, 5, 4)).astype(np.float32), y


def network(dtype: Any = np.float32, *between: Any) -> gt.Network:
    layers = [gt.Conv2d(4, 3), *between, gt.Tanh(), gt.Flatten(), gt.Linear(3)]
    return gt.Network((2, 5, 4), layers, seed=1, dtype=dtype)


LOSS = gt.CrossEntropy(ignore_index=9, weight=(1, 2, 3))


def trained(engine: str, dtype: Any, size: int, **settings: Any) -> tuple[Any, np.ndarray]:
    net = network(dtype)
    done = gt.train(
        *(net, data()),
        loss=LOSS,
        optimizer=gt.SGD(0.1, momentum=0.9),
        schedule=gt.schedules.Cosine(),
        clip_norm=0.5,
        epochs=2,
        batch_size=size,
        engine=engine,
        progress=False,
        **settings,
    )
    return done, np.concatenate([np.ravel(net.parameters[name]) for name in net.parameters])


@pytest.mark.parametrize("engine", ["reference", "cpu"])
def test_pieces_make_the_step_of_the_whole(engine: str) -> None:
    """Labels that are left out and class weights are divided by once for the whole batch."""
    dtype = np.float64 if engine == "reference" else np.float32
    whole, pieces = trained(engine, dtype, 20), trained(engine, dtype, 5, accumulate=4)
    assert len(pieces[0].step_losses) == len(whole[0].step_losses) == 6
    assert pieces[0].rates == whole[0].rates
    assert pieces[0].accuracy == whole[0].accuracy
    if engine == "reference":
        np.testing.assert_allclose(pieces[0].step_losses, whole[0].step_losses, rtol=1e-12)
        np.testing.assert_allclose(pieces[1], whole[1], rtol=1e-10, atol=1e-13)
    assert_close(pieces[1], whole[1], FLOAT32)


def test_pieces_draw_apart_and_statistics_follow_each_other() -> None:
    """The engines agree, with dropout and batch norm; threads change no bit."""
    found = []
    for engine in ("cpu", "reference", gt.CPU(threads=2)):
        net = network(np.float32, gt.BatchNorm2d(), gt.Dropout(0.3))
        done = gt.train(
            *(net, (data()[0], data()[1] % 3)),
            optimizer=gt.SGD(0.1),
            epochs=2,
            batch_size=6,
            accumulate=3,
            engine=engine,
            progress=False,
        )
        found.append(np.array([*done.step_losses, *np.ravel(net.buffers["norm1.running_mean"])]))
    assert_close(found[0], found[1], FLOAT32)
    assert (found[0] == found[2]).all()


def test_it_is_a_whole_number() -> None:
    with pytest.raises(gt.ArgumentError, match="accumulate must be at least 1, got 0|accumulate"):
        gt.train(network(), data(), accumulate=0, progress=False)
