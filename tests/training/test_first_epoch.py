"""A first epoch that learned nothing is flagged with its cause; any other is not."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import gradtrail as gt
from gradtrail.errors import GradtrailWarning
from gradtrail.training import first_epoch

from .common import ENGINES, Held, data, pixels, plain, trained

CLOSED = "Every unit of relu1 is closed for every sample of the last batch"


def closed(outputs: int = 3) -> gt.Network:
    """A ReLU whose inputs are all below 0."""
    layers = [gt.Flatten(), gt.Linear(8), gt.ReLU(), gt.Linear(outputs)]
    net = gt.Network((2, 6, 5), layers, seed=1)
    net.parameters["fc1.bias"] = [-100.0] * 8
    return net


@pytest.mark.parametrize("given", [data, lambda: Held(*pixels())], ids=["arrays", "images"])
@pytest.mark.parametrize("settings", [{}, {"mixup": 0.2, "augment": gt.Augment(flip=0.5)}], ids=str)
@pytest.mark.parametrize("engine", ENGINES)
def test_closed_units_are_the_cause(
    engine: str, settings: dict[str, Any], given: Callable[[], Any]
) -> None:
    """The layer behind them learns how frequent the classes are, and nothing else."""
    net, adam = closed(), gt.Adam(0.01)
    with pytest.warns(GradtrailWarning, match=CLOSED) as said:
        trained(net, given(), optimizer=adam, engine=engine, **settings)
    (one,) = said
    assert "lower the learning rate (0.01), and begin again with new weights" in str(one.message)
    assert one.filename.endswith("common.py")


def test_closed_units_of_a_regression() -> None:
    x, _ = data()
    y = np.linspace(-1, 1, 100).reshape(50, 2)
    with pytest.warns(GradtrailWarning, match=r"one answer for all samples has 0\.34\."):
        trained(closed(2), (x, y), loss=gt.MeanSquaredError(), optimizer=gt.SGD(1e-3))
    assert y.var(axis=0).mean() == pytest.approx(0.339965, abs=1e-5)


def test_a_last_batch_that_lies_nearer_hides_nothing() -> None:
    """Its two samples have 0.97 of the loss of all; the epoch has all of it."""
    x, _ = data()
    y = np.resize([-1.0, 1.0], 50)[:, None]
    y[-2:] *= 0.93
    with pytest.warns(GradtrailWarning, match=rf"its loss is [\d.]+ in the mean, .*{CLOSED}"):
        trained(
            closed(1), (x, y), loss=gt.MeanSquaredError(), optimizer=gt.SGD(1e-6), shuffle=False
        )


def test_a_rate_that_lets_the_loss_grow_is_the_cause() -> None:
    with pytest.warns(
        GradtrailWarning, match=r"the loss has grown in the first epoch from 1.\d+ to"
    ):
        trained(plain(), optimizer=gt.SGD(300.0), epochs=1, batch_size=2)


def test_what_learns_or_is_hard_is_not_flagged() -> None:
    """Warnings are errors in these tests."""
    trained(plain(), optimizer=gt.SGD(0.05))
    trained(plain(), optimizer=gt.SGD(1e-6))
    trained(plain(), optimizer=gt.SGD(300.0))  # four steps, the last of which has two samples
    open_ = closed()
    open_.parameters["fc1.bias"] = [-100.0] * 7 + [1.0]
    trained(open_, optimizer=gt.SGD(1e-6))


def test_a_training_that_goes_well_is_not_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> list[str]:
        raise AssertionError("looked at")

    monkeypatch.setattr(first_epoch, "_closed", refuse)
    x, y = data(200)
    assert trained(plain(), (x, y), optimizer=gt.Adam(0.05)).loss[0] < 0.9


def test_the_loss_of_one_answer_for_all() -> None:
    """Of classes 0, 0, 0, 1: −(¾·log ¾ + ¼·log ¼); with weights 1 and 3, log 2."""
    y, shape = np.array([0, 0, 0, 1]), (4, 2)
    assert gt.CrossEntropy().chance(y, shape) == pytest.approx(0.5623351)
    assert gt.CrossEntropy().chance(np.eye(2)[y], shape) == pytest.approx(0.5623351)
    assert gt.CrossEntropy(weight=(1, 3)).chance(y, shape) == pytest.approx(np.log(2))
    assert gt.CrossEntropy(label_smoothing=1).chance(y, shape) == pytest.approx(np.log(2))
    assert gt.CrossEntropy().chance(np.zeros(4, int), shape) == 0
    assert gt.MeanSquaredError().chance(y, (4, 1)) == pytest.approx(3 / 16)
    for loss in (gt.CrossEntropy(), gt.CrossEntropy(weight=(1, 3), label_smoothing=0.1)):
        net = gt.Network((1,), [gt.Linear(2)], seed=0)
        net.parameters["fc1.weight"] = [[0.0], [0.0]]
        optimizer = gt.SGD(0.5)
        for _ in range(400):
            t = gt.trace(net, np.ones((4, 1)), y, loss=loss)
            optimizer.update(net, t.grad)
        assert t.loss == pytest.approx(loss.chance(y, shape), rel=1e-5)
