"""Each sample's gradients by machine code: the reference's, for blocks with and without gaps."""

from __future__ import annotations

from functools import cache
from typing import ClassVar, final

import numpy as np
import pytest
from cases import Case
from comparing import assert_all_close, assert_close
from per_sample import alone, labelled, meet, shares
from random_networks import drawn
from tails import beginning
from test_sample_gradients import LEARNING

import gradtrail as gt
from gradtrail.engines import CPU, Batch, Reference, SampleGradients
from gradtrail.engines.cpu.kernels.nest_kernel import NestKernel
from gradtrail.engines.cpu.options import Options
from gradtrail.engines.cpu.planning.planner import plan_program
from gradtrail.equation import Array, Selection, contraction, term
from gradtrail.equation.frozen import frozen
from gradtrail.layers.layer import Declaration, Layer, Parameter, Shape, elementwise

from .agreeing import assert_same_bits
from .targets import in_turn, loops_here, presets_and_wide
from .test_cases_cpu import batch, network

CLOSE = 1e-5
"""Relative to the largest magnitude."""

KEPT = [("lenet5", True), ("mnist-cnn", True), ("vgg-small", True), ("resnet20", True)]
KEPT += [("mnist-cnn", False), ("resnet20", False)]
"""Networks in training, and in evaluation where that is something else."""


KINDS = {(type(case.layer), case.training): case for case in reversed(LEARNING)}.values()
"""The first case of each layer, in training and in evaluation."""

OTHERS = [case for case in LEARNING if not any(case is first for first in KINDS)]


@cache
def named(kind: str) -> gt.Network:
    if kind == "a block":  # what resnet20 is made of
        norms = [gt.BatchNorm2d() for _ in range(3)]
        body = [gt.Conv2d(4, 3, padding=1), norms[1], gt.ReLU(), gt.Conv2d(4, 3, padding=1)]
        layers = [gt.Conv2d(4, 3, padding=1, bias=False), norms[0], gt.ReLU()]
        layers += [gt.Residual([*body, norms[2]]), gt.ReLU(), gt.GlobalAvgPool2d(), gt.Linear(10)]
        return gt.Network((3, 8, 8), layers, seed=4)
    return gt.architecture(kind).network(seed=4)


def exact(
    engine: CPU, net: gt.Network, step: Batch, loss: gt.Loss, training: bool
) -> tuple[SampleGradients, dict[str, np.ndarray]]:
    """What the engine gives, and the same sums over the arrays that it keeps, in float64."""
    kept = engine.compute(net, step, loss, training=training, per_sample=True)
    assert kept.per_sample is not None
    mean = kept.per_sample.mean()
    assert_all_close(mean, {n: kept.gradients[n] for n in net.parameters}, CLOSE)
    return kept.per_sample, shares(net, step, loss, training, kept)


@pytest.mark.parametrize(("case", "target"), in_turn([*KINDS, *OTHERS], len(KINDS)))
def test_every_layer_gives_each_samples_own_gradient(case: Case, target: str) -> None:
    net, step, loss = network(case), batch(case, 19), gt.MeanSquaredError()
    engine = CPU(1, target=target)
    got = engine.per_sample(net, step, loss, training=case.training)
    if meet(net, loss, case.training):
        expected: dict = dict(Reference().per_sample(net, step, loss, training=case.training))
    else:
        expected = alone(net, step, loss, case.training)
    assert_all_close(got, expected, CLOSE)
    assert all(array.dtype == np.float32 for array in got.values())
    if target == loops_here()[0]:
        assert_all_close(*exact(engine, net, step, loss, case.training), CLOSE)


@pytest.mark.parametrize("number", beginning(3, range(0, 48, 2)))
def test_random_networks_agree_with_the_reference(number: int) -> None:
    net = drawn(number)
    here = loops_here()
    engine = CPU(1 + number // 2 % 2, target=here[number // 2 % len(here)])
    got = engine.per_sample(net.network, net.batch, net.loss, training=net.training)
    expected = Reference().per_sample(net.network, net.batch, net.loss, training=net.training)
    try:
        assert_all_close(got, expected, 2 * CLOSE)
        assert_all_close(got.mean(), expected.mean(), 2 * CLOSE)
        direction = expected.mean()
        assert_close(got.norms(), expected.norms(), 2 * CLOSE)
        assert_close(got.dots(direction), expected.dots(direction), 2 * CLOSE)
    except AssertionError as failure:
        raise AssertionError(f"{failure}\n{engine}, network:\n{net}") from failure


# -- whole networks ---------------------------------------------------------------------------


def away_from_kinks(net: gt.Network, count: int, training: bool) -> tuple[Batch, gt.Loss]:
    """Samples that lie on one side of every ReLU and every maximum for float32 and float64."""
    step, loss = labelled(net, 2 * count, 11)
    ours, theirs = (
        engine.compute(net, step, loss, training=training, backward=False).values
        for engine in (CPU(1), Reference())
    )
    alike = np.ones(len(step), bool)
    for node in net.system(len(step), training=training, loss=loss).nodes:
        if isinstance(node.equation, Selection):
            winner = node.array_of[node.equation.winner]
            same = ours[winner] == theirs[winner]
        elif node.equation.kind == "pointwise":
            same = (ours[node.output] == 0) == (theirs[node.output] == 0)
        else:
            continue
        alike &= same.reshape(len(step), -1).all(axis=1)
    chosen = np.flatnonzero(alike)[:count]
    assert len(chosen) == count
    return Batch.of(net, step.x[chosen], step.y[chosen], loss), loss


ALONE = [("lenet5", True, 5), ("a block", False, 5)]
ALONE += [("mnist-cnn", False, 5), ("a block", False, 17), ("lenet5", True, 17)]
ALONE += [("mnist-cnn", False, 17), ("vgg-small", True, 17), ("resnet20", False, 17)]
"""A block with gaps, or a full one and one with gaps; the dear networks have both in one run."""


@pytest.mark.parametrize("run", beginning(2, ALONE), ids=str)
def test_it_is_what_a_run_on_the_sample_alone_gives(run: tuple[str, bool, int]) -> None:
    kind, training, count = run
    net = named(kind)
    step, loss = away_from_kinks(net, count, training)
    got = CPU(2).per_sample(net, step, loss, training=training)
    # vgg-small: seven layers, and sums of up to 2,304 terms, there and back
    assert_all_close(got, alone(net, step, loss, training), CLOSE, slices=2)


@pytest.mark.parametrize("count", beginning(1, (17, 5)))
@pytest.mark.parametrize("run", beginning(1, KEPT), ids=str)
def test_it_is_the_sum_over_the_arrays_that_are_kept(run: tuple[str, bool], count: int) -> None:
    """Dropout's masks and the batch's statistics are among these."""
    kind, training = run
    net = named(kind)
    step, loss = labelled(net, count, count)
    got, expected = exact(CPU(2), net, step, loss, training)
    assert_all_close(got, expected, CLOSE)
    lean = CPU(2).per_sample(net, step, loss, training=training)
    # fused layers round elsewhere, and a ReLU may fall the other way
    norms, dots = lean.norms(), lean.dots(lean.mean())
    assert_close(norms, got.norms(), 2e-2)
    flat = np.concatenate([lean[n].reshape(count, -1) for n in lean], axis=1).astype(np.float64)
    assert_close(norms, np.linalg.norm(flat, axis=1), 1e-6)
    assert_close(dots, flat @ flat.mean(axis=0), CLOSE)


@pytest.mark.parametrize("kind", beginning(1, ("lenet5", "mnist-cnn", "resnet20", "vgg-small")))
def test_threads_change_no_bit(kind: str) -> None:
    net = named(kind)
    step, loss = labelled(net, 37, 3)
    one, two = (CPU(n).per_sample(net, step, loss, training=True) for n in (1, 2))
    assert_same_bits(one, two)
    assert_same_bits({"norms": one.norms()}, {"norms": two.norms()})


@pytest.mark.parametrize("kind", beginning(1, ["lenet5", "resnet20"]))
def test_what_somebody_holds_is_not_written_again(kind: str) -> None:
    net, engine = named(kind), CPU(2)
    first, loss = labelled(net, 20, 1)
    second, _ = labelled(net, 20, 2)
    held = engine.per_sample(net, first, loss, training=True)
    before = {name: held[name] for name in held}
    others = engine.per_sample(net, second, loss, training=True)
    assert_same_bits(held, before)
    assert np.abs(others["conv1.weight"] - before["conv1.weight"]).max() > 0
    engine.per_sample(net, labelled(net, 40, 3)[0], loss, training=True)
    assert_same_bits(held, before)


def test_what_nobody_holds_is_written_again() -> None:
    net, engine = named("lenet5"), CPU(1)
    step, loss = labelled(net, 20, 1)

    def place() -> int:
        part = engine.per_sample(net, step, loss, training=False)._parts["conv2.weight"]
        return part.blocks.__array_interface__["data"][0]

    assert place() == place()


@pytest.mark.long
def test_a_batch_of_another_size_has_as_many() -> None:
    net, engine = named("lenet5"), CPU(2)
    for count in (33, 1, 16, 50):
        step, loss = labelled(net, count, count)
        got = engine.per_sample(net, step, loss, training=True)
        assert got["fc3.weight"].shape == (count, 10, 84)
        kept, _ = exact(engine, net, step, loss, True)
        assert_all_close(got, kept, CLOSE)


def test_class_weights_are_in_it() -> None:
    net, weights = named("lenet5"), tuple(0.5 + np.arange(10) / 3)
    step, loss = labelled(net, 21, 5, gt.CrossEntropy(weight=weights, label_smoothing=0.1))
    assert_all_close(*exact(CPU(2), net, step, loss, True), CLOSE)
    got = CPU(2).per_sample(net, step, loss, training=True)
    gradients = Reference().compute(net, step, loss, training=True).gradients
    assert_all_close(got.mean(), {n: gradients[n] for n in net.parameters}, CLOSE)


def test_a_sample_that_is_not_a_number_leaves_the_others_alone() -> None:
    net = named("lenet5")
    step, loss = labelled(net, 21, 5)
    before = CPU(2).per_sample(net, step, loss, training=True)
    step.samples.x[19, 0, 3, 4] = np.nan
    got = CPU(2).per_sample(net, Batch(step.samples, step.order), loss, training=True)
    assert np.isnan(got.norms()).tolist() == [n == 19 for n in range(21)]
    others = np.arange(21) != 19
    assert_same_bits({n: got[n][others] for n in got}, {n: before[n][others] for n in before})


# -- how it is computed -----------------------------------------------------------------------


def test_linear_weights_are_not_computed_and_convolutions_go_directly() -> None:
    options = Options(training=True, backward=True, per_sample=True)
    program = plan_program(named("mnist-cnn"), gt.CrossEntropy(), options, CPU(1).setup)
    kernels = {
        (call.layer, type(call.kernel).__name__)
        for call in program.calls
        if call.does.endswith("weight, per sample")
    }
    assert {"Copied"} == {kernel for layer, kernel in kernels if layer.startswith("fc")}
    assert ("conv2", "NestKernel") in kernels
    nests = [c.kernel.nest for c in program.calls if isinstance(c.kernel, NestKernel)]
    assert not any(nest.over_lanes for nest in nests)  # nothing is added up over samples
    assert not any(c.does == "backward towards conv2.weight" for c in program.calls)


def test_what_is_traced_is_not_changed_by_asking() -> None:
    net = named("lenet5")
    step, loss = labelled(net, 20, 8)
    plain = CPU(2).compute(net, step, loss, training=True)
    more = CPU(2).compute(net, step, loss, training=True, per_sample=True)
    assert plain.per_sample is None
    assert_same_bits(more.values, plain.values)
    assert_same_bits(more.gradients, plain.gradients)
    forward = CPU(2).compute(net, step, loss, training=True, backward=False, per_sample=True)
    assert (forward.per_sample, forward.gradients) == (None, {})


W, X, Z = map(Array, "WXZ")


@final
@frozen
class Squared(Layer):
    """A weight per channel that occurs twice, and behind the last terms once more:
    `Z = w·w·X + w·X`."""

    prefix: ClassVar[str] = "squared"

    name: str | None = None

    def declare(self, *sources: Shape, training: bool) -> Declaration:
        (shape,) = sources
        n, c, *rest = elementwise(shape)
        twice = term(Z[n, c, *rest], W[c], W[c], X[n, c, *rest])
        once = term(Z[n, c, *rest], W[c], X[n, c, *rest])
        equation = contraction(twice, once, ranges={}, shapes={"X": shape})
        return Declaration(equation, parameters={"W": Parameter("weight", "ones")})


@pytest.mark.parametrize("target", presets_and_wide())
def test_a_weight_that_occurs_several_times(target: str) -> None:
    layers = [Squared(), gt.ReLU(), Squared(), gt.Flatten(), Squared(), gt.Linear(3)]
    net = gt.Network((2, 3, 5), layers, seed=1)
    draw = np.random.default_rng(0)
    for name, array in net.parameters.items():
        net.parameters[name] = draw.uniform(0.5, 1.5, array.shape)
    step, loss = away_from_kinks(net, 18, True)
    got = CPU(1, target=target).per_sample(net, step, loss, training=True)
    assert_all_close(got, alone(net, step, loss, True), CLOSE)


def test_a_network_without_parameters_has_none() -> None:
    net = gt.Network((2, 4, 4), [gt.AvgPool2d(4), gt.Flatten()])
    step, loss = labelled(net, 3, 1)
    assert dict(CPU(1).per_sample(net, step, loss, training=True)) == {}


def test_float64_is_refused() -> None:
    net = gt.Network((4,), [gt.Linear(3)], dtype=np.float64)
    step, loss = labelled(net, 3, 1)
    with pytest.raises(gt.ArgumentError, match="computes in float32, but the network is float64"):
        CPU(1).per_sample(net, step, loss, training=True)
