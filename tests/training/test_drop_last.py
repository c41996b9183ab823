"""`drop_last`: steps of whole batches alone, with other samples left out each epoch."""

from __future__ import annotations

import numpy as np
import pytest

import gradtrail as gt
from gradtrail.errors import ArgumentError, DataError
from gradtrail.streams import stream

from .common import ENGINES, Held, data, network, pixels, plain, trained


@pytest.mark.parametrize("given", [data, lambda: Held(*pixels())], ids=["arrays", "images"])
@pytest.mark.parametrize("engine", ENGINES)
def test_only_whole_batches_are_steps(engine: str, given: object) -> None:
    """50 samples are 3 batches of 16; the epoch's loss is the mean over 48."""
    net = plain()
    settings = {"engine": engine, "drop_last": True, "optimizer": gt.SGD(1e-30)}
    history = trained(net, given(), **settings)  # type: ignore[operator]
    assert history.steps == 6
    assert net.drawn == (2, 6)
    x, y = data()
    for epoch in range(2):
        order = stream(5, "order", epoch).permutation(50)[:48]
        expected = [gt.trace(net, x[o], y[o]).loss for o in order.reshape(3, 16)]
        assert history.step_losses[3 * epoch : 3 * epoch + 3] == pytest.approx(expected, rel=1e-5)
        assert history.loss[epoch] == pytest.approx(np.mean(expected), rel=1e-5)


def test_a_last_batch_of_one_sample_may_be_left_out() -> None:
    """Which batch norm of flat features could not normalise."""
    net = gt.Network((2, 1, 1), [gt.BatchNorm2d(), gt.Flatten(), gt.Linear(3)])
    x, y = np.arange(34.0).reshape(17, 2, 1, 1), np.arange(17) % 3
    with pytest.raises(DataError, match="a batch of 1 sample has 1 position there"):
        trained(net, (x, y))
    assert trained(net, (x, y), drop_last=True).steps == 2


def test_a_resumed_training_leaves_out_the_same(tmp_path) -> None:
    expected = trained(network(), drop_last=True, epochs=3).step_losses
    common = {"checkpoints": gt.Checkpoints(tmp_path), "drop_last": True, "epochs": 3}
    trained(network(), **common)
    with pytest.raises(ArgumentError, match="drop_last: True, not None"):
        trained(network(), **common | {"drop_last": False, "resume": True})
    assert trained(network(), resume=True, **common).step_losses == expected


def test_what_leaves_nothing_is_refused() -> None:
    with pytest.raises(
        DataError, match="50 samples fill no batch of 64, and drop_last=True leaves"
    ):
        trained(plain(), batch_size=64, drop_last=True)
    with pytest.raises(DataError, match="fill no step of 4 batches of 16.* accumulate up to 50"):
        trained(plain(), batch_size=16, accumulate=4, drop_last=True)
    with pytest.raises(ArgumentError, match="drop_last must be True or False, got 1"):
        trained(plain(), drop_last=1)
