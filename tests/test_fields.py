"""Receptive and projective fields: exactly the elements that a NaN reaches, or comes from."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import numpy as np
import pytest
import random_networks
from spreading import Element, followed, spread, taken, traced
from tails import beginning, searched

import gradtrail as gt
from gradtrail.engines.reference import forward
from gradtrail.equation import System

NETWORKS, ALWAYS = searched(60), 4

STARTS = 150
"""How many elements of an array a NaN is put into, each by itself."""


drawn_network = cache(random_networks.drawn_network)  # nobody here changes one


class Picked:
    """Draws of arrays and elements.

    Args:
        seed: what they follow from.
        system: what they are of.
    """

    def __init__(self, seed: int, system: System) -> None:
        self.draw, self.system = np.random.Generator(np.random.PCG64([seed, 7])), system

    def some(self, listed: Sequence, count: int) -> list:
        order = self.draw.permutation(len(listed))[:count]
        return [listed[int(place)] for place in sorted(order)]

    def elements(self, shape: Sequence[int], count: int) -> list[Element]:
        flat = self.some(range(int(np.prod(shape))), count)
        return [tuple(map(int, np.unravel_index(place, shape))) for place in flat]

    def outputs(self, first: str, count: int) -> list[str]:
        """Outputs behind an array, the last one among them."""
        behind = [n.output for n in self.system.nodes if n.output != first]
        behind = [name for name in behind if self.system.between(first, name)]
        return list(dict.fromkeys([*self.some(behind[:-1], count - 1), *behind[-1:]]))


@pytest.mark.parametrize("number", beginning(ALWAYS, NETWORKS))
def test_a_networks_fields_are_where_a_nan_arrives(number: int) -> None:
    net = drawn_network(number)
    system = net.system(1)
    picked = Picked(number, system)
    inner = picked.some([node.output for node in system.nodes[:-1]], 1)
    for start in ["input", *inner]:
        elements = picked.elements(system.shapes[start][1:], STARTS)
        arrived = spread(net, start, [[at] for at in elements])
        for end in picked.outputs(start, 3):
            reached = arrived[end]
            for one in picked.some(range(len(elements)), 2):
                found = net.projective_field(start, elements[one], to=end)
                assert np.array_equal(found.mask(), reached[one]), (start, elements[one], end)
            for at in picked.elements(reached.shape[1:], 2):
                seen = net.receptive_field(end, at, of=start).mask()
                theirs = [seen[element] for element in elements]
                assert theirs == reached[:, *at].tolist(), (start, end, at)


@pytest.mark.parametrize("number", beginning(ALWAYS // 4, NETWORKS[::4]))
def test_a_position_without_a_channel_is_all_channels_there(number: int) -> None:
    net = drawn_network(number)
    system = net.system(1)
    picked = Picked(number, system)
    shape = net.input_shape
    elements = picked.elements(shape[1:], 20)
    arrived = spread(net, "input", [[(c, *at) for c in range(shape[0])] for at in elements])
    for end in picked.outputs("input", 3):
        for at, reached in zip(elements, arrived[end], strict=True):
            assert np.array_equal(net.projective_field("input", at, to=end).mask(), reached)
        if arrived[end].ndim == 4:
            (at,) = picked.elements(arrived[end].shape[2:], 1)
            each = [net.receptive_field(end, (c, *at)).mask() for c in range(len(arrived[end][0]))]
            together = net.receptive_field(end, at)
            assert np.array_equal(together.mask(), np.logical_or.reduce(each))


def moved_by(net: gt.Network, name: str, element: Element) -> tuple[str, list[Element]]:
    """The output of a parameter's layer and its elements that move with it: none cancels."""
    system = net.system(1)
    ((node, letter),) = system.readers[name]
    draw = np.random.Generator(np.random.PCG64(5))
    held = {a: draw.uniform(1, 2, shape) for a, shape in node.equation.shape_of.items()}
    target = node.equation.target.array
    sources = {a for a, array in node.arrays if array in node.inputs}
    changed = np.zeros(node.equation.shape_of[target], bool)
    for sign in 1, -1:  # a slope of PReLU moves what lies below 0 alone
        signed = {a: sign * array if a in sources else array for a, array in held.items()}
        more = signed | {letter: signed[letter].copy()}
        more[letter][element] += 1
        changed |= forward(node.equation, more)[target] != forward(node.equation, signed)[target]
    return node.output, [tuple(map(int, at[1:])) for at in np.argwhere(changed)]


@pytest.mark.parametrize("number", beginning(ALWAYS // 2, NETWORKS[::2]))
def test_fields_of_parameters(number: int) -> None:
    net = drawn_network(number)
    system = net.system(1)
    picked = Picked(number, system)
    for name in picked.some(list(net.parameters), 2):
        for element in picked.elements(net.parameters[name].shape, 3):
            layer, moved = moved_by(net, name, element)
            arrived = spread(net, layer, [moved])
            for end in [layer, *picked.outputs(layer, 2)]:
                found = net.projective_field(name, element, to=end)
                assert np.array_equal(found.mask(), arrived[end][0]), (name, element, end)
                for at in picked.elements(found.shape, 2):
                    used = net.receptive_field(end, at, of=name)
                    assert (element in used) == found.mask()[at], (name, element, end, at)


@pytest.mark.parametrize("number", beginning(ALWAYS, NETWORKS))
def test_a_steps_fields_follow_the_recorded_winners(number: int) -> None:
    net = drawn_network(number)
    t = traced(net, 3, training=number % 2 == 0)
    picked, winners = Picked(number, t.system), taken(t)
    inner = picked.some([node.output for node in t.system.nodes[:-2]], 1)
    for start in ["input", *inner]:
        for element in picked.elements(t.value[start].shape, 2):
            arrived = followed(t, start, [element], winners)
            for end in picked.outputs(start, 3):
                found = t.projective_field(start, element, to=end)
                assert np.array_equal(found.mask(), arrived[end]), (start, element, end)
                reached = [tuple(map(int, at)) for at in np.argwhere(arrived[end])]
                others = picked.elements(arrived[end].shape, 1)
                for at in [*picked.some(reached, 1), *others]:
                    seen = t.receptive_field(end, at, of=start)
                    assert (element in seen) == arrived[end][at], (start, element, end, at)


@pytest.mark.parametrize("number", beginning(ALWAYS // 2, NETWORKS[1::2]))
def test_a_steps_fields_of_parameters(number: int) -> None:
    net = drawn_network(number)
    t = traced(net, 2, training=number % 4 == 1)
    picked, winners = Picked(number, t.system), taken(t)
    for name in picked.some(list(net.parameters), 1):
        for element in picked.elements(net.parameters[name].shape, 2):
            layer, moved = moved_by(net, name, element)
            arrived = followed(t, layer, [(n, *at) for n in range(2) for at in moved], winners)
            for end in [layer, *picked.outputs(layer, 2)]:
                found = t.projective_field(name, element, to=end)
                assert np.array_equal(found.mask(), arrived[end]), (name, element, end)
                for at in picked.elements(found.shape, 2):
                    used = t.receptive_field(end, at, of=name)
                    assert (element in used) == arrived[end][at], (name, element, end, at)


@pytest.mark.parametrize("training", [False, True])
def test_every_element_of_a_step(training: bool) -> None:
    layers = [gt.Conv2d(2, 2), gt.BatchNorm2d(), gt.ReLU(), gt.MaxPool2d(2, 1)]
    layers = layers if training else [gt.Dropout(0.5), gt.MaxPool2d(3, 2, 1), *layers]
    net = gt.Network((1, 7, 6), layers)
    t = traced(net, 2, training)
    winners, end = taken(t), net.output_name
    inputs = list(np.ndindex(t.value["input"].shape))
    arrived = np.stack([followed(t, "input", [at], winners)[end] for at in inputs])
    for at in np.ndindex(t.value[end].shape):
        seen = t.receptive_field(end, at)
        assert [i in seen for i in inputs] == arrived[:, *at].tolist(), at


def test_the_default_engines_winners() -> None:
    net = gt.Network((2, 8, 8), [gt.Conv2d(3, 3, padding=1), gt.MaxPool2d(2), gt.MaxPool2d(2)])
    t, other = traced(net, 3, True, "cpu"), traced(net, 3, True)
    for at in np.ndindex(t.value["pool2.output"].shape):
        found = t.receptive_field("pool2", at, of="conv1")
        assert (len(found), found.samples) == (1, at[:1])
        assert found == other.receptive_field("pool2", at, of="conv1")


def test_a_lost_position_does_not_count() -> None:
    net = gt.Network((1, 2, 4), [gt.MaxPool2d(2)])
    x = np.array([[[[0.0, 5, 1, 1], [3, 4, 1, 1]]]])
    t = gt.trace(net, x, np.zeros((1, 1, 1, 2)), loss=gt.MeanSquaredError())
    assert list(t.receptive_field("pool1", (0, 0, 0, 0))) == [(0, 0, 0, 1)]
    assert list(t.receptive_field("pool1", (0, 0, 0, 1))) == [(0, 0, 0, 2)]  # the first of a tie
    assert not t.projective_field("input", (0, 0, 1, 1))
    assert len(net.projective_field("input", (1, 1))) == 1
    assert len(t.projective_field("input", (0, 0, 0, 1), to="loss")) == 1


def test_weights_of_zero_closed_units_and_masks_cut_nothing() -> None:
    net = gt.Network((1, 3, 3), [gt.Conv2d(1, 2), gt.ReLU(), gt.Dropout(0.9), gt.Flatten()])
    net.parameters["conv1.weight"] = np.zeros((1, 1, 2, 2))
    net.parameters["conv1.bias"] = [-1.0]
    t = traced(net, 2, True)
    assert not t.value["dropout1.output"].any()
    assert t.receptive_field("flatten1", (1, 3)).bounds == ((1, 1), (0, 0), (1, 2), (1, 2))
    assert len(t.projective_field("input", (0, 0, 1, 1))) == 4


def test_the_step_has_fields_of_parameters_too() -> None:
    net = gt.Network((1, 4, 4), [gt.Conv2d(2, 2), gt.MaxPool2d(3)])
    t = traced(net, 3, True)
    winner = int(t.value["pool1.winner"][2, 1, 0, 0])
    assert list(t.receptive_field("pool1", (2, 1, 0, 0), of="conv1.bias")) == [(1,)]
    assert len(t.receptive_field("pool1", (2, 1, 0, 0), of="conv1.weight")) == 4
    (place,) = t.receptive_field("pool1", (2, 1, 0, 0), of="conv1")
    assert place == (2, 1, *divmod(winner, 3))
    found = t.projective_field("conv1.weight", (1, 0, 0, 0), to="pool1")
    assert list(found) == [(0, 1, 0, 0), (1, 1, 0, 0), (2, 1, 0, 0)]


def test_which_of_several_inputs_must_be_said() -> None:
    a, b = gt.Input((1, 4, 4), name="a"), gt.Input((1, 4, 4), name="b")
    net = gt.Network([a, b], gt.add(gt.Conv2d(2, 3)(a), gt.Conv2d(2, 3)(b)))
    with pytest.raises(gt.UnknownNameError, match="no input is called 'input'; there are: a, b"):
        net.receptive_field("conv1", (0, 0))
    assert net.receptive_field("conv1", (0, 0), of="a").rows == (0, 1, 2)
