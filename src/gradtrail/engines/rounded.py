"""The reference engine as it would be with fewer digits: how far rounding alone moves a step."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from ..equation import Adjoint, Equation
from .batch import Arrays
from .reference import Reference


class Rounded(Reference):
    """The reference with every array that a layer gives or sends back off by a rounding.

    By a random one, up to a unit in the last place, so that no array is spared for holding round
    numbers, and each run is another case.

    Args:
        seed: of the roundings.
        digits: binary ones, 23 as float32 has them.
    """

    name: ClassVar[str] = "rounded"

    def __init__(self, seed: int = 0, digits: int = 23) -> None:
        self._draw = np.random.Generator(np.random.PCG64(seed))
        self._unit = 2.0**-digits

    def _off(self, array: np.ndarray) -> np.ndarray:
        return np.asarray(array * (1 + self._unit * self._draw.uniform(-1, 1, np.shape(array))))

    def forward(self, equation: Equation, letters: Arrays) -> dict[str, np.ndarray]:
        """See `Reference.forward`; winners are whole numbers, and stay."""
        found = super().forward(equation, letters)
        return {a: v if v.dtype.kind == "i" else self._off(v) for a, v in found.items()}

    def adjoint(self, sent: Adjoint, values: Arrays, gradients: Arrays) -> np.ndarray:
        """See `Reference.adjoint`."""
        return self._off(super().adjoint(sent, values, gradients))
