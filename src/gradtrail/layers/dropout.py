"""Dropout: in training each element is kept with probability 1 − p and made up for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from typing import ClassVar, final

from ..checking.arguments import is_real
from ..checking.calls import call_example
from ..equation import Affine, Array, contraction, term
from ..equation.frozen import frozen
from ..errors import ArgumentError
from .layer import Declaration, Draw, Layer, Shape, canonical, elementwise

X, Z, M = Array("X"), Array("Z"), Array("M")


@frozen
class DropoutNd(Layer):
    """What all dropouts share: they differ in what is drawn once for several elements."""

    prefix: ClassVar[str] = "dropout"

    p: float = 0.5
    name: str | None = field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        canonical(self)
        if not is_real(self.p) or not 0 <= self.p < 1:
            raise ArgumentError(f"{self.kind}: p must be at least 0 and below 1, got {self.p!r}")

    @property
    def draws(self) -> Mapping[str, Draw]:
        """See `Layer.draws`: 1/(1 − p) where an element is kept and 0 where it is dropped."""
        return {"M": Draw.of(self.p)}

    def drawn_at(self, shape: Shape, each: tuple[Affine, ...]) -> tuple[Affine, ...]:
        """The indices of the mask.

        Args:
            shape: of the input, samples first.
            each: its indices.
        """
        return each

    def declare(self, *sources: Shape, training: bool) -> Declaration:
        """See `Layer.declare`; any shape."""
        (shape,) = sources
        each = elementwise(shape)
        drawn = self.drawn_at(shape, each)
        if not training:
            handed_on = term(Z[each], X[each])
            return Declaration(contraction(handed_on, ranges={}, shapes={"X": shape}))
        masked = term(Z[each], M[drawn], X[each])
        equation = contraction(masked, ranges={}, shapes={"X": shape})
        return Declaration(equation, given={"M": "mask"})


@final
@call_example("gt.Dropout(0.5)")
@frozen
class Dropout(DropoutNd):
    """Sets elements to zero at random in training; hands everything on in evaluation.

    Shapes: X, Z and the mask M alike.

    Forward, in training, with M = 1/(1 − p) where kept and 0 where dropped:
        Z[n,c,y,x] = M[n,c,y,x]·X[n,c,y,x]

    Adjoints:
        dX[n,c,y,x] = M[n,c,y,x]·dZ[n,c,y,x]

    In evaluation:
        Z[n,c,y,x] = X[n,c,y,x]

    An element is dropped where its random word is below p·2³². A sample's mask follows from the
    seed, the step, the layer and its place in the batch alone; see `Draws.words`.

    Args:
        p: the probability of being dropped, at least 0 and below 1; it counts to within 2⁻³².
        name: instead of dropout1, …

    Raises:
        ArgumentError: p outside its range.

    Source: N. Srivastava et al., "Dropout" (2014), section 4, with the scale of section 10.
    """
