"""Clipping and averaging: PyTorch's functions, explicit loops, and what is handed back."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from comparing import FLOAT64, assert_close
from cpu.targets import FUSED, PRESETS, runs_here

import gradtrail as gt
from gradtrail.optimizers.composed import Composed
from gradtrail.training import Observer, Seen
from gradtrail.training.course import Course
from gradtrail.training.loop import prepare_training
from gradtrail.training.training import Training

from .common import (
    ENGINES,
    OPTIMIZERS,
    Arrays,
    arrays_of,
    assert_same_bits,
    data,
    network,
    plain,
    trained,
)

CLIPS = {
    "norm, always": {"clip_norm": 0.05},
    "norm, at times": {"clip_norm": 0.9},
    "norm, never": {"clip_norm": 1e6},
    "value": {"clip_value": 0.01},
}

# -- by hand -----------------------------------------------------------------------------------


def norm_of(gradients: Arrays) -> float:
    return float(np.sqrt(sum(np.square(g.astype(np.float64)).sum() for g in gradients.values())))


def clipped(gradients: Arrays, clip_norm: float = 0, clip_value: float = 0) -> Arrays:
    """What PyTorch's documentation says that its two functions do."""
    if clip_value:
        return {n: np.clip(g, -clip_value, clip_value) for n, g in gradients.items()}
    share = min(1.0, clip_norm / (norm_of(gradients) + 1e-6))
    return {n: g * share for n, g in gradients.items()}


def by_hand(
    net: gt.Network, engine: str, change: Callable[[Arrays], Arrays], rate: float = 0.5
) -> list[Arrays]:
    """Weights after each of the steps of `trained`, by momentum written out in float64."""
    (x, y), velocity, found = data(), {}, []
    for step in range(8):
        part = slice(16 * (step % 4), 16 * (step % 4) + 16)
        t = gt.trace(net, x[part], y[part], engine=engine)
        gradients = change({n: t.grad[n].astype(np.float64) for n in net.parameters})
        for name, gradient in gradients.items():
            velocity[name] = 0.9 * velocity.get(name, 0.0) + gradient
            net.parameters[name] = net.parameters[name] - rate * velocity[name]
        found.append(arrays_of(net))
    return found


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("clip", CLIPS)
def test_clipping_is_the_loop_that_its_equation_says(clip: str, engine: str) -> None:
    net, settings = plain(), CLIPS[clip]
    trained(net, engine=engine, optimizer=gt.SGD(0.5, momentum=0.9), shuffle=False, **settings)
    expected = by_hand(plain(), engine, lambda g: clipped(g, **settings))[-1]
    unclipped = by_hand(plain(), engine, lambda g: g)[-1]
    for name, array in net.parameters.items():
        assert_close(array, expected[name], 3e-6, name)
        apart = np.abs(expected[name] - unclipped[name]).max()
        assert (apart < 1e-9) == (clip == "norm, never")


def test_clipping_by_norm_happens_at_some_steps_and_not_at_others() -> None:
    """The case above would prove little if every step were alike."""
    norms: list[float] = []

    def note(gradients: Arrays) -> Arrays:
        norms.append(norm_of(gradients))
        return clipped(gradients, clip_norm=0.9)

    by_hand(plain(), "reference", note)
    assert min(norms) < 0.8
    assert max(norms) > 1.0


@pytest.mark.torch
@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("optimizer", ["sgd", "momentum", "adam"])
@pytest.mark.parametrize("clip", CLIPS)
def test_clipping_is_pytorchs_step_by_step(clip: str, optimizer: str, engine: str) -> None:
    torch = pytest.importorskip("torch")
    theirs = {
        "sgd": lambda p: torch.optim.SGD(p, 0.05),
        "momentum": lambda p: torch.optim.SGD(p, 0.05, momentum=0.9, weight_decay=1e-3),
        "adam": lambda p: torch.optim.Adam(p, 3e-3, weight_decay=1e-2),
    }[optimizer]
    (x, y), settings = data(), CLIPS[clip]
    exact = engine == "reference"
    net = plain(dtype=np.float64) if exact else plain()
    kind = torch.float64 if exact else torch.float32
    weights = [torch.tensor(a, dtype=kind, requires_grad=True) for a in net.parameters.values()]
    stepper = theirs(weights)
    inputs, labels = torch.tensor(x, dtype=kind), torch.tensor(y)
    ours = OPTIMIZERS[optimizer]()
    for step in range(6):
        part = slice(8 * step, 8 * step + 8)
        stepper.zero_grad()
        output = torch.nn.functional.linear(inputs[part].flatten(1), *weights)
        torch.nn.functional.cross_entropy(output, labels[part]).backward()
        if "clip_norm" in settings:
            torch.nn.utils.clip_grad_norm_(weights, settings["clip_norm"])
        else:
            torch.nn.utils.clip_grad_value_(weights, settings["clip_value"])
        stepper.step()
        one = (x[part], y[part])
        trained(net, one, engine=engine, optimizer=ours, epochs=1, shuffle=False, **settings)
        for array, weight in zip(net.parameters.values(), weights, strict=True):
            tolerance = FLOAT64 if exact else 1e-5
            assert_close(array, weight.detach().numpy(), tolerance, f"step {step}")


# -- the same bits -------------------------------------------------------------------------------

EVERYTHING = {
    "clip_norm": 0.3,
    "average": 0.9,
    "optimizer": gt.AdamW(3e-3),
    "mixup": 0.3,
    "augment": gt.Augment(crop=1, flip=0.5, rotation=20, cutout=2),
}


def test_threads_change_no_bit_of_anything() -> None:
    results = []
    for threads in (1, 2, 3):
        net = network()
        history = trained(net, threads=threads, batch_size=40, **EVERYTHING)
        results.append((history.step_losses, arrays_of(net)))
    for losses, arrays in results[1:]:
        assert losses == results[0][0]
        assert_same_bits(arrays, results[0][1])


@pytest.mark.parametrize("target", PRESETS)
def test_threads_change_no_bit_on_any_target(target: str) -> None:
    if not runs_here(target):
        pytest.skip(f"this machine cannot run {target}")
    results = []
    for threads in (1, 2, 3):
        net = plain()
        trained(net, engine=gt.CPU(threads, target=target), clip_norm=0.3, average=0.9)
        results.append(arrays_of(net))
    assert_same_bits(results[1], results[0])
    assert_same_bits(results[2], results[0])


def test_processors_with_fused_multiply_add_clip_and_average_alike() -> None:
    targets = [name for name in FUSED if name in PRESETS and runs_here(name)]
    if len(targets) < 2:
        pytest.skip("only one of them runs here")
    results = []
    for target in targets:
        net = network()
        trained(net, threads=2, engine=gt.CPU(target=target, winograd="off"), **EVERYTHING)
        results.append(arrays_of(net))
    for result in results[1:]:
        assert_same_bits(result, results[0])


SHAPE_WIDE = (3, 14, 14)


def test_many_weights_have_one_norm() -> None:
    """More than one chunk of weights, and a layer whose gradient is summed at once."""
    net = gt.Network(SHAPE_WIDE, [gt.Flatten(), gt.Linear(700), gt.Tanh(), gt.Linear(3)], seed=2)
    draw = np.random.Generator(np.random.PCG64(4))
    x, y = draw.standard_normal((24, *SHAPE_WIDE), np.float32), draw.integers(0, 3, 24)
    t = gt.trace(net, x, y, engine="reference")
    norm = norm_of({n: t.grad[n] for n in net.parameters})
    before = arrays_of(net)
    trained(
        net, (x, y), optimizer=gt.SGD(1.0), clip_norm=norm / 8, epochs=1, batch_size=24,
        shuffle=False,
    )  # fmt: skip
    moved = {n: before[n] - a for n, a in net.parameters.items()}
    assert norm_of(moved) == pytest.approx(norm / 8, rel=1e-5)
    for name in moved:
        assert_close(moved[name], t.grad[name] / 8, 1e-4, name)


# -- averages --------------------------------------------------------------------------------------


def explicit(steps: list[Arrays], decay: float) -> Arrays:
    """The mean of all steps, each weighing `decay` times the one behind it."""
    weights = decay ** np.arange(len(steps))[::-1]
    weights /= weights.sum()
    return {
        name: sum(w * step[name].astype(np.float64) for w, step in zip(weights, steps, strict=True))
        for name in steps[0]
    }


class Keeping(Observer):
    """Keeps a copy of weights and statistics behind every step."""

    def __init__(self) -> None:
        self.training: Training | None = None
        self.found: list[Arrays] = []

    def step(self, seen: Seen) -> None:
        assert self.training is not None
        arrays = self.training.trainer.arrays()
        self.found.append({name: array.copy() for name, array in arrays.items()})


def one_by_one(engine: str) -> list[Arrays]:
    """Weights and statistics behind each step of `trained`, without averages."""
    net, keeping = network(), Keeping()
    course = Course(epochs=2, batch_size=16, seed=5, optimizer=gt.Adam(0.01))
    keeping.training = prepare_training(
        net, data(), course, threads=1, engine=engine, observers=[keeping]
    )  # fmt: skip
    keeping.training.run()
    return keeping.found


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("decay", [0.5, 0.9, 0.999])
def test_averages_are_the_explicit_mean_statistics_included(engine: str, decay: float) -> None:
    steps = one_by_one(engine)
    assert len(steps) == 8
    net = network()
    history = trained(
        net, engine=engine, optimizer=gt.Adam(0.01), average=decay, validation=data(30, 4)
    )
    expected = explicit(steps, decay)
    for name, array in arrays_of(net).items():
        assert_close(array, expected[name].astype(np.float32), 2e-6, name)
        assert np.abs(array - steps[-1][name]).max() > 1e-5 * np.abs(array).max(), name
    # every epoch is judged by the averages up to then
    twin = network()
    for held in (twin.parameters, twin.buffers):
        for name in held:
            held[name] = explicit(steps[:4], decay)[name]
    judged = gt.evaluate(twin, data(30, 4), engine=engine)
    assert history.validation_loss[0] == pytest.approx(judged["loss"], rel=1e-5)


@pytest.mark.parametrize("engine", ENGINES)
def test_averaging_changes_no_step(engine: str) -> None:
    losses = [trained(network(), engine=engine, average=a).step_losses for a in (None, 0.9)]
    assert losses[0] == losses[1]


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_the_optimizers_state_comes_back_without_the_averages(name: str, engine: str) -> None:
    around, alone = OPTIMIZERS[name](), OPTIMIZERS[name]()
    net, twin = network(), network()
    trained(net, engine=engine, optimizer=around, average=0.9)
    trained(twin, engine=engine, optimizer=alone)
    (steps, found), (_, expected) = around.remembered(net), alone.remembered(twin)
    assert steps == 8
    assert found.keys() == expected.keys()
    for parameter in expected:
        assert_same_bits(dict(found[parameter]), dict(expected[parameter]))


@pytest.mark.parametrize("engine", ENGINES)
def test_training_again_begins_new_averages_and_keeps_the_momentum(engine: str) -> None:
    """With the same optimiser object, clipped and averaged, then clipped alone, then neither."""
    optimizer, net = gt.Adam(0.01), network()
    first = trained(net, engine=engine, optimizer=optimizer, clip_norm=0.2, average=0.9)
    averaged = arrays_of(net)
    twin, other = network(), gt.Adam(0.01)
    for held in (twin.parameters, twin.buffers):
        for name in held:
            held[name] = averaged[name]
    twin.drawn = net.drawn
    other.remember(twin, *optimizer.remembered(net))
    again = trained(net, engine=engine, optimizer=optimizer, clip_value=0.1)
    expected = trained(twin, engine=engine, optimizer=other, clip_value=0.1)
    assert again.step_losses == expected.step_losses != first.step_losses
    assert optimizer.remembered(net)[0] == 16
    third = trained(net, engine=engine, optimizer=optimizer, average=0.5, epochs=1)
    assert third.step_losses == trained(twin, engine=engine, optimizer=other, epochs=1).step_losses


# -- what is not finite ----------------------------------------------------------------------------


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("clip", [{"clip_norm": 0.1}, {"clip_value": 0.1}, {"average": 0.9}])
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_clipping_hides_nothing_that_is_not_finite(
    value: float, clip: dict[str, float], engine: str
) -> None:
    (x, y), net, optimizer = data(), network(), gt.Adam(0.01)
    trained(net, engine=engine, optimizer=optimizer, **clip)
    before, steps = arrays_of(net), optimizer.remembered(net)[0]
    x[7, 1, 2, 3] = value
    with pytest.raises(gt.NonFiniteError, match=r"step 1: input\[7,1,2,3\], sample 7 is "):
        trained(net, (x, y), engine=engine, optimizer=optimizer, shuffle=False, **clip)
    assert_same_bits(arrays_of(net), before)
    assert optimizer.remembered(net)[0] == steps


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("clip", [{"clip_norm": 0.1}, {"clip_value": 0.1}])
def test_a_gradient_alone_that_overflows_is_found(clip: dict[str, float], engine: str) -> None:
    """Loss and outputs are finite: what is not is the first layer's gradient."""
    net = gt.Network((1,), [gt.Linear(2), gt.Linear(2)], dtype=np.float32)
    big = 1e30 if engine == "cpu" else 1e300
    if engine == "reference":
        net = gt.Network((1,), [gt.Linear(2), gt.Linear(2)], dtype=np.float64)
    net.parameters["fc1.weight"] = np.full((2, 1), 1 / big)
    net.parameters["fc2.weight"] = np.array([[big, big], [-big, 1.0]])
    before = arrays_of(net)
    given = (np.array([[1e20]]), [1])
    with pytest.raises(gt.NonFiniteError, match=r"the gradient of fc1.weight\[0,0\]"):
        trained(net, given, engine=engine, batch_size=1, **clip)
    assert_same_bits(arrays_of(net), before)


# -- what is refused -------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["clip_norm", "clip_value", "average"])
@pytest.mark.parametrize("value", [0, -1, float("nan"), float("inf"), True, "1", 1 + 1j])
def test_a_number_out_of_range_is_refused(name: str, value: object) -> None:
    with pytest.raises(gt.ArgumentError, match=f"train: {name} must be a number above 0"):
        trained(plain(), **{name: value})


def test_an_average_that_never_forgets_and_two_clips_are_refused() -> None:
    with pytest.raises(gt.ArgumentError, match="average must be a number above 0 and below 1"):
        trained(plain(), average=1.0)
    with pytest.raises(gt.ArgumentError, match="clip_norm and clip_value exclude each other"):
        trained(plain(), clip_norm=1.0, clip_value=1.0)


def test_the_rule_says_what_it_does() -> None:
    rule = Composed(gt.SGD(0.1), clip_norm=1.0, decay=0.9).rule
    assert rule.state == ("average",)
    assert [name for name, _ in rule.assignments] == ["gradient", "weight", "average"]
    assert rule.norm
    assert not Composed(gt.SGD(0.1), clip_value=1.0).rule.norm
