"""Are the gradients right? Central differences in float64, element by element and layer by layer.

Two checks, since each sees what the other cannot:

- ends: the loss is computed with one element of a parameter or of the input moved by ±h. An element
  whose step switches a ReLU or the winner of a maximum stands at a kink, where a central difference
  is no derivative; it is labelled and not judged.
- layers: every array is moved along a random direction, all elements at once; see `layerwise.py`.

Before both, the engine's outputs are compared with the reference engine's: gradients of another
function would be right in vain.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from ..checking.arguments import positive, whole_number
from ..checking.calls import call_example
from ..engines import Batch, Computed, Engine, engine_for
from ..engines.batch import Arrays
from ..engines.reference import Reference, quietly
from ..engines.rounded import Rounded
from ..equation import System
from ..equation.frozen import frozen
from ..errors import GradientError, NonFiniteError, indexed
from ..graph import Graph
from ..graph.output_losses import network_loss
from ..layers.loss_functions import AnyLoss
from ..showing.shown import Printed
from .kinks import first_switched, patterns
from .layerwise import LayerCheck, check_layers
from .nonfinite import all_finite, nonfinite_message
from .rounding import Bounds

TOLERANCE = {"float64": 1e-6, "float32": 1e-4}
"""The largest difference allowed, relative to the largest gradient of the same array.

A central difference in float64 with h = 1e-5 is good to about 1e-9; float32 sums of a few thousand
terms are good to about 1e-5. Where large numbers cancel, `rounding.py` adds what that leaves.
"""


STEP = "the step"
"""Why an element is not judged whose central difference is another with a quarter of the step, or a
quarter of that, by as much as the gradient is off: too curved there, or nothing but rounding."""


_RUNS = 3
"""How many times a step of float32 is computed with roundings at random."""

_QUARTERS = 4
"""How often a step is quartered: with 4e-8 rounding makes 1e-9 of a loss of 1."""

_FINEST = 24
"""How often where what curves lies within even that: a channel of nothing but 0 is multiplied by
300 by each batch norm, so that behind five of them a change of 1e-12 is no small one."""

_SETTLED = 1 / 8
"""By which share of it a quarter may change the difference at such steps: while it leaps about, any
gradient is within its change."""

_NOISE = 64
"""How many roundings of the loss the two ends of a step may be off by."""

_MOVED = 1e-11
"""The smallest step, relative to the element, whose rounding is no part of the difference."""


@frozen
class ElementCheck:
    """One element against its central difference.

    Args:
        array: the array's name.
        index: the element's index.
        gradient: what the engine computed.
        difference: (L(+h) − L(−h))/2h.
        kink: why it was not judged: which layer's ReLU or maximum the step switches, or `STEP`; or
            empty.
    """

    array: str
    index: tuple[int, ...]
    gradient: float
    difference: float
    kink: str = ""


@call_example("gt.check_gradients(network, x, y)")
@frozen
class GradientReport(Printed):
    """What was compared, all of it within the tolerance.

    Args:
        elements: the end-to-end checks.
        layers: the layer-wise checks.
        tolerance: relative to the largest gradient of the array.
    """

    elements: tuple[ElementCheck, ...]
    layers: tuple[LayerCheck, ...]
    tolerance: float

    @property
    def kinks(self) -> tuple[ElementCheck, ...]:
        """The elements that stand at a kink."""
        return tuple(e for e in self.elements if e.kink)

    def __str__(self) -> str:
        judged = [e for e in self.elements if not e.kink]
        moved = [layer for layer in self.layers if layer.moved]
        worst = max((abs(e.gradient - e.difference) for e in judged), default=0.0)
        kinks = "1 element stands" if len(self.kinks) == 1 else f"{len(self.kinks)} elements stand"
        return (
            f"{len(judged)} elements and {len(moved)} arrays agree with central differences "
            f"(largest difference {worst:.2g}); {kinks} at a kink"
        )


@call_example("gt.check_gradients(network, x, y)", models=True)
def check_gradients(
    network: Graph | Any,
    x: Any,
    y: Any,
    *,
    loss: AnyLoss | None = None,
    engine: str | Engine | None = None,
    training: bool = True,
    seed: int = 0,
    elements: int = 12,
    tolerance: float | None = None,
) -> GradientReport:
    """Compare an engine's gradients with central differences in float64.

    Args:
        network: is not changed; or a PyTorch module, as of `trace`.
        x: samples, (N, *input_shape); a few suffice.
        y: their labels.
        loss: by default `CrossEntropy()`; of a module PyTorch's losses, too. Of several outputs a
            mapping of theirs to a loss each, or to (loss, weight).
        engine: whose gradients are checked; the differences are always the reference engine's.
        training: batch statistics and dropout (the same mask throughout).
        seed: which elements and directions are chosen, and dropout's masks.
        elements: how many of each parameter and of the input, the largest gradients among them.
        tolerance: relative to the largest gradient of the array; by default from the engine's
            precision.

    Returns:
        The report.

    Raises:
        GradientError: a gradient differs; the message names layer, array, index and both values.
        NonFiniteError: the step holds a NaN or an infinity, which no difference is taken of.
        DataError: samples or labels that do not fit.
    """
    positive("check_gradients", elements=elements)
    seed = whole_number("check_gradients: seed", seed, 0)
    loss, runs = network_loss(network, loss), engine_for(engine, network)
    batch = Batch.of(network, network.checked(x), y, loss, seed)
    system = network.system(len(batch.x), training=training, loss=loss)
    computed = runs.compute(network, batch, loss, training=training)
    precision = str(np.asarray(computed.gradients[system.losses[0].inputs[0]]).dtype)
    bound = TOLERANCE[precision] if tolerance is None else tolerance
    reference = Reference()
    expected = reference.compute(network, batch, loss, training=training)
    if not all_finite(expected):
        raise NonFiniteError(f"check_gradients: {nonfinite_message(system, expected)}")
    rounded = (
        Rounded(run).compute(network, batch, loss, training=training)
        for run in range(_RUNS if precision == "float32" else 0)
    )
    bounds = Bounds.of(expected, rounded, bound)
    generator = np.random.Generator(np.random.PCG64(seed))
    ends = _Ends(reference, system, expected.values, computed, generator, elements, bounds)
    with quietly():
        _compare_values(system, computed.values, expected.values, bounds)
        judged = tuple(ends.checks())
        layers = tuple(check_layers(system, computed.values, computed.gradients, generator, bounds))
    return GradientReport(judged, layers, bound)


class _Ends:
    """The end-to-end checks of one step."""

    step = 1e-5

    def __init__(
        self,
        reference: Reference,
        system: System,
        values: Arrays,
        computed: Computed,
        generator: np.random.Generator,
        elements: int,
        bounds: Bounds,
    ) -> None:
        self.reference, self.system = reference, system
        self.gradients, self.generator = computed.gradients, generator
        self.elements, self.bounds = elements, bounds
        trained = [n.array_of[a] for n in system.nodes for a in n.parameters]
        self.names = [name for name in (*trained, *system.inputs) if name in self.gradients]
        self.given = {n: array for n, array in values.items() if n not in system.producer}
        self.rounding = float(np.finfo(np.float64).eps * max(1.0, abs(float(values["loss"]))))
        self.pattern = patterns(system, values)
        self.apart = first_switched(self.pattern, patterns(system, computed.values))

    def checks(self) -> Iterator[ElementCheck]:
        """Check the chosen elements of every parameter and of the input."""
        for name in self.names:
            gradient = np.asarray(self.gradients[name], dtype=np.float64)
            scale = float(np.abs(gradient).max())
            for index in self._chosen(gradient):
                check = self._check(name, index, float(gradient[index]))
                allowed = self.bounds.element(name, max(scale, abs(check.difference)))
                agrees = abs(check.gradient - check.difference) <= allowed
                if not agrees and not check.kink and self.apart:
                    # rounding alone has the engine on another side than the reference
                    check = replace(check, kink=self.apart)
                if not agrees and not check.kink and self._uncertain(check, allowed):
                    check = replace(check, kink=STEP)
                if not agrees and not check.kink:
                    raise GradientError(_element_message(self.system, check, allowed))
                yield check

    def _chosen(self, gradient: np.ndarray) -> list[tuple[int, ...]]:
        """Half of them the largest, the others at random; all of a small array."""
        if gradient.size <= self.elements:
            flat = np.arange(gradient.size)
        else:
            largest = np.argsort(-np.abs(gradient), axis=None)[: self.elements // 2]
            others = np.setdiff1d(np.arange(gradient.size), largest)
            count = self.elements - len(largest)
            flat = np.concatenate([largest, self.generator.choice(others, count, replace=False)])
        return [tuple(int(i) for i in np.unravel_index(f, gradient.shape)) for f in flat]

    def _uncertain(self, check: ElementCheck, allowed: float) -> bool:
        """Whether the central difference may be off by as much as the gradient seems to be.

        Its error is a sixteenth with a quarter of the step where it comes from curvature, and four
        times as large where it comes from rounding. Once quarters change it no more than rounding
        does, nothing is left to hide behind.
        """
        coarse, at = check, abs(float(self.given[check.array][check.index]))
        for power in range(1, _FINEST + 1):
            step = self.step / 4**power
            finer = self._check(check.array, check.index, check.gradient, step)
            change = abs(coarse.difference - finer.difference)
            off = min(abs(check.gradient - of.difference) for of in (coarse, finer))
            settled = power <= _QUARTERS or change <= _SETTLED * abs(finer.difference)
            if settled and off <= allowed + 2 * change:
                return True
            rounded = change <= _NOISE * self.rounding / step or step < _MOVED * at
            if power >= _QUARTERS and rounded:
                return False
            coarse = finer
        return False

    def _check(
        self, name: str, index: tuple[int, ...], gradient: float, step: float = step
    ) -> ElementCheck:
        losses, kink = [], ""
        for sign in (1.0, -1.0):
            moved = self.given[name].copy()
            moved[index] += sign * step
            values = self.reference.run(self.system, {**self.given, name: moved})
            losses.append(float(values["loss"]))
            kink = kink or first_switched(self.pattern, patterns(self.system, values))
        difference = (losses[0] - losses[1]) / (2 * step)
        return ElementCheck(name, index, gradient, difference, kink)


def _compare_values(system: System, got: Arrays, expected: Arrays, bounds: Bounds) -> None:
    """Refuse an engine whose outputs are not the reference engine's."""
    for node in system.nodes:
        theirs = np.asarray(got[node.output], np.float64)
        difference = np.abs(theirs - expected[node.output])
        if not (difference <= bounds.value(node.output, expected[node.output])).all():
            index = np.unravel_index(int(np.argmax(difference)), difference.shape)
            raise GradientError(
                f"array {node.output} of layer '{node.name}' ({node.kind}): the value at index "
                f"{indexed('', index)} is {theirs[index]:.10g}, but the reference engine's "
                f"{expected[node.output][index]:.10g}"
            )


def _element_message(system: System, check: ElementCheck, allowed: float) -> str:
    """Layer, array, index and both values."""
    read = (f"layer '{n.name}' ({n.kind})" for n, _ in system.readers[check.array])
    return (
        f"array {check.array}, read by {' and '.join(read)}: the gradient at index "
        f"{indexed('', check.index)} is {check.gradient:.10g}, but the central difference "
        f"{check.difference:.10g} (allowed: {allowed:.2g})"
    )
