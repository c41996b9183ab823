"""Transposed convolution: every input spreads its kernel over the output."""

from __future__ import annotations

from dataclasses import field
from math import prod
from typing import ClassVar, final

from ..equation import Array, Number, contraction, index, indices, term
from ..equation.frozen import frozen
from ..errors import ArgumentError
from .base import Declaration, Layer, Parameter, Shape, channels_of, known_initialization, positive
from .windows import PerAxis, Windows, padding_margins, per_axis

__all__ = ["ConvTranspose2d"]

X, W, b, Z = Array("X"), Array("W"), Array("b"), Array("Z")


@frozen
class TransposedConvolution(Layer):
    """What transposed convolutions of every rank share."""

    prefix: ClassVar[str] = "convt"
    rank: ClassVar[int]

    out_channels: int
    kernel_size: PerAxis
    stride: PerAxis = field(default=1, kw_only=True)
    padding: PerAxis = field(default=0, kw_only=True)
    output_padding: PerAxis = field(default=0, kw_only=True)
    groups: int = field(default=1, kw_only=True)
    bias: bool = field(default=True, kw_only=True)
    dilation: PerAxis = field(default=1, kw_only=True)
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
        window = self.windows
        extra = per_axis(kind, "output_padding", self.output_padding, self.rank, least=0)
        for e, s, d in zip(extra, window.stride, window.dilation, strict=True):
            if e >= max(s, d):
                raise ArgumentError(
                    f"{kind}: output_padding={e} must be smaller than stride={s} or dilation={d}"
                )

    @property
    def windows(self) -> Windows:
        """The settings, one entry per axis; the margins are what is cropped from the output."""
        kind = type(self).__name__
        if isinstance(self.padding, str):
            raise ArgumentError(f"{kind}: padding must be a number, got {self.padding!r}")
        kernel = per_axis(kind, "kernel_size", self.kernel_size, self.rank)
        stride = per_axis(kind, "stride", self.stride, self.rank)
        dilation = per_axis(kind, "dilation", self.dilation, self.rank)
        margins = padding_margins(kind, self.padding, kernel, stride, dilation)
        extra = per_axis(kind, "output_padding", self.output_padding, self.rank, least=0)
        cropped = tuple((p, q - e) for (p, q), e in zip(margins, extra, strict=True))
        return Windows(kernel, stride, cropped, dilation)

    def declare(self, *sources: Shape, training: bool) -> Declaration:
        """See `Layer.declare`; the input is (N, C, H, W)."""
        (shape,) = sources
        channels = channels_of(self, shape, self.rank)
        window = self.windows
        inputs, outputs = map(index, window.inputs), map(index, window.outputs)
        offsets = tuple(map(index, window.offsets))
        n, g, k, c = indices("n g k c")
        ranges = window.ranges | {"k": self.out_channels // self.groups}
        of_k, of_c = k, c
        if self.groups > 1:
            ranges |= {"g": self.groups, "c": channels // self.groups}
            of_k = g * Number(ranges["k"], "K_g") + k
            of_c = g * Number(ranges["c"], "C_g") + c
        spread = Z[n, of_k, *window.positions(window.inputs)].padded(*window.margins)
        products = term(spread, W[of_c, k, *offsets], X[n, of_c, *inputs])
        biases = (term(Z[n, of_k, *outputs], b[of_k]),) if self.bias else ()
        equation = contraction(*biases, products, ranges=ranges, shapes={"X": shape})
        taps = prod(window.kernel)
        fans = (channels // self.groups * taps, self.out_channels // self.groups * taps)
        parameters = {"W": Parameter("weight", self.initialization, *fans)}
        if self.bias:
            parameters["b"] = Parameter("bias")
        return Declaration(equation, parameters=parameters)


@final
@frozen
class ConvTranspose2d(TransposedConvolution):
    """A transposed convolution over two spatial axes: the adjoint of `Conv2d` as a layer.

    Shapes: X (N, C, H, W), W (C, K/groups, R, S), b (K,), Z (N, K, H′, W′), with
    H′ = (H − 1)·stride − 2·padding + dilation·(R − 1) + output_padding + 1.

    Forward:
        Z[n,k,y,x] = b[k]
        Z[n,k,h·s+i·d−p,w·s+j·d−p] += Σ_{c} W[c,k,i,j]·X[n,c,h,w]

    Adjoints:
        dW[c,k,i,j] = Σ_{n,h,w} dZ[n,k,h·s+i·d−p,w·s+j·d−p]·X[n,c,h,w]
        db[k] = Σ_{n,y,x} dZ[n,k,y,x]
        dX[n,c,h,w] = Σ_{k,i,j} W[c,k,i,j]·dZ[n,k,h·s+i·d−p,w·s+j·d−p]

    Edges: what would fall outside Z is dropped (`padding` crops). With output_padding, Z has rows
    and columns behind that no input reaches; they hold the bias.

    Args:
        out_channels: K.
        kernel_size: R and S, one number or one per axis.
        stride: s, how far one input's kernel lies from the next.
        padding: p, how much is cropped on each side.
        output_padding: rows and columns added behind, smaller than stride or dilation.
        groups: into how many separate convolutions the channels are split.
        bias: whether b is there.
        dilation: d, how far one kernel offset lies from the next.
        in_channels: C, inferred; if given, it is checked.
        initialization: of W, by name; b starts at 0.
        name: instead of convt1, convt2, …

    Raises:
        ArgumentError: an argument out of its range.

    Source: V. Dumoulin and F. Visin, "A guide to convolution arithmetic for deep learning" (2016).
    """

    rank: ClassVar[int] = 2
