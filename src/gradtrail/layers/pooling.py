"""Pooling: the maximum or the mean of a window, and the mean of a whole map."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from fractions import Fraction
from functools import reduce
from typing import ClassVar, final

import numpy as np

from ..checking.arguments import positive
from ..checking.calls import call_example
from ..equation import (
    Array,
    Equation,
    Margin,
    Number,
    contraction,
    count,
    index,
    indices,
    selection,
    term,
)
from ..equation.frozen import frozen
from ..errors import ArgumentError
from .layer import Declaration, Draws, Layer, Shape, canonical, channels_of
from .windows import INPUTS, Padding, PerAxis, Windows, padding_margins, per_axis

X, Z, a = Array("X"), Array("Z"), Array("a")


@frozen
class PoolNd(Layer):
    """What pools with windows share; `rank` is the number of spatial axes."""

    prefix: ClassVar[str] = "pool"
    rank: ClassVar[int]

    kernel_size: PerAxis
    stride: PerAxis | None = None
    padding: Padding = 0
    ceil_mode: bool = field(default=False, kw_only=True)
    name: str | None = field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        canonical(self, "count_include_pad", "ceil_mode")
        _ = self.windows

    @property
    def windows(self) -> Windows:
        """The settings, one entry per axis: the stride defaults to the kernel size.

        Raises:
            ArgumentError: an argument out of its range; one padding for both sides is at most half
                the kernel size, two are less than what a window spans.
        """
        kernel = per_axis(self.kind, "kernel_size", self.kernel_size, self.rank)
        given = kernel if self.stride is None else self.stride
        stride = per_axis(self.kind, "stride", given, self.rank)
        dilation = self._dilation()
        margins = padding_margins(self.kind, self.padding, kernel, stride, dilation)
        found = Windows(kernel, stride, margins, dilation, undilated=set(dilation) == {1})
        for (before, behind), k, spanned in zip(margins, kernel, found.extents, strict=True):
            if before == behind > k // 2:
                raise ArgumentError(
                    f"{self.kind}: padding={before} is more than half of kernel_size={k}; at most "
                    f"{k // 2} is taken, whatever the dilation, as in PyTorch"
                )
            if max(before, behind) >= spanned:
                raise ArgumentError(
                    f"{self.kind}: padding={(before, behind)} holds a whole window of {spanned}; "
                    f"at most {spanned - 1} is taken on a side"
                )
        return found

    def reached(self, shape: Shape) -> tuple[Margin, ...]:
        """How far windows reach beyond an input before and behind, per axis.

        That is the padding; with `ceil_mode` more behind, where the stride leaves a rest and a
        window that covers it begins in the input or in the padding before it.

        Args:
            shape: of the input, samples first.
        """
        window = self.windows
        if not self.ceil_mode:
            return window.margins
        axes = zip(shape[2:], window.margins, window.extents, window.stride, strict=True)
        return tuple(
            (before, behind + _one_more(size, before, behind, spanned, stride))
            for size, (before, behind), spanned, stride in axes
        )

    def _dilation(self) -> tuple[int, ...]:
        """How far one offset lies from the next, one entry per axis; 1 where none can be chosen."""
        return (1,) * self.rank


def _one_more(size: int, before: int, behind: int, spanned: int, stride: int) -> int:
    """How many more positions behind make room for one more window; 0 where it has no business."""
    windows, rest = divmod(size + before + behind - spanned, stride)
    begins = (windows + 1) * stride
    return stride - rest if rest and windows >= -1 and begins < size + before else 0


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
        window, reached = self.windows, self.reached(shape)
        n, c = indices("n c")
        equation = selection(
            Z[n, c, *map(index, window.outputs)],
            X[n, c, *window.positions(window.outputs)].padded(*reached),
            over=window.offsets,
            winner="A",
            ranges=window.ranges,
            shapes={"X": shape},
        )
        # engines choose the winner: `cpu/kernels/max_pool.py`, and `argmax` in `reference.py`
        return Declaration(equation, saved={"A": "winner"}, asked=window.margins)


@final
@call_example("gt.MaxPool2d(2)")
@frozen
class MaxPool2d(MaxPool):
    """The maximum of each window of each channel.

    Shapes: X (N, C, H, W), Z and the winner A (N, C, H′, W′), with
    H′ = ⌊(H + 2·padding − (dilation·(R − 1) + 1)) / stride⌋ + 1; with ceil_mode ⌈…⌉ instead.

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
        padding: p, at most half the kernel size; or pairs ((before, behind), …), one per axis,
            each less than what a window spans.
        dilation: how far one offset lies from the next.
        ceil_mode: whether a rest that the stride leaves gets a window of its own, if it begins in
            the input or in the padding before it.
        name: instead of pool1, pool2, …

    Raises:
        ArgumentError: an argument out of its range.
    """

    rank: ClassVar[int] = 2


@frozen
class AvgPool(PoolNd):
    """What average pooling of every rank shares."""

    count_include_pad: bool = field(default=True, kw_only=True)
    divisor_override: int | None = field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        PoolNd.__post_init__(self)
        if self.divisor_override is not None:
            positive(self.kind, divisor_override=self.divisor_override)

    def declare(self, *sources: Shape, training: bool) -> Declaration:
        """See `Layer.declare`; the input is (N, C, H, W)."""
        (shape,) = sources
        channels_of(self, shape, self.rank)
        window = self.windows
        n, c = indices("n c")
        outputs = tuple(map(index, window.outputs))
        z = Z[n, c, *outputs]
        x = X[n, c, *window.positions(window.outputs)].padded(*self.reached(shape))
        share = count(window.offsets, window.ranges).reciprocal()
        if self.divisor_override is not None:
            share = Number(Fraction(1, self.divisor_override))
        mean = term(z, x, scale=share)
        equation = contraction(mean, ranges=window.ranges, shapes={"X": shape})
        if self.divisor_override is not None or self._alike(equation):
            return Declaration(equation, asked=window.margins)
        mean = term(z, a[outputs], x)
        equation = contraction(mean, ranges=window.ranges, shapes={"X": shape})
        return Declaration(equation, given={"a": "share"}, asked=window.margins)

    def _alike(self, equation: Equation) -> bool:
        """Whether every window is divided by as many positions as it has."""
        pairs = zip(self._counted(equation), self.windows.kernel, strict=True)
        return all((counted == k).all() for counted, k in pairs)

    def _counted(self, equation: Equation) -> list[np.ndarray]:
        """Per axis, how many positions of each window count: those in the input or its padding.

        What `ceil_mode` reaches beyond the padding that was asked for never counts.
        """
        window, found = self.windows, []
        for axis, size in enumerate(equation.shape_of["X"][2:]):
            before, behind = window.margins[axis] if self.count_include_pad else (0, 0)
            y = np.arange(equation.shape_of["Z"][2 + axis])[:, None]
            i = np.arange(window.kernel[axis])[None, :]
            position = y * window.stride[axis] + i - window.margins[axis][0]
            found.append(((position >= -before) & (position < size + behind)).sum(axis=1))
        return found

    def given(self, equation: Equation, draws: Draws) -> Mapping[str, np.ndarray]:
        """`a[y,x]`: 1 over how many positions of the window count."""
        if "a" not in equation.shape_of:
            return {}
        return {"a": 1.0 / reduce(np.multiply.outer, self._counted(equation))}


@final
@call_example("gt.AvgPool2d(2)")
@frozen
class AvgPool2d(AvgPool):
    """The mean of each window of each channel.

    Shapes: X (N, C, H, W), Z (N, C, H′, W′), with H′ = ⌊(H + 2·padding − R) / stride⌋ + 1; with
    ceil_mode ⌈…⌉ instead.

    Forward:
        Z[n,c,y,x] = (1/(|i|·|j|))·Σ_{i,j} X[n,c,y·s+i−p,x·s+j−p]

    Adjoints:
        dX[n,c,y·s+i−p,x·s+j−p] += (1/(|i|·|j|))·dZ[n,c,y,x]
        dX[n,c,h,w] = (1/(|i|·|j|))·Σ_{i,j} dZ[n,c,(h+p−i)/s,(w+p−j)/s]

    With count_include_pad=False, or where ceil_mode reaches beyond the padding, the share a[y,x]
    is 1 over the positions inside the input, or inside it and its padding:
        Z[n,c,y,x] = Σ_{i,j} a[y,x]·X[n,c,y·s+i−p,x·s+j−p]

    Args:
        kernel_size: R and S, one number or one per axis.
        stride: s, by default the kernel size.
        padding: p, zeros on each side, at most half the kernel size; or pairs ((before, behind),
            …), one per axis, each less than the kernel size.
        count_include_pad: whether the padding's zeros count in the mean.
        divisor_override: what sums are divided by instead of the window's size.
        ceil_mode: whether a rest that the stride leaves gets a window of its own, if it begins in
            the input or in the padding before it.
        name: instead of pool1, pool2, …

    Raises:
        ArgumentError: an argument out of its range.
    """

    rank: ClassVar[int] = 2


@frozen
class GlobalPool(Layer):
    """What pools of whole maps share; `rank` is the number of spatial axes."""

    prefix: ClassVar[str] = "pool"
    rank: ClassVar[int]

    name: str | None = field(default=None, kw_only=True)

    def places(self, shape: Shape) -> tuple[str, ...]:
        """The names of the input's places: h, w.

        Raises:
            ShapeError: the input has not `rank` spatial axes.
        """
        channels_of(self, shape, self.rank)
        return INPUTS[3 - self.rank :]


@frozen
class GlobalAvgPool(GlobalPool):
    """What global average pooling of every rank shares."""

    def declare(self, *sources: Shape, training: bool) -> Declaration:
        """See `Layer.declare`; the input is (N, C, H, W)."""
        (shape,) = sources
        places = self.places(shape)
        n, c = indices("n c")
        share = count(places, dict(zip(places, shape[2:], strict=True))).reciprocal()
        mean = term(Z[n, c], X[n, c, *map(index, places)], scale=share)
        return Declaration(contraction(mean, ranges={}, shapes={"X": shape}))


@final
@call_example("gt.GlobalAvgPool2d()")
@frozen
class GlobalAvgPool2d(GlobalAvgPool):
    """The mean of each channel's whole map.

    Shapes: X (N, C, H, W), Z (N, C).

    Forward:
        Z[n,c] = (1/(|h|·|w|))·Σ_{h,w} X[n,c,h,w]

    Adjoints:
        dX[n,c,h,w] = (1/(|h|·|w|))·dZ[n,c]

    Args:
        name: instead of pool1, pool2, …
    """

    rank: ClassVar[int] = 2
