"""Layer by layer: what every array's readers send back, against what they do along a direction.

Array A moves by ±ε·u for a random u; the layers that read it make ΔZ of that. With the gradients
behind them, Σ <dZ, ΔZ>/2ε must be <dA, u>. Elements that are tied for a maximum move together, so
that ties are judged, too: exactly one of them may collect the gradient. Elements at which the
movement would cross a kink stay where they are.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ..engines.batch import Arrays
from ..engines.reference import forward
from ..equation import Selection, System
from ..equation.frozen import frozen
from ..errors import GradientError, indexed
from .kinks import elements_crossing
from .rounding import Bounds

_ROUNDS = 8


@frozen
class LayerCheck:
    """One array against what its readers do along a random direction.

    Args:
        array: the array's name.
        readers: the layers that read it.
        gradient: <dA, u>.
        difference: Σ <dZ, ΔZ>/2ε over the readers.
        moved: how many elements moved; 0 where every one stands at a kink.
    """

    array: str
    readers: tuple[str, ...]
    gradient: float
    difference: float
    moved: int


def check_layers(
    system: System,
    values: Arrays,
    gradients: Arrays,
    generator: np.random.Generator,
    bounds: Bounds,
) -> Iterator[LayerCheck]:
    """Check every array that has a gradient, last first.

    Raises:
        GradientError: naming the array, its readers, the index of the worst element, both values.
    """
    for name in reversed(list(system.readers)):
        if name in gradients:
            yield _Array(system, name, values, gradients).check(generator, bounds)


class _Array:
    """One array with everything around it, in float64."""

    def __init__(self, system: System, name: str, values: Arrays, gradients: Arrays) -> None:
        self.name, self.nodes = name, tuple(dict.fromkeys(n for n, _ in system.readers[name]))
        needed = {a for node in self.nodes for _, a in node.arrays if a in values}
        self.values = {a: np.asarray(values[a], np.float64) for a in needed}
        self.behind = {n.output: np.asarray(gradients[n.output], np.float64) for n in self.nodes}
        self.array = self.values[name]
        self.gradient = np.asarray(gradients[name], np.float64)
        self.step = 1e-6 * max(1.0, float(np.abs(self.array).max()))
        self.ties = np.arange(self.array.size).reshape(self.array.shape)
        if any(isinstance(n.equation, Selection) for n in self.nodes):
            _, place = np.unique(self.array, return_inverse=True)
            self.ties = place.reshape(self.array.shape)

    def check(self, generator: np.random.Generator, bounds: Bounds) -> LayerCheck:
        """Compare along one random direction."""
        direction = self._whole(generator.standard_normal(int(self.ties.max()) + 1)[self.ties])
        gradient, difference, noise = self._along(direction)
        # <dA, u> of a random u is about |dA|, so that is what a mistake is measured against
        allowed = bounds.along(self.name, self.gradient) + noise
        off = abs(gradient - difference)
        if not off <= allowed:
            # what curves within the step is off by a sixteenth with a quarter of it
            _, finer, less = self._along(direction, self.step / 4)
            allowed += 2 * abs(difference - finer) + less
            off = min(off, abs(gradient - finer))
        if not off <= allowed:
            raise GradientError(self._message(direction, allowed))
        names = tuple(n.name for n in self.nodes)
        moved = int(np.count_nonzero(direction))
        return LayerCheck(self.name, names, gradient, difference, moved)

    def _moved(self, direction: np.ndarray, by: float) -> list[dict[str, np.ndarray]]:
        """Per reader, its arrays with this one moved."""
        values = {**self.values, self.name: self.array + by * direction}
        found = []
        for node in self.nodes:
            letters = {a: values[n] for a, n in node.arrays if n in values}
            made = forward(node.equation, letters)
            found.append({**values, **{node.array_of[a]: array for a, array in made.items()}})
        return found

    def _whole(self, direction: np.ndarray) -> np.ndarray:
        """The direction without the elements that would cross a kink, ties as a whole."""
        for _ in range(_ROUNDS):
            crossing = np.zeros(self.array.shape, dtype=bool)
            up, down = self._moved(direction, self.step), self._moved(direction, -self.step)
            for node, one, other in zip(self.nodes, up, down, strict=True):
                for letter, array in node.depends_on.items():
                    if array == self.name:
                        crossing |= elements_crossing(node, letter, one, other)
            if not crossing.any():
                return direction
            direction = np.where(np.isin(self.ties, self.ties[crossing]), 0.0, direction)
        return np.zeros_like(direction)

    def _along(
        self, direction: np.ndarray, step: float | None = None
    ) -> tuple[float, float, float]:
        """<dA, u>, Σ <dZ, ΔZ>/2ε, and what rounding alone may make of that."""
        step = self.step if step is None else step
        difference = noise = 0.0
        up, down = self._moved(direction, step), self._moved(direction, -step)
        for node, one, other in zip(self.nodes, up, down, strict=True):
            change = (one[node.output] - other[node.output]) / (2 * step)
            difference += float((self.behind[node.output] * change).sum())
            # a loss near 0 is rounded as the numbers are that it is the difference of
            made = np.maximum(np.abs(one[node.output]), float(node.output == "loss"))
            size = (np.abs(self.behind[node.output]) * made).sum()
            noise += 1e-15 / step * float(size)
        return float((self.gradient * direction).sum()), difference, noise

    def _message(self, direction: np.ndarray, allowed: float) -> str:
        """The worst element, found by halving what moves."""
        moving = np.unique(self.ties[direction != 0])
        while len(moving) > 1:
            halves = np.array_split(moving, 2)
            errors = []
            for half in halves:
                gradient, difference, _ = self._along(
                    np.where(np.isin(self.ties, half), direction, 0.0)
                )
                errors.append(abs(gradient - difference))
            moving = halves[int(np.argmax(errors))]
        alone = (self.ties == moving[0]).astype(np.float64)
        gradient, difference, _ = self._along(alone)
        index = indexed("", np.argwhere(alone)[0])
        tied = int(alone.sum()) - 1
        readers = " and ".join(f"layer '{n.name}' ({n.kind})" for n in self.nodes)
        what = "the gradient" if not tied else f"with {tied} elements tied to it, the gradient"
        return (
            f"array {self.name}, read by {readers}: {what} at index {index} is {gradient:.10g}, "
            f"but the layers' central difference {difference:.10g} (along a random direction they "
            f"differ by more than {allowed:.2g})"
        )
