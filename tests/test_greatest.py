"""Where the greatest stand, against a sort of everything."""

from __future__ import annotations

import numpy as np
import pytest

from gradtrail.tracing.greatest import places_of_greatest
from gradtrail.tracing.path_search import _leading

KINDS = ("different", "few values", "mostly zero", "all zero", "all equal", "infinities")


def drawn(kind: str, count: int) -> np.ndarray:
    draw = np.random.Generator(np.random.PCG64(count))
    if kind == "different":
        return draw.random(count)
    if kind == "few values":
        return draw.integers(0, 5, count).astype(float)
    if kind == "infinities":
        return np.where(draw.random(count) < 0.1, np.inf, draw.random(count))
    if kind == "mostly zero":
        return np.where(draw.random(count) < 0.03, draw.random(count), 0.0)
    return np.full(count, 0.0 if kind == "all zero" else 3.0)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("count", [0, 1, 2, 63, 64, 65, 200, 1000, 5000])
def test_the_greatest_are_the_first_of_all_in_order(kind: str, count: int) -> None:
    sizes = drawn(kind, count)
    order = np.lexsort((np.arange(count), -sizes))
    for k in (1, 2, 3, 7, 15, 100):
        np.testing.assert_array_equal(places_of_greatest(sizes, k), order[:k])


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "infinities"])
@pytest.mark.parametrize("count", [0, 1, 2, 64, 200, 5000])
def test_near_ties_with_the_last_of_them_lead_too(kind: str, count: int) -> None:
    sizes = drawn(kind, count)
    for k, slack in ((1, 1e-12), (3, 1e-12), (5, 0.1), (40, 0.5)):
        kth = np.sort(sizes)[-k] if k <= count else 0.0
        expected = [i for i in range(count) if sizes[i] > 0 and sizes[i] >= kth * (1 - slack)]
        expected.sort(key=lambda i: -sizes[i])
        np.testing.assert_array_equal(_leading(sizes, k, slack), expected[: 4 * k + 16])
