"""Flatten: every element of a sample in one row, channels outermost."""

from __future__ import annotations

from dataclasses import field
from math import prod
from typing import ClassVar, final

from ..checking.calls import call_example
from ..equation import Affine, Array, Number, contraction, index, term
from ..equation.frozen import frozen
from .layer import Declaration, Layer, Shape

X, Z = Array("X"), Array("Z")

_AXES = {2: "f", 3: "cw", 4: "chw", 5: "cthw"}


@final
@call_example("gt.Flatten()")
@frozen
class Flatten(Layer):
    """Lays out each sample as one row: index f stands for (c, h, w).

    Shapes: X (N, C, H, W), Z (N, C·H·W).

    Forward:
        Z[n,c·H·W+h·W+w] = X[n,c,h,w]

    Adjoints:
        dX[n,c,h,w] = dZ[n,c·H·W+h·W+w]

    Args:
        name: instead of flatten1, …
    """

    prefix: ClassVar[str] = "flatten"

    name: str | None = field(default=None, kw_only=True)

    def declare(self, *sources: Shape, training: bool) -> Declaration:
        """See `Layer.declare`; any shape."""
        (shape,) = sources
        axes = _AXES[len(shape)]
        place = Affine()
        for position, name in enumerate(axes):
            inner = shape[position + 2 :]
            symbol = "·".join(axes[position + 1 :].upper())
            place = place + index(name) * (Number(prod(inner), symbol) if inner else 1)
        n = index("n")
        row = term(Z[n, place], X[n, *map(index, axes)])
        return Declaration(contraction(row, ranges={}, shapes={"X": shape}))
