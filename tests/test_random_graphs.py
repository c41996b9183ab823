"""What is asked of random graphs of every kind of layer: terms, paths, causes and fields.

Terms add up to the stored numbers and are as many as brute force counts; all paths of an element
add up to its gradient; what `why` says is looked up; fields are where a NaN arrives.
"""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
from random_graphs import graph
from random_losses import any_loss
from random_networks import Drawn, drawn
from spreading import followed, taken
from tails import beginning, searched
from test_terms import check, elements
from test_why_true import checked
from traces import zeros

import gradtrail as gt

COUNT, ALWAYS = searched(24), 2
SERIES = 7_000
"""Where the numbers begin, as those that the engines are compared on."""

numbers = pytest.mark.parametrize("number", beginning(ALWAYS, COUNT))


@cache
def network(number: int) -> Drawn:
    return drawn(SERIES + number, graph, any_loss)


@cache
def step(number: int) -> gt.Trace:
    """A step through a graph, in float64."""
    net = network(number)
    inputs = net.network.by_input(net.batch.x)
    x = inputs if len(inputs) > 1 else net.batch.x
    settings = {"loss": net.loss, "training": net.training, "seed": net.batch.seed}
    return gt.trace(net.network, x, net.batch.y, engine="reference", **settings)


def some(t: gt.Trace, seed: int, count: int) -> list[tuple[str, tuple[int, ...]]]:
    """Elements of gradients, spread over the arrays."""
    draw = np.random.Generator(np.random.PCG64([seed, 3]))
    names = [name for name in t.grad if name != "loss"]
    order = draw.permutation(len(names))[:count]
    return [
        (name, tuple(int(draw.integers(0, size)) for size in t.grad[name].shape))
        for name in (names[at] for at in order)
    ]


@numbers
def test_terms_add_up_and_are_all(number: int) -> None:
    t = step(number)
    for terms in elements(t, 30, seed=number):
        check(terms, 1e-9, t)


@numbers
def test_all_paths_add_up_to_the_gradient(number: int) -> None:
    t = step(number)
    for name, index in some(t, number, 6):
        found = t.grad.follow(name, index, k=3)
        gradient = float(t.grad[name][index])
        assert found.value == gradient
        assert found.total == pytest.approx(gradient, rel=1e-9, abs=1e-10 * found.magnitude)
        for path in found:
            product = np.prod([hop.local for hop in path.hops])
            assert product == pytest.approx(path.product, rel=1e-9)


@numbers
def test_causes_are_true(number: int) -> None:
    t = step(number)
    for name in t.grad:
        for index in zeros(t.grad[name])[:2]:
            if name != "loss":
                checked(t, "grad", name, index)
    for name, index in some(t, number, 4):
        checked(t, "grad", name, index)


@numbers
def test_fields_are_where_a_nan_arrives(number: int) -> None:
    """In the step, with the winners that it recorded, from each input on."""
    t = step(number)
    winners, end = taken(t), network(number).network.output_name
    draw = np.random.Generator(np.random.PCG64([number, 5]))
    for start in network(number).network.by_input(network(number).batch.x):
        for _ in range(2):
            at = tuple(int(draw.integers(0, size)) for size in t.value[start].shape)
            arrived = followed(t, start, [at], winners)[end]
            found = t.projective_field(start, at, to=end).mask()
            assert np.array_equal(found, arrived), (start, at)
            for place in map(tuple, draw.permutation(np.argwhere(arrived))[:2].tolist()):
                assert at in t.receptive_field(end, place, of=start), (start, at, place)
