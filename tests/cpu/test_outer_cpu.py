"""Weight gradients of linear layers, block by block and of the whole batch at once."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import gradtrail as gt
from gradtrail.engines import CPU, Batch, Samples, Trainer, engine_for
from gradtrail.engines.cpu import cache
from gradtrail.engines.cpu.options import Options
from gradtrail.engines.cpu.planning import linear_weights
from gradtrail.engines.cpu.planning.planner import plan_program

from .agreeing import assert_agree, assert_same_bits
from .targets import FUSED, over, runs_here

SHAPES = [(33, 7), (16, 24), (5, 1), (1, 5), (67, 50), (32, 12), (96, 13)]
"""Features and outputs: with and without what sixteen lanes and a tile's rows do not divide."""


def network(features: int, outputs: int, bias: bool = True) -> gt.Network:
    return gt.Network((features,), [gt.Linear(outputs, bias=bias), gt.Tanh(), gt.Linear(3)], seed=4)


def samples(net: gt.Network, count: int) -> Samples:
    draw = np.random.Generator(np.random.PCG64(count))
    x = draw.standard_normal((count, *net.input_shape), dtype=np.float32)
    return Samples(x, draw.integers(0, 3, count), gt.CrossEntropy(), (3,))


@pytest.fixture(scope="module")
def code(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where compiled code is kept, a folder for each limit: a program says nothing of its own."""
    return tmp_path_factory.mktemp("code")


@pytest.fixture(params=["block by block", "at once"])
def at_once(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, code: Path
) -> Iterator[bool]:
    """Small layers are summed block by block; here also as if they were large."""
    found = request.param == "at once"
    monkeypatch.setattr(linear_weights, "_NEAR", 4 if found else 1 << 40)
    monkeypatch.setenv("GRADTRAIL_CACHE", str(code / request.param))
    cache.cache_folder.cache_clear()
    yield found
    monkeypatch.undo()
    cache.cache_folder.cache_clear()


@pytest.mark.parametrize(
    ("shape", "target"),
    over(SHAPES, "avx512", "avx2", "baseline", "wide", "narrow", best_always=4),
)
def test_it_is_the_references(shape: tuple[int, int], target: str, at_once: bool) -> None:
    net = network(*shape)
    engine = CPU(2, target=target)
    planned = plan_program(
        net, gt.CrossEntropy(), Options(training=True, backward=True), engine.setup
    )
    assert (planned.memory.at_once > 0) == at_once
    for count in (1, 16, 70):
        batch = Batch(data := samples(net, count), data.places)
        ours, theirs = (
            e.step(net, batch, gt.CrossEntropy(), dict(net.parameters))
            for e in (engine, engine_for("reference"))
        )
        assert_agree(ours, theirs)


@pytest.mark.parametrize("count", [255, 256, 257, 300, 530])
def test_batches_of_more_blocks_than_are_summed_in_registers(count: int, at_once: bool) -> None:
    net = network(67, 50)
    batch = Batch(data := samples(net, count), data.places)
    ours, theirs = (
        e.step(net, batch, gt.CrossEntropy(), dict(net.parameters))
        for e in (CPU(2), engine_for("reference"))
    )
    assert_agree(ours, theirs)


def test_steps_of_many_sizes_are_the_same_on_any_threads_and_processor(at_once: bool) -> None:
    """Nothing of a larger batch is left in a smaller one; a step on one engine is a step on all."""
    found = []
    for name in (n for n in FUSED if runs_here(n)):
        for threads in (1, 3):
            net = network(67, 50, bias=False)
            engine = CPU(threads, target=name)
            trainer: Trainer = engine.trainer(net, gt.CrossEntropy(), gt.SGD(0.1, momentum=0.9))
            for count in (70, 300, 3, 16, 257):
                data = samples(net, count)
                assert trainer.step(Batch(data, data.places)).finite
            trainer.store()
            found.append({n: a.copy() for n, a in net.parameters.items()})
    for other in found[1:]:
        assert_same_bits(other, found[0])


def test_a_network_whose_parameters_are_all_summed_at_once(at_once: bool) -> None:
    """No gradient is left for the groups."""
    net = gt.Network((40,), [gt.Linear(3, bias=False)], seed=1)
    theirs = gt.Network((40,), [gt.Linear(3, bias=False)], seed=1)
    data = samples(net, 50)
    for one, engine in ((net, CPU(2)), (theirs, engine_for("reference"))):
        trainer = engine.trainer(one, gt.CrossEntropy(), gt.SGD(0.5))
        for _ in range(3):
            trainer.step(Batch(data, data.places))
        trainer.store()
    np.testing.assert_allclose(
        net.parameters["fc1.weight"], theirs.parameters["fc1.weight"], rtol=0, atol=1e-6
    )
