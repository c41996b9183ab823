"""Are the gradients right? Central differences in float64, element by element and layer by layer.

Two checks, since each sees what the other cannot:

- ends: the loss is computed with one element of a parameter or of the input moved by ±h. An element
  whose step switches a ReLU or the winner of a maximum stands at a kink, where a central difference
  is no derivative; it is labelled and not judged.
- layers: every array A is moved along a random direction u, and what the layers that read it make
  of that is weighed with the gradients behind them: <dZ, ΔZ>/2ε must be <dA, u>. Tied elements move
  together, so that ties, too, are judged: exactly one of them may collect the gradient.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from ..engines import Batch, Engine, Reference, engine_for
from ..engines.reference import forward
from ..equation import Applied, Contraction, Node, Selection, System
from ..equation.frozen import frozen
from ..equation.scalar import Call, Expression
from ..errors import GradientError
from ..layers import CrossEntropy, Loss
from ..layers.base import positive

if TYPE_CHECKING:
    from ..network import Network

__all__ = ["ElementCheck", "GradientReport", "LayerCheck", "check_gradients"]

Arrays = Mapping[str, np.ndarray]

TOLERANCE = {"float64": 1e-6, "float32": 2e-3}
"""The largest difference allowed, relative to the largest gradient of the same array.

A central difference with h = 1e-5 is good to about 1e-9, float32 sums of a few thousand terms to
about 1e-4.
"""

_KINKED = frozenset({"max", "step", "where"})


@frozen
class ElementCheck:
    """One element against its central difference.

    Args:
        array: the array's name.
        index: the element's index.
        gradient: what the engine computed.
        difference: (L(+h) − L(−h))/2h.
        kink: why it was not judged: which layer's ReLU or maximum the step switches; or empty.
    """

    array: str
    index: tuple[int, ...]
    gradient: float
    difference: float
    kink: str = ""


@frozen
class LayerCheck:
    """One array against what its readers do along a random direction.

    Args:
        array: the array's name.
        readers: the layers that read it.
        gradient: <dA, u>.
        difference: Σ <dZ, ΔZ>/2ε over the readers.
        scale: the size of the sums compared, |dA|·|u|.
        noise: what rounding alone may make of the difference.
        kink: why it was not judged, or empty.
    """

    array: str
    readers: tuple[str, ...]
    gradient: float
    difference: float
    scale: float
    noise: float
    kink: str = ""


@frozen
class GradientReport:
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
        worst = max((abs(e.gradient - e.difference) for e in judged), default=0.0)
        return (
            f"{len(judged)} elements and {len(self.layers)} arrays agree with central differences "
            f"(largest difference {worst:.2g}); {len(self.kinks)} elements stand at a kink"
        )


def check_gradients(
    network: Network,
    x: Any,
    y: Any,
    *,
    loss: Loss | None = None,
    engine: str | Engine | None = None,
    training: bool = True,
    seed: int = 0,
    elements: int = 12,
    tolerance: float | None = None,
) -> GradientReport:
    """Compare an engine's gradients with central differences in float64.

    Args:
        network: is not changed.
        x: samples, (N, *input_shape); a few suffice.
        y: their labels.
        loss: by default `CrossEntropy()`.
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
        DataError: samples or labels that do not fit.
    """
    positive("check_gradients", elements=elements)
    loss, runs = loss or CrossEntropy(), engine_for(engine)
    batch = Batch.of(network, network.checked(x), y, loss, seed)
    system = network.system(len(batch.x), training=training, loss=loss)
    computed = runs.compute(network, batch, loss, training=training)
    precision = str(np.asarray(computed.gradients[network.input_name]).dtype)
    bound = TOLERANCE[precision] if tolerance is None else tolerance
    reference = Reference()
    values = reference.compute(network, batch, loss, training=training, backward=False).values
    generator = np.random.Generator(np.random.PCG64(seed))
    ends = _Ends(reference, system, values, computed.gradients, generator, elements, bound)
    judged = tuple(ends.checks())
    layers = tuple(_layers(system, computed.values, computed.gradients, generator, bound))
    return GradientReport(judged, layers, bound)


class _Ends:
    """The end-to-end checks of one step."""

    step = 1e-5

    def __init__(
        self,
        reference: Reference,
        system: System,
        values: Arrays,
        gradients: Arrays,
        generator: np.random.Generator,
        elements: int,
        tolerance: float,
    ) -> None:
        self.reference, self.system, self.values = reference, system, values
        self.gradients, self.generator = gradients, generator
        self.elements, self.tolerance = elements, tolerance
        trained = [n.array_of[a] for n in system.nodes for a in n.parameters]
        self.names = [*trained, system.input]
        made = {
            name
            for n in system.nodes
            for name in (n.output, *map(n.array_of.get, n.equation.saved))
        }
        self.given = {name: array for name, array in values.items() if name not in made}
        self.pattern = _patterns(system, values)

    def checks(self) -> Iterator[ElementCheck]:
        """Check the chosen elements of every parameter and of the input."""
        for name in self.names:
            gradient = np.asarray(self.gradients[name], dtype=np.float64)
            scale = float(np.abs(gradient).max())
            for index in self._chosen(gradient):
                check = self._check(name, index, float(gradient[index]))
                # below 1e-9 a difference of two losses holds nothing but rounding
                allowed = self.tolerance * max(scale, abs(check.difference)) + 1e-9
                if not check.kink and not abs(check.gradient - check.difference) <= allowed:
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

    def _check(self, name: str, index: tuple[int, ...], gradient: float) -> ElementCheck:
        losses, kink = [], ""
        for sign in (1.0, -1.0):
            moved = self.given[name].copy()
            moved[index] += sign * self.step
            values = self.reference.run(self.system, {**self.given, name: moved})
            losses.append(float(values["loss"]))
            kink = kink or _switched(self.pattern, _patterns(self.system, values))
        difference = (losses[0] - losses[1]) / (2 * self.step)
        return ElementCheck(name, index, gradient, difference, kink)


def _layers(
    system: System,
    values: Arrays,
    gradients: Arrays,
    generator: np.random.Generator,
    tolerance: float,
) -> Iterator[LayerCheck]:
    """Check what every array's readers send back to it, last first."""
    for name in reversed(list(system.readers)):
        check = _layer(system, name, values, gradients, generator)
        allowed = tolerance * check.scale + check.noise
        if not check.kink and not abs(check.gradient - check.difference) <= allowed:
            raise GradientError(
                f"array {name}, read by {_readers(system, name)}: along a random direction its "
                f"gradient gives {check.gradient:.10g}, but the layers' central difference "
                f"{check.difference:.10g} (allowed: {allowed:.2g})"
            )
        yield check


def _layer(
    system: System, name: str, values: Arrays, gradients: Arrays, generator: np.random.Generator
) -> LayerCheck:
    readers = system.readers[name]
    array = np.asarray(values[name], dtype=np.float64)
    direction = _direction(array, readers, generator)
    step = 1e-6 * max(1.0, float(np.abs(array).max()))
    difference, noise, kink = 0.0, 0.0, ""
    for node in dict.fromkeys(node for node, _ in readers):
        letters = {a: np.asarray(values[n], np.float64) for a, n in node.arrays if n in values}
        moved = [
            forward(
                node.equation,
                {
                    a: letters[a] + s * step * direction if n == name else letters[a]
                    for a, n in node.arrays
                    if a in letters
                },
            )
            for s in (1.0, -1.0)
        ]
        target = node.equation.target.array
        change = (moved[0][target] - moved[1][target]) / (2 * step)
        behind = np.asarray(gradients[node.output], np.float64)
        difference += float((behind * change).sum())
        noise += 1e-15 / step * float(np.abs(behind * moved[0][target]).sum())
        if isinstance(node.equation, Selection):
            winners = [m[node.equation.winner] for m in moved]
            kink = kink or ("" if np.array_equal(winners[0], winners[1]) else node.name)
    gradient = np.asarray(gradients[name], np.float64)
    scale = float(np.linalg.norm(gradient) * np.linalg.norm(direction))
    along = float((gradient * direction).sum())
    return LayerCheck(
        name, tuple(n.name for n, _ in readers), along, difference, scale, noise, kink
    )


def _direction(
    array: np.ndarray, readers: tuple[tuple[Node, str], ...], generator: np.random.Generator
) -> np.ndarray:
    """A random direction along which no ReLU at 0 and no tie of a maximum is torn apart."""
    direction = generator.standard_normal(array.shape)
    equations = [node.equation for node, _ in readers]
    if any(isinstance(e, Selection) for e in equations):
        values, place = np.unique(array, return_inverse=True)
        direction = generator.standard_normal(len(values))[place].reshape(array.shape)
    if any(_applies_kink(e) for e in equations):
        reach = 2e-6 * max(1.0, float(np.abs(array).max())) * np.abs(direction)
        direction = np.where(np.abs(array) <= reach, 0.0, direction)
    return direction


def _applies_kink(equation: Any) -> bool:
    """Whether a pointwise function with a kink at 0 occurs."""
    if not isinstance(equation, Contraction):
        return False
    applied = (f for t in equation.terms for f in t.factors if isinstance(f, Applied))
    return any(_kinked(f.function.body) for f in applied)


def _kinked(expression: Expression) -> bool:
    if not isinstance(expression, Call):
        return False
    return expression.operation in _KINKED or any(map(_kinked, expression.arguments))


def _patterns(system: System, values: Arrays) -> dict[str, np.ndarray]:
    """Per layer with kinks, which side of them every element is on."""
    found: dict[str, np.ndarray] = {}
    for node in system.nodes:
        if isinstance(node.equation, Selection):
            found[node.name] = values[node.array_of[node.equation.winner]]
        elif _applies_kink(node.equation):
            found[node.name] = values[node.inputs[0]] > 0
    return found


def _switched(before: Arrays, after: Arrays) -> str:
    """The first layer with an element on another side, or nothing."""
    return next((n for n in before if not np.array_equal(before[n], after[n])), "")


def _readers(system: System, name: str) -> str:
    return " and ".join(f"layer '{n.name}' ({n.kind})" for n, _ in system.readers[name])


def _element_message(system: System, check: ElementCheck, allowed: float) -> str:
    """Layer, array, index and both values."""
    return (
        f"array {check.array}, read by {_readers(system, check.array)}: the gradient at index "
        f"{list(check.index)} is {check.gradient:.10g}, but the central difference "
        f"{check.difference:.10g} (allowed: {allowed:.2g})"
    )
