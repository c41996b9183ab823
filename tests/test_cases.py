"""Every case against what PyTorch made of it in float64, frozen in tests/frozen/cases.npz."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from cases import CASES, Case, arrays, ours
from comparing import FLOAT64, assert_all_close

FROZEN = Path(__file__).parent / "frozen" / "cases.npz"


@pytest.fixture(scope="module")
def frozen() -> dict[str, dict[str, np.ndarray]]:
    found: dict[str, dict[str, np.ndarray]] = {}
    with np.load(FROZEN, allow_pickle=False) as stored:
        for key in stored.files:
            case, name = key.split("/")
            found.setdefault(case, {})[name] = stored[key]
    return found


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_output_and_gradients_are_pytorchs(case: Case, frozen: dict) -> None:
    assert case.id in frozen, "not frozen yet; run python tests/freeze.py with PyTorch installed"
    assert_all_close(ours(case), frozen[case.id], FLOAT64)


def test_there_are_enough_cases_and_each_has_its_own_name() -> None:
    assert len(CASES) >= 80
    assert max(Counter(case.id for case in CASES).values()) == 1


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_the_upstream_gradient_is_random(case: Case) -> None:
    upstream = arrays(case).upstream
    assert len(np.unique(upstream)) == upstream.size


def test_the_cases_cover_every_layer() -> None:
    import gradtrail.layers as layers

    kinds = {type(case.layer).__name__.removesuffix("Layer") for case in CASES}
    inside = {type(step.layer).__name__ for case in CASES for step in case.network().steps}
    kinds |= inside - {"Add", "EquationLayer", "Join"}
    named = {name: getattr(layers, name) for name in layers.__all__}
    losses = {
        name
        for name, kind in named.items()
        if isinstance(kind, type) and issubclass(kind, layers.Loss)
    }
    exempt = {"Buffer", "Declaration", "Layer", *losses}
    exempt |= {"Input", "Parameter", "Shape", "add", "concat", "multiply", "split"}
    exempt |= {"maximum", "minimum"}  # of nodes: tests/test_maximum.py
    several = {"MatMul", "LocalResponseNorm"}  # two inputs, or two layers: tested by themselves
    assert kinds == set(layers.__all__) - exempt - several
