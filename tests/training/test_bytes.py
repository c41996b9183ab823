"""Bytes count the same wherever images are taken, and arrays of them are refused everywhere."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from data.pictures import noise, saved

import gradtrail as gt
from gradtrail.data import ArrayImages, ImageFolder

PIXELS, LABELS = noise(12, 3, 6, 5), np.arange(12) % 3


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> ImageFolder:
    root = tmp_path_factory.mktemp("images")
    for number, (pixels, label) in enumerate(zip(PIXELS, LABELS, strict=True)):
        saved(root / str(label) / f"{number:02}.png", pixels.transpose(1, 2, 0))
    return ImageFolder(root, memory=100)  # of which one is kept, the others are read again


@pytest.fixture(scope="module")
def pair(images: ImageFolder) -> tuple[np.ndarray, np.ndarray]:
    """The same as arrays."""
    return images.read(np.arange(12)) / np.float32(255), images.y


def network(dtype: Any = np.float32) -> gt.Network:
    layers = [gt.Conv2d(4, 3), gt.ReLU(), gt.Flatten(), gt.Linear(3)]
    return gt.Network((3, 6, 5), layers, seed=1, dtype=dtype)


TAKERS = {
    "train": lambda net, x, y: gt.train(net, (x, y), progress=False),
    "validation": lambda net, x, y: gt.train(
        net, (x / np.float32(255), y), validation=(x, y), progress=False
    ),
    "augmented": lambda net, x, y: gt.train(
        net, (x, y), augment=gt.Augment(crop=1), progress=False
    ),
    "evaluate": lambda net, x, y: gt.evaluate(net, (x, y)),
    "confusion": lambda net, x, y: gt.confusion(net, (x, y)),
    "predict": lambda net, x, y: net.predict(x),
    "trace": gt.trace,
    "influence": lambda net, x, y: gt.influence(net, (x, y)),
    "check": gt.check_gradients,
    "explore": lambda net, x, y: net.explore(x, y, save="page.html"),
}


@pytest.mark.parametrize("taker", TAKERS)
def test_an_array_of_bytes_is_refused_with_both_ways(taker: str) -> None:
    message = (
        r"x is uint8, which may be pixels or numbers: pass x / np\.float32\(255\) for pixels from "
        r"0 to 1, as folders and \.npz files are read, or np\.asarray\(x, np\.float32\) for"
    )
    with pytest.raises(gt.DataError, match=message):
        TAKERS[taker](network(), PIXELS, LABELS)


def test_whatever_reads_images_divides_by_255(images: ImageFolder, tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", x=PIXELS, y=LABELS)
    expected, order = PIXELS.astype(np.float32) / 255, np.argsort(LABELS, kind="stable")
    found = {
        "npz": gt.data.read(tmp_path / "a.npz").train[0][order],
        "folder": ImageFolder(images.paths[0].parent.parent).arrays()[0],
        "array": ArrayImages(PIXELS, LABELS).arrays()[0][order],
        "image": np.stack([gt.data.read_image(path, (3, 6, 5)) for path in images.paths]),
    }
    for name, x in found.items():
        np.testing.assert_array_equal(x, expected[order], err_msg=name)
    for data in (images, PIXELS, expected):
        mean, std = gt.data.channel_statistics(data)
        np.testing.assert_allclose(mean, expected.mean(axis=(0, 2, 3)), rtol=1e-5)
        np.testing.assert_allclose(std, expected.std(axis=(0, 2, 3)), rtol=1e-5)


@pytest.mark.parametrize(
    ("engine", "dtype"), [("cpu", np.float32), ("reference", np.float32), ("reference", np.float64)]
)
def test_images_are_taken_as_training_takes_them(
    images: ImageFolder, pair: tuple[np.ndarray, np.ndarray], engine: str, dtype: Any
) -> None:
    """Training, evaluation, prediction and influence: what the arrays of a folder give."""
    net, settings = network(dtype), {"engine": engine, "batch_size": 5}
    np.testing.assert_array_equal(net.predict(images, **settings), net.predict(pair[0], **settings))
    assert gt.evaluate(net, images, **settings) == gt.evaluate(net, pair, **settings)
    loss = gt.CrossEntropy(weight=(1, 2, 3))
    ours, theirs = (gt.influence(net, d, loss=loss, **settings) for d in (images, pair))
    for name in ("surprise", "pull", "along", "mean"):
        np.testing.assert_array_equal(getattr(ours, name), getattr(theirs, name), err_msg=name)
    assert (ours.files, theirs.files) == (tuple(map(str, images.paths)), ())
    ours.plot(k=4)
    trained = []
    for data in (images, pair):
        gt.train(net := network(dtype), data, progress=False, **settings)
        trained.append(net.parameters["conv1.weight"].tobytes())
    assert trained[0] == trained[1]


def test_images_that_a_network_does_not_take(images: ImageFolder) -> None:
    net = gt.Network((3, 6, 6), [gt.Flatten(), gt.Linear(3)])
    message = r"the images have shape \(3, 6, 5\), but the network takes \(3, 6, 6\); open the"
    for taker in (net.predict, lambda d: gt.influence(net, d), lambda d: gt.evaluate(net, d)):
        with pytest.raises(gt.DataError, match=message):
            taker(images)
    with pytest.raises(gt.DataError, match="labels run from 0 to 1"):
        gt.influence(gt.Network((3, 6, 5), [gt.Flatten(), gt.Linear(2)]), images)


def test_estimators_take_bytes_as_numbers() -> None:
    """They standardise, so that no scale matters; what they hand on says what it takes."""
    pytest.importorskip("sklearn")
    from gradtrail.sklearn import CNNClassifier

    fitted = [
        CNNClassifier(width=2, epochs=1, random_state=0).fit(X, LABELS)
        for X in (PIXELS, PIXELS.astype(np.float64))
    ]
    expected = fitted[0].predict_proba(PIXELS)
    np.testing.assert_array_equal(fitted[1].predict_proba(PIXELS), expected)
    net = fitted[0].to_network()
    with pytest.raises(gt.DataError, match=r"x is uint8, which may be pixels or numbers"):
        net.predict(PIXELS)
    outputs = net.predict(PIXELS.astype(np.float32)).astype(np.float64)
    shares = np.exp(outputs) / np.exp(outputs).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(shares, expected, atol=1e-5)
