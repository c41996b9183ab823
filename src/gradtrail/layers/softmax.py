"""Softmax along any axes of a sample, and its logarithm."""

from __future__ import annotations

from dataclasses import field
from typing import ClassVar, final

from ..checking.calls import call_example
from ..equation import Array, softmax
from ..equation.frozen import frozen
from .layer import Declaration, Layer, Shape, canonical, elementwise
from .sample_axes import checked_axes, some_axes

X, Z = Array("X"), Array("Z")


class _Softmax(Layer):
    """What a softmax and its logarithm share."""

    log: ClassVar[bool]

    dim: int

    def __post_init__(self) -> None:
        canonical(self)
        some_axes(self, self.dim, "dim")

    def declare(self, *sources: Shape, training: bool) -> Declaration:
        """See `Layer.declare`; any shape."""
        (shape,) = sources
        each = elementwise(shape)
        (axis,) = checked_axes(some_axes(self, self.dim, "dim"), shape)
        along = each[axis].names
        return Declaration(
            softmax(Z[each], X[each], along=along, log=self.log, shapes={"X": shape})
        )


@final
@call_example("gt.Softmax()")
@frozen
class Softmax(_Softmax):
    """Numbers above 0 that sum to 1 along an axis: exp X over the sum of exp X.

    Shapes: X and Z (N, …).

    Forward:
        Z[n,c,y,x] = (exp X[n,c,y,x])/(Σ_{c} exp X[n,c,y,x])

    Adjoints, read off the result:
        dX[n,c,y,x] = Z[n,c,y,x]·dZ[n,c,y,x] − Σ_{c′} Z[n,c,y,x]·Z[n,c′,y,x]·dZ[n,c′,y,x]

    The greatest number along the axis is subtracted before the exponentials, so none overflows.
    A network for CrossEntropy ends without one: the loss has its own.

    Args:
        dim: the axis, counted as PyTorch counts them (0 are the samples); 1, the channels or
            features, by default.
        name: instead of softmax1, …

    Raises:
        ArgumentError: an axis that is no number, or the samples'.
    """

    prefix: ClassVar[str] = "softmax"
    log: ClassVar[bool] = False

    dim: int = 1
    name: str | None = field(default=None, kw_only=True)


@final
@call_example("gt.LogSoftmax()")
@frozen
class LogSoftmax(_Softmax):
    """The logarithm of a softmax, by log-sum-exp.

    Shapes: X and Z (N, …).

    Forward:
        Z[n,c,y,x] = X[n,c,y,x] − log Σ_{c} exp X[n,c,y,x]

    Adjoints, read off the result:
        dX[n,c,y,x] = dZ[n,c,y,x] − Σ_{c′} exp(Z[n,c,y,x])·dZ[n,c′,y,x]

    Args:
        dim: the axis, counted as PyTorch counts them (0 are the samples); 1, the channels or
            features, by default.
        name: instead of logsoftmax1, …

    Raises:
        ArgumentError: an axis that is no number, or the samples'.
    """

    prefix: ClassVar[str] = "logsoftmax"
    log: ClassVar[bool] = True

    dim: int = 1
    name: str | None = field(default=None, kw_only=True)
