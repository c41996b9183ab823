"""What rounding alone may make of a step's arrays: the part of a difference that is no mistake.

A float32 array is off by more than its own last digits where large numbers nearly cancelled: the
gradient of a bias before a batch norm is 0 in truth and a sum of roundings in the machine, and that
of a sample that is learnt is p − y with p next to y. How much that is follows from the step itself:
the reference engine computes it again with every array rounded at random.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

import numpy as np

from ..engines import Computed
from ..engines.batch import Arrays
from ..equation.frozen import frozen

_WITHIN = 30.0
"""What the roundings within a sum of a thousand terms make of one rounding behind it: √1,000."""

_CANCELLED = 1e-2
"""Of the tolerance, and relative to the step's largest gradient: what a sum of gradients may be off
by although its terms cancel."""

_LOSS = 1e-9
"""Relative to the loss, or to 1: below, a difference of two losses holds nothing but rounding."""


@frozen
class Bounds:
    """How far an engine's arrays may be from the true ones.

    Args:
        tolerance: relative to the largest element of an array.
        largest: the step's largest gradient.
        loss: the loss.
        values, gradients: array → the largest rounding of an element, and the norm of all; empty
            where the engine rounds no more than the reference.
    """

    tolerance: float
    largest: float
    loss: float
    values: Mapping[str, tuple[float, float]]
    gradients: Mapping[str, tuple[float, float]]

    @classmethod
    def of(cls, expected: Computed, rounded: Iterable[Computed], tolerance: float) -> Bounds:
        """The bounds of a step that the reference has computed.

        Args:
            expected: all its values and gradients in float64.
            rounded: the same, rounded at random, a few times; one alone may happen to be nearly
                right. Empty where the engine computes in float64, too.
            tolerance: relative.
        """
        values: dict[str, tuple[float, float]] = {}
        gradients: dict[str, tuple[float, float]] = {}
        for computed in rounded:
            _farther(values, computed.values, expected.values)
            _farther(gradients, computed.gradients, expected.gradients)
        sizes = (np.abs(a).max(initial=0.0) for n, a in expected.gradients.items() if n != "loss")
        largest = float(max(sizes, default=0.0))
        return cls(tolerance, largest, float(expected.values["loss"]), values, gradients)

    def value(self, name: str, expected: np.ndarray) -> float:
        """For an element of an array; the loss counts as 1 at least, since it is a difference."""
        least = 1.0 if name == "loss" else 0.0
        scale = max(float(np.abs(expected).max(initial=0.0)), least)
        return self.tolerance * scale + _rounding(self.values, name, 0) + 1e-12

    def element(self, name: str, scale: float) -> float:
        """For a gradient's element against the difference of two losses.

        Args:
            name: the array's.
            scale: the largest of the array's gradients.
        """
        cancelled = _CANCELLED * self.tolerance * self.largest
        rounding = _rounding(self.gradients, name, 0) + _LOSS * max(abs(self.loss), 1.0)
        return self.tolerance * scale + cancelled + rounding

    def along(self, name: str, gradient: np.ndarray) -> float:
        """For a gradient along a random direction, whose elements are about 1 each."""
        cancelled = _CANCELLED * self.tolerance * self.largest * math.sqrt(gradient.size)
        norm = float(np.linalg.norm(gradient))
        return self.tolerance * norm + cancelled + _rounding(self.gradients, name, 1)


def _farther(known: dict[str, tuple[float, float]], found: Arrays, expected: Arrays) -> None:
    """Take the larger roundings of two runs."""
    for name, array in expected.items():
        off = np.abs(found[name] - array)
        before = known.get(name, (0.0, 0.0))
        largest, norm = float(off.max(initial=0.0)), float(np.linalg.norm(off))
        known[name] = max(before[0], largest), max(before[1], norm)


def _rounding(known: Mapping[str, tuple[float, float]], name: str, which: int) -> float:
    return _WITHIN * known[name][which] if name in known else 0.0
