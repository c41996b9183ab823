"""Random formulas: both engines against all index points, and what is asked of every number."""

from __future__ import annotations

import numpy as np
import pytest
from comparing import FLOAT32, FLOAT64, assert_all_close, assert_close
from random_formulas import drawn_formula, gradients_of, values_of
from tails import beginning, searched

import gradtrail as gt
from gradtrail.arrays.einsum import contract
from gradtrail.engines.reference import forward
from gradtrail.equation import adjoint, context, parse, per_sample, text

COUNT, COMPILED = len(searched(200)), len(searched(30))


@pytest.mark.parametrize("number", beginning(20, range(COUNT)))
def test_values_and_gradients_are_those_of_all_points(number: int) -> None:
    formula = drawn_formula(number)
    equation = formula.layer.declare((3, *formula.shape), training=True).equation
    draw = np.random.default_rng(number)
    arrays = {a: np.asarray(draw.normal(size=shape)) for a, shape in equation.shapes}
    expected = values_of(formula, equation.range_of, arrays)
    assert_close(forward(equation, arrays)["Z"], expected, FLOAT64, formula.text)
    gradients = gradients_of(formula, equation.range_of, arrays, arrays["Z"])
    held = {**arrays, "dZ": arrays["Z"]}
    found = {a: contract(adjoint(equation, a), held) for a in equation.operands}
    assert_all_close(found, {a: gradients[a] for a in equation.operands}, FLOAT64)
    for letter in set(equation.operands) - {"X"}:
        shares = contract(per_sample(adjoint(equation, letter)), held)
        assert_close(shares.sum(0), gradients[letter], FLOAT64, letter)
    assert parse(text(equation), **context(equation)) == equation


@pytest.mark.parametrize("number", beginning(2, range(COMPILED)))
def test_the_cpu_engine_agrees_with_the_reference(number: int) -> None:
    formula = drawn_formula(number)
    flat = [gt.Flatten()] * (
        len(formula.layer.declare((1, *formula.shape), training=True).equation.target.positions) > 2
    )
    layers = [formula.layer, *flat, gt.Linear(2)]
    nets = [gt.Network(formula.shape, layers, dtype=kind) for kind in (np.float64, np.float32)]
    draw = np.random.default_rng(number)
    for name in nets[0].parameters:
        start = draw.normal(size=nets[0].parameters[name].shape).astype("f4")
        for net in nets:
            net.parameters[name] = start
    x, y = draw.normal(size=(17, *formula.shape)).astype("f4"), draw.normal(size=(17, 2))
    exact, fast = (gt.trace(net, x, y, loss=gt.MeanSquaredError()) for net in nets)
    assert_all_close(dict(fast.value), dict(exact.value), FLOAT32)
    assert_all_close(dict(fast.grad), dict(exact.grad), FLOAT32)
    alone = [net.predict(x[:1]) for net in nets]
    assert_close(alone[1], alone[0], FLOAT32, "one sample")
