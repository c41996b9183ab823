"""gt.influence and gt.trace(per_sample=True): what single samples do to a network."""

from __future__ import annotations

import copy
import json
from functools import cache
from pathlib import Path

import numpy as np
import pytest

import gradtrail as gt
from gradtrail.data.known import folder_of

CLASSES = 10


@cache
def trained() -> tuple[gt.Network, np.ndarray, np.ndarray, np.ndarray]:
    """A network after some epochs on digits of which 2 % have a wrong label, and these labels."""
    (x, y), _ = gt.data.digits()
    y, flipped = wrong(y, 0.02, seed=3)
    layers = [gt.Conv2d(8, 3), gt.ReLU(), gt.MaxPool2d(2), gt.Flatten(), gt.Linear(10)]
    net = gt.Network((1, 8, 8), layers, seed=1)
    gt.train(net, (x, y), optimizer=gt.Adam(2e-3), epochs=6, batch_size=32, progress=False)
    return net, x, y, flipped


def wrong(y: np.ndarray, share: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Labels of which a share was changed at random to another class, and which."""
    draw = np.random.Generator(np.random.PCG64(seed))
    flipped = draw.choice(len(y), round(share * len(y)), replace=False)
    y = y.astype(np.int64)
    y[flipped] = (y[flipped] + draw.integers(1, CLASSES, len(flipped))) % CLASSES
    return y, flipped


def found(ranking: np.ndarray, flipped: np.ndarray, share: float) -> float:
    """Which part of the flipped samples is among the first of a ranking."""
    first = ranking[: round(share * len(ranking))]
    return float(np.isin(flipped, first).mean())


@pytest.mark.parametrize("engine", ["cpu", "reference"])
def test_it_is_what_single_samples_say(engine: str) -> None:
    """Against traces of one sample at a time."""
    net, x, y, _ = trained()
    x, y = x[:37], y[:37]
    got = gt.influence(net, (x, y), batch_size=16, engine=engine)
    rows = []
    for n in range(len(x)):
        t = gt.trace(net, x[n : n + 1], y[n : n + 1], training=False, engine="reference")
        rows.append(np.concatenate([t.grad[name].ravel() for name in net.parameters]))
        assert got.surprise[n] == pytest.approx(t.loss, rel=1e-5, abs=1e-6)
    gradients = np.array(rows)
    mean = gradients.mean(axis=0)
    norms = np.linalg.norm(gradients, axis=1)
    np.testing.assert_allclose(got.pull, norms, rtol=1e-4)
    np.testing.assert_allclose(got.along, gradients @ mean, rtol=1e-3, atol=1e-5 * norms.max())
    assert got.mean == pytest.approx(np.linalg.norm(mean), rel=1e-4)
    cosines = gradients @ mean / (norms * np.linalg.norm(mean))
    np.testing.assert_allclose(got.agreement, cosines, atol=1e-4)


@pytest.mark.parametrize(
    ("of", "name", "place"),
    [
        ("conv1.weight", "conv1.weight", None),
        ("conv1.weight[3]", "conv1.weight", 3),
        ("fc1.weight[7]", "fc1.weight", 7),
        ("fc1.bias[7]", "fc1.bias", 7),
    ],
)
def test_a_parameter_and_a_filter(of: str, name: str, place: int | None) -> None:
    net, x, y, _ = trained()
    x, y = x[:40], y[:40]
    got = gt.influence(net, (x, y), of=of)
    t = gt.trace(net, x, y, training=False, per_sample=True)
    gradients = t.grad.per_sample[name].astype(np.float64)
    gradients = gradients if place is None else gradients[:, place]
    gradients = gradients.reshape(40, -1)
    np.testing.assert_allclose(got.pull, np.linalg.norm(gradients, axis=1), rtol=1e-5)
    along = gradients @ gradients.mean(axis=0)
    np.testing.assert_allclose(got.along, along, rtol=1e-4, atol=1e-6 * np.abs(along).max())


def test_it_does_not_depend_on_the_batch_size() -> None:
    """Class weights included: each sample's gradient is of the mean loss of all the data."""
    net, x, y, _ = trained()
    draw = np.random.Generator(np.random.PCG64(8))
    weighted = gt.CrossEntropy(weight=tuple(draw.uniform(0.2, 3, CLASSES)))
    without = gt.CrossEntropy(weight=(0.0, *[1.0] * (CLASSES - 1)), label_smoothing=0.2)
    for loss in (None, weighted, without):
        whole = gt.influence(net, (x[:50], y[:50]), loss=loss, batch_size=50)
        t = gt.trace(net, x[:50], y[:50], loss=loss, training=False, per_sample=True)
        np.testing.assert_allclose(whole.pull, t.grad.per_sample.norms(), rtol=1e-5)
        for size in (1, 7, 16, 49):
            parts = gt.influence(net, (x[:50], y[:50]), loss=loss, batch_size=size)
            np.testing.assert_allclose(parts.pull, whole.pull, rtol=1e-4)
            np.testing.assert_allclose(parts.agreement, whole.agreement, atol=1e-4)
            assert parts.mean == pytest.approx(whole.mean, rel=1e-4)


def test_a_sample_that_is_not_finite_spoils_no_other() -> None:
    net, x, y, _ = trained()
    x = x[:30].copy()
    x[4] = np.nan
    got = gt.influence(net, (x, y[:30]))
    assert got.ranking()[0] == 4
    assert np.isnan(got.agreement).all()  # so is the mean
    assert np.isfinite(np.delete(got.pull, 4)).all()
    assert json.loads(json.dumps(got.to_dict(), allow_nan=False))["ranking"][0]["pull"] == "nan"


def test_a_layer_is_its_parameters_together() -> None:
    net, x, y, _ = trained()
    whole, weight, bias = (
        gt.influence(net, (x[:50], y[:50]), of=of) for of in ("conv1", "conv1.weight", "conv1.bias")
    )
    np.testing.assert_allclose(whole.pull**2, weight.pull**2 + bias.pull**2, rtol=1e-10)
    np.testing.assert_allclose(whole.along, weight.along + bias.along, rtol=1e-10)


def test_wrong_labels_come_first() -> None:
    net, x, y, flipped = trained()
    got = gt.influence(net, (x, y))
    assert found(got.ranking(), flipped, 0.04) >= 0.8
    assert found(got.ranking("pull"), flipped, 0.04) >= 0.6
    first = got.top(3)
    assert all(one.label != one.predicted for one in first)
    assert first[0].surprise == got.surprise.max()
    assert [one.sample for one in first] == got.ranking()[:3].tolist()


@pytest.mark.parametrize("seed", [0, 1])
def test_wrong_labels_of_fashion_mnist_come_first(seed: int) -> None:
    """2 % of the labels flipped, one epoch: most of them are in the first 4 %."""
    try:
        folder_of("fashion-mnist")
    except gt.FileError:
        pytest.skip("Fashion-MNIST is not on this machine")
    (x, y), _ = gt.data.load("fashion-mnist")
    y, flipped = wrong(y, 0.02, seed)
    net = gt.architecture("lenet5").network(None, seed=seed)
    gt.train(net, (x, y), epochs=1, seed=seed, progress=False)
    assert found(gt.influence(net, (x, y)).ranking(), flipped, 0.04) >= 0.8


def test_the_squared_error_of_single_samples() -> None:
    net = gt.Network((3,), [gt.Linear(2)], seed=0)
    x, y = np.eye(3), np.array([[1.0, 2.0], [0.0, 0.0], [-1.0, 5.0]])
    got = gt.influence(net, (x, y), loss=gt.MeanSquaredError())
    expected = np.square(net.predict(x) - y).mean(axis=1)
    np.testing.assert_allclose(got.surprise, expected, rtol=1e-6)
    assert got.top(1)[0].label is None
    with pytest.raises(gt.ArgumentError, match="the samples are no images"):
        got.plot()


def test_it_prints_draws_and_goes_out_as_json(tmp_path: Path) -> None:
    net, x, y, _ = trained()
    got = gt.influence(net, (x[:60], y[:60]), of="conv1")
    assert "the first 20 of 60 samples by surprise, on conv1" in str(got)
    assert "<table>" in got._repr_html_()
    assert repr(got) == str(got)
    told = got.to_dict(3, "pull")
    assert [r["sample"] for r in told["ranking"]] == got.ranking("pull")[:3].tolist()
    for k in (1, 7):
        got.plot(tmp_path / "i.png", k=k)
        assert (tmp_path / "i.png").read_bytes()[:4] == b"\x89PNG"


def test_classes_and_files_are_named() -> None:
    """In the table, in JSON and under the pictures; by number where nobody knows a name."""
    net, x, y, _ = trained()
    names = [f"digit {n}" for n in range(CLASSES)]
    files = [
        f"photos/{label}/a-long-name-of-a-picture-{n:03}.png" for n, label in enumerate(y[:60])
    ]
    got = gt.influence(net, (x[:60], y[:60]), classes=names, files=files)
    first = got.top(1)[0]
    n, label, predicted = first.sample, first.label, first.predicted
    assert (first.label_name, first.predicted_name) == (f"digit {label}", f"digit {predicted}")
    told = got.to_dict(1)["ranking"][0]
    assert (told["label"], told["label_name"], told["file"]) == (label, f"digit {label}", files[n])
    row = got.text(1).splitlines()[3].split("   ")
    assert [part.strip() for part in row if part.strip()][1:3] == list(first.told)
    assert files[n] in row[-1]
    title = f"a-long-nam…re-{n:03}.png\ndigit {label}, seen as digit {predicted}"
    assert got.plot(k=1).axes[0].get_title() == title
    plain = gt.influence(net, (x[:60], y[:60]))
    assert plain.plot(k=1).axes[0].get_title() == f"{n}\n{label}, seen as {predicted}"
    assert plain.top(1)[0].file is None
    net = copy.deepcopy(net)
    net.classes = names
    assert gt.influence(net, (x[:60], y[:60])).top(1)[0].told == first.told


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (
            lambda n, d: gt.influence(n, d, classes=["a"]),
            gt.ArgumentError,
            "1 classes are named, but the network has 10 outputs",
        ),
        (
            lambda n, d: gt.influence(n, d, files=["a.png"]),
            gt.ArgumentError,
            "1 files are named for 20 samples",
        ),
        (
            lambda n, d: gt.influence(n, d, of="conv7"),
            gt.UnknownNameError,
            "called 'conv7'; did you mean: conv1",
        ),
        (
            lambda n, d: gt.influence(n, d, of="conv1[0]"),
            gt.ArgumentError,
            "conv1 is a layer; name its weight",
        ),
        (
            lambda n, d: gt.influence(n, d, of="conv1.weight[8]"),
            gt.ArgumentError,
            "has 8 filters, 0 to 7",
        ),
        (
            lambda n, d: gt.influence(n, d, of="conv1.weight[0,0]"),
            gt.ArgumentError,
            "of is a layer, a parameter",
        ),
        (
            lambda n, d: gt.influence(n, d[0]),
            gt.DataError,
            r"data must be a pair \(samples, labels\)",
        ),
        (lambda n, d: gt.influence(n, (d[0], d[1][:5])), gt.DataError, "5 labels, but x has 20"),
        (
            lambda n, d: gt.influence(n, d).ranking("loss"),
            gt.ArgumentError,
            "one of surprise, pull, against, got 'loss'",
        ),
        (
            lambda n, d: gt.influence(n, d).top(0),
            gt.ArgumentError,
            "k must be a whole number ≥ 1, got 0",
        ),
        (lambda n, d: gt.trace(n, *d).grad.per_sample, gt.ArgumentError, "pass per_sample=True"),
    ],
)
def test_what_is_refused(call, error: type[Exception], message: str) -> None:
    net, x, y, _ = trained()
    with pytest.raises(error, match=message):
        call(net, (x[:20], y[:20]))


@pytest.mark.parametrize("engine", ["cpu", "reference"])
def test_a_trace_with_each_samples_gradients(engine: str, small, batch) -> None:
    """Their mean is the trace's gradient; two traces keep their own."""
    net, x, y, _ = trained()
    first = gt.trace(net, x[:20], y[:20], engine=engine, per_sample=True)
    second = gt.trace(net, x[20:40], y[20:40], engine=engine, per_sample=True)
    for t in (first, second):
        for name in net.parameters:
            mean = t.grad.per_sample[name].mean(axis=0)
            np.testing.assert_allclose(mean, t.grad[name], rtol=1e-4, atol=1e-6)
    t = gt.trace(small, *batch, per_sample=True)  # batch norm and dropout in training
    for name in small.parameters:
        total = t.grad.terms(name, (0,) * t.grad[name].ndim).by("n")
        shares = t.grad.per_sample[name].reshape(len(batch[0]), -1)[:, 0]
        np.testing.assert_allclose(total.sums * len(batch[0]), shares, rtol=1e-4, atol=1e-6)


def test_an_older_trace_is_not_written_again() -> None:
    """Arrays are put in order when asked for, also after later steps of the same network."""
    net, x, y, _ = trained()
    expected = [
        gt.trace(net, x[a : a + 30], y[a : a + 30], engine="reference") for a in (0, 30, 60)
    ]
    traces = [gt.trace(net, x[a : a + 30], y[a : a + 30]) for a in (0, 30, 60)]
    for t, e in zip(traces, expected, strict=True):
        for name in ("input", "conv1.output", "pool1.winner", "fc1.output"):
            np.testing.assert_allclose(t.value[name], e.value[name], rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(t.grad["conv1.output"], e.grad["conv1.output"], atol=1e-6)
