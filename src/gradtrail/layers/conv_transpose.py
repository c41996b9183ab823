"""Transposed convolution: every input spreads its kernel over the output."""

from __future__ import annotations

from dataclasses import field
from typing import ClassVar, final

from ..checking.calls import call_example
from ..equation import Array, contraction, index, term
from ..equation.frozen import frozen
from ..errors import ArgumentError
from .kernel_layer import KernelLayer
from .layer import Declaration, Shape, channels_of
from .windows import Padding, PerAxis, Windows, padding_margins, per_axis

X, W, b, Z = Array("X"), Array("W"), Array("b"), Array("Z")


@frozen
class ConvTransposeNd(KernelLayer):
    """What transposed convolutions of every rank share."""

    prefix: ClassVar[str] = "convt"

    padding: Padding = field(default=0, kw_only=True)
    output_padding: PerAxis = field(default=0, kw_only=True)

    def __post_init__(self) -> None:
        KernelLayer.__post_init__(self)
        window = self.windows
        for e, s, d in zip(self.added, window.stride, window.dilation, strict=True):
            if e >= max(s, d):
                raise ArgumentError(
                    f"{self.kind}: output_padding={e} must be smaller than stride={s} or "
                    f"dilation={d}"
                )

    @property
    def added(self) -> tuple[int, ...]:
        """The output padding, one entry per axis."""
        return per_axis(self.kind, "output_padding", self.output_padding, self.rank, least=0)

    @property
    def windows(self) -> Windows:
        """The settings, one entry per axis; the margins are what is cropped from the output."""
        kernel, stride, dilation = self.sizes()
        margins = padding_margins(self.kind, self.padding, kernel, stride, dilation)
        cropped = tuple((p, q - e) for (p, q), e in zip(margins, self.added, strict=True))
        return Windows(kernel, stride, cropped, dilation)

    def declare(self, *sources: Shape, training: bool) -> Declaration:
        """See `Layer.declare`; the input is (N, C, H, W)."""
        (shape,) = sources
        channels = channels_of(self, shape, self.rank)
        window, groups = self.windows, self.grouped(channels)
        n, c, k = index("n"), groups.source, groups.output
        inputs, outputs = map(index, window.inputs), map(index, window.outputs)
        offsets = map(index, window.offsets)
        spread = Z[n, k, *window.positions(window.inputs)].padded(*window.margins)
        products = term(spread, W[c, index("k"), *offsets], X[n, c, *inputs])
        biases = (term(Z[n, k, *outputs], b[k]),) if self.bias else ()
        ranges = {**window.ranges, **groups.ranges}
        equation = contraction(*biases, products, ranges=ranges, shapes={"X": shape})
        return self.declared(equation, channels)


@final
@call_example("gt.ConvTranspose2d(16, 2, stride=2)")
@frozen
class ConvTranspose2d(ConvTransposeNd):
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
        padding: p, how much is cropped on each side, per axis a pair where these differ.
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
