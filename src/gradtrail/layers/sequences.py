"""Layers over one spatial axis, whose inputs are (N, C, L): sequences, signals."""

from __future__ import annotations

from typing import ClassVar, final

from ..checking.calls import call_example
from ..equation.frozen import frozen
from .conv import ConvNd
from .conv_transpose import ConvTransposeNd
from .pooling import AvgPool, GlobalAvgPool, MaxPool


@final
@call_example("gt.Conv1d(16, 3, padding=1)")
@frozen
class Conv1d(ConvNd):
    """A convolution over one spatial axis (cross-correlation: the kernel is not flipped).

    Shapes: X (N, C, L), W (K, C/groups, R), b (K,), Z (N, K, L′), with
    L′ = ⌊(L + 2·padding − (dilation·(R − 1) + 1)) / stride⌋ + 1.

    Forward:
        Z[n,k,x] = b[k] + Σ_{c,j} W[k,c,j]·X[n,c,x·s+j·d−p]

    Adjoints:
        dW[k,c,j] = Σ_{n,x} dZ[n,k,x]·X[n,c,x·s+j·d−p]
        db[k] = Σ_{n,x} dZ[n,k,x]
        dX[n,c,x·s+j·d−p] += Σ_{k} W[k,c,j]·dZ[n,k,x]
        dX[n,c,w] = Σ_{k,j} W[k,c,j]·dZ[n,k,(w+p−j·d)/s]

    Edges: as `Conv2d`.

    Args:
        out_channels: K, the number of kernels.
        kernel_size: R, how many offsets.
        stride: s, how far one window lies from the next.
        padding: p, zeros on each side, or a pair ((before, behind),); "same" keeps the
            size (stride 1), "valid" is 0.
        padding_mode: what stands in the padding; other than "zeros" it is a `Pad` of that mode, a
            layer before this one.
        dilation: d, how far one kernel offset lies from the next.
        groups: into how many separate convolutions the channels are split; C for depthwise.
        bias: whether b is there.
        in_channels: C, inferred; if given, it is checked.
        initialization: of W, by name; b starts at 0.
        name: instead of conv1, conv2, …

    Raises:
        ArgumentError: an argument out of its range.
    """

    rank: ClassVar[int] = 1


@final
@call_example("gt.ConvTranspose1d(16, 2, stride=2)")
@frozen
class ConvTranspose1d(ConvTransposeNd):
    """A transposed convolution over one spatial axis: the adjoint of `Conv1d` as a layer.

    Shapes: X (N, C, L), W (C, K/groups, R), b (K,), Z (N, K, L′), with
    L′ = (L − 1)·stride − 2·padding + dilation·(R − 1) + output_padding + 1.

    Forward:
        Z[n,k,x] = b[k]
        Z[n,k,w·s+j·d−p] += Σ_{c} W[c,k,j]·X[n,c,w]

    Adjoints:
        dW[c,k,j] = Σ_{n,w} dZ[n,k,w·s+j·d−p]·X[n,c,w]
        db[k] = Σ_{n,x} dZ[n,k,x]
        dX[n,c,w] = Σ_{k,j} W[c,k,j]·dZ[n,k,w·s+j·d−p]

    Edges: as `ConvTranspose2d`.

    Args:
        out_channels: K.
        kernel_size: R, how many offsets.
        stride: s, how far one input's kernel lies from the next.
        padding: p, how much is cropped on each side, or a pair ((before, behind),).
        output_padding: positions added behind, fewer than stride or dilation.
        groups: into how many separate convolutions the channels are split.
        bias: whether b is there.
        dilation: d, how far one kernel offset lies from the next.
        in_channels: C, inferred; if given, it is checked.
        initialization: of W, by name; b starts at 0.
        name: instead of convt1, convt2, …

    Raises:
        ArgumentError: an argument out of its range.
    """

    rank: ClassVar[int] = 1


@final
@call_example("gt.MaxPool1d(2)")
@frozen
class MaxPool1d(MaxPool):
    """The maximum of each window of each channel.

    Shapes: X (N, C, L), Z and the winner A (N, C, L′), with
    L′ = ⌊(L + 2·padding − (dilation·(R − 1) + 1)) / stride⌋ + 1; with ceil_mode ⌈…⌉ instead.

    Forward:
        Z[n,c,x] = max_{j} X[n,c,x·s+j−p]

    Adjoints:
        dX[n,c,x·s+j−p] += [A[n,c,x] = j]·dZ[n,c,x]
        dX[n,c,w] = Σ_{j} [A[n,c,(w+p−j)/s] = j]·dZ[n,c,(w+p−j)/s]

    Ties: as `MaxPool2d`; the first maximum wins, the last axis counting fastest.

    Args:
        kernel_size: R, how many offsets.
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

    rank: ClassVar[int] = 1


@final
@call_example("gt.AvgPool1d(2)")
@frozen
class AvgPool1d(AvgPool):
    """The mean of each window of each channel.

    Shapes: X (N, C, L), Z (N, C, L′), with
    L′ = ⌊(L + 2·padding − R) / stride⌋ + 1; with ceil_mode ⌈…⌉ instead.

    Forward:
        Z[n,c,x] = (1/|j|)·Σ_{j} X[n,c,x·s+j−p]

    Adjoints:
        dX[n,c,x·s+j−p] += (1/|j|)·dZ[n,c,x]
        dX[n,c,w] = (1/|j|)·Σ_{j} dZ[n,c,(w+p−j)/s]

    With count_include_pad=False, or where ceil_mode reaches beyond the padding, the share a[x]
    is 1 over the positions inside the input, or inside it and its padding:
        Z[n,c,x] = Σ_{j} a[x]·X[n,c,x·s+j−p]

    Args:
        kernel_size: R, how many offsets.
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

    rank: ClassVar[int] = 1


@final
@call_example("gt.GlobalAvgPool1d()")
@frozen
class GlobalAvgPool1d(GlobalAvgPool):
    """The mean of each channel over its whole sequence.

    Shapes: X (N, C, L), Z (N, C).

    Forward:
        Z[n,c] = (1/|w|)·Σ_{w} X[n,c,w]

    Adjoints:
        dX[n,c,w] = (1/|w|)·dZ[n,c]

    Args:
        name: instead of pool1, pool2, …
    """

    rank: ClassVar[int] = 1
