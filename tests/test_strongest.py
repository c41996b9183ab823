"""Greatest products and sums of sizes of every case's gradients, against a walk over all points."""

from __future__ import annotations

import math

import numpy as np
import pytest
from cases import CASES, Case, arrays
from tails import beginning, firsts

import gradtrail as gt
from gradtrail.arrays.operations import OPERATIONS
from gradtrail.equation import Applied, Contraction, Indicator, Sparse
from gradtrail.equation.scalar import evaluate_scalar
from gradtrail.tracing.product_sizes import absolute_sums, greatest_products

POINTS = {"few": range(3_000), "many": range(3_000, 12_001)}
"""How many points a gradient may have: more take too long one by one."""


def traced(case: Case) -> gt.Trace:
    held = arrays(case)
    y = case.generator().standard_normal(held.upstream.shape)
    loss = gt.MeanSquaredError()
    settings = {"loss": loss, "training": case.training}
    return gt.trace(held.network, held.x, y, **settings, engine="reference")


def narrow(array: np.ndarray) -> np.ndarray:
    """In float32, unless it holds whole numbers."""
    return array.astype(np.float32) if array.dtype.kind == "f" else np.asarray(array)


def greatest(equation: Contraction, held: dict[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """The greatest |product| and Σ|products|, point by point."""
    shape = equation.shape_of[equation.target.array]
    most, total = np.zeros(shape), np.zeros(shape)
    for term in equation.terms:
        applied = [
            evaluate_scalar(f.function.body, {"x": held[f.access.array]}, OPERATIONS)
            if isinstance(f, Applied) else held[f.access.array]
            for f in term.factors
        ]  # fmt: skip
        for point in term.points(equation.range_of, equation.shape_of):
            product = abs(float(term.scale.value))
            for factor, array in zip(term.factors, applied, strict=True):
                stored = array[factor.access.at(point)]
                if isinstance(factor, Indicator):
                    stored = stored == factor.value.at(point)
                product *= abs(float(stored))
            place = term.target.at(point)
            most[place] = max(most[place], product)
            total[place] += product
    return most, total


def constants(equation: Contraction) -> set[str]:
    """The letters of constants that the equation itself knows, to the last digit."""
    factors = (factor for term in equation.terms for factor in term.factors)
    return {factor.access.array for factor in factors if isinstance(factor, Sparse)}


@pytest.mark.parametrize("points", beginning(1, POINTS))
@pytest.mark.parametrize("case", firsts(CASES, lambda c: type(c.layer)), ids=lambda case: case.id)
def test_the_greatest_product_of_every_case_s_gradients(case: Case, points: str) -> None:
    t = traced(case)
    draw = case.generator()
    for sent in t.system.backward[1:]:
        equation, node = sent.equation, sent.node
        names = {n for term in equation.terms for n in term.names}
        if math.prod(equation.range_of[n] for n in names) not in POINTS[points]:
            continue
        single = {letter: narrow(t.value[name]) for letter, name in node.arrays}
        upstream = draw.standard_normal(t.value[node.output].shape)
        single["d" + node.equation.target.array] = narrow(upstream)
        held = {a: v.astype(np.float64) if v.dtype == np.float32 else v for a, v in single.items()}
        held |= {letter: t.value[node.array_of[letter]] for letter in constants(equation)}
        most, total = greatest(equation, held)
        np.testing.assert_allclose(greatest_products(equation, held), most, rtol=1e-13, atol=0)
        np.testing.assert_allclose(absolute_sums(equation, held), total, rtol=1e-12, atol=1e-300)
        if any(isinstance(f, Applied) for term in equation.terms for f in term.factors):
            most, total = greatest(equation, single)  # a slope is what it is in float32
        found = greatest_products(equation, single)
        assert found.dtype == np.float32
        np.testing.assert_allclose(found, most, rtol=2e-6, atol=1e-30)
        np.testing.assert_allclose(absolute_sums(equation, single), total, rtol=1e-12, atol=1e-300)
