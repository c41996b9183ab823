"""Convolution: `Z[n,k,y,x] = b[k] + Σ_{c,i,j} W[k,c,i,j]·X[n,c,y·s+i·d−p,x·s+j·d−p]`."""

from __future__ import annotations

from dataclasses import field
from math import prod
from typing import ClassVar, final

from ..equation import Array, Number, contraction, index, indices, term
from ..equation.frozen import frozen
from ..errors import ArgumentError
from .base import Declaration, Layer, Parameter, Shape, channels_of, known_initialization, positive
from .windows import PerAxis, Windows, padding_margins, per_axis

__all__ = ["Conv2d"]

X, W, b, Z = Array("X"), Array("W"), Array("b"), Array("Z")


@frozen
class Convolution(Layer):
    """What convolutions of every rank share; `rank` is the number of spatial axes."""

    prefix: ClassVar[str] = "conv"
    rank: ClassVar[int]

    out_channels: int
    kernel_size: PerAxis
    stride: PerAxis = field(default=1, kw_only=True)
    padding: PerAxis | str = field(default=0, kw_only=True)
    dilation: PerAxis = field(default=1, kw_only=True)
    groups: int = field(default=1, kw_only=True)
    bias: bool = field(default=True, kw_only=True)
    in_channels: int | None = field(default=None, kw_only=True)
    initialization: str = field(default="he_normal", kw_only=True)
    name: str | None = field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        kind = type(self).__name__
        positive(kind, out_channels=self.out_channels, groups=self.groups)
        known_initialization(kind, self.initialization)
        if self.out_channels % self.groups:
            raise ArgumentError(
                f"{kind}: out_channels={self.out_channels} is not a multiple of "
                f"groups={self.groups}"
            )
        _ = self.windows

    @property
    def windows(self) -> Windows:
        """The settings, one entry per axis."""
        kind = type(self).__name__
        kernel = per_axis(kind, "kernel_size", self.kernel_size, self.rank)
        stride = per_axis(kind, "stride", self.stride, self.rank)
        dilation = per_axis(kind, "dilation", self.dilation, self.rank)
        margins = padding_margins(kind, self.padding, kernel, stride, dilation)
        return Windows(kernel, stride, margins, dilation)

    def declare(self, *sources: Shape, training: bool) -> Declaration:
        """See `Layer.declare`; the input is (N, C, H, W)."""
        (shape,) = sources
        channels = channels_of(self, shape, self.rank)
        window = self.windows
        outputs, offsets = map(index, window.outputs), tuple(map(index, window.offsets))
        n, g, k, c = indices("n g k c")
        ranges = window.ranges | {"k": self.out_channels // self.groups}
        of_k, of_c = k, c
        if self.groups > 1:
            ranges |= {"g": self.groups, "c": channels // self.groups}
            of_k = g * Number(ranges["k"], "K_g") + k
            of_c = g * Number(ranges["c"], "C_g") + c
        z = Z[n, of_k, *outputs]
        x = X[n, of_c, *window.positions(window.outputs)].padded(*window.margins)
        products = term(z, W[of_k, c, *offsets], x)
        terms = (term(z, b[of_k]), products) if self.bias else (products,)
        equation = contraction(*terms, ranges=ranges, shapes={"X": shape})
        taps = prod(window.kernel)
        fans = (channels // self.groups * taps, self.out_channels // self.groups * taps)
        parameters = {"W": Parameter("weight", self.initialization, *fans)}
        if self.bias:
            parameters["b"] = Parameter("bias")
        return Declaration(equation, parameters=parameters)


@final
@frozen
class Conv2d(Convolution):
    """A convolution over two spatial axes (cross-correlation: the kernel is not flipped).

    Shapes: X (N, C, H, W), W (K, C/groups, R, S), b (K,), Z (N, K, H′, W′), with
    H′ = ⌊(H + 2·padding − (dilation·(R − 1) + 1)) / stride⌋ + 1, and W′ from W and S alike.

    Forward:
        Z[n,k,y,x] = b[k] + Σ_{c,i,j} W[k,c,i,j]·X[n,c,y·s+i·d−p,x·s+j·d−p]

    Adjoints:
        dW[k,c,i,j] = Σ_{n,y,x} dZ[n,k,y,x]·X[n,c,y·s+i·d−p,x·s+j·d−p]
        db[k] = Σ_{n,y,x} dZ[n,k,y,x]
        dX[n,c,y·s+i·d−p,x·s+j·d−p] += Σ_{k} W[k,c,i,j]·dZ[n,k,y,x]
        dX[n,c,h,w] = Σ_{k,i,j} W[k,c,i,j]·dZ[n,k,(h+p−i·d)/s,(w+p−j·d)/s]

    With groups, the g-th group of outputs reads the g-th group of inputs:
        Z[n,g·K_g+k,y,x] = b[g·K_g+k] + Σ_{c,i,j} W[g·K_g+k,c,i,j]·X[n,g·C_g+c,y·s+i·d−p,x·s+j·d−p]

    Edges: outside X a product is absent (zero padding). Rows and columns that the stride does not
    reach are dropped; the plan names them.

    Args:
        out_channels: K, the number of kernels.
        kernel_size: R and S, one number or one per axis.
        stride: s, how far one window lies from the next.
        padding: p, zeros on each side; "same" keeps the size (stride 1), "valid" is 0.
        dilation: d, how far one kernel offset lies from the next.
        groups: into how many separate convolutions the channels are split; C for depthwise.
        bias: whether b is there.
        in_channels: C, inferred; if given, it is checked.
        initialization: of W, by name; b starts at 0.
        name: instead of conv1, conv2, …

    Raises:
        ArgumentError: an argument out of its range.

    Source: V. Dumoulin and F. Visin, "A guide to convolution arithmetic for deep learning" (2016).
    """

    rank: ClassVar[int] = 2
