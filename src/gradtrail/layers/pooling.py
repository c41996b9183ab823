"""Pooling: the maximum or the mean of a window, and the mean of a whole map."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from functools import reduce
from typing import ClassVar, final

import numpy as np

from ..checking.calls import call_example
from ..equation import Array, Equation, contraction, count, index, indices, selection, term
from ..equation.frozen import frozen
from ..errors import ArgumentError
from .layer import Declaration, Draws, Layer, Shape, canonical, channels_of
from .windows import PerAxis, Windows, padding_margins, per_axis

X, Z, a = Array("X"), Array("Z"), Array("a")


@frozen
class PoolNd(Layer):
    """What pools with windows share; `rank` is the number of spatial axes."""

    prefix: ClassVar[str] = "pool"
    rank: ClassVar[int]

    kernel_size: PerAxis
    stride: PerAxis | None = None
    padding: PerAxis = 0
    name: str | None = field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        canonical(self, "count_include_pad")
        _ = self.windows

    @property
    def windows(self) -> Windows:
        """The settings, one entry per axis: the stride defaults to the kernel size.

        Raises:
            ArgumentError: an argument out of its range; padding is at most half the kernel size.
        """
        kernel = per_axis(self.kind, "kernel_size", self.kernel_size, self.rank)
        given = kernel if self.stride is None else self.stride
        stride = per_axis(self.kind, "stride", given, self.rank)
        dilation = self._dilation()
        margins = padding_margins(self.kind, self.padding, kernel, stride, dilation)
        for (before, _), k in zip(margins, kernel, strict=True):
            if before > k // 2:
                raise ArgumentError(
                    f"{self.kind}: padding={before} is more than half of kernel_size={k}; at most "
                    f"{k // 2} is taken, whatever the dilation, as in PyTorch"
                )
        return Windows(kernel, stride, margins, dilation, undilated=set(dilation) == {1})

    def _dilation(self) -> tuple[int, ...]:
        """How far one offset lies from the next, one entry per axis; 1 where none can be chosen."""
        return (1,) * self.rank


@frozen
class MaxPool(PoolNd):
    """What max pooling of every rank shares."""

    dilation: PerAxis = field(default=1, kw_only=True)

    def _dilation(self) -> tuple[int, ...]:
        return per_axis(self.kind, "dilation", self.dilation, self.rank)

    def declare(self, *sources: Shape, training: bool) -> Declaration:
        """See `Layer.declare`; the input is (N, C, H, W)."""
        (shape,) = sources
        channels_of(self, shape, self.rank)
        window = self.windows
        n, c = indices("n c")
        equation = selection(
            Z[n, c, *map(index, window.outputs)],
            X[n, c, *window.positions(window.outputs)].padded(*window.margins),
            over=window.offsets,
            winner="A",
            ranges=window.ranges,
            shapes={"X": shape},
        )
        # engines choose the winner: `cpu/kernels/max_pool.py`, and `argmax` in `reference.py`
        return Declaration(equation, saved={"A": "winner"})


@final
@call_example("gt.MaxPool2d(2)")
@frozen
class MaxPool2d(MaxPool):
    """The maximum of each window of each channel.

    Shapes: X (N, C, H, W), Z and the winner A (N, C, H′, W′), with
    H′ = ⌊(H + 2·padding − (dilation·(R − 1) + 1)) / stride⌋ + 1.

    Forward:
        Z[n,c,y,x] = max_{i,j} X[n,c,y·s+i−p,x·s+j−p]

    Adjoints:
        dX[n,c,y·s+i−p,x·s+j−p] += [A[n,c,y,x] = i·|j|+j]·dZ[n,c,y,x]
        dX[n,c,h,w] = Σ_{i,j} [A[n,c,(h+p−i)/s,(w+p−j)/s] = i·|j|+j]·dZ[n,c,(h+p−i)/s,(w+p−j)/s]

    Ties: the winner is the first maximum in row-major order within the window. Padding never
    wins, a NaN does. Where windows overlap, one input may win several and collects all of them.

    Args:
        kernel_size: R and S, one number or one per axis.
        stride: s, by default the kernel size.
        padding: p, at most half the kernel size.
        dilation: how far one offset lies from the next.
        name: instead of pool1, pool2, …

    Raises:
        ArgumentError: an argument out of its range.
    """

    rank: ClassVar[int] = 2


@frozen
class AvgPool(PoolNd):
    """What average pooling of every rank shares."""

    count_include_pad: bool = field(default=True, kw_only=True)

    def declare(self, *sources: Shape, training: bool) -> Declaration:
        """See `Layer.declare`; the input is (N, C, H, W)."""
        (shape,) = sources
        channels_of(self, shape, self.rank)
        window = self.windows
        n, c = indices("n c")
        outputs = tuple(map(index, window.outputs))
        z = Z[n, c, *outputs]
        x = X[n, c, *window.positions(window.outputs)].padded(*window.margins)
        uneven = not self.count_include_pad and any(before for before, _ in window.margins)
        share = count(window.offsets, window.ranges).reciprocal()
        mean = term(z, a[outputs], x) if uneven else term(z, x, scale=share)
        equation = contraction(mean, ranges=window.ranges, shapes={"X": shape})
        return Declaration(equation, given={"a": "share"} if uneven else {})

    def given(self, equation: Equation, draws: Draws) -> Mapping[str, np.ndarray]:
        """`a[y,x]`: 1 over how many positions of the window lie inside the input."""
        if "a" not in equation.shape_of:
            return {}
        window, counts = self.windows, []
        for axis, size in enumerate(equation.shape_of["X"][2:]):
            y = np.arange(equation.shape_of["Z"][2 + axis])[:, None]
            i = np.arange(window.kernel[axis])[None, :]
            position = y * window.stride[axis] + i - window.margins[axis][0]
            counts.append(((position >= 0) & (position < size)).sum(axis=1))
        return {"a": 1.0 / reduce(np.multiply.outer, counts)}


@final
@call_example("gt.AvgPool2d(2)")
@frozen
class AvgPool2d(AvgPool):
    """The mean of each window of each channel.

    Shapes: X (N, C, H, W), Z (N, C, H′, W′), with H′ = ⌊(H + 2·padding − R) / stride⌋ + 1.

    Forward:
        Z[n,c,y,x] = (1/(|i|·|j|))·Σ_{i,j} X[n,c,y·s+i−p,x·s+j−p]

    Adjoints:
        dX[n,c,y·s+i−p,x·s+j−p] += (1/(|i|·|j|))·dZ[n,c,y,x]
        dX[n,c,h,w] = (1/(|i|·|j|))·Σ_{i,j} dZ[n,c,(h+p−i)/s,(w+p−j)/s]

    With count_include_pad=False the share a[y,x] is 1 over the positions inside the input:
        Z[n,c,y,x] = Σ_{i,j} a[y,x]·X[n,c,y·s+i−p,x·s+j−p]

    Args:
        kernel_size: R and S, one number or one per axis.
        stride: s, by default the kernel size.
        padding: p, zeros on each side, at most half the kernel size.
        count_include_pad: whether the padding's zeros count in the mean.
        name: instead of pool1, pool2, …

    Raises:
        ArgumentError: an argument out of its range.
    """

    rank: ClassVar[int] = 2


@final
@call_example("gt.GlobalAvgPool2d()")
@frozen
class GlobalAvgPool2d(Layer):
    """The mean of each channel's whole map.

    Shapes: X (N, C, H, W), Z (N, C).

    Forward:
        Z[n,c] = (1/(|h|·|w|))·Σ_{h,w} X[n,c,h,w]

    Adjoints:
        dX[n,c,h,w] = (1/(|h|·|w|))·dZ[n,c]

    Args:
        name: instead of pool1, pool2, …
    """

    prefix: ClassVar[str] = "pool"
    rank: ClassVar[int] = 2

    name: str | None = field(default=None, kw_only=True)

    def declare(self, *sources: Shape, training: bool) -> Declaration:
        """See `Layer.declare`; the input is (N, C, H, W)."""
        (shape,) = sources
        channels_of(self, shape, self.rank)
        n, c, h, w = indices("n c h w")
        share = count(("h", "w"), {"h": shape[2], "w": shape[3]}).reciprocal()
        mean = term(Z[n, c], X[n, c, h, w], scale=share)
        return Declaration(contraction(mean, ranges={}, shapes={"X": shape}))
