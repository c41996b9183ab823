"""What convolution and transposed convolution share: kernels, channel groups and parameters.

Letters: K, C channels out and in; g a group, k and c the channels within it; R, S kernel size.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from math import prod
from typing import ClassVar

from ..checking.arguments import positive
from ..equation import Affine, Contraction, Number, index
from ..equation.frozen import frozen
from ..errors import ArgumentError
from .layer import Declaration, Layer, Parameter, canonical, known_initialization
from .windows import PerAxis, per_axis


@frozen
class Groups:
    """The positions of the channels, and the ranges of the indices in them.

    Args:
        output: `k`, or with groups `g·K_g+k`.
        source: `c`, or with groups `g·C_g+c`.
        ranges: of those of g, k and c that nothing else determines.
    """

    output: Affine
    source: Affine
    ranges: Mapping[str, int]


@frozen
class KernelLayer(Layer):
    """A layer with one kernel per pair of channels; `rank` is the number of spatial axes."""

    rank: ClassVar[int]

    out_channels: int
    kernel_size: PerAxis
    stride: PerAxis = field(default=1, kw_only=True)
    dilation: PerAxis = field(default=1, kw_only=True)
    groups: int = field(default=1, kw_only=True)
    bias: bool = field(default=True, kw_only=True)
    in_channels: int | None = field(default=None, kw_only=True)
    initialization: str = field(default="he_normal", kw_only=True)
    name: str | None = field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        canonical(self, "bias")
        positive(self.kind, out_channels=self.out_channels, groups=self.groups)
        if self.in_channels is not None:
            positive(self.kind, in_channels=self.in_channels)
        known_initialization(self.kind, self.initialization)
        if self.out_channels % self.groups:
            raise ArgumentError(
                f"{self.kind}: out_channels={self.out_channels} is not a multiple of "
                f"groups={self.groups}"
            )

    def sizes(self) -> tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]:
        """Kernel size, stride and dilation, one entry per axis."""
        return (
            per_axis(self.kind, "kernel_size", self.kernel_size, self.rank),
            per_axis(self.kind, "stride", self.stride, self.rank),
            per_axis(self.kind, "dilation", self.dilation, self.rank),
        )

    def grouped(self, channels: int) -> Groups:
        """The channels' positions for so many input channels."""
        k, c = index("k"), index("c")
        if self.groups == 1:
            return Groups(k, c, {"k": self.out_channels})
        ranges = {"k": self.out_channels // self.groups, "c": channels // self.groups}
        g = index("g")
        output = g * Number(ranges["k"], "K_g") + k
        source = g * Number(ranges["c"], "C_g") + c
        return Groups(output, source, ranges | {"g": self.groups})

    def declared(self, equation: Contraction, channels: int) -> Declaration:
        """The declaration, with how weight and bias start."""
        taps = prod(self.sizes()[0])
        fans = (channels // self.groups * taps, self.out_channels // self.groups * taps)
        parameters = {"W": Parameter("weight", self.initialization, *fans)}
        if self.bias:
            parameters["b"] = Parameter("bias")
        return Declaration(equation, parameters=parameters)
