"""Dropout: in training each element is kept with probability 1 − p and made up for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from math import prod
from typing import ClassVar, final

import numpy as np

from ..checking.arguments import is_real
from ..checking.calls import call_example
from ..equation import Array, Equation, contraction, term
from ..equation.frozen import frozen
from ..errors import ArgumentError
from .layer import Declaration, Draws, Layer, Shape, canonical, elementwise

X, Z, M = Array("X"), Array("Z"), Array("M")


@final
@call_example("gt.Dropout(0.5)")
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

    An element is dropped where its random word is below `threshold`. A sample's mask follows from
    the seed, the step, the layer and its place in the batch alone; see `Draws.words`.

    Args:
        p: the probability of being dropped, at least 0 and below 1; it counts to within 2⁻³².
        name: instead of dropout1, …

    Raises:
        ArgumentError: p outside its range.

    Source: N. Srivastava et al., "Dropout" (2014), section 4, with the scale of section 10.
    """

    prefix: ClassVar[str] = "dropout"

    p: float = 0.5
    name: str | None = field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        canonical(self)
        if not is_real(self.p) or not 0 <= self.p < 1:
            raise ArgumentError(f"Dropout: p must be at least 0 and below 1, got {self.p!r}")

    @property
    def threshold(self) -> int:
        """The word from which on an element is kept: p·2³², rounded (ties to even), below 2³²."""
        return min(round(self.p * 2**32), 2**32 - 1)

    def given(self, equation: Equation, draws: Draws) -> Mapping[str, np.ndarray]:
        """The mask: 1/(1 − p) where an element is kept and 0 where it is dropped."""
        if "M" not in equation.shape_of:
            return {}
        samples, *each = equation.shape_of["M"]
        words = draws.words(samples, prod(each)).reshape(samples, *each)
        return {"M": np.where(words < self.threshold, 0.0, 1.0 / (1.0 - self.p))}

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
