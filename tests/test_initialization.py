"""How parameters start, by what is said in words."""

from __future__ import annotations

import numpy as np
import pytest

import gradtrail as gt


@pytest.mark.parametrize(
    ("said", "deviation", "largest"),
    [
        ("normal(0.01)", 0.01, 0.06),
        ("uniform(3e-1)", 0.3 / 3**0.5, 0.3),
        ("constant(1e-06)", 0.0, 1e-6),
        ("he_uniform", (2 / 100) ** 0.5, (6 / 100) ** 0.5),
    ],
)
def test_starting_values(said: str, deviation: float, largest: float) -> None:
    net = gt.Network((100,), [gt.Linear(200, initialization=said)], seed=1)
    weight = net.parameters["fc1.weight"].astype(np.float64)
    assert weight.std() == pytest.approx(deviation, rel=0.02)
    assert 0.6 * largest < np.abs(weight).max() <= largest * (1 + 1e-6)


@pytest.mark.parametrize(
    "said", ["normal", "normal()", "normal(0)", "normal(-1)", "uniform(1e999)", "constant(1-)", 3]
)
def test_what_is_no_start_is_refused(said: str) -> None:
    with pytest.raises(gt.ArgumentError, match=r"he_normal, .*, constant\(number\), got .*"):
        gt.Linear(2, initialization=said)
