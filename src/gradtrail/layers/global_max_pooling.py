"""The maximum of each channel over all of its places."""

from __future__ import annotations

from typing import ClassVar, final

from ..checking.calls import call_example
from ..equation import Array, index, indices, selection
from ..equation.frozen import frozen
from .layer import Declaration, Shape
from .pooling import GlobalPool

X, Z = Array("X"), Array("Z")


@frozen
class GlobalMaxPool(GlobalPool):
    """What global maximum pooling of every rank shares."""

    def declare(self, *sources: Shape, training: bool) -> Declaration:
        """See `Layer.declare`; the input is (N, C, H, W)."""
        (shape,) = sources
        places = self.places(shape)
        n, c = indices("n c")
        equation = selection(
            Z[n, c],
            X[n, c, *map(index, places)],
            over=places,
            winner="A",
            ranges={},
            shapes={"X": shape},
        )
        return Declaration(equation, saved={"A": "winner"})


@final
@call_example("gt.GlobalMaxPool1d()")
@frozen
class GlobalMaxPool1d(GlobalMaxPool):
    """The maximum of each channel over its whole sequence.

    Shapes: X (N, C, L), Z and the winner A (N, C).

    Forward:
        Z[n,c] = max_{w} X[n,c,w]

    Adjoints:
        dX[n,c,w] = [A[n,c] = w]·dZ[n,c]

    Ties: the first maximum wins, the last axis counting fastest; a NaN wins.

    Args:
        name: instead of pool1, pool2, …
    """

    rank: ClassVar[int] = 1


@final
@call_example("gt.GlobalMaxPool2d()")
@frozen
class GlobalMaxPool2d(GlobalMaxPool):
    """The maximum of each channel over its whole map.

    Shapes: X (N, C, H, W), Z and the winner A (N, C).

    Forward:
        Z[n,c] = max_{h,w} X[n,c,h,w]

    Adjoints:
        dX[n,c,h,w] = [A[n,c] = h·|w|+w]·dZ[n,c]

    Ties: the first maximum wins, the last axis counting fastest; a NaN wins.

    Args:
        name: instead of pool1, pool2, …
    """

    rank: ClassVar[int] = 2


@final
@call_example("gt.GlobalMaxPool3d()")
@frozen
class GlobalMaxPool3d(GlobalMaxPool):
    """The maximum of each channel over its whole volume.

    Shapes: X (N, C, D, H, W), Z and the winner A (N, C).

    Forward:
        Z[n,c] = max_{t,h,w} X[n,c,t,h,w]

    Adjoints:
        dX[n,c,t,h,w] = [A[n,c] = t·|h|·|w|+h·|w|+w]·dZ[n,c]

    Ties: the first maximum wins, the last axis counting fastest; a NaN wins.

    Args:
        name: instead of pool1, pool2, …
    """

    rank: ClassVar[int] = 3
