"""Partial sums of products: by sample, by position, by layer."""

from __future__ import annotations

import re

import numpy as np
import pytest
from traces import dense, lenet

import gradtrail as gt


def test_partial_sums_over_anything() -> None:
    t = lenet()
    terms = t.grad.terms("conv1.weight", (2, 0, 1, 4))
    products = dense(t)
    by_sample = terms.by("n")
    np.testing.assert_allclose(by_sample.sums, products.sum(axis=(1, 2)), rtol=1e-12, atol=1e-18)
    np.testing.assert_allclose(by_sample.magnitudes, np.abs(products).sum(axis=(1, 2)))
    assert by_sample[17] == pytest.approx(products[17].sum())
    assert by_sample[17,] == by_sample[17]
    assert list(by_sample)[:2] == [0, 1]
    places = terms.by("y", "x")
    read = np.abs(np.pad(np.ones((28, 28)), 2)[1:29, 4:32]) > 0  # a product needs both factors
    assert len(places) == read.sum()
    assert places[3, 4] == pytest.approx(products[:, 3, 4].sum())
    dense_map = places.dense()
    expected = np.where(read, products.sum(axis=0), 0)[: dense_map.shape[0], : dense_map.shape[1]]
    np.testing.assert_allclose(dense_map, expected, atol=1e-12)
    assert terms.by("i")[1] == pytest.approx(terms.sum())
    assert terms.by("n", "k").names == ("n", "k")
    best = by_sample.top(3)
    assert abs(best.sums[0]) == np.abs(by_sample.sums).max()
    assert best.to_numpy()["n"][0] == next(iter(best))
    with pytest.raises(KeyError, match="99"):
        by_sample[99]


def test_partial_sums_of_tied_indices_and_of_several_layers(small, batch) -> None:
    t = gt.trace(small, *batch)
    name = next(n for n in t.grad if len(t.grad.equations(n)) == 2)
    terms = t.grad.terms(name, tuple(s // 2 for s in t.grad[name].shape))
    layers = terms.by("layer")
    assert len(layers) == 2
    assert sum(layers.values()) == pytest.approx(terms.sum())
    assert {row.layer for row in terms} == set(layers)
    rows = lenet().grad.terms("pool1.output", (0, 2, 5, 7))
    by_row = rows.by("y")
    for y, total in by_row.items():
        assert total == pytest.approx(sum(r.product for r in rows if r.indices["y"] == y))


def test_partial_sums_are_found_under_their_own_keys_only() -> None:
    terms = lenet().grad.terms("conv1.weight", (2, 0, 1, 4))
    for shares, good in ((terms.by("n"), 3), (terms.by("n", "layer"), (3, "conv1"))):
        assert good in shares
        for key in (3.7, "3", None, True, [3], (3, 4), (3, 1), (3, None), (3.0, "conv1"), ()):
            assert key not in shares
            with pytest.raises(KeyError, match=re.escape(repr(key))):
                shares[key]  # type: ignore[index]
    with pytest.raises(gt.ArgumentError, match="by: 'n' is named twice"):
        terms.by("n", "y", "n")
