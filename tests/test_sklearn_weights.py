"""`sample_weight` in the classifier: it counts in the loss; 0 is as if a sample were not there."""

from __future__ import annotations

import numpy as np
import pytest

import gradtrail as gt
from gradtrail.errors import DataError
from gradtrail.interop.sklearn.standardization import Standardization
from gradtrail.layers.weighted import WeightedCrossEntropy
from gradtrail.sklearn import CNNClassifier

KINDS = ("cpu", "reference")


def data(count: int = 40) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    draw = np.random.Generator(np.random.PCG64(0))
    y = np.array(["cat", "dog", "fox"])[np.arange(count) % 3]
    x = draw.standard_normal((count, 6)) + (np.arange(count) % 3)[:, None]
    return x, y, draw.uniform(0.1, 3, count)


def learner(**settings: object) -> CNNClassifier:
    return CNNClassifier([], **{"epochs": 3, "lr": 0.05, "random_state": 0} | settings)


def test_a_sample_of_weight_zero_is_as_if_it_were_not_there() -> None:
    """Bit by bit: in the standardisation, the number of epochs, the order and the loss."""
    x, y, weights = data()
    gone = np.arange(40) % 4 == 1
    one = learner(epochs=None).fit(x, y, sample_weight=np.where(gone, 0, weights))
    other = learner(epochs=None).fit(x[~gone], y[~gone], sample_weight=weights[~gone])
    assert np.array_equal(one.predict_proba(x), other.predict_proba(x))


def test_weights_of_one_are_none_but_for_rounding() -> None:
    x, y, _ = data()
    plain, weighted = learner().fit(x, y), learner().fit(x, y, sample_weight=np.full(40, 7.0))
    assert weighted.predict_proba(x) == pytest.approx(plain.predict_proba(x), rel=1e-4)
    assert weighted.loss_curve_ == pytest.approx(plain.loss_curve_, rel=1e-5)


def test_a_weight_of_two_is_the_sample_twice() -> None:
    """Where one batch holds all of them, and the order does not matter."""
    x, y, _ = data(12)
    twice = np.where(np.arange(12) % 2, 2, 1)
    common = {"optimizer": "sgd", "batch_size": 64, "epochs": 20, "schedule": "constant"}
    weighted = learner(**common).fit(x, y, sample_weight=twice)
    repeated = learner(**common).fit(x.repeat(twice, axis=0), y.repeat(twice))
    assert weighted.standardization_.mean == pytest.approx(repeated.standardization_.mean)
    assert weighted.predict_proba(x) == pytest.approx(repeated.predict_proba(x), abs=2e-5)


def test_weights_and_class_weights_are_multiplied() -> None:
    """In the loss; the standardisation, of samples alone, knows the weights only."""
    x, y, weights = data()
    model = learner(class_weight={"cat": 1.0, "dog": 2.0, "fox": 0.5})
    model.fit(x, y, sample_weight=weights)
    classes = np.array([1.0, 2.0, 0.5])[np.arange(40) % 3]
    first = gt.Network((6,), [gt.Linear(3)], seed=model.network_.seed)
    labels = np.column_stack([np.arange(40) % 3, weights / weights.mean() * classes])
    order = np.random.Generator(np.random.PCG64(0)).permutation(40)
    t = gt.trace(first, model.samples(x[order]), labels[order], loss=WeightedCrossEntropy())
    whole = learner(class_weight={"cat": 1.0, "dog": 2.0, "fox": 0.5}, batch_size=40)
    assert whole.fit(x, y, sample_weight=weights).history_.losses[0] == pytest.approx(t.loss)


@pytest.mark.parametrize("engine", KINDS)
def test_the_loss_and_its_gradient_by_hand(engine: str) -> None:
    net = gt.Network((2,), [gt.Linear(3)], seed=0)
    x = np.array([[1.0, 0.5], [-1.0, 2.0], [0.3, -0.7]])
    y = np.array([[0, 0.5], [2, 2.0], [1, 0.0]])
    t = gt.trace(net, x, y, loss=WeightedCrossEntropy(), engine=engine)
    z = t.value["fc1.output"].astype(np.float64)
    p = np.exp(z) / np.exp(z).sum(axis=1, keepdims=True)
    numbers, weights = y[:, 0].astype(int), y[:, 1]
    loss = -(weights * np.log(p[np.arange(3), numbers])).sum() / 3
    assert t.loss == pytest.approx(loss, rel=1e-6)
    dz = weights[:, None] * (p - np.eye(3)[numbers]) / 3
    assert t.grad["fc1.output"] == pytest.approx(dz, rel=1e-5, abs=1e-8)
    history = gt.train(
        net, (x, y), loss=WeightedCrossEntropy(), epochs=1, engine=engine, progress=False
    )
    assert history.losses == pytest.approx([loss], rel=1e-6)
    gt.check_gradients(net, x, y, loss=WeightedCrossEntropy(), engine=engine)


def test_early_stopping_and_partial_fit_take_them() -> None:
    x, y, weights = data()
    early = learner(early_stopping=True, validation_fraction=0.3)
    assert len(early.fit(x, y, sample_weight=weights).history_.validation_loss) == 3
    one, other = learner(), learner()
    for at in (slice(0, 20), slice(20, 40)):
        gone = np.arange(20) % 4 == 1
        w = np.where(gone, 0, weights[at])
        one.partial_fit(x[at], y[at], classes=["cat", "dog", "fox"], sample_weight=w)
        other.partial_fit(
            x[at][~gone], y[at][~gone], classes=["cat", "dog", "fox"], sample_weight=w[~gone]
        )
    assert np.array_equal(one.predict_proba(x), other.predict_proba(x))


def test_score_takes_them() -> None:
    x, y, weights = data()
    model = learner().fit(x, y)
    right = model.predict(x) == y
    assert model.score(x, y, sample_weight=weights) == pytest.approx(
        (weights * right).sum() / weights.sum()
    )


def test_weighted_means_and_deviations() -> None:
    """Of 1, 2, 4 with weights 1, 2, 1: mean 9/4, variance 19/16."""
    found = Standardization.of(np.array([[1.0], [2], [4]]), (1,), weights=np.array([1.0, 2, 1]))
    assert found.mean == pytest.approx([2.25])
    assert found.deviation**2 == pytest.approx([19 / 16])


def test_what_is_refused() -> None:
    x, y, weights = data()
    for learn in (learner().fit, learner().partial_fit):
        with pytest.raises(DataError, match=r"shape \(40, 3\): several tags for a sample \(mul"):
            learn(x, np.eye(3)[np.arange(40) % 3])
    with pytest.raises(ValueError, match="at least one non-zero|0 for every sample"):
        learner().fit(x, y, sample_weight=np.zeros(40))
    with pytest.raises(ValueError, match="Negative values"):
        learner().fit(x, y, sample_weight=-weights)
    with pytest.raises(ValueError, match="sample_weight.shape == "):
        learner().fit(x, y, sample_weight=weights[1:])
    net, loss = gt.Network((2,), [gt.Linear(3)]), WeightedCrossEntropy()
    for wrong, said in (
        ([0, 1], r"y has shape \(2,\) and dtype int64; with weights it has rows"),
        ([[0, 1.0], [1, -1.0]], "the weight of sample 1 is -1; weights are finite numbers from 0"),
        ([[0, 1.0], [1, np.nan]], "the weight of sample 1 is nan"),
        ([[0, 1.0], [3, 1.0]], "label 3 at position 1 is out of range"),
    ):
        with pytest.raises(DataError, match=said):
            gt.trace(net, np.zeros((2, 2)), np.array(wrong), loss=loss)
