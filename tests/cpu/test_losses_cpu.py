"""The squared error of samples with weights, as machine code, against the reference."""

from __future__ import annotations

from typing import Any, final

import numpy as np
import pytest
from comparing import FLOAT32, assert_close

import gradtrail as gt
from gradtrail.engines import CPU, Batch, Reference
from gradtrail.equation.frozen import frozen
from gradtrail.errors import DataError
from gradtrail.layers import Loss
from gradtrail.layers.layer import Declaration, Shape
from gradtrail.layers.loss_functions import squared_error
from gradtrail.layers.weighted_loss_functions import WeightedSquaredError

from .agreeing import assert_agree
from .targets import presets_and_wide

LOSS = WeightedSquaredError()


def data(count: int, outputs: int = 3) -> tuple[np.ndarray, np.ndarray]:
    draw = np.random.Generator(np.random.PCG64(count))
    x = draw.uniform(-1, 1, (count, 2, 5, 4)).astype(np.float32)
    weights = np.where(np.arange(count) % 5 == 3, 0, draw.uniform(0.2, 3, count))
    return x, np.column_stack([draw.uniform(-1, 1, (count, outputs)), weights])


def learner(outputs: int = 3) -> gt.Network:
    layers = [gt.Conv2d(4, 3), gt.Tanh(), gt.Flatten(), gt.Linear(outputs)]
    return gt.Network((2, 5, 4), layers, seed=0)


@pytest.mark.parametrize("target", presets_and_wide())
@pytest.mark.parametrize(("count", "outputs"), [(1, 1), (5, 3), (37, 2)])
def test_values_and_gradients_are_the_references(count: int, outputs: int, target: str) -> None:
    net, (x, y) = learner(outputs), data(count, outputs)
    batch, engine = Batch.of(net, net.checked(x), y, LOSS), CPU(threads=1, target=target)
    got = engine.compute(net, batch, LOSS, training=True)
    assert_agree(got, Reference().compute(net, batch, LOSS, training=True))
    assert got.values["loss.weight"].tolist() == y[:, -1].astype(np.float32).tolist()
    assert not got.gradients["fc1.output"][y[:, -1] == 0].any()


def test_weights_of_one_are_the_plain_loss_bit_by_bit() -> None:
    (x, y), found = data(40), []
    for loss, labels in ((gt.MeanSquaredError(), y[:, :-1]), (LOSS, np.c_[y[:, :-1], np.ones(40)])):
        net = learner()
        done = gt.train(net, (x, labels), loss=loss, epochs=2, batch_size=16, progress=False)
        found.append((done.step_losses, net.parameters["conv1.weight"].tobytes()))
    assert found[0] == found[1]


@pytest.mark.parametrize("settings", [{}, {"augment": gt.Augment(shift=1)}, {"mixup": 0.4}])
def test_trainings_are_the_references(settings: dict[str, Any]) -> None:
    """However labels come: in one array, batch by batch, or mixed, with their weights."""
    (x, y), losses = data(40), []
    for engine in ("cpu", "reference"):
        done = gt.train(
            learner(),
            (x, y),
            validation=(x[:9], y[:9]),
            loss=LOSS,
            epochs=2,
            batch_size=16,
            engine=engine,
            progress=False,
            **settings,
        )
        losses.append([*done.step_losses, *done.validation_loss])
    assert_close(np.array(losses[0]), np.array(losses[1]), FLOAT32)


@final
@frozen
class Short(Loss):
    """A loss whose rows lack the weights that its equation has."""

    def declare(self, prediction: Shape) -> Declaration:
        return squared_error(prediction, weighted=True)

    def targets(self, labels: Any, prediction: Shape) -> dict[str, np.ndarray]:
        return {"T": np.zeros(prediction), "S": np.ones(prediction[0])}


def test_rows_without_their_weight_are_refused_before_they_are_read() -> None:
    with pytest.raises(DataError, match=r"rows have shape \(5, 3\), but 5 rows of \(4,\) are"):
        gt.trace(learner(), *data(5), loss=Short(), engine="cpu")
