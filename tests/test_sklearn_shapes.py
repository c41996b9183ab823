"""What the estimators take a sample for, the layers that follow from it, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.sparse import csr_array

import gradtrail as gt
from gradtrail.interop.sklearn.standardization import Standardization
from gradtrail.sklearn import CNNClassifier, CNNRegressor

DRAW = np.random.Generator(np.random.PCG64(3))
Y = np.arange(12) % 3


def samples(*shape: int) -> np.ndarray:
    return DRAW.normal(size=(12, *shape))


def fit(X, y=Y, **settings) -> CNNClassifier:
    """By the engine that compiles nothing: each shape would be another program."""
    usual = {"width": 2, "epochs": 1, "random_state": 0, "engine": "reference"}
    return CNNClassifier(**usual | settings).fit(X, y)


@pytest.mark.parametrize(
    ("came", "told", "taken"),
    [
        ((64,), None, (1, 8, 8)),
        ((49,), None, (49,)),
        ((65,), None, (65,)),
        ((64,), (64,), (64,)),
        ((49,), (1, 7, 7), (1, 7, 7)),
        ((192,), (3, 8, 8), (3, 8, 8)),
        ((5, 7), None, (1, 5, 7)),
        ((5, 7), (35,), (35,)),
        ((3, 6, 5), None, (3, 6, 5)),
        ((5, 6, 3), (5, 6, 3), (5, 6, 3)),
        ((1, 6, 5), None, (1, 6, 5)),
    ],
)
def test_what_a_sample_is(came, told, taken) -> None:
    X = samples(*came)
    clf = fit(X, input_shape=told)
    assert clf.network_.input_shape == taken
    assert clf.n_features_in_ == np.prod(came)
    assert np.array_equal(clf.predict_proba(X), clf.predict_proba(X.reshape(12, -1)))
    mean = X.reshape(12, *taken).mean(axis=(0, *range(2, len(taken) + 1)))
    np.testing.assert_allclose(clf.standardization_.mean, mean, atol=1e-12)
    inside = clf.samples(X)
    assert inside.shape == (12, *taken)
    if len(taken) == 3:
        np.testing.assert_allclose(inside.mean(axis=(0, 2, 3)), 0, atol=1e-6)
        np.testing.assert_allclose(inside.std(axis=(0, 2, 3)), 1, atol=1e-6)


@pytest.mark.parametrize(
    ("came", "told", "message"),
    [
        ((8, 8, 3), None, r"shape \(8, 8, 3\), which looks like .* channels last; pass X\.transp"),
        ((8, 8, 3), (3, 8, 8), r"X is channels last, pass X\.transpose\(0, 3, 1, 2\)"),
        ((8, 6), (1, 6, 8), r"shape \(8, 6\), but input_shape=\(1, 6, 8\); give X in that shape"),
        ((64,), (1, 8, 9), r"asks for 1 × 8 × 9 = 72 numbers in each sample, but X has 64"),
        ((2, 2, 2, 2, 2), None, r"X has shape \(12, 2, 2, 2, 2, 2\), but samples are rows"),
        ((64,), (2, 2, 2, 2, 4), r"input_shape must be one sample's .* got \(2, 2, 2, 2, 4\)"),
        ((64,), 64, r"input_shape must be one sample's .* got 64"),
        ((64,), (1, 8, 8.0), r"input_shape must be one sample's .* got \(1, 8, 8\.0\)"),
    ],
)
def test_shapes_that_are_refused(came, told, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        fit(samples(*came), input_shape=told)


def test_sequences_and_volumes_have_convolutions_of_their_own() -> None:
    for came, told, first in (
        ((3, 8), (3, 8), "Conv1d"),
        ((24,), (3, 8), "Conv1d"),
        ((2, 2, 4, 2), None, "Conv3d"),
    ):
        clf = fit(samples(*came), input_shape=told)
        assert clf.network_.steps[0].layer.kind == first
        assert clf.predict(samples(*came)).shape == (12,)


def test_samples_unlike_the_fitted_ones_are_refused() -> None:
    clf = fit(samples(3, 6, 5))
    with pytest.raises(gt.DataError, match=r"shape \(6, 5, 3\), but the network's input_shape=\(3"):
        clf.predict(samples(6, 5, 3))
    with pytest.raises(ValueError, match="X has 91 features, but CNNClassifier is expecting 90"):
        clf.predict(samples(91))
    wrong = samples(90)
    wrong[7, 3] = 1e60
    with pytest.raises(gt.DataError, match="sample 7 of X lies beyond what float32 can hold"):
        clf.predict(wrong)


@pytest.mark.parametrize(
    ("X", "message"),
    [
        (csr_array(np.eye(12)), "Sparse data was passed"),
        (np.full((12, 1, 4, 4), np.nan), "Input X contains NaN"),
        (np.full((12, 4, 4), np.inf), "Input X contains infinity"),
        (np.linspace(-1e300, 1e300, 24).reshape(12, 2), "X has numbers too large .* in feature 0"),
        (samples(4).astype(complex), "Complex data not supported"),
    ],
)
def test_data_that_are_refused(X, message: str) -> None:
    with pytest.raises((ValueError, TypeError), match=message):
        fit(X)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"optimizer": "rmsprop"}, 'optimizer must be one of "sgd", "adam", "adamw", got .rmsprop'),
        ({"schedule": "linear"}, 'schedule must be one of "constant", .* got .linear'),
        ({"epochs": 0}, "epochs must be a whole number ≥ 1, got 0"),
        ({"batch_size": 0}, "batch_size must be a whole number ≥ 1, got 0"),
        ({"width": 1.5}, "width must be a whole number ≥ 1, got 1.5"),
        ({"lr": -1.0}, "lr must be a finite number above 0, got -1.0"),
        ({"layers": 7}, "layers must be a list of gradtrail layers, .* got 7"),
        ({"layers": "lenet-shorts"}, "no architecture is called 'lenet-shorts'; did you mean"),
        ({"layers": [gt.Conv2d(2, 9)]}, "conv1"),
        ({"engine": "gpu"}, 'engine must be "cpu", "reference"'),
        ({"class_weight": {0: -1}}, "weight needs finite numbers ≥ 0"),
    ],
)
def test_settings_that_are_refused(settings, message: str) -> None:
    with pytest.raises((ValueError, KeyError), match=message):
        fit(samples(64), **settings)


def test_labels_that_are_refused() -> None:
    with pytest.raises(ValueError, match="Unknown label type: continuous"):
        fit(samples(4), np.linspace(0, 1, 12))
    clf = CNNClassifier(random_state=0).partial_fit(samples(4), Y)
    with pytest.raises(gt.DataError, match=r"label 3 is none of the classes \[0, 1, 2\]"):
        clf.partial_fit(samples(4), Y + 3)
    with pytest.raises(gt.ArgumentError, match=r"classes are \[0, 1, 2\] .* but got \[0, 1\]"):
        clf.partial_fit(samples(4), Y, classes=[0, 1])
    with pytest.raises(gt.ArgumentError, match="class_weight='balanced' needs all labels at once"):
        CNNClassifier(class_weight="balanced").partial_fit(samples(4), Y)
    reg = CNNRegressor(random_state=0).partial_fit(samples(4), samples(2))
    with pytest.raises(gt.DataError, match="y has 3 targets, but the network was made for 2"):
        reg.partial_fit(samples(4), samples(3))


def summary(clf) -> str:
    """The layers' names with their widths, and the shape behind each pooling."""
    shapes = clf.network_.system(1).shapes
    found = []
    for step in clf.network_.steps:
        shape = shapes[step.output][1:]
        if step.name.startswith(("conv", "fc")):
            found.append(str(shape[0]))
        elif step.name.startswith("pool"):
            found.append(f"/{shape[-1]}")
    return " ".join(found)


@pytest.mark.parametrize(
    ("came", "layers"),
    [
        ((3, 3), "2 3"),
        ((5, 5), "2 4 /2 3"),
        ((8, 8), "2 4 /4 4 /2 3"),
        ((28, 28), "2 /14 4 /7 4 /3 3"),
        ((3, 32, 32), "2 /16 4 /8 4 /4 3"),
        ((64, 64), "2 /32 4 /16 4 /8 4 /4 3"),
        ((1, 30), "2 3"),
        ((10,), "4 3"),
    ],
)
def test_default_layers_follow_the_images_size(came, layers: str) -> None:
    assert summary(fit(samples(*came))) == layers


def test_layers_as_they_are_given() -> None:
    body = [gt.Conv2d(3, 3), gt.GlobalAvgPool2d()]
    assert [s.name for s in fit(samples(64), layers=body).network_.steps][-2:] == ["pool1", "fc1"]
    mapped = fit(samples(64), layers=[gt.Conv2d(3, 3)]).network_
    assert [s.name for s in mapped.steps] == ["conv1", "flatten1", "fc1"]
    assert list(fit(samples(5), layers=[]).network_.parameters.shapes.values()) == [(3, 5), (3,)]
    named = fit(samples(28, 28), layers="lenet-short").network_
    expected = gt.architecture("lenet-short").network((1, 28, 28), classes=3)
    assert named.architecture() == expected.architecture()
    two = CNNRegressor(width=2, epochs=1, random_state=0).fit(samples(64), samples(2))
    assert list(two.network_.parameters.shapes.values())[-1] == (2,)
    assert not [s for s in two.network_.steps if s.name.startswith("dropout")]


def test_the_reference_engine_trains_alike() -> None:
    X = samples(64)
    fast, exact = (fit(X, epochs=3, engine=engine) for engine in (None, "reference"))
    np.testing.assert_allclose(fast.history_.step_losses, exact.history_.step_losses, rtol=1e-4)
    np.testing.assert_allclose(fast.predict_proba(X), exact.predict_proba(X), atol=1e-4)


def test_a_constant_channel_has_deviation_1_and_is_said() -> None:
    """Blue is the same in all images that are fitted: another blue moves a sample no further."""
    X = samples(3, 6, 5)
    X[:, 2] = 0.1
    with pytest.warns(gt.GradtrailWarning, match="channel 2 of X is 0.1 in all samples: its dev"):
        clf = fit(X)
    assert clf.standardization_.deviation[2] == 1
    np.testing.assert_allclose(clf.samples(X + 0.5)[:, 2], 0.5, rtol=1e-6)


def pictures(level: int, n: int = 128) -> np.ndarray:
    """Bytes (n, 3, 16, 16): blue is 0 in all of them but for one pixel."""
    pixels = np.random.Generator(np.random.PCG64(5)).integers(0, 256, (n, 3, 16, 16), np.uint8)
    pixels[:, 2] = 0
    pixels[3, 2, 4, 4] = level
    return pixels


@pytest.mark.parametrize("level", [1, 40, 180])
@pytest.mark.parametrize(
    ("white", "dtype"),
    [
        *((255, np.uint8), (255, np.int64), (255, np.float32), (255, np.float64)),
        *((1, np.float32), (1, np.float64)),
    ],
)
def test_one_pixel_of_a_channel_is_no_scale(level: int, white: int, dtype: type) -> None:
    """As in `channel_statistics`: divided by 1/181 of a level, one level would be 181 away."""
    pixels = pictures(level)
    X = (pixels / 255 if white == 1 else pixels).astype(dtype)
    with pytest.warns(gt.GradtrailWarning, match="channel 2 of X is .* in all samples, or nearly"):
        found = Standardization.of(X.reshape(128, -1), (3, 16, 16))
    assert found.deviation[2] == 1
    expected = pixels[:, :2].std(axis=(0, 2, 3)) * white / 255
    assert found.deviation[:2] == pytest.approx(expected, rel=1e-5)
    if X.dtype.kind == "f":
        with pytest.warns(gt.GradtrailWarning, match=r"channel 2 \(blue\) is .* set to 1"):
            assert gt.data.channel_statistics(X)[1] == pytest.approx(found.deviation, rel=1e-12)


def test_bytes_are_levels_however_dark_they_are() -> None:
    """As in `channel_statistics`; of floats nobody knows it."""
    X = pictures(1) // 64
    X[3, 2, 4, 4] = 1
    with pytest.warns(gt.GradtrailWarning, match="channel 2 of X is .* in all samples, or nearly"):
        found = Standardization.of(X.reshape(128, -1), (3, 16, 16))
    with pytest.warns(gt.GradtrailWarning, match=r"channel 2 \(blue\) is .* set to 1"):
        std = gt.data.channel_statistics(X)[1]
    assert found.deviation[2] == std[2] == 1
    assert found.deviation[:2] == pytest.approx(255 * std[:2], rel=1e-12)
    floats = Standardization.of(X.reshape(128, -1).astype(float), (3, 16, 16))
    assert floats.deviation[2] == pytest.approx(np.sqrt(32767) / 32768, rel=1e-12)


def test_the_one_pixel_is_no_scale_for_what_is_fitted() -> None:
    X = pictures(40, 12).astype(np.float32)
    with pytest.warns(gt.GradtrailWarning, match="channel 2 of X"):
        clf = fit(X)
    assert clf.samples(X)[3, 2, 4, 4] == pytest.approx(40 * (1 - 1 / 3072), rel=1e-6)
    assert clf.to_network().layers[0].std[2] == 1


def test_weights_count_as_repetitions_in_what_is_no_scale() -> None:
    """Half of one blue is a level brighter: 1 pixel of 256, and by the weights 1 of 4."""
    X = pictures(0)
    X[5, 2, :8] = 1
    with pytest.warns(gt.GradtrailWarning, match="channel 2 of X"):
        plain = Standardization.of(X.reshape(128, -1), (3, 16, 16))
    assert plain.deviation[2] == 1
    weights = np.where(np.arange(128) == 5, 127.0, 1.0)
    heavy = Standardization.of(X.reshape(128, -1), (3, 16, 16), weights=weights)
    assert heavy.deviation[2] == pytest.approx(np.sqrt(3) / 4, rel=1e-12)


@pytest.mark.parametrize(
    "X",
    [
        np.where(np.arange(2048).reshape(32, 1, 8, 8) == 77, 9.0, 0) + np.zeros((1, 2, 1, 1)),
        np.where(np.arange(2048).reshape(32, 1, 8, 8) == 77, 200.5, 0) + np.zeros((1, 2, 1, 1)),
        np.where(np.arange(2048).reshape(32, 1, 8, 8) == 77, 1e-7, -1e-7) * np.ones((1, 2, 1, 1)),
    ],
    ids=["levels to 9", "no whole number", "below 0"],
)
def test_what_is_no_pixel_keeps_its_deviation(X: np.ndarray) -> None:
    found = Standardization.of(X.reshape(32, -1), (2, 8, 8))
    assert found.deviation == pytest.approx(X.std(axis=(0, 2, 3)), rel=1e-12)


def test_a_rare_feature_keeps_its_deviation() -> None:
    """Rows are no images: one in 500 may be what the feature is there for."""
    X = np.zeros((500, 2))
    X[:, 0], X[7, 1] = np.arange(500) % 256, 1
    found = Standardization.of(X, (2,))
    assert found.deviation[1] == pytest.approx(np.sqrt(499) / 500, rel=1e-12)


def test_features_that_differ_by_rounding_alone_are_constant() -> None:
    X = samples(7)
    X[:, 3] = np.where(np.arange(12) % 2, 0.1 + 0.2, 0.3)
    clf = fit(X)  # of rows nothing is said: constant features are common
    assert clf.standardization_.deviation[3] == 1
    assert np.abs(clf.samples(X)[:, 3]).max() < 1e-15


@pytest.mark.parametrize("shape", [(8, 8, 8), (9, 9, 5), (9, 6, 8)])
def test_volumes_are_asked_about(shape: tuple[int, ...]) -> None:
    X = samples(*shape)
    with pytest.raises(
        gt.DataError, match=r"no axis that counts 1 or 3 channels: pass input_shape"
    ):
        fit(X)
    assert fit(X, input_shape=shape).network_.input_shape == shape
