"""One sample's outputs are the same bits whatever the batch, and whoever stands beside it."""

from __future__ import annotations

import numpy as np
import pytest
from random_networks import drawn_network
from tails import beginning, searched

import gradtrail as gt
from gradtrail.engines.cpu import loading

from .agreeing import assert_same_bits
from .targets import over


def filled(net: gt.Network, seed: int = 0) -> gt.Network:
    """Random parameters and running statistics, so that no product is exact."""
    draw = np.random.Generator(np.random.PCG64(seed))
    for held in (net.parameters, net.buffers):
        for name, array in held.items():
            held[name] = draw.uniform(0.1, 1, array.shape).astype(np.float32)
            if not name.endswith("var"):
                held[name] -= np.float32(0.5)
    return net


def samples(net: gt.Network, count: int) -> np.ndarray:
    draw = np.random.Generator(np.random.PCG64(count))
    return draw.standard_normal((count, *net.input_shape)).astype(np.float32)


CONV, NORM, FLAT = gt.Conv2d, gt.BatchNorm2d, gt.Flatten

NETWORKS = {
    "tiles of 4 × 4": ((6, 9, 10), [CONV(9, 3, padding=1), gt.ReLU(), FLAT(), gt.Linear(4)]),
    "tiles of 2 × 2": ((6, 3, 2), [CONV(9, 3, padding=1), FLAT(), gt.Linear(4)]),
    "many channels": ((3, 8, 8), [CONV(40, 3, bias=False), NORM(), gt.SiLU(), CONV(37, 3)]),
    "maxima": ((1, 12, 12), [CONV(8, 3), gt.ReLU(), gt.MaxPool2d(2), FLAT(), gt.Linear(5)]),
    "narrowed sums": ((20, 2, 2), [CONV(5, 5, padding=2), gt.Tanh(), FLAT(), gt.Linear(7)]),
    "a shortcut": (
        (5, 6, 6),
        [CONV(8, 1), gt.Residual([CONV(8, 3, padding=1), NORM()]), gt.ReLU()],
    ),
    "a mean": ((4, 7, 5), [CONV(18, 3), gt.AvgPool2d(2), gt.GlobalAvgPool2d(), gt.Linear(3)]),
    "a shortcut of the input": ((5, 6, 6), [gt.Residual([CONV(5, 3, padding=1)]), FLAT()]),
    "an input of many channels": ((20, 6, 6), [CONV(5, 3, padding=1), FLAT(), gt.Linear(2)]),
    "no form of its own": (
        (4, 6, 6),
        [CONV(4, 3, groups=2), gt.Concat([CONV(2, 1)], [CONV(3, 1)])],
    ),
    "features": ((13,), [gt.Linear(20), gt.GELU(), gt.Linear(3)]),
}


@pytest.mark.parametrize(
    ("named", "target"), over(NETWORKS, "avx512", "avx2", "wide", "baseline", best_always=6)
)
def test_a_sample_alone_has_the_bits_that_it_has_among_others(named: str, target: str) -> None:
    shape, layers = NETWORKS[named]
    net = filled(gt.Network(shape, layers, seed=1))
    x = samples(net, 21)
    for winograd in ("f4", "off"):
        engine = gt.CPU(target=target, winograd=winograd)
        whole = net.predict(x, engine=engine)
        for size in (1, 2, 3, 4, 17):
            assert_same_bits({"": net.predict(x, batch_size=size, engine=engine)}, {"": whole})


def test_most_networks_have_a_form_for_one_sample() -> None:
    without = {"an input of many channels", "a shortcut of the input", "no form of its own"}
    for named, (shape, layers) in NETWORKS.items():
        alone = loading.single_program_for(gt.CPU(winograd="f4").setup, gt.Network(shape, layers))
        assert (alone is None) == (named in without), named


@pytest.mark.parametrize("count", [257, 258, 259])
def test_the_rest_of_a_batch_is_no_other_program(count: int) -> None:
    net = filled(gt.Network((1, 6, 6), [CONV(4, 3), NORM(), gt.ReLU(), FLAT(), gt.Linear(3)]))
    x = samples(net, count)
    whole = net.predict(x)
    assert_same_bits({"": net.predict(x, batch_size=count)}, {"": whole})
    assert_same_bits({"": net.predict(x[256:])}, {"": whole[256:]})
    turned = np.ascontiguousarray(x[::-1])
    assert_same_bits({"": net.predict(turned)[::-1]}, {"": whole})


def test_what_a_neighbour_holds_changes_nothing() -> None:
    net = filled(gt.Network((3, 8, 8), [CONV(16, 3, padding=1), NORM(), FLAT(), gt.Linear(3)]))
    x = samples(net, 3)
    alone = net.predict(x[:1])
    for held in (np.nan, np.inf, 1e30):
        x[1:] = held
        for count in (2, 3):
            assert_same_bits({"": net.predict(x[:count])[:1]}, {"": alone})
        more = np.concatenate([x[:1], *[x[1:]] * 10])
        assert_same_bits({"": net.predict(more)[:1]}, {"": alone})
    assert_same_bits({"": net.predict(x[:1])}, {"": alone})  # nor what was there before


def test_a_trace_in_evaluation_has_a_samples_bits_whatever_the_batch() -> None:
    net = filled(gt.Network((3, 8, 8), [CONV(16, 3, padding=1), NORM(), FLAT(), gt.Linear(3)]))
    x, y = samples(net, 20), np.arange(20) % 3
    whole = gt.trace(net, x, y, training=False)
    for count in (1, 3, 17):
        part = gt.trace(net, x[:count], y[:count], training=False)
        names = ("conv1.output", "norm1.output", "fc1.output")
        assert_same_bits(
            {name: part.value[name] for name in names},
            {name: whole.value[name][:count] for name in names},
        )


@pytest.mark.parametrize("number", beginning(2, searched(80)))
def test_random_networks(number: int) -> None:
    net = filled(drawn_network(number), number)
    x = samples(net, 5)
    with np.errstate(all="ignore"):
        engine = gt.CPU(winograd=("auto", "f4", "f2", "off")[number % 4])
        whole = net.predict(x, engine=engine)
        for size in (1, 3, 4):
            assert_same_bits({"": net.predict(x, batch_size=size, engine=engine)}, {"": whole})
