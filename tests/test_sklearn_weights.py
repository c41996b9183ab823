"""`sample_weight` in the estimators: it counts in the loss; 0 is as if a sample were not there."""

from __future__ import annotations

import numpy as np
import pytest

import gradtrail as gt
from gradtrail.errors import DataError, ShapeError
from gradtrail.interop.sklearn.standardization import Standardization
from gradtrail.layers.weighted_loss_functions import WeightedCrossEntropy, WeightedSquaredError
from gradtrail.sklearn import CNNClassifier, CNNRegressor

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


def test_balanced_classes_count_weights() -> None:
    """Sums of weights 6, 4 and 2 give 12/(3·6), 12/(3·4) and 12/(3·2); who has weight 0 is gone."""
    x, y = data(12)[:2]
    weights = np.array([1.5, 1, 0.5])[np.arange(12) % 3]
    model = learner(class_weight="balanced").fit(x, y, sample_weight=weights)
    assert model._weights == pytest.approx((2 / 3, 1, 2))
    gone = np.arange(12) < 2
    one = learner(class_weight="balanced").fit(x, y, sample_weight=np.where(gone, 0, weights))
    other = learner(class_weight="balanced").fit(x[2:], y[2:], sample_weight=weights[2:])
    assert np.array_equal(one.predict_proba(x), other.predict_proba(x))
    foxes = learner(class_weight="balanced").fit(x, y, sample_weight=1.0 * (y != "fox"))
    assert foxes._weights == pytest.approx((1, 1, 0))
    assert foxes.predict_proba(x).shape == (12, 3)


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
    assert whole.fit(x, y, sample_weight=weights).history_.step_losses[0] == pytest.approx(t.loss)


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
    assert history.step_losses == pytest.approx([loss], rel=1e-6)
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


def numbers(count: int = 40) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Samples, two targets and weights."""
    x, _, weights = data(count)
    return x, np.column_stack([x[:, 0] * 3 + 5, x[:, 1] - x[:, 2]]), weights


def regressor(**settings: object) -> CNNRegressor:
    return CNNRegressor([], **{"epochs": 3, "lr": 0.05, "random_state": 0} | settings)


@pytest.mark.parametrize("single", [False, True])
def test_a_regressors_sample_of_weight_zero_is_as_if_it_were_not_there(single: bool) -> None:
    """Bit by bit: the targets' standardisation, too."""
    x, y, weights = numbers()
    y = y[:, 0] if single else y
    gone = np.arange(40) % 4 == 1
    settings = {"epochs": None, "early_stopping": True, "validation_fraction": 0.2}
    one = regressor(**settings).fit(
        x, y + 100 * gone.reshape(-1, *[1] * (y.ndim - 1)), sample_weight=np.where(gone, 0, weights)
    )
    other = regressor(**settings).fit(x[~gone], y[~gone], sample_weight=weights[~gone])
    assert np.array_equal(one.predict(x), other.predict(x))
    assert one.history_.validation_loss == other.history_.validation_loss


def test_a_regressors_weight_of_two_is_the_sample_twice() -> None:
    x, y, _ = numbers(12)
    twice = np.where(np.arange(12) % 2, 2, 1)
    common = {"optimizer": "sgd", "batch_size": 64, "epochs": 20, "schedule": "constant"}
    weighted = regressor(**common).fit(x, y, sample_weight=twice)
    repeated = regressor(**common).fit(x.repeat(twice, axis=0), y.repeat(twice, axis=0))
    means = [model.target_standardization_.mean for model in (weighted, repeated)]
    assert means[0] == pytest.approx(means[1])
    assert weighted.predict(x) == pytest.approx(repeated.predict(x), abs=2e-5)
    assert weighted.loss_curve_ == pytest.approx(repeated.loss_curve_, rel=1e-5)
    alike = regressor(**common).fit(x, y, sample_weight=np.full(12, 7.0))
    assert np.array_equal(alike.predict(x), regressor(**common).fit(x, y).predict(x))


def test_the_first_loss_of_a_regressor_by_hand() -> None:
    """Targets 1, 2, 4 with weights 1, 2, 1: mean 9/4, variance 19/16; the weights' mean is 4/3."""
    x, y = np.array([[1.0], [-1], [0]]), np.array([1.0, 2, 4])
    model = regressor(epochs=1).fit(x, y, sample_weight=[1, 2, 1])
    assert model.target_standardization_.mean == pytest.approx([2.25])
    assert model.target_standardization_.deviation**2 == pytest.approx([19 / 16])
    first = gt.Network((1,), [gt.Linear(1)], seed=model.network_.seed)
    z = first.predict(model.samples(x))[:, 0]
    squares = (z - (y - 2.25) / np.sqrt(19 / 16)) ** 2
    expected = (squares * [0.75, 1.5, 0.75]).sum() / 3
    assert model.history_.step_losses == pytest.approx([expected], rel=1e-5)


def test_a_regressors_partial_fit_takes_them_as_they_are() -> None:
    x, y, weights = numbers()
    one, other, many = regressor(), regressor(), regressor(optimizer="sgd")
    for at in (slice(0, 20), slice(20, 40)):
        gone = np.arange(20) % 4 == 1
        one.partial_fit(x[at], y[at], sample_weight=np.where(gone, 0, weights[at]))
        other.partial_fit(x[at][~gone], y[at][~gone], sample_weight=weights[at][~gone])
        many.partial_fit(x[at], y[at], sample_weight=np.full(20, 2.0))
    assert np.array_equal(one.predict(x), other.predict(x))
    plain = regressor(optimizer="sgd").partial_fit(x[:20], y[:20])
    assert many.history_.step_losses[0] == pytest.approx(
        2 * plain.history_.step_losses[0], rel=1e-6
    )


def test_the_squared_error_by_hand_on_the_way() -> None:
    """0.5·(1² + 2²) and 2·(0² + 3²) over four numbers: 5.125; dZ is S·(Z − T)/2."""
    net = gt.Network((2,), [gt.Linear(2, bias=False)])
    net.parameters["fc1.weight"] = np.eye(2)
    x, y = np.array([[1.0, 2], [3, 0]]), np.array([[0, 0, 0.5], [3, 3, 2]])
    for engine in KINDS:
        t = gt.trace(net, x, y, loss=WeightedSquaredError(), engine=engine)
        assert t.loss == pytest.approx(5.125, rel=1e-7)
        assert t.grad["fc1.output"].tolist() == [[0.25, 0.5], [0, -3]]
        terms = t.grad.terms("fc1.output", (0, 1))
        assert sorted(row.product for row in terms) == [0, 0.5]
        gt.check_gradients(net, x, y, loss=WeightedSquaredError(), engine=engine)
    found = gt.influence(net, (x, y), loss=WeightedSquaredError())
    assert found.surprise.tolist() == pytest.approx([1.25, 9])
    # of the targets (0, 0) and (3, 3) with weights 0.5 and 2, about their mean of 2.4
    chance = (0.5 * 2.4**2 + 2 * 0.6**2) * 2 / 4
    assert WeightedSquaredError().chance(y, (2, 2)) == pytest.approx(chance)


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
    with pytest.raises(ValueError, match="at least one non-zero|0 for every sample"):
        regressor().fit(x, weights, sample_weight=np.zeros(40))
    net, loss = gt.Network((2,), [gt.Linear(3)]), WeightedCrossEntropy()
    for wrong, said in (
        ([0, 1], r"y has shape \(2,\) and dtype int64; with weights it has rows"),
        ([[0, 1.0], [1, -1.0]], "the weight of sample 1 is -1; weights are finite numbers from 0"),
        ([[0, 1.0], [1, np.nan]], "the weight of sample 1 is nan"),
        ([[0, 1.0], [3, 1.0]], "label 3 at position 1 is out of range"),
    ):
        with pytest.raises(DataError, match=said):
            gt.trace(net, np.zeros((2, 2)), np.array(wrong), loss=loss)
    for wrong, said in (
        (
            np.zeros((2, 3)),
            r"y has shape \(2, 3\) and dtype float64; .* 3 targets and weight, \(2, 4",
        ),
        ([[0, 0, 0, 1], [0, 0, 0, -1.0]], "the weight of sample 1 is -1; weights are finite"),
        ([[0, 0, 0, np.inf], [0, 0, 0, 1]], "the weight of sample 0 is inf"),
    ):
        with pytest.raises(DataError, match=said):
            gt.trace(net, np.zeros((2, 2)), np.array(wrong), loss=WeightedSquaredError())
    maps = gt.Network((2, 4, 4), [gt.Conv2d(3, 3)])
    with pytest.raises(
        ShapeError, match=r"WeightedSquaredError.* compares K numbers per sample but"
    ):
        gt.trace(maps, np.zeros((2, 2, 4, 4)), np.zeros((2, 4)), loss=WeightedSquaredError())


@pytest.mark.parametrize("kind", ["array", "list"])
def test_maps_as_labels_are_told(kind: str) -> None:
    X, y = np.zeros((6, 8, 8)), np.zeros((6, 8, 8), int)
    maps = y if kind == "array" else y.tolist()
    words = r"y has shape \(6, 8, 8\), {}, and an estimator takes one label for each sample, \(6,\)"
    with pytest.raises(
        DataError, match=words.format(r"a class for every position \(segmentation\)")
    ):
        CNNClassifier().fit(X, maps)
    with pytest.raises(DataError, match=words.format("numbers for every position")):
        CNNRegressor().fit(X, maps)
