"""Norms of each sample by itself, and softmax: trained, far from 0, and planned wrongly."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import per_sample
import pytest
from comparing import FLOAT32, assert_all_close
from tails import beginning

import gradtrail as gt
from gradtrail.engines import CPU, Batch
from gradtrail.engines.cpu.planning import sample_wise

from .targets import presets_and_wide
from .test_planning_mutants import Patch, compare


def network() -> gt.Network:
    """Each kind once: with what is fused behind it, beside a sum, and with running statistics."""
    layers = [gt.Conv2d(4, 3, padding=1, bias=False)]
    layers += [gt.InstanceNorm2d(affine=True, track_running_stats=True, eps=0.01), gt.Tanh()]
    layers += [gt.Conv2d(4, 2), gt.GroupNorm(2, eps=0.01), gt.ReLU()]
    layers += [gt.Residual([gt.Conv2d(4, 3, padding=1), gt.LayerNorm(axes=1, eps=0.01)])]
    layers += [gt.LayerNorm(axes=(1, -1), bias=False, eps=0.01), gt.RMSNorm()]
    layers += [gt.Softmax(-1), gt.Flatten(), gt.Linear(6), gt.LayerNorm(), gt.LogSoftmax()]
    return gt.Network((2, 6, 5), [*layers, gt.Linear(4)], seed=4)


@pytest.mark.parametrize("target", [p for p in presets_and_wide() if p.id != "wide"])
def test_a_training_step_is_the_references(target: str) -> None:
    compare(CPU(threads=1, target=target), network())


def test_a_function_that_needs_its_argument_and_a_norm_that_is_used_twice() -> None:
    """What GELU is applied to is stored beside its result; running statistics move twice."""
    x, norm = gt.Input((4, 4, 5)), gt.InstanceNorm2d(track_running_stats=True, eps=0.01)
    h = gt.GELU()(gt.GroupNorm(2)(gt.Conv2d(4, 2, bias=False)(norm(x))))
    h = norm(gt.Conv2d(4, 2, bias=False)(h))
    compare(CPU(threads=1), gt.Network(x, gt.Linear(4)(gt.Flatten()(h)), seed=1))


def test_each_samples_gradients_are_those_of_its_own_run() -> None:
    net, loss = network(), gt.CrossEntropy()
    draw = np.random.Generator(np.random.PCG64(5))
    step = Batch.of(net, net.checked(draw.random((18, 2, 6, 5))), np.arange(18) % 4, loss)
    assert not per_sample.meet(net, loss, training=True)
    found = CPU(threads=1).per_sample(net, step, loss, training=True)
    expected = per_sample.alone(net, step, loss, training=True)
    assert_all_close({name: found[name] for name in net.parameters}, expected, FLOAT32)


FAR = {
    "group": gt.GroupNorm(2),
    "layer": gt.LayerNorm(),
    "channels": gt.LayerNorm(axes=1),
    "instance": gt.InstanceNorm2d(affine=True),
}


@pytest.mark.parametrize("kind", FAR)
def test_an_input_far_from_0_keeps_its_digits(kind: str) -> None:
    """10,000 ± 1: as near to float64 as any input, and a constant one is normalised to 0."""
    draw = np.random.Generator(np.random.PCG64(1))
    x = (10_000 + draw.standard_normal((20, 4, 5, 6))).astype(np.float32)
    x[3] = 1000.1
    net = gt.Network((4, 5, 6), [FAR[kind], gt.Flatten(), gt.Linear(3)], seed=0)
    y = np.arange(20) % 3
    t, right = gt.trace(net, x, y, engine=CPU()), gt.trace(net, x, y, engine="reference")
    assert not t.value["norm1.output"][3].any()
    for of in (t.value, t.grad):
        side = right.value if of is t.value else right.grad
        assert_all_close({n: of[n] for n in of}, {n: side[n] for n in of}, FLOAT32)


def test_a_softmax_of_large_numbers_is_finite() -> None:
    x = np.array([[1e4, 1e4 - 1, -1e4], [-3e38, 3e38, 0.0]], np.float32)
    for layer, rows in ((gt.Softmax(), x), (gt.LogSoftmax(), x[:1])):
        net = gt.Network((3,), [layer])
        got, right = net.predict(rows), net.predict(rows, engine="reference")
        assert_all_close({"output": got}, {"output": right}, FLOAT32)


def kernels(name: str, change: Callable[..., Any]) -> Callable[[Patch], None]:
    """A kernel of the planning with other settings."""
    right = getattr(sample_wise, name)
    return lambda patch: patch.setattr(
        sample_wise, name, lambda *a, **k: change(right(*a, **k), right)
    )


MUTANTS: dict[str, Callable[[Patch], None]] = {
    "a parameter's sum over too little": kernels(
        "SampleParameterSums", lambda k, _: replace(k, over=k.over[1:])
    ),
    "ε twice": kernels("SampleNormalise", lambda k, _: replace(k, epsilon=2 * k.epsilon)),
    "the sum's share of a softmax of one part": kernels(
        "SoftmaxBack", lambda k, _: replace(k, log=not k.log)
    ),
    "a gradient that is there is overwritten": kernels(
        "SampleNormaliseBack", lambda k, _: replace(k, adds=not k.adds)
    ),
    "running variances left biased": kernels(
        "JoinSampleStatistics", lambda k, _: replace(k, unbiased=1.0)
    ),
}


@pytest.mark.parametrize("name", beginning(2, MUTANTS))
def test_a_wrong_plan_is_caught(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    MUTANTS[name](monkeypatch)
    with pytest.raises(AssertionError, match=r"got .*, not |not finite"):
        compare(CPU(threads=1), network())
