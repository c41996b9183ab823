"""Positions of an axis that are named one by one."""

from __future__ import annotations

from dataclasses import field
from typing import Any, ClassVar, final

from ..checking.arguments import is_whole
from ..checking.calls import call_example
from ..equation import Array, Sparse, contraction, index, term
from ..equation.frozen import frozen
from ..errors import ArgumentError, ShapeError
from ..showing.axis_names import size_names
from .layer import Declaration, Layer, Shape, canonical
from .sample_axes import checked_axes, input_names, output_names, some_axes

X, S, Z = Array("X"), Array("S"), Array("Z")


@final
@call_example("gt.IndexSelect((2, 0, 0, 5))")
@frozen
class IndexSelect(Layer):
    """Takes positions of an axis in any order, some of them more than once: `x[:, [2, 0, 0, 5]]`.

    Shapes: X (N, C, H, W), Z the same but for the axis, which is as long as `positions`.

    Forward:
        Z[n,k,y,x] = Σ_{c} S[k,c]·X[n,c,y,x]

    Adjoints:
        dX[n,c,y,x] = Σ_{k} S[k,c]·dZ[n,k,y,x]

    S[k,c] is 1 where c is the position that k takes, and else there is no product. The gradient of
    a position is the sum over all places that take it.

    Args:
        positions: which of the axis's, below 0 counted from its end.
        axis: which axis; the channels are 1.
        name: instead of select1, …

    Raises:
        ArgumentError: no positions, or one that is no whole number.
    """

    prefix: ClassVar[str] = "select"

    positions: tuple[int, ...]
    axis: int = 1
    name: str | None = field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        canonical(self)
        some_axes(self, self.axis, "axis")
        given: Any = self.positions
        if not isinstance(given, tuple) or not given or not all(map(is_whole, given)):
            raise ArgumentError(
                f"IndexSelect: positions must be whole numbers, at least one, got {given!r:.60}"
            )

    def declare(self, *sources: Shape, training: bool) -> Declaration:
        """See `Layer.declare`; any shape."""
        (shape,) = sources
        (axis,) = checked_axes((self.axis,), shape)
        size = shape[axis]
        wrong = next((p for p in self.positions if not -size <= p < size), None)
        if wrong is not None:
            raise ShapeError(
                f"takes position {wrong} of axis {axis} ({size_names(len(shape))[axis]}), which "
                f"has {size}",
                f"Choose positions from {-size} to {size - 1}",
            )
        there = list(output_names(len(shape)))
        there[axis] = output_names(2)[1] if axis == 1 else there[axis]
        here = [*there]
        here[axis] = input_names(shape)[axis]
        rows = tuple((position % size, (1.0,)) for position in self.positions)
        chosen = Sparse(S[index(there[axis]), index(here[axis])], rows)
        equation = contraction(
            term(Z[tuple(map(index, there))], chosen, X[tuple(map(index, here))]),
            ranges={there[axis]: len(rows), here[axis]: size},
            shapes={"X": shape, "S": (len(rows), size)},
        )
        return Declaration(equation, given={"S": "positions"})
