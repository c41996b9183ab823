"""Dropout of whole channels: one draw for each channel of each sample.

Neighbours in a map say nearly the same, so that dropping one of them drops little.

Source: J. Tompson et al., "Efficient object localization using convolutional networks" (2015).
"""

from __future__ import annotations

from typing import ClassVar, final

from ..checking.calls import call_example
from ..equation import Affine
from ..equation.frozen import frozen
from .dropout import DropoutNd
from .layer import Shape, channels_of


@frozen
class ChannelDropout(DropoutNd):
    """What dropout of channels shares; `rank` is the number of spatial axes."""

    rank: ClassVar[int]

    def drawn_at(self, shape: Shape, each: tuple[Affine, ...]) -> tuple[Affine, ...]:
        """See `DropoutNd.drawn_at`: n,c."""
        channels_of(self, shape, self.rank)
        return each[:2]


@final
@call_example("gt.Dropout1d(0.5)")
@frozen
class Dropout1d(ChannelDropout):
    """Sets whole channels to zero at random in training; hands everything on in evaluation.

    Shapes: X and Z (N, C, L), the mask M (N, C).

    Forward, in training, with M = 1/(1 − p) where a channel is kept and 0 where it is dropped:
        Z[n,c,x] = M[n,c]·X[n,c,x]

    Adjoints:
        dX[n,c,x] = M[n,c]·dZ[n,c,x]

    In evaluation:
        Z[n,c,x] = X[n,c,x]

    Args:
        p: the probability of a channel being dropped, at least 0 and below 1.
        name: instead of dropout1, …

    Raises:
        ArgumentError: p outside its range.
    """

    rank: ClassVar[int] = 1


@final
@call_example("gt.Dropout2d(0.5)")
@frozen
class Dropout2d(ChannelDropout):
    """Sets whole channels to zero at random in training; hands everything on in evaluation.

    Shapes: X and Z (N, C, H, W), the mask M (N, C).

    Forward, in training, with M = 1/(1 − p) where a channel is kept and 0 where it is dropped:
        Z[n,c,y,x] = M[n,c]·X[n,c,y,x]

    Adjoints:
        dX[n,c,y,x] = M[n,c]·dZ[n,c,y,x]

    In evaluation:
        Z[n,c,y,x] = X[n,c,y,x]

    Args:
        p: the probability of a channel being dropped, at least 0 and below 1.
        name: instead of dropout1, …

    Raises:
        ArgumentError: p outside its range.
    """

    rank: ClassVar[int] = 2


@final
@call_example("gt.Dropout3d(0.5)")
@frozen
class Dropout3d(ChannelDropout):
    """Sets whole channels to zero at random in training; hands everything on in evaluation.

    Shapes: X and Z (N, C, D, H, W), the mask M (N, C).

    Forward, in training, with M = 1/(1 − p) where a channel is kept and 0 where it is dropped:
        Z[n,c,z,y,x] = M[n,c]·X[n,c,z,y,x]

    Adjoints:
        dX[n,c,z,y,x] = M[n,c]·dZ[n,c,z,y,x]

    In evaluation:
        Z[n,c,z,y,x] = X[n,c,z,y,x]

    Args:
        p: the probability of a channel being dropped, at least 0 and below 1.
        name: instead of dropout1, …

    Raises:
        ArgumentError: p outside its range.
    """

    rank: ClassVar[int] = 3
