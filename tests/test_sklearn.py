"""The estimators are what scikit-learn's own checks, its tools and its users expect."""

from __future__ import annotations

import copy
import pickle
import re
import subprocess
import sys
import tracemalloc
from typing import Any

import joblib
import numpy as np
import pytest
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.model_selection import GridSearchCV, StratifiedKFold, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

import gradtrail as gt
from gradtrail.data.splitting import held_out_mask
from gradtrail.interop.sklearn.settings import threads_for
from gradtrail.sklearn import CNNClassifier, CNNRegressor

SOON = {"epochs": 10, "lr": 0.03, "width": 8, "threads": 1}
"""With these an estimator learns as much as the checks ask for, in a tenth of the time."""


NO_OTHER_BY_DEFAULT = re.compile(
    "fit_idempotent|data_not_an_array|dtype_object|fit_check_is_fitted|n_features_in|"
    "classifiers_classes|decision_proba_consistency|dict_unchanged|estimators_nan_inf|"
    "estimators_pickle|f_contiguous|fit2d_predict1d|methods_|no_decision_function|"
    "pipeline_consistency|supervised_y_2d"
)
"""Checks that take long with the default number of epochs, and ask nothing that it decides."""


def once(pairs: list[tuple[Any, Any]]) -> list[tuple[Any, Any]]:
    """Each check as it is by itself, without those of arrays of other types and in other memory."""
    return [pair for pair in pairs if not getattr(pair[1], "keywords", {})]


def with_tails() -> pytest.MarkDecorator:
    """Every second check of classifiers that learn soon; all others, and regressors, later.

    Threads change no result, and steps as small as these leave a second one nothing to do.
    """
    soon, usual = (
        parametrize_with_checks([CNNClassifier(**settings), CNNRegressor(**settings)])
        for settings in (SOON, {"threads": 1})
    )
    names, pairs = soon.args
    first = [pair for pair in once(pairs) if isinstance(pair[0], CNNClassifier)][::2]
    by_default = [
        pair
        for pair in once(usual.args[1])
        if not NO_OTHER_BY_DEFAULT.search(pair[1].func.__name__)
    ]
    long = [pair for pair in (*pairs, *by_default) if pair not in first]
    params = [*first, *(pytest.param(*pair, marks=pytest.mark.long) for pair in long)]
    return pytest.mark.parametrize(names, params, ids=soon.kwargs["ids"])


@with_tails()
def test_scikit_learns_own_checks(estimator, check) -> None:
    """All of them, none is expected to fail.

    One asks that weights and repeated samples agree to 1e-7; by float32 they do to 7e-7, so it is
    asked of the engine that computes in float64.
    """
    if check.func.__name__ == "check_sample_weight_equivalence_on_dense_data":
        estimator.set_params(engine="reference")
    check(estimator)


@pytest.fixture(scope="module")
def digits() -> tuple[np.ndarray, np.ndarray]:
    return load_digits(return_X_y=True)


@pytest.fixture(scope="module")
def fitted(digits) -> CNNClassifier:
    X, y = digits
    return CNNClassifier(width=8, epochs=2, random_state=0).fit(X[:500], y[:500])


def quick(layers=None, **settings) -> CNNClassifier:
    return CNNClassifier(layers, **{"width": 4, "epochs": 1, "random_state": 0} | settings)


@pytest.mark.long
def test_the_defaults_read_digits(digits) -> None:
    """On both halves; docs/sklearn.md has one fit of the defaults, which runs always."""
    folds = StratifiedKFold(2, shuffle=True, random_state=0)
    assert cross_val_score(CNNClassifier(random_state=0), *digits, cv=folds).mean() >= 0.975


def test_a_search_in_two_processes(digits) -> None:
    """Its best estimator is the one that is fitted here, bit by bit."""
    X, y = digits[0][:400], digits[1][:400]
    grid = {"cnnclassifier__lr": [1e-6, 0.01]}
    model = make_pipeline(MinMaxScaler(), quick(epochs=10, width=8))
    search = GridSearchCV(model, grid, cv=2, n_jobs=2).fit(X, y)
    assert search.best_params_["cnnclassifier__lr"] == 0.01
    assert search.best_score_ > 0.5 > search.cv_results_["mean_test_score"].min()
    again = clone(model).set_params(**search.best_params_).fit(X, y)
    assert np.array_equal(again.predict_proba(X), search.predict_proba(X))


def test_threads_are_shared_between_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    assert threads_for(None) is None
    assert threads_for(3) == 3
    shares = joblib.Parallel(n_jobs=2)(joblib.delayed(threads_for)(None) for _ in range(2))
    assert shares == [max(1, joblib.cpu_count() // 2)] * 2
    monkeypatch.setattr("multiprocessing.parent_process", lambda: "somebody")
    assert threads_for(None) == 1
    monkeypatch.setenv("OMP_NUM_THREADS", "1,1")
    assert threads_for(None) == 1
    with pytest.raises(gt.ArgumentError, match="threads must be a whole number ≥ 1, got 0"):
        threads_for(0)


def test_the_same_random_state_gives_the_same_bits(digits, fitted) -> None:
    X, y = digits
    expected = fitted.predict_proba(X)
    for threads in (1, 3):
        again = clone(fitted).set_params(threads=threads).fit(X[:500], y[:500])
        assert np.array_equal(again.predict_proba(X), expected)
    other = clone(fitted).set_params(random_state=1).fit(X[:500], y[:500])
    assert np.abs(other.predict_proba(X) - expected).max() > 0.1


@pytest.mark.parametrize("count", [1, 2, 3, 4, 17, 255, 257, 515])
def test_a_sample_is_predicted_alike_in_any_company(digits, fitted, count: int) -> None:
    X = digits[0][:600]
    assert np.array_equal(fitted.predict_proba(X[:count]), fitted.predict_proba(X)[:count])


@pytest.mark.parametrize("copied", ["pickle", "joblib", "deepcopy"])
def test_a_copy_predicts_and_goes_on_alike(digits, fitted, copied: str, tmp_path) -> None:
    """The optimiser's memory is kept, too: the next step is the same."""
    X, y = digits
    first = copy.deepcopy(fitted)
    if copied == "joblib":
        joblib.dump(fitted, tmp_path / "model")
        second = joblib.load(tmp_path / "model")
    else:
        second = pickle.loads(pickle.dumps(fitted)) if copied == "pickle" else copy.copy(first)
        second = copy.deepcopy(second)
    assert np.array_equal(first.predict_proba(X), second.predict_proba(X))
    first.partial_fit(X[:50], y[:50])
    assert not np.array_equal(first.predict_proba(X), second.predict_proba(X))
    second.partial_fit(X[:50], y[:50])
    assert np.array_equal(first.predict_proba(X), second.predict_proba(X))


def test_networks_are_copied_whole() -> None:
    layers = [gt.Conv2d(3, 3), gt.BatchNorm2d(), gt.ReLU(), gt.Residual([gt.Conv2d(3, 1)])]
    net = gt.Network((1, 5, 5), [*layers, gt.Dropout(0.5), gt.Flatten(), gt.Linear(2)], seed=5)
    x = np.random.Generator(np.random.PCG64(0)).normal(size=(6, 1, 5, 5))
    gt.train(net, (x, np.arange(6) % 2), epochs=2, progress=False)
    for other in (pickle.loads(pickle.dumps(net)), copy.deepcopy(net)):
        assert np.array_equal(other.predict(x), net.predict(x))
        assert np.array_equal(other.buffers["norm1.running_var"], net.buffers["norm1.running_var"])
        other.parameters["fc1.bias"] += 1
        assert not np.array_equal(other.predict(x), net.predict(x))
    fresh = gt.Network((1, 5, 5), [*layers, gt.Flatten(), gt.Linear(2)], seed=5)
    drawn = pickle.loads(pickle.dumps(fresh))  # before any parameter was asked for
    assert np.array_equal(drawn.parameters["conv1.weight"], fresh.parameters["conv1.weight"])


def test_fit_is_the_library_s_training(digits) -> None:
    """Without order and dropout only the first weights are drawn: by hand it is the same."""
    X, y = digits[0][:200], digits[1][:200]
    weights = {label: 1.0 + label for label in range(10)}
    settings = {"epochs": 3, "batch_size": 16, "shuffle": False}
    layers = [gt.Conv2d(4, 3), gt.ReLU()]
    clf = quick(layers=layers, lr=0.01, class_weight=weights, schedule="cosine", **settings)
    clf.fit(X, y)
    net = gt.Network((1, 8, 8), [*layers, gt.Flatten(), gt.Linear(10)], seed=clf.network_.seed)
    history = gt.train(
        net,
        (((X - X.mean()) / X.std()).reshape(-1, 1, 8, 8), y),
        loss=gt.CrossEntropy(weight=tuple(weights.values())),
        optimizer=gt.AdamW(0.01, weight_decay=0.3),
        schedule=gt.schedules.Cosine(),
        progress=False,
        **settings,
    )
    assert clf.history_.step_losses == pytest.approx(history.step_losses, rel=1e-5)
    assert clf.loss_curve_ == clf.history_.loss
    assert clf.n_iter_ == 3
    outputs = net.predict(((X - X.mean()) / X.std()).reshape(-1, 1, 8, 8))
    np.testing.assert_allclose(clf.decision_function(X), outputs, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize(
    ("name", "made"),
    [
        ("sgd", gt.SGD(0.03, 0.9, nesterov=True)),
        ("adam", gt.Adam(0.003)),
        ("adamw", gt.AdamW(0.003, weight_decay=0.3)),
    ],
)
def test_optimisers_by_name(digits, name: str, made) -> None:
    clf = quick(optimizer=name).fit(digits[0][:40], digits[1][:40])
    assert clf.optimizer_.settings() == made.settings()


def test_how_many_epochs_there_are_by_default(digits) -> None:
    X, y = digits
    for count, epochs in ((20, 200), (320, 100), (1797, 18)):
        clf = CNNClassifier([], random_state=0).fit(X[:count], y[:count])
        assert clf.n_iter_ == epochs
        assert clf.history_.steps == epochs * -(-count // 32)


def test_early_stopping_holds_some_of_every_class_out(digits) -> None:
    X, y = digits[0][:600], digits[1][:600]
    clf = quick(epochs=60, early_stopping=True, validation_fraction=0.2, n_iter_no_change=3)
    clf.fit(X, y)
    history = clf.history_
    assert history.stopped
    assert history.best == np.argmin(history.validation_loss)
    assert clf.n_iter_ == history.best + 4
    apart = held_out_mask(y, 0.2, 0)
    assert (np.bincount(y[apart]) > 0).all()
    kept = gt.evaluate(clf.network_, (clf.samples(X[apart]), y[apart]))
    assert kept["loss"] == pytest.approx(history.validation_loss[history.best], rel=1e-5)
    seen = clf.standardization_.mean
    assert seen == pytest.approx(X[~apart].mean(), rel=1e-6)  # what is held out is not looked at
    numbers = CNNRegressor(width=4, epochs=12, early_stopping=True, random_state=0)
    numbers.fit(X, y.astype(float))
    assert len(numbers.history_.validation_loss) == numbers.n_iter_
    with pytest.raises(gt.ArgumentError, match="share must be between 0 and 1"):
        quick(early_stopping=True, validation_fraction=1.5).fit(X, y)


def test_images_are_augmented_where_that_is_asked_for(digits) -> None:
    X, y = digits[0][:300], digits[1][:300]
    plain, moved = (
        clone(quick(epochs=2, augment=a)).fit(X, y) for a in (None, gt.Augment(crop=1, rotation=9))
    )
    assert plain.history_.step_losses[0] != moved.history_.step_losses[0]
    assert moved.get_params()["augment"] == gt.Augment(crop=1, rotation=9)
    with pytest.raises(gt.DataError, match="augmentation moves images"):
        quick(augment=gt.Augment(crop=1), input_shape=(64,)).fit(X, y)


def test_labels_of_any_type(digits) -> None:
    X, y = digits
    names = np.array([f"digit {label}" for label in range(10)], dtype=object)[::-1]
    clf = quick(epochs=3, width=8, lr=0.01).fit(X, names[y])
    assert clf.classes_.tolist() == sorted(names)
    assert clf.score(X, names[y]) > 0.9
    assert np.mean(clf.predict_proba(X).argmax(axis=1) == 9 - y) > 0.9
    two = quick(epochs=3).fit(X[y < 2], y[y < 2] == 1)
    assert two.classes_.dtype == bool
    assert np.array_equal(two.decision_function(X) > 0, two.predict(X))
    np.testing.assert_allclose(np.log(two.predict_proba(X[:9])), two.predict_log_proba(X[:9]))


def test_class_weights_move_the_border() -> None:
    """Of two clouds that overlap, one has a tenth of the samples: it gets what its weight asks."""
    draw = np.random.Generator(np.random.PCG64(1))
    y = np.where(np.arange(400) % 10 == 0, "rare", "common")
    X = draw.normal(size=(400, 2)) + (y == "rare")[:, None]
    weights = ({"common": 10}, None, "balanced", {"rare": 100})
    fits = [quick([], class_weight=w, epochs=30, lr=0.03).fit(X, y) for w in weights]
    shares = [np.mean(clf.predict(X) == "rare") for clf in fits]
    assert shares == sorted(shares)
    assert shares[0] < 0.02
    assert shares[1] < 0.1
    assert 0.2 < shares[2] < 0.5
    assert shares[3] > 0.6


def test_partial_fit_goes_on(digits) -> None:
    X, y = digits
    clf = quick(width=8)
    for part in np.array_split(np.arange(1500), 3):
        clf.partial_fit(X[part], y[part], classes=range(10))
    mean = clf.standardization_.mean
    assert np.array_equal(mean, [X[:500].mean()])
    score, network = clf.score(X[1500:], y[1500:]), clf.network_
    for _ in range(4):
        clf.partial_fit(X[:1500], y[:1500])
    assert clf.network_ is network
    assert clf.standardization_.mean is mean
    assert clf.n_iter_ == len(clf.loss_curve_) == 7
    assert clf.history_.steps == len(clf.history_.step_losses) == 3 * 16 + 4 * 47
    assert clf.score(X[1500:], y[1500:]) > max(0.85, score)
    assert clf.fit(X[:50], y[:50]).network_ is not network


def test_regression_in_its_own_units(digits) -> None:
    """Two targets of most different sizes, one of them far from 0; and one alone."""
    X, _ = digits
    ink = X.sum(axis=1)
    targets = np.stack([1e6 + 1000 * ink, 1e-6 * X[:, 32:].sum(axis=1)], axis=1)
    reg = CNNRegressor(width=8, epochs=8, lr=0.01, random_state=0).fit(X[:1500], targets[:1500])
    assert reg.predict(X).shape == (1797, 2)
    assert reg.score(X[1500:], targets[1500:]) > 0.95
    one = CNNRegressor([], epochs=20, lr=0.01, random_state=0).fit(X, ink)
    assert one.predict(X).shape == (1797,)
    assert one.score(X, ink) > 0.99
    images = X.reshape(-1, 1, 8, 8)
    network = reg.to_network()
    scale = targets.std(axis=0)
    difference = (network.predict(images) - reg.predict(X)) / scale
    assert np.abs(difference[:, 1]).max() < 1e-4
    assert np.abs(difference[:, 0]).max() < 1e-3  # float32 near 1e6


def test_a_constant_target_and_constant_features() -> None:
    X = np.c_[np.full(20, 0.1), np.arange(20.0)]
    reg = CNNRegressor(random_state=0, epochs=1).fit(X, np.full(20, 7.3))
    assert reg.standardization_.deviation[0] == 1
    assert reg.target_standardization_.deviation == 1
    assert reg.samples(X)[:, 0].tolist() == [0] * 20


def test_what_lies_far_from_0_keeps_its_digits() -> None:
    draw = np.random.Generator(np.random.PCG64(0))
    near = draw.normal(size=(200, 3))
    y = near[:, 0] > 0
    far = quick(epochs=1).fit(near + 1e9, y).samples(near + 1e9)
    np.testing.assert_allclose(far, (near - near.mean(0)) / near.std(0), atol=1e-6)


def test_the_network_is_traced_and_handed_on(digits, fitted, tmp_path) -> None:
    X, y = digits
    t = gt.trace(fitted.network_, fitted.samples(X[:8]), y[:8])
    expected = -fitted.predict_log_proba(X[:8])[np.arange(8), y[:8]]
    assert t.value["input"].shape == (8, 1, 8, 8)
    assert t.grad["conv1.weight"].shape == (8, 1, 3, 3)
    plain = gt.trace(fitted.network_, fitted.samples(X[:8]), y[:8], training=False)
    assert plain.loss == pytest.approx(expected.mean(), rel=1e-4)
    fitted.to_network().save(tmp_path / "digits.safetensors")
    loaded = gt.load(tmp_path / "digits.safetensors")
    outputs = loaded.predict(X.reshape(-1, 1, 8, 8))
    np.testing.assert_allclose(outputs, fitted.decision_function(X), rtol=1e-3, atol=1e-3)


def test_ctrl_c_leaves_what_was_learned(digits, monkeypatch: pytest.MonkeyPatch) -> None:
    from gradtrail.training.training import Training

    step = Training._step

    def interrupted(self, batch, since) -> None:
        if self.position.steps == 20:
            raise KeyboardInterrupt
        step(self, batch, since)

    monkeypatch.setattr(Training, "_step", interrupted)
    clf = quick(epochs=9)
    with pytest.raises(KeyboardInterrupt, match="holds the network as the last step left it"):
        clf.fit(digits[0][:400], digits[1][:400])
    assert (clf.n_iter_, clf.history_.steps, clf.history_.interrupted) == (1, 20, True)
    assert clf.predict(digits[0]).shape == (1797,)


def test_predicting_takes_little_memory() -> None:
    """20,000 images of 28 × 28 are 63 MB in float32; they are never all there."""
    X = np.zeros((20_000, 784), np.uint8)
    X[:50] = np.random.Generator(np.random.PCG64(0)).integers(0, 256, (50, 784))
    clf = quick(width=2).fit(X[:50], np.arange(50) % 2)
    clf.predict(X[:300])
    tracemalloc.start()
    clf.predict(X)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 8e6


def test_without_scikit_learn_the_error_says_what_to_install() -> None:
    code = (
        "import sys; sys.modules['sklearn'] = None; import gradtrail\n"
        "try:\n    import gradtrail.sklearn\n"
        "except ImportError as error:\n"
        "    print(isinstance(error, gradtrail.GradtrailError), error)"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True)
    assert found.stdout == "True gradtrail.sklearn needs scikit-learn: pip install scikit-learn\n"


def test_the_core_does_not_import_scikit_learn() -> None:
    code = "import sys, gradtrail, gradtrail.interop; print('sklearn' in sys.modules)"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True)
    assert found.stdout == "False\n"
