"""What why says is true: its facts looked up, or worked out by other means."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest
from random_networks import drawn
from tails import beginning
from traces import SHALLOW, network, samples, zeros

import gradtrail as gt

HELD_ZERO = ("dropped", "zero weights", "zero inputs", "zero products", "zero probability")
"""Causes whose first element is 0 itself."""


def checked(t: gt.Trace, side: str, name: str, index: tuple[int, ...]) -> str:
    """The answer for an element, its facts looked up or worked out by other means."""
    arrays = t.value if side == "value" else t.grad
    answer = arrays.why(name, index)
    assert answer.text.startswith(answer.element)
    if answer.value != 0:
        assert_products_are_right(t, answer, arrays.terms(name, index))
        return answer.cause
    for found in answer.where:
        where, place = found.name, found.index
        held = (t.value if found.side == "value" else t.grad)[where]
        if answer.cause in HELD_ZERO:
            assert held[place] == 0 or found != answer.where[0]
        if answer.cause == "relu closed" and answer.where[0].name == where:
            won = found != answer.where[0] and "loses the maximum" in answer.text  # another way
            assert held[place] <= 0 or won
        if answer.cause == "lost maximum" and where == name:
            mine, first = t.value[name][index], found == answer.where[0]
            assert held[place] > mine or (
                not first and held[place] == mine and "tied" in answer.text
            )
        if answer.cause == "lost tie" and where == name:
            assert held[place] == t.value[name][index]
    if side == "grad":  # whether any path is open, from all paths' products together
        open_paths = t.grad.follow(name, index, k=1).magnitude > 0
        assert open_paths == (answer.cause in ("cancelled", "underflow")), answer
    return answer.cause


def assert_products_are_right(t: gt.Trace, answer: Any, terms: Any) -> None:
    """The numbers in brackets of the strongest product multiply up to it."""
    told = re.sub(r" \S+ takes the mean of each channel off .*", "", answer.text).rstrip(".")
    stated = re.search(r"strongest product is (\S+): (.*)$", told)
    value = terms.top(1)[0].product if len(terms) else 0.0
    product = stated[2] if stated else told.split(" is one product: ")[1]
    if stated:
        assert float(stated[1].replace("−", "-")) == pytest.approx(value, rel=1e-3)
    total = 1.0
    for part in product.split(" · "):
        bracket = re.search(r"\(([^()]+)\)$", part)
        total *= float((bracket[1] if bracket else part).replace("−", "-"))
    assert total == pytest.approx(value, rel=5e-3, abs=1e-12)


@pytest.mark.parametrize("training", beginning(1, [True, False]))
def test_answers_are_true_in_a_network_with_everything(small, batch, training: bool) -> None:
    t = gt.trace(small, *batch, training=training)
    draw = np.random.Generator(np.random.PCG64(11))
    seen: set[str] = set()
    for side, arrays in (("value", t.value), ("grad", t.grad)):
        for name in arrays:
            if arrays is t.value and name.partition(".")[2] in ("winner", "probabilities"):
                continue
            chosen = zeros(arrays[name])[:8]
            chosen += [
                tuple(int(draw.integers(0, s)) for s in arrays[name].shape) for _ in range(3)
            ]
            for index in chosen:
                if len(arrays.terms(name, index)) and not arrays.terms(name, index).given:
                    seen.add(checked(t, side, name, index))
    assert {"sum", "relu closed", "lost maximum"} <= seen


@pytest.mark.filterwarnings("ignore:Network. input_shape")  # a shape may look channels last
@pytest.mark.parametrize("number", beginning(4, range(12)))
def test_answers_are_true_in_random_networks(number: int) -> None:
    net = drawn(number).network
    small = gt.Network(net.input_shape, net.layers, dtype=np.float64)
    draw = np.random.Generator(np.random.PCG64(number))
    x = np.maximum(draw.standard_normal((3, *small.input_shape)), 0)
    shape = small.system(3).shapes[small.output_name]
    t = gt.trace(small, x, draw.standard_normal(shape), loss=gt.MeanSquaredError(), training=False)
    for name in t.grad:
        for index in zeros(t.grad[name])[:4]:
            if name != "loss":
                checked(t, "grad", name, index)


def test_what_dominates_a_weight() -> None:
    net = network(SHALLOW)
    t = gt.trace(net, *samples(net))
    terms = t.grad.terms("conv1.weight", (0, 0, 1, 1))
    answer = t.grad.why("conv1.weight", (0, 0, 1, 1))
    assert answer.cause == "sum"
    sample, value = next(iter(terms.by("n").top(1).items()))
    assert f"Most comes from sample {sample} {value:.4g}".replace("-", "−") in answer.text
    assert f"is the sum of {len(terms)} products" in answer.text
    assert answer.to_dict()["cause"] == "sum"


CLOSING: dict[str, tuple[list[Any], set[str]]] = {
    "a coefficient": ([gt.Equation("Z[n,c,y,x] = 0·X[n,c,y,x]")], {"zero coefficient"}),
    "a constant": ([gt.Pointwise("0*exp(x) + 2")], {"zero coefficient"}),
    "steps": ([gt.Pointwise("floor(4*x)")], {"flat"}),
    "a clip": ([gt.Pointwise("clip(x, -0.2, 0.2)")], {"flat"}),
    "a threshold": ([gt.Threshold(0.2, 5.0)], {"flat"}),
    "no leak": ([gt.LeakyReLU(0.0)], {"flat"}),
    "a learned slope of 0": ([gt.PReLU(init=0.0)], {"zero weights"}),
    "weights of 0": ([gt.Equation("Z[n,c,y,x] = g[c]·X[n,c,y,x]", parameters={"g": "zeros"})],
                     {"zero weights"}),
    "a channel that is not chosen": ([gt.IndexSelect([1, 1], axis=1)], {"no window"}),
    "rows between the nearest": ([gt.Upsample(size=2)], {"no window"}),
    "rows between two": ([gt.Upsample(size=1, mode="bilinear")], {"no window"}),
    "a slice": ([gt.Slice(0, 4, 3, axis=3)], {"no window"}),
    "a crop": ([gt.Pad((-1, 0, 0, -1))], {"no window"}),
    "a stride": ([gt.AvgPool2d(1, stride=3)], {"no window"}),
    "uneven windows": ([gt.AdaptiveMaxPool2d(3)], {"lost maximum"}),
    "the greatest channel": ([gt.Max(1)], {"lost maximum"}),
    "a dropped channel": ([gt.Dropout2d(0.5)], {"dropped"}),
    "a dropped path": ([gt.StochasticDepth(0.5)], {"dropped"}),
    "a softmax": ([gt.Pointwise("9000*x"), gt.Softmax(3)], {"zero probability", "cancelled"}),
    "a norm of scale 0": ([gt.GroupNorm(1), gt.Equation("Z[n,c,y,x] = 0·X[n,c,y,x]")],
                          {"zero coefficient"}),
}  # fmt: skip


@pytest.mark.parametrize("name", CLOSING)
def test_what_closes_a_kind_of_layer_is_told_as_it_is(name: str) -> None:
    """Of what lies before the layer: at it, behind a function, and behind a convolution."""
    layers, causes = CLOSING[name]
    rest = [gt.Conv2d(2, 1), gt.Tanh(), *layers, gt.Flatten(), gt.Linear(2)]
    net = gt.Network((1, 4, 4), rest, seed=1, dtype=np.float64)
    draw = np.random.Generator(np.random.PCG64(5))
    t = gt.trace(net, draw.standard_normal((4, 1, 4, 4)), [0, 1, 1, 0], engine="reference")
    found = set()
    for array in ("tanh1.output", "conv1.output", "input"):
        for index in zeros(t.grad[array])[::7]:
            found.add(checked(t, "grad", array, index))
    assert found == causes
