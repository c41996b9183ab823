"""Axes taken together: the mean, the sum and the maximum over any axes of a sample."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from typing import ClassVar, final

from ..checking.calls import call_example
from ..equation import Access, Affine, Array, contraction, count, index, selection, term
from ..equation.frozen import frozen
from ..errors import ShapeError
from .layer import Declaration, Layer, Shape, canonical, times
from .sample_axes import Axes, checked_axes, input_names, output_names, some_axes

X, Z = Array("X"), Array("Z")


@frozen
class Reduction(Layer):
    """What layers that take axes together share."""

    axes: Axes
    keepdim: bool = False
    name: str | None = field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        canonical(self, "keepdim")
        some_axes(self, self.axes)

    def _accesses(self, shape: Shape) -> tuple[Access, Access, tuple[str, ...], Mapping[str, int]]:
        """Target and source, the indices that are taken together, and the ranges of all.

        Raises:
            ShapeError: an axis that there is not, or nothing is left of the sample.
        """
        over = checked_axes(some_axes(self, self.axes), shape)
        if len(over) == len(shape) - 1 and not self.keepdim:
            raise ShapeError(
                f"takes all axes of the sample of {times(shape[1:])} together, which leaves none",
                "Set keepdim=True, or leave an axis out",
            )
        inside, outside = input_names(shape), output_names(len(shape))
        kept = ["k" if name in inside[1:2] else name for name in outside]
        read = [inside[a] if a in over else outside[a] for a in range(len(shape))]
        shown: list[Affine] = []
        ranges = dict(zip(read, shape, strict=True))
        for axis, name in enumerate(read):
            if axis not in over:
                shown.append(index(name))
            elif self.keepdim:  # an axis of one position
                shown.append(index(kept[axis]))
                ranges[kept[axis]] = 1
        summed = tuple(read[axis] for axis in sorted(over))
        return Z[tuple(shown)], X[tuple(map(index, read))], summed, ranges


@final
@call_example("gt.Mean((2, 3))")
@frozen
class Mean(Reduction):
    """The mean over some axes of the sample.

    Shapes: X (N, C, H, W), Z without the axes that are taken together, or with one position each.
    Shown for axes 2 and 3.

    Forward:
        Z[n,c] = (1/(|h|·|w|))·Σ_{h,w} X[n,c,h,w]

    Adjoints:
        dX[n,c,h,w] = (1/(|h|·|w|))·dZ[n,c]

    Args:
        axes: which, one or several; the channels are 1, and −1 is the last.
        keepdim: whether these axes stay, with one position each.
        name: instead of mean1, …

    Raises:
        ArgumentError: an axis that is no whole number, or that of the samples.
    """

    prefix: ClassVar[str] = "mean"

    def declare(self, *sources: Shape, training: bool) -> Declaration:
        """See `Layer.declare`; any shape."""
        (shape,) = sources
        z, x, over, ranges = self._accesses(shape)
        mean = term(z, x, scale=count(over, ranges).reciprocal())
        return Declaration(contraction(mean, ranges=ranges, shapes={"X": shape}))


@final
@call_example("gt.Sum((2, 3))")
@frozen
class Sum(Reduction):
    """The sum over some axes of the sample.

    Shapes: X (N, C, H, W), Z without the axes that are taken together, or with one position each.
    Shown for axes 2 and 3.

    Forward:
        Z[n,c] = Σ_{h,w} X[n,c,h,w]

    Adjoints:
        dX[n,c,h,w] = dZ[n,c]

    Args:
        axes: which, one or several; the channels are 1, and −1 is the last.
        keepdim: whether these axes stay, with one position each.
        name: instead of sum1, …

    Raises:
        ArgumentError: an axis that is no whole number, or that of the samples.
    """

    prefix: ClassVar[str] = "sum"

    def declare(self, *sources: Shape, training: bool) -> Declaration:
        """See `Layer.declare`; any shape."""
        (shape,) = sources
        z, x, _, ranges = self._accesses(shape)
        return Declaration(contraction(term(z, x), ranges=ranges, shapes={"X": shape}))


@final
@call_example("gt.Max((2, 3))")
@frozen
class Max(Reduction):
    """The maximum over some axes of the sample.

    Shapes: X (N, C, H, W), Z and the winner A without the axes that are taken together, or with one
    position each. Shown for axes 2 and 3.

    Forward:
        Z[n,c] = max_{h,w} X[n,c,h,w]

    Adjoints:
        dX[n,c,h,w] = [A[n,c] = h·|w|+w]·dZ[n,c]

    Ties: the first maximum wins, the last axis counting fastest; a NaN wins.

    Args:
        axes: which, one or several; the channels are 1, and −1 is the last.
        keepdim: whether these axes stay, with one position each.
        name: instead of max1, …

    Raises:
        ArgumentError: an axis that is no whole number, or that of the samples.
    """

    prefix: ClassVar[str] = "max"

    def declare(self, *sources: Shape, training: bool) -> Declaration:
        """See `Layer.declare`; any shape."""
        (shape,) = sources
        z, x, over, ranges = self._accesses(shape)
        equation = selection(z, x, over=over, winner="A", ranges=ranges, shapes={"X": shape})
        return Declaration(equation, saved={"A": "winner"})
