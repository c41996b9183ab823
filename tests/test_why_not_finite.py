"""t.grad.why and t.value.why of what is not finite: they name where it began."""

from __future__ import annotations

import numpy as np
from traces import SHALLOW, engines, network, samples

import gradtrail as gt
from gradtrail.tracing.element import Element


@engines
def test_a_nan_in_the_data(engine: str) -> None:
    net = network(SHALLOW)
    x, y = samples(net)
    x[2, 0, 3, 3] = np.nan
    t = gt.trace(net, x, y, engine=engine)
    for answer in (t.grad.why("conv1.weight", (1, 0, 1, 1)), t.value.why("loss")):
        assert answer.cause == "not finite"
        assert answer.where[-1] == Element("value", "input", (2, 0, 3, 3))
        assert "input[2,0,3,3] is NaN, sample 2: it was given so" in answer.text


def test_an_infinite_weight() -> None:
    net = network(SHALLOW)
    net.parameters["fc1.weight"][3, 5] = np.inf
    answer = gt.trace(net, *samples(net)).value.why("fc1.output", (0, 3))
    assert answer.where[-1] == Element("value", "fc1.weight", (3, 5))
    assert "it was so before this step" in answer.text


@engines
def test_where_an_infinity_is_made(engine: str) -> None:
    net = network(SHALLOW)
    x, y = samples(net)
    x[2, 0, 3, 3] = 3e38
    net.parameters["conv1.weight"][0] = 1e3 if engine == "cpu" else 1e30
    if engine == "reference":
        x = x.astype(np.float64)
        net = gt.Network(net.input_shape, net.layers, dtype=np.float64)
        net.parameters["conv1.weight"][0] = 1e200
        x[2, 0, 3, 3] = 1e200
    answer = gt.trace(net, x, y, engine=engine).value.why("pool1.output", (2, 0, 0, 0))
    made = answer.where[-1]
    assert (made.side, made.name, made.index[:2]) == ("value", "conv1.output", (2, 0))
    assert "in layer 'conv1' (Conv2d), sample 2" in answer.text
    assert "made of conv1.weight[0,0," in answer.text
    assert "input[2,0,3,3] (" in answer.text


def test_a_sum_of_finite_products_that_overflows() -> None:
    net = network([gt.Flatten(), gt.Linear(2)], (1, 1, 3))
    net.parameters["fc1.weight"] = np.full((2, 3), 1.0)
    x = np.full((1, 1, 1, 3), 3e38, np.float32)
    answer = gt.trace(net, x, [0]).value.why("fc1.output", (0, 0))
    assert "products are finite, but their sum" in answer.text
