"""Regions through whole networks: a system's are its equations' composed, and what really moves."""

import random

import numpy as np
import pytest

import gradtrail as gt
from gradtrail.equation import Region, System

from . import brute


def chain() -> gt.Network:
    return gt.Network(
        (1, 9, 8),
        [
            *(gt.Conv2d(2, 3, stride=2, padding=1), gt.ReLU(), gt.MaxPool2d(2, 1)),
            *(gt.ConvTranspose2d(2, 2, stride=2, padding=1), gt.AvgPool2d(2)),
            *(gt.Flatten(), gt.Linear(3)),
        ],
    )


def branches() -> gt.Network:
    return gt.Network(
        (2, 5, 4),
        [
            gt.Residual([gt.Conv2d(2, 3, padding=1), gt.BatchNorm2d()]),
            gt.Concat([gt.Conv2d(2, 1, groups=2)], [gt.AvgPool2d(3, 1, 1)], []),
            gt.Residual([gt.Conv2d(6, (1, 3), padding=(0, 1))], [gt.Conv2d(6, 1)]),
            gt.Sigmoid(),
        ],
    )


def composed(system: System, start: str) -> dict[str, set]:
    """For each array, every (its element, element of `start`) that some way ties together."""
    shape = system.shapes[start]
    ways = {start: {(at, at) for at in brute.elements(shape)}}
    for node in system.nodes:
        for letter, source in zip(node.sources, node.inputs, strict=True):
            if source not in ways or node.output == start:
                continue
            behind: dict = {}
            for at, first in ways[source]:
                behind.setdefault(at, set()).add(first)
            found = ways.setdefault(node.output, set())
            for target, at in brute.read(node.equation, letter):
                found |= {(target, first) for first in behind.get(at, ())}
    return ways


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("network", [chain, branches])
def test_a_systems_regions_are_its_ways_composed(network, training: bool) -> None:
    system = network().system(2, training=training)
    for start in ("input", system.nodes[1].output):
        for array, together in composed(system, start).items():
            for at in random.Random(1).sample(sorted(set(brute.elements(system.shapes[array]))), 4):
                found = system.preimage(array, Region.element(at), of=start)
                assert set(found) == brute.preimage(together, [at]), (start, array, at)
            for at in random.Random(2).sample(sorted(brute.elements(system.shapes[start])), 4):
                found = system.image(start, Region.element(at), of=array)
                assert set(found) == brute.image(together, [at]), (start, array, at)


@pytest.mark.parametrize("network", [chain, branches])
def test_what_an_input_reaches_is_what_changes_with_it(network) -> None:
    """All weights positive and nothing saturated: no path's share cancels another's."""
    net, generator = network(), np.random.Generator(np.random.PCG64(3))
    for name, array in net.parameters.items():
        net.parameters[name] = generator.uniform(0.1, 0.2, array.shape)
    x = generator.uniform(0.5, 1.0, (2, *net.input_shape))
    system, before = net.system(2), net.predict(x)
    for at in brute.elements(x.shape):
        moved = x.copy()
        moved[at] = 100  # above all others, so that it wins wherever it is compared
        changed = {tuple(map(int, e)) for e in np.argwhere(net.predict(moved) != before)}
        assert set(system.image("input", Region.element(at), of=net.output_name)) == changed, at


def test_the_samples_of_a_batch_do_not_see_each_other() -> None:
    system = chain().system(3)
    (sample, _, _, _) = system.preimage(system.nodes[-1].output, Region.element((1, 0))).bounds
    assert sample == (1, 1)


def test_the_arrays_between_two_are_those_of_all_ways() -> None:
    system = branches().system(2)
    found = system.between("input", "concat1.output")
    inner = {"conv1", "norm1", "add1", "conv2", "pool1", "concat1"}
    assert found == {"input", *(f"{name}.output" for name in inner)}
    assert system.between("conv2.weight", "add2.output") >= {"conv2.weight", "conv3.output"}
    assert system.between("conv2.output", "pool1.output") == set()
    assert system.between("add1.output", "add1.output") == {"add1.output"}
    assert system.image("conv2.output", Region.element((0, 0, 0, 0)), "pool1.output") == Region()
