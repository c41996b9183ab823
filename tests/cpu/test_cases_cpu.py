"""Every case of the table, for every target: all values and gradients are the reference's."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from cases import CASES, Case, arrays, uniform
from comparing import FLOAT32, assert_close

import gradtrail as gt
from gradtrail.engines import CPU, Batch, Reference

from .agreeing import assert_agree
from .targets import in_turn

EVERY = -(-len(CASES) // 40)
SPREAD = in_turn([case for first in range(EVERY) for case in CASES[first::EVERY]], 40)
"""Forty cases spread over the table, and then the others: neighbours are settings of one layer."""

PADDED = 19
"""A batch of one whole block of sixteen samples and one with three samples and thirteen lanes
without any."""


@cache
def network(case: Case) -> gt.Network:
    """The case's network in float32."""
    made = gt.Network(case.shape[1:], [case.layer])
    for name, array in {**(held := arrays(case).network).parameters, **held.buffers}.items():
        (made.parameters if name in made.parameters else made.buffers)[name] = array
    return made


def batch(case: Case, size: int) -> Batch:
    """So many samples with targets for the squared error, which are random and never ones."""
    net, loss = network(case), gt.MeanSquaredError()
    resized = replace(case, shape=(size, *case.shape[1:]))
    outputs = net.system(size, training=case.training).shapes[net.output_name]
    y = uniform(np.random.Generator(np.random.PCG64(size)), outputs)
    return Batch.of(net, net.checked(arrays(resized).x), y, loss)


@pytest.mark.parametrize(("case", "target"), SPREAD)
def test_values_and_gradients_are_the_references(case: Case, target: str) -> None:
    engine, loss = CPU(threads=1, target=target), gt.MeanSquaredError()
    for size in (case.shape[0], PADDED):
        step = batch(case, size)
        got = engine.compute(network(case), step, loss, training=case.training)
        expected = Reference().compute(network(case), step, loss, training=case.training)
        assert_agree(got, expected)


@pytest.mark.parametrize(("case", "target"), SPREAD)
def test_predictions_are_the_references(case: Case, target: str) -> None:
    net, x = network(case), batch(case, PADDED).x
    got = net.predict(x, engine=CPU(threads=1, target=target))
    assert_close(got, net.predict(x, engine="reference"), FLOAT32, "prediction")
