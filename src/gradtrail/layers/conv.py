"""Convolution: `Z[n,k,y,x] = b[k] + Σ_{c,i,j} W[k,c,i,j]·X[n,c,y·s+i·d−p,x·s+j·d−p]`."""

from __future__ import annotations

from dataclasses import field, replace
from typing import ClassVar, final

from ..checking.calls import call_example
from ..equation import Array, contraction, index, term
from ..equation.frozen import frozen
from ..errors import ArgumentError
from .functional import GraphNode, in_parts
from .kernel_layer import KernelLayer
from .layer import Declaration, Shape, channels_of
from .windows import Padding, Windows, padding_margins

_MODES = ("zeros", "reflect", "replicate", "circular")

X, W, b, Z = Array("X"), Array("W"), Array("b"), Array("Z")


@frozen
class ConvNd(KernelLayer):
    """What convolutions of every rank share."""

    prefix: ClassVar[str] = "conv"

    padding: Padding | str = field(default=0, kw_only=True)
    padding_mode: str = field(default="zeros", kw_only=True)

    def __post_init__(self) -> None:
        KernelLayer.__post_init__(self)
        _ = self.windows
        if self.padding_mode not in _MODES:
            raise ArgumentError(
                f"{self.kind}: padding_mode must be one of {', '.join(_MODES)}, got "
                f"{self.padding_mode!r}"
            )

    def _applied(self, nodes: tuple[GraphNode, ...]) -> GraphNode:
        if self.padding_mode == "zeros":
            return KernelLayer._applied(self, nodes)
        return in_parts(self, self._padded_before, nodes)

    def _padded_before(self, node: GraphNode) -> GraphNode:
        """What stands in the padding is put there by a layer of its own."""
        from .padding import Pad

        sides = [side for margin in reversed(self.windows.margins) for side in margin]
        if any(sides):
            node = Pad(tuple(sides), mode=self.padding_mode)(node)
        return replace(self, padding=0, padding_mode="zeros")(node)

    @property
    def windows(self) -> Windows:
        """The settings, one entry per axis."""
        kernel, stride, dilation = self.sizes()
        margins = padding_margins(
            self.kind, self.padding, kernel, stride, dilation, allow_names=True
        )
        return Windows(kernel, stride, margins, dilation)

    def declare(self, *sources: Shape, training: bool) -> Declaration:
        """See `Layer.declare`; the input is (N, C, H, W)."""
        if self.padding_mode != "zeros":
            raise TypeError("it is two layers, and has no equation of its own; call it on a node")
        (shape,) = sources
        channels = channels_of(self, shape, self.rank)
        window, groups = self.windows, self.grouped(channels)
        n, c, k = index("n"), groups.source, groups.output
        outputs, offsets = map(index, window.outputs), map(index, window.offsets)
        z = Z[n, k, *outputs]
        x = X[n, c, *window.positions(window.outputs)].padded(*window.margins)
        products = term(z, W[k, index("c"), *offsets], x)
        terms = (term(z, b[k]), products) if self.bias else (products,)
        ranges = {**window.ranges, **groups.ranges}
        return self.declared(contraction(*terms, ranges=ranges, shapes={"X": shape}), channels)


@final
@call_example("gt.Conv2d(16, 3, padding=1)")
@frozen
class Conv2d(ConvNd):
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
        padding: p, zeros on each side, per axis a pair where these differ: ((1, 2), (0, 1)); "same"
            keeps the size (stride 1), "valid" is 0.
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

    Source: V. Dumoulin and F. Visin, "A guide to convolution arithmetic for deep learning" (2016).
    """

    rank: ClassVar[int] = 2
