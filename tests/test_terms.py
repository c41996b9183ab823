"""t.grad.terms and t.value.terms: every product behind every number, none missing, none doubled."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

import numpy as np
import pytest
from cases import CASES, Case, arrays

import gradtrail as gt
from gradtrail.engines.contract import contract
from gradtrail.equation import Access, Contraction, Term
from gradtrail.trace.terms import Row, Terms

ELEMENTS = 2000
"""How many random elements are looked at in all, over the cases and the named networks."""

NAMED = {"lenet5": 3, "mnist-cnn": 2, "resnet20": 3, "vgg-small": 2}
"""The named networks with the batch they are traced with."""


def traced(case: Case, dtype: type) -> gt.Trace:
    """A step of a case, with the squared error of random targets at its end."""
    held = arrays(case)
    network = gt.Network(case.shape[1:], [case.layer], dtype=dtype)
    for name, array in {**held.network.parameters, **held.network.buffers}.items():
        side = network.parameters if name in network.parameters else network.buffers
        side[name] = array
    shape = network.system(case.shape[0]).shapes[network.output_name]
    y = case.generator().standard_normal(shape)
    return gt.trace(network, held.x, y, loss=gt.MeanSquaredError(), training=case.training)


@cache
def named(name: str, engine: str) -> gt.Trace:
    network = gt.architecture(name).network(None, seed=1)
    draw = np.random.Generator(np.random.PCG64(5))
    x = draw.standard_normal((NAMED[name], *network.input_shape)).astype(np.float32)
    return gt.trace(network, x, draw.integers(0, 10, NAMED[name]), engine=engine)


def elements(t: gt.Trace, count: int, seed: int) -> Iterator[Terms]:
    """Random elements, spread over all arrays of a step."""
    draw = np.random.Generator(np.random.PCG64(seed))
    names = [(side, name) for side in (t.value, t.grad) for name in side]
    order = draw.permutation(len(names))
    for place in range(count):
        side, name = names[order[place % len(names)]]
        index = tuple(int(draw.integers(0, size)) for size in side[name].shape)
        yield side.terms(name, index)


def check(terms: Terms, tolerance: float, t: gt.Trace) -> None:
    """The sum is the stored number, rows are what they say, and their number is brute force's."""
    assert abs(terms.difference) <= tolerance * terms.magnitude, terms
    assert len(terms) == sum(map(counted, terms.parts)), terms.element
    draw = np.random.Generator(np.random.PCG64(len(terms)))
    rows = range(len(terms)) if len(terms) <= 60 else draw.integers(0, len(terms), 30)
    seen = [terms[int(i)] for i in rows]
    for row in seen:
        check_row(row, t)
    if len(terms) <= 60:
        total = sum(row.product for row in seen)
        assert total == pytest.approx(terms.sum(), rel=1e-12, abs=1e-13 * terms.magnitude)
        points = {(row.layer, row.term, *row.indices.items()) for row in seen}
        assert len(points) == len(seen)


def check_row(row: Row, t: gt.Trace) -> None:
    product = row.scale
    for factor in row.factors:
        side = t.value if factor.side == "value" else t.grad
        assert factor.stored == side[factor.name][factor.index]
        if not factor.function:
            assert factor.value == factor.stored
        elif factor.function == "[·]":
            assert factor.value in (0, 1)
        elif factor.function == "log":
            assert factor.value == pytest.approx(np.log(factor.stored), rel=1e-5, abs=1e-6)
        product *= factor.value
    assert row.product == product or (np.isnan(row.product) and np.isnan(product))


def counted(part) -> int:
    """How many products lead to the element: the same sum over arrays of ones."""
    plain = Term(
        part.term.target,
        tuple(f.access for f in part.term.factors),
    )
    named = {f.array: f for f in plain.factors}
    if len(named) < len(plain.factors):  # one letter twice: each its own array of ones
        factors = tuple(
            Access(f"{f.array}{i}", f.positions, f.padding) for i, f in enumerate(plain.factors)
        )
        shapes = {f"{f.array}{i}": part.sum.equation.shape_of[f.array]
                  for i, f in enumerate(plain.factors)}  # fmt: skip
        plain = Term(plain.target, factors)
    else:
        shapes = {letter: part.sum.equation.shape_of[letter] for letter in named}
    letter = plain.target.array
    equation = Contraction(
        (plain,),
        ranges=part.sum.equation.ranges,
        shapes=tuple({**shapes, letter: part.sum.equation.shape_of[letter]}.items()),
    )
    count = contract(equation, {a: np.ones(s) for a, s in shapes.items()})
    return int(count[part.element])


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_terms_of_every_case_in_float64(case: Case) -> None:
    t = traced(case, np.float64)
    for terms in elements(t, ELEMENTS // (2 * len(CASES)) + 1, seed=1):
        check(terms, 1e-12, t)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_terms_of_every_case_in_float32(case: Case) -> None:
    t = traced(case, np.float32)
    for terms in elements(t, ELEMENTS // (2 * len(CASES)) + 1, seed=2):
        check(terms, 1e-5, t)


@pytest.mark.parametrize("name", NAMED)
@pytest.mark.parametrize(("engine", "tolerance"), [("cpu", 1e-5), ("reference", 1e-12)])
def test_terms_of_the_named_networks(name: str, engine: str, tolerance: float) -> None:
    t = named(name, engine)
    for terms in elements(t, 120, seed=3):
        check(terms, tolerance, t)
