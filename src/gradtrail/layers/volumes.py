"""Layers over three spatial axes, whose inputs are (N, C, D, H, W): volumes, videos."""

from __future__ import annotations

from typing import ClassVar, final

from ..checking.calls import call_example
from ..equation.frozen import frozen
from .conv import ConvNd
from .conv_transpose import ConvTransposeNd
from .pooling import AvgPool, GlobalAvgPool, MaxPool


@final
@call_example("gt.Conv3d(16, 3, padding=1)")
@frozen
class Conv3d(ConvNd):
    """A convolution over three spatial axes (cross-correlation: the kernel is not flipped).

    Shapes: X (N, C, D, H, W), W (K, C/groups, Q, R, S), b (K,), Z (N, K, D′, H′, W′), with
    D′ = ⌊(D + 2·padding − (dilation·(Q − 1) + 1)) / stride⌋ + 1, H′ and W′ alike.

    Forward:
        Z[n,k,z,y,x] = b[k] + Σ_{c,l,i,j} W[k,c,l,i,j]·X[n,c,z·s+l·d−p,y·s+i·d−p,x·s+j·d−p]

    Adjoints:
        dW[k,c,l,i,j] = Σ_{n,z,y,x} dZ[n,k,z,y,x]·X[n,c,z·s+l·d−p,y·s+i·d−p,x·s+j·d−p]
        db[k] = Σ_{n,z,y,x} dZ[n,k,z,y,x]
        dX[n,c,z·s+l·d−p,y·s+i·d−p,x·s+j·d−p] += Σ_{k} W[k,c,l,i,j]·dZ[n,k,z,y,x]
        dX[n,c,t,h,w] = Σ_{k,l,i,j} W[k,c,l,i,j]·dZ[n,k,(t+p−l·d)/s,(h+p−i·d)/s,(w+p−j·d)/s]

    Edges: as `Conv2d`.

    Args:
        out_channels: K, the number of kernels.
        kernel_size: Q, R and S, one number or one per axis.
        stride: s, how far one window lies from the next.
        padding: p, zeros on each side, per axis a pair where these differ; "same" keeps the
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

    rank: ClassVar[int] = 3


@final
@call_example("gt.ConvTranspose3d(16, 2, stride=2)")
@frozen
class ConvTranspose3d(ConvTransposeNd):
    """A transposed convolution over three spatial axes: the adjoint of `Conv3d` as a layer.

    Shapes: X (N, C, D, H, W), W (C, K/groups, Q, R, S), b (K,), Z (N, K, D′, H′, W′), with
    D′ = (D − 1)·stride − 2·padding + dilation·(Q − 1) + output_padding + 1, H′ and W′ alike.

    Forward:
        Z[n,k,z,y,x] = b[k]
        Z[n,k,t·s+l·d−p,h·s+i·d−p,w·s+j·d−p] += Σ_{c} W[c,k,l,i,j]·X[n,c,t,h,w]

    Adjoints:
        dW[c,k,l,i,j] = Σ_{n,t,h,w} dZ[n,k,t·s+l·d−p,h·s+i·d−p,w·s+j·d−p]·X[n,c,t,h,w]
        db[k] = Σ_{n,z,y,x} dZ[n,k,z,y,x]
        dX[n,c,t,h,w] = Σ_{k,l,i,j} W[c,k,l,i,j]·dZ[n,k,t·s+l·d−p,h·s+i·d−p,w·s+j·d−p]

    Edges: as `ConvTranspose2d`.

    Args:
        out_channels: K.
        kernel_size: Q, R and S, one number or one per axis.
        stride: s, how far one input's kernel lies from the next.
        padding: p, how much is cropped on each side, per axis a pair where these differ.
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

    rank: ClassVar[int] = 3


@final
@call_example("gt.MaxPool3d(2)")
@frozen
class MaxPool3d(MaxPool):
    """The maximum of each window of each channel.

    Shapes: X (N, C, D, H, W), Z and the winner A (N, C, D′, H′, W′), with
    D′ = ⌊(D + 2·padding − (dilation·(Q − 1) + 1)) / stride⌋ + 1; with ceil_mode ⌈…⌉ instead.

    Forward:
        Z[n,c,z,y,x] = max_{l,i,j} X[n,c,z·s+l−p,y·s+i−p,x·s+j−p]

    Adjoints:
        dX[n,c,z·s+l−p,y·s+i−p,x·s+j−p] += [A[n,c,z,y,x] = l·|i|·|j|+i·|j|+j]·dZ[n,c,z,y,x]
        dX[n,c,t,h,w] = Σ_{l,i,j} [A[n,c,(t+p−l)/s,(h+p−i)/s,(w+p−j)/s] = l·|i|·|j|+i·|j|+j]·dZ[n,c,(t+p−l)/s,(h+p−i)/s,(w+p−j)/s]

    Ties: as `MaxPool2d`; the first maximum wins, the last axis counting fastest.

    Args:
        kernel_size: Q, R and S, one number or one per axis.
        stride: s, by default the kernel size.
        padding: p, at most half the kernel size; or pairs ((before, behind), …), one per axis,
            each less than what a window spans.
        dilation: how far one offset lies from the next.
        ceil_mode: whether a rest that the stride leaves gets a window of its own, if it begins in
            the input or in the padding before it.
        name: instead of pool1, pool2, …

    Raises:
        ArgumentError: an argument out of its range.
    """  # noqa: E501

    rank: ClassVar[int] = 3


@final
@call_example("gt.AvgPool3d(2)")
@frozen
class AvgPool3d(AvgPool):
    """The mean of each window of each channel.

    Shapes: X (N, C, D, H, W), Z (N, C, D′, H′, W′), with
    D′ = ⌊(D + 2·padding − Q) / stride⌋ + 1; with ceil_mode ⌈…⌉ instead.

    Forward:
        Z[n,c,z,y,x] = (1/(|l|·|i|·|j|))·Σ_{l,i,j} X[n,c,z·s+l−p,y·s+i−p,x·s+j−p]

    Adjoints:
        dX[n,c,z·s+l−p,y·s+i−p,x·s+j−p] += (1/(|l|·|i|·|j|))·dZ[n,c,z,y,x]
        dX[n,c,t,h,w] = (1/(|l|·|i|·|j|))·Σ_{l,i,j} dZ[n,c,(t+p−l)/s,(h+p−i)/s,(w+p−j)/s]

    With count_include_pad=False, or where ceil_mode reaches beyond the padding, the share a[z,y,x]
    is 1 over the positions inside the input, or inside it and its padding:
        Z[n,c,z,y,x] = Σ_{l,i,j} a[z,y,x]·X[n,c,z·s+l−p,y·s+i−p,x·s+j−p]

    Args:
        kernel_size: Q, R and S, one number or one per axis.
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

    rank: ClassVar[int] = 3


@final
@call_example("gt.GlobalAvgPool3d()")
@frozen
class GlobalAvgPool3d(GlobalAvgPool):
    """The mean of each channel over its whole volume.

    Shapes: X (N, C, D, H, W), Z (N, C).

    Forward:
        Z[n,c] = (1/(|t|·|h|·|w|))·Σ_{t,h,w} X[n,c,t,h,w]

    Adjoints:
        dX[n,c,t,h,w] = (1/(|t|·|h|·|w|))·dZ[n,c]

    Args:
        name: instead of pool1, pool2, …
    """

    rank: ClassVar[int] = 3
