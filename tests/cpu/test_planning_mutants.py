"""Wrong plans on purpose: the comparison with the reference must catch every one of them.

A mutant changes what the planning of a step says and leaves the code generator as it is, so that no
wrong code is kept under a right name: what a kernel's code follows from is its name on disk. Each
is compared as all networks are in this folder, with everything kept and as users train.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from comparing import FLOAT32, assert_all_close
from tails import beginning

import gradtrail as gt
from gradtrail.engines import CPU, Batch, Reference
from gradtrail.engines.cpu import context
from gradtrail.engines.cpu.contraction import nest_of
from gradtrail.engines.cpu.kernels import losses
from gradtrail.engines.cpu.kernels.nest_kernel import NestKernel
from gradtrail.engines.cpu.memory_plan import MemoryPlan
from gradtrail.engines.cpu.planning import (
    backward,
    batch_norms,
    draft,
    forward,
    loss_calls,
    places,
    planner,
    work,
)
from gradtrail.engines.cpu.planning.draft import Draft
from gradtrail.equation.scalar import Variable
from gradtrail.graph.step_arrays import running_statistics
from gradtrail.optimizers import Optimizer, Rule

from .agreeing import assert_agree, assert_same_bits

SIZE = 35
"""Two whole blocks of sixteen samples, and one with three samples and thirteen lanes without."""


class Own(gt.CrossEntropy):
    """A loss from elsewhere, for which no plan is kept on disk: a wrong one least of all."""


class Remembering(Optimizer):
    """Moves no weight and remembers each gradient."""

    settings_names = ()

    @property
    def rule(self) -> Rule:
        kept = (("last", Variable("gradient")), ("weight", Variable("weight")))
        return Rule(("last",), kept)

    def scalars(self, step: int) -> dict[str, float]:
        return {}


def network() -> gt.Network:
    """Padding, strides, windows that overlap, a sum, statistics of the batch, and drawn masks.

    Seven channels are divided by the tiles of neither AVX2 nor AVX-512.
    """
    layers = [gt.Conv2d(4, 3, padding=1, bias=False), gt.BatchNorm2d(), gt.ReLU()]
    layers += [gt.MaxPool2d(3, 2), gt.Residual([gt.Conv2d(4, 3, padding=1), gt.Tanh()])]
    layers += [gt.Conv2d(7, (3, 2), stride=2, padding=(1, 0)), gt.LeakyReLU()]
    layers += [gt.AvgPool2d((2, 1), 1), gt.Flatten(), gt.Dropout(0.25), gt.Linear(4)]
    return gt.Network((2, 13, 11), layers, seed=4)


def compare(engine: CPU, net: gt.Network | None = None) -> None:
    """A step with everything kept, and a training's steps, which fuse and share memory."""
    net, loss = net or network(), Own()
    draw = np.random.Generator(np.random.PCG64(8))
    x = draw.random((SIZE, *net.input_shape)) * 2 - 1
    step = Batch.of(net, net.checked(x), np.arange(SIZE) * 7 % 4, loss)
    expected = Reference().compute(net, step, loss, training=True)
    assert_agree(engine.compute(net, step, loss, training=True), expected)
    optimizer, system = Remembering(), net.system(SIZE, training=True, loss=loss)
    trainer = engine.trainer(net, loss, optimizer)
    buffers = {name: array.astype(np.float64) for name, array in net.buffers.items()}
    for _ in range(2):  # the second finds in memory what the first has left there
        trainer.step(step)
        buffers = running_statistics(net, system, expected.values, buffers)
    trainer.store()
    _, remembered = optimizer.remembered(net)
    gradients = {name: state["last"] for name, state in remembered.items()}
    assert_all_close(gradients, {n: expected.gradients[n] for n in gradients}, FLOAT32)
    assert_all_close(dict(net.buffers), buffers, FLOAT32)


Patch = pytest.MonkeyPatch


def changed(module: Any, name: str, change: Callable[[Any], Any]) -> Callable[[Patch], None]:
    """What a function gives is changed before it is used."""
    right = getattr(module, name)
    return lambda patch: patch.setattr(module, name, lambda *a, **k: change(right(*a, **k)))


def narrow(margins: dict[Any, Any]) -> dict[Any, Any]:
    """No halo beside rows, but of the input, which nothing lies before: rows meet then.

    One side alone is enough where it is as wide as the other: what a row reads behind its end is
    the halo before the next one.
    """
    return {
        name: found if "input" in str(name) else (*found[:-1], (0, 0))
        for name, found in margins.items()
    }


def nests(change: Callable[[Any], Any]) -> Callable[[Patch], None]:
    """The loop nests are changed."""

    def wrong(patch: Patch) -> None:
        def planned(*arguments: Any, **keywords: Any) -> Any:
            nest, letters, tiling = nest_of(*arguments, **keywords)
            return change(nest), letters, tiling

        patch.setattr(draft, "nest_of", planned)

    return wrong


def factors(change: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """A nest with each factor of its sums changed."""

    def of(nest: Any) -> Any:
        sums = (replace(s, factors=tuple(map(change, s.factors))) for s in nest.sums)
        return replace(nest, sums=tuple(sums))

    return of


def later(factor: Any) -> Any:
    """A comparison with a pool's winner, one too high."""
    if factor.equals is None:
        return factor
    names, constant = factor.equals
    return replace(factor, equals=(names, constant + 1))


def overlapping(nest: Any) -> Any:
    """The rest of a range that the tile does not divide is added with a whole tile: some twice."""
    return replace(nest, schedule=replace(nest.schedule, rest="overlap"))


def calls(change: Callable[[list[Any]], list[Any]]) -> Callable[[Patch], None]:
    """The calls of each phase of blocks are changed, once all is planned."""

    def rewrite(program: Any) -> Any:
        for phase in program.phases:
            if phase.kind == "blocks":
                phase.calls = change(phase.calls)
        return program

    return changed(planner, "plan_program", rewrite)


def twice(found: list[Any]) -> list[Any]:
    """Every call that adds to a gradient is made twice."""
    return [c for c in found for _ in range(2 if is_sum(c) else 1)]


def is_sum(call: Any) -> bool:
    return "backward" in call.does and isinstance(call.kernel, NestKernel) and call.kernel.nest.adds


def unsummed(found: list[Any]) -> list[Any]:
    """The lanes of a weight's gradient are not summed."""
    return [c for c in found if type(c.kernel).__name__ != "SumLanes"]


def short_lived(patch: Patch) -> None:
    """A place is given away one call before its content is read last."""
    used = MemoryPlan.used

    def wrong(self: MemoryPlan, name: Any, call: int, phase: int = 0) -> None:
        root, before = self[name].root, self[name].root.last
        used(self, name, call, phase)
        if before >= 0:
            root.last = before

    patch.setattr(MemoryPlan, "used", wrong)


def first_only(patch: Patch) -> None:
    """Who adds to a gradient does not know that others have added before."""
    right = backward.plan_backward

    def wrong(of: Draft, sent: Any) -> None:
        of.written.clear()
        right(of, sent)

    patch.setattr(planner, "plan_backward", wrong)


class Unmasked(losses.CrossEntropyLoss):
    """A loss that gives lanes without a sample a gradient, too."""

    def write(self, code: Any) -> None:
        masked = losses.lane_mask
        losses.lane_mask = lambda code, part: code.compare("oeq", *[code.number(0.0)] * 2)
        try:
            super().write(code)
        finally:
            losses.lane_mask = masked


def unturned(plane: Any) -> Any:
    """A plane convolution towards the input with its kernels the way they are forward."""
    square = plane is not None and plane.channels[0] == plane.channels[1]
    return replace(plane, kind="forward") if square and plane.kind == "turned" else plane


def miscounted(join: Any) -> Callable[..., Any]:
    """A kernel that takes a channel to have one position more."""
    return lambda channels, positions, *rest: join(channels, positions + 1, *rest)


MUTANTS: dict[str, Callable[[Patch], None]] = {
    "rows without a halo": changed(places, "_margins", narrow),
    "a remainder in a whole tile": nests(overlapping),
    "an omitted zeroing": lambda patch: patch.setattr(Draft, "zero", lambda *_: None),
    "lanes without a sample": lambda patch: patch.setattr(loss_calls, "CrossEntropyLoss", Unmasked),
    "a pool's winner off by one": nests(factors(later)),
    "a slope left out": nests(lambda nest: replace(nest, epilogue=())),
    "a count one too high": lambda patch: patch.setattr(
        batch_norms, "JoinStatistics", miscounted(batch_norms.JoinStatistics)
    ),
    "a gradient added twice": calls(twice),
    "lanes that are not summed": calls(unsummed),
    "= for += where two send": first_only,
    "a place given away too early": short_lived,
    "another layer's mask": changed(
        forward, "DrawMask", lambda kernel: replace(kernel, layer=kernel.layer + 1)
    ),
    "the first sample's mask for all": changed(
        forward,
        "DrawMask",
        lambda kernel: replace(kernel, draw=replace(kernel.draw, together=True)),
    ),
    "Winograd with kernels unturned": changed(work, "choose", unturned),
}


@pytest.mark.parametrize("winograd", beginning(1, ["off", "f2"]))
def test_the_right_plan_agrees(winograd: str) -> None:
    compare(CPU(threads=1, winograd=winograd))


@pytest.mark.parametrize("name", beginning(6, MUTANTS))
def test_a_wrong_plan_is_caught(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """By a number that differs, and by nothing else."""
    MUTANTS[name](monkeypatch)
    with pytest.raises(AssertionError, match=r"got .*, not |shape|not finite"):
        compare(CPU(threads=1, winograd="f2" if name.startswith("Winograd") else "off"))


def gradients(threads: int) -> dict[str, np.ndarray]:
    """Of five blocks of samples, by so many threads."""
    net = gt.Network((1, 4, 4), [gt.Conv2d(2, 3), gt.Flatten(), gt.Linear(3)], seed=1)
    x = np.random.Generator(np.random.PCG64(2)).random((80, 1, 4, 4))
    step = Batch.of(net, net.checked(x), np.arange(80) % 3, loss := Own())
    computed = CPU(threads=threads).compute(net, step, loss, training=True)
    return {name: computed.gradients[name] for name in net.parameters}


def test_sums_in_an_order_that_follows_from_the_threads_are_caught(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """They are as near the reference as the right ones: only their bits tell them apart."""
    one = gradients(1)
    assert_same_bits(gradients(2), one)
    monkeypatch.setattr(context, "GROUPS", 2)
    with pytest.raises(AssertionError, match=r"\d+ of \d+ differ"):
        assert_same_bits(gradients(2), one)
    assert_all_close(gradients(2), one, FLOAT32)
