"""Scores of tags against scikit-learn's, tags that are nowhere among them."""

from __future__ import annotations

import json

import numpy as np
import pytest

import gradtrail as gt

from .common import ENGINES, SHAPE, data, plain


@pytest.mark.parametrize("seed", range(4))
def test_figures_are_scikit_learns(seed: int) -> None:
    metrics = pytest.importorskip("sklearn.metrics")
    draw = np.random.default_rng(seed)
    y, said = (draw.random((40, 4)) < (0.1, 0.5, 0.9, 0.5) for _ in range(2))
    y[:, 3] &= seed != 1  # is nowhere, but said
    said[:, 1] &= seed != 2  # is never said
    found = gt.TagScores.of(y, said.astype(int))
    expected = metrics.precision_recall_fscore_support(y, said, zero_division=np.nan)
    for name, values in zip(("precision", "recall", "f1", "support"), expected, strict=True):
        np.testing.assert_allclose(getattr(found, name), values, rtol=1e-12, err_msg=name)
    overlap = metrics.jaccard_score(y, said, average=None, zero_division=0)
    np.testing.assert_allclose(found.iou, overlap, rtol=1e-12)
    for kind in ("micro", "macro"):
        mean = metrics.f1_score(y, said, average=kind, zero_division=np.nan)
        assert getattr(found, f"{kind}_f1") == pytest.approx(mean, rel=1e-12), kind


def test_figures_by_hand() -> None:
    """Of three with a the first two are found; b is said twice and is there once; c is nowhere."""
    y = [[1, 1, 0], [1, 0, 0], [1, 0, 0], [0, 0, 0]]
    found = gt.TagScores.of(y, [[1, 1, 0], [1, 1, 0], [0, 0, 0], [0, 0, 0]], tags=("a", "b", "c"))
    np.testing.assert_allclose(found.precision, [1, 1 / 2, np.nan])
    np.testing.assert_allclose(found.recall, [2 / 3, 1, np.nan])
    np.testing.assert_allclose(found.f1, [4 / 5, 2 / 3, np.nan])
    assert (found.macro_f1, found.micro_f1) == pytest.approx(((4 / 5 + 2 / 3) / 2, 6 / 8))
    assert found.total == 4
    assert "mean F1 73.33%; of all tags together 75.00%" in str(found)
    assert "<table>" in found._repr_html_()
    told = json.loads(json.dumps(found.to_dict(), allow_nan=False))
    assert told["f1"][2] is None
    assert (told["support"], told["wrong"]) == ([3, 1, 0], [0, 1, 0])
    nowhere = gt.TagScores.of([[0]], [[0]])
    assert np.isnan([nowhere.macro_f1, nowhere.micro_f1]).all()
    assert nowhere.to_dict()["macro_f1"] is None


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("masks", [False, True])
def test_a_networks_tags_are_said_above_the_threshold(engine: str, masks: bool) -> None:
    net = gt.Network(SHAPE, [gt.Conv2d(3, 3)], seed=1) if masks else plain()
    x = data()[0] - np.float32(0.5)
    outputs = net.predict(x, engine=engine)
    y = np.random.default_rng(3).integers(0, 2, outputs.shape)
    for threshold in (0.5, 0.4):
        said = 1 / (1 + np.exp(-outputs.astype(np.float64))) > threshold
        found = gt.tag_scores(net, (x, y), threshold=threshold, batch_size=16, engine=engine)
        expected = gt.TagScores.of(y, said)
        for name in ("found", "missed", "wrong", "total"):
            np.testing.assert_array_equal(getattr(found, name), getattr(expected, name))


def test_what_is_no_yes_or_no_is_refused() -> None:
    for y, said in (([1, 0], [1, 0]), ([[1, 0]], [[1]]), ([[2, 0]], [[1, 0]]), ([["a"]], [["a"]])):
        with pytest.raises(gt.DataError, match=r"must be 0 and 1 of a shape \(M, K\)"):
            gt.TagScores.of(y, said)
    with pytest.raises(gt.DataError, match="2 tags are named, but y has 1"):
        gt.TagScores.of([[1]], [[1]], tags=("a", "b"))
    x, y = data()
    with pytest.raises(gt.ArgumentError, match="threshold must lie between 0 and 1, got 1"):
        gt.tag_scores(plain(), (x, np.eye(3)[y]), threshold=1)
    with pytest.raises(gt.DataError, match="y has shape .50,., but the network's outputs have"):
        gt.tag_scores(plain(), (x, y))
    with pytest.raises(gt.DataError, match="y must be 0 and 1 of a shape .* dtype float64"):
        gt.tag_scores(plain(), (x, np.full((50, 3), 0.5)))
