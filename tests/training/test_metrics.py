"""The confusion matrix against scikit-learn's, classes without samples among them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import gradtrail as gt
from gradtrail.training import Confusion, mistakes

from .common import ENGINES, data, network, plain, trained


def numbers(kind: str, seed: int) -> tuple[np.ndarray, np.ndarray, int]:
    """What it is, what it is taken for, and how many classes there are."""
    draw = np.random.Generator(np.random.PCG64(seed))
    y, taken = draw.integers(0, 5, 60), draw.integers(0, 5, 60)
    if kind == "mostly right":
        taken = np.where(draw.random(60) < 0.8, y, taken)
    if kind == "a class without samples":
        y, taken = np.where(y == 2, 1, y), taken
    if kind == "a class that nothing is taken for":
        taken = np.where(taken == 3, 0, taken)
    if kind == "a class that is nowhere":
        y, taken = np.where(y == 4, 0, y), np.where(taken == 4, 1, taken)
    if kind == "one sample":
        y, taken = y[:1], taken[:1]
    return y, taken, 5


KINDS = (
    *("at random", "mostly right", "a class without samples", "a class that is nowhere"),
    *("a class that nothing is taken for", "one sample"),
)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("seed", [1, 2])
def test_figures_are_scikit_learns(kind: str, seed: int) -> None:
    metrics = pytest.importorskip("sklearn.metrics")
    y, taken, classes = numbers(kind, seed)
    found = Confusion.of(y, taken, classes)
    listed = list(range(classes))
    np.testing.assert_array_equal(found.matrix, metrics.confusion_matrix(y, taken, labels=listed))
    expected = metrics.precision_recall_fscore_support(
        y, taken, labels=listed, zero_division=np.nan
    )
    for name, values in zip(("precision", "recall", "f1", "support"), expected, strict=True):
        np.testing.assert_allclose(getattr(found, name), values, rtol=1e-12, err_msg=name)
    there = np.isin(listed, [y, taken])
    overlap = metrics.jaccard_score(y, taken, labels=np.flatnonzero(there), average=None)
    np.testing.assert_allclose(found.iou[there], overlap, rtol=1e-12)
    assert np.isnan(found.iou[~there]).all()
    assert found.accuracy == pytest.approx(metrics.accuracy_score(y, taken))


def test_figures_by_hand() -> None:
    """Cats 2 of 3, dogs 1 of 2; no horses, but one cat is taken for one."""
    found = Confusion.of([0, 0, 0, 1, 1], [0, 0, 2, 1, 0], ["cat", "dog", "horse"])
    assert found.matrix.tolist() == [[2, 0, 1], [1, 1, 0], [0, 0, 0]]
    assert found.matrix.dtype == np.int64
    assert found.accuracy == 0.6
    np.testing.assert_allclose(found.precision, [2 / 3, 1, 0])
    np.testing.assert_allclose(found.recall, [2 / 3, 1 / 2, np.nan])
    np.testing.assert_allclose(found.f1, [2 / 3, 2 / 3, 0])
    np.testing.assert_allclose(found.iou, [2 / 4, 1 / 2, 0])
    assert found.support.tolist() == [3, 2, 0]
    assert found.most_confused() == [("cat", "horse", 1), ("dog", "cat", 1)]
    assert found.most_confused(1) == [("cat", "horse", 1)]
    text = str(found)
    assert "accuracy 60.00%: 3 of 5" in text
    assert "horse (1)" in text
    assert "–" in text
    assert "<table>" in found._repr_html_()
    json.dumps(found.to_dict(), allow_nan=False)
    assert found.to_dict()["recall"][2] is None
    assert found.to_dict()["matrix"] == found.matrix.tolist()


@pytest.mark.parametrize("engine", ENGINES)
def test_a_networks_matrix_counts_its_predictions(engine: str) -> None:
    net, (x, y) = network(), data()
    trained(net)
    taken = net.predict(x, engine=engine).argmax(axis=1)
    expected = np.zeros((3, 3), int)
    for true, guess in zip(y, taken, strict=True):
        expected[true, guess] += 1
    for size in (1, 7, 256):
        found = gt.confusion(net, (x, y), engine=engine, batch_size=size)
        np.testing.assert_array_equal(found.matrix, expected)
    one_hot = gt.confusion(net, (x, np.eye(3)[y]), classes=["a", "b", "c"])
    np.testing.assert_array_equal(one_hot.matrix, expected)
    assert one_hot.classes == ("a", "b", "c")
    assert found.accuracy == gt.evaluate(net, (x, y), engine=engine)["accuracy"]


@pytest.mark.parametrize("engine", ENGINES)
def test_of_maps_positions_are_counted(engine: str) -> None:
    """Positions that the loss leaves out count nowhere; `jaccard_score` is scikit-learn's."""
    net = gt.Network((2, 6, 5), [gt.Conv2d(3, 3, padding=1)], seed=1)
    draw = np.random.default_rng(5)
    x, y = draw.normal(size=(9, 2, 6, 5)), draw.integers(0, 4, (9, 6, 5))
    loss = gt.CrossEntropy(ignore_index=3)
    found = gt.confusion(net, (x, y), loss=loss, engine=engine, batch_size=4, classes=tuple("abc"))
    taken, there = net.predict(x, engine=engine).argmax(axis=1), y != 3
    expected = Confusion.of(y[there], taken[there], 3)
    np.testing.assert_array_equal(found.matrix, expected.matrix)
    judged = gt.evaluate(net, (x, y), loss=loss, engine=engine)
    assert found.accuracy == pytest.approx(judged["accuracy"], rel=1e-12)
    assert "positions" in str(found)
    assert f"mean IoU {found.iou.mean():.2%}" in str(found)
    assert found.to_dict()["iou"] == found.iou.tolist()
    with pytest.raises(gt.DataError, match=r"label 3 at position \(\d, \d, \d\)"):
        gt.confusion(net, (x, y), engine=engine)
    with pytest.raises(gt.DataError, match="mistakes: .* class for every position, 3 × 6 × 5"):
        mistakes(net, (x, y % 3))
    with pytest.raises(gt.ArgumentError, match="BCEWithLogits compares with no classes"):
        gt.confusion(net, (x, np.zeros((9, 3, 6, 5))), loss=gt.BCEWithLogits())


def test_what_is_no_class_is_refused() -> None:
    for y, taken in (
        ([0, 3], [0, 1]),
        ([0, 1], [0, -1]),
        ([0, 1], [0]),
        ([[0, 1]], [0, 1]),
        ([0.0, 1.0], [0, 1]),
        (["a", "b"], [0, 1]),
        (1, 1),
        ([0, 1], 1),
    ):
        with pytest.raises(gt.DataError, match="must be .* class numbers from 0 to 2, got"):
            Confusion.of(y, taken, 3)
    with pytest.raises(gt.ArgumentError, match="2 classes are named, but the network has 3 out"):
        gt.confusion(plain(), data(), classes=["a", "b"])
    with pytest.raises(gt.ArgumentError, match="confusion: batch_size must be a whole number"):
        gt.confusion(plain(), data(), batch_size=0)
    with pytest.raises(gt.DataError, match="label 9 at position 0"):
        gt.confusion(plain(), (data()[0], np.full(50, 9)))


def test_no_samples_and_truth_values() -> None:
    empty = Confusion.of(np.empty(0, int), np.empty(0, int), 2)
    assert empty.accuracy == 0
    assert np.isnan(empty.f1).all()
    assert empty.most_confused() == []
    truth = np.array([True, False, True])
    assert Confusion.of(truth, ~truth, 2).matrix.tolist() == [[0, 1], [2, 0]]


def test_it_is_drawn(tmp_path: Path) -> None:
    found = Confusion.of([0, 1, 1], [0, 1, 0], ["a", "b"])
    found.plot(tmp_path / "c.png")
    assert (tmp_path / "c.png").read_bytes()[:4] == b"\x89PNG"
    axes = found.plot().axes[0]
    assert [t.get_text() for t in axes.texts] == ["1", "", "1", "1"]


# -- mistakes ----------------------------------------------------------------------------------


def biased() -> gt.Network:
    """Takes what is bright for class 1, with probability 1/(1 + exp(−x)), and the rest for 0."""
    net = gt.Network((1, 1, 1), [gt.Flatten(), gt.Linear(2)], dtype=np.float64)
    net.parameters["fc1.weight"] = np.array([[0.0], [1.0]])
    net.parameters["fc1.bias"] = np.array([0.0, 0.0])
    return net


def test_mistakes_are_listed_the_surest_first(tmp_path: Path) -> None:
    x = np.array([-2.0, -1.0, 1.0, 2.0, 3.0]).reshape(5, 1, 1, 1)
    found = mistakes(biased(), (x, [0, 1, 0, 0, 1]), classes=("dark", "bright"), batch_size=2)
    assert found.samples.tolist() == [3, 1, 2]
    assert (len(found), found.total) == (3, 5)
    shares = [1 / (1 + np.exp(-value)) for value in (2, 1, 1)]
    assert [m.probability for m in found] == pytest.approx(shares)
    assert [(m.label, m.taken, m.file) for m in found] == [
        ("dark", "bright", ""),
        ("bright", "dark", ""),
        ("dark", "bright", ""),
    ]
    assert str(found).splitlines()[0] == "3 of 5 samples are wrong"
    found.save(tmp_path / "wrong.csv")
    assert (tmp_path / "wrong.csv").read_text().splitlines() == [
        "sample,file,label,taken_for,probability",
        "3,,dark,bright,0.880797",
        "1,,bright,dark,0.731059",
        "2,,dark,bright,0.731059",
    ]


def test_no_mistakes_are_an_empty_list(tmp_path: Path) -> None:
    x = np.array([-1.0, 1.0]).reshape(2, 1, 1, 1)
    found = mistakes(biased(), (x, [0, 1]))
    assert (len(found), list(found)) == (0, [])
    assert str(found) == "0 of 2 samples are wrong"
    with pytest.raises(gt.ArgumentError, match="mistakes: 3 classes are named, but the network ha"):
        mistakes(biased(), (x, [0, 1]), classes=("a", "b", "c"))
