"""Dropout: in training each element is kept with probability 1 − p and made up for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from typing import ClassVar, final

import numpy as np

from ..equation import Array, Equation, contraction, term
from ..equation.frozen import frozen
from ..errors import ArgumentError
from .base import Declaration, Draws, Layer, Shape, elementwise

__all__ = ["Dropout"]

X, Z, M = Array("X"), Array("Z"), Array("M")


@final
@frozen
class Dropout(Layer):
    """Sets elements to zero at random in training; hands everything on in evaluation.

    Shapes: X, Z and the mask M alike.

    Forward, in training, with M = 1/(1 − p) where kept and 0 where dropped:
        Z[n,c,y,x] = M[n,c,y,x]·X[n,c,y,x]

    Adjoints:
        dX[n,c,y,x] = M[n,c,y,x]·dZ[n,c,y,x]

    In evaluation:
        Z[n,c,y,x] = X[n,c,y,x]

    A sample's mask follows from the seed, the step, the layer and its place in the batch alone.

    Args:
        p: the probability of being dropped, at least 0 and below 1.
        name: instead of dropout1, …

    Raises:
        ArgumentError: p outside its range.

    Source: N. Srivastava et al., "Dropout" (2014), section 4, with the scale of section 10.
    """

    prefix: ClassVar[str] = "dropout"

    p: float = 0.5
    name: str | None = field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        if not 0 <= self.p < 1:
            raise ArgumentError(f"Dropout: p must be at least 0 and below 1, got {self.p!r}")

    def given(self, equation: Equation, draws: Draws) -> Mapping[str, np.ndarray]:
        """The mask: 1/(1 − p) where an element is kept and 0 where it is dropped."""
        if "M" not in equation.shape_of:
            return {}
        samples, *each = equation.shape_of["M"]
        keep = [draws.stream(n).random(each, dtype=np.float32) >= self.p for n in range(samples)]
        return {"M": np.stack(keep) / (1.0 - self.p)}

    def declare(self, *sources: Shape, training: bool) -> Declaration:
        """See `Layer.declare`; any shape."""
        (shape,) = sources
        each = elementwise(shape)
        if not training:
            handed_on = term(Z[each], X[each])
            return Declaration(contraction(handed_on, ranges={}, shapes={"X": shape}))
        masked = term(Z[each], M[each], X[each])
        equation = contraction(masked, ranges={}, shapes={"X": shape})
        return Declaration(equation, given={"M": "mask"})
