"""Channels into places and places into channels; channels shuffled among groups."""

from __future__ import annotations

from dataclasses import field
from typing import ClassVar, final

from ..checking.arguments import positive
from ..checking.calls import call_example
from ..equation import Affine, Array, Number, contraction, index, term
from ..equation.frozen import frozen
from ..errors import ShapeError
from .layer import Declaration, Layer, Shape, canonical, times
from .sample_axes import output_names
from .windows import OFFSETS

X, Z = Array("X"), Array("Z")


def _places(layer: Layer, shape: Shape) -> tuple[str, ...]:
    """The names of the spatial axes' indices."""
    if not 3 <= len(shape) <= 5:
        raise ShapeError(
            f"expects a sample of channels and one to three axes of places but gets "
            f"{times(shape[1:])}"
        )
    return output_names(len(shape))[2:]


def _shuffled(shape: Shape, factor: int) -> tuple[Affine, list[Affine], dict[str, int]]:
    """`c·r·r+i·r+j`, and `y·r+i` for each axis; the ranges of i and j."""
    places = output_names(len(shape))[2:]
    offsets = OFFSETS[3 - len(places) :]
    r = Number(factor, "r")
    channel = index("c")
    for offset in offsets:
        channel = channel * r + index(offset)
    fine = [index(y) * r + index(i) for y, i in zip(places, offsets, strict=True)]
    return channel, fine, dict.fromkeys(offsets, factor)


@final
@call_example("gt.PixelShuffle(2)")
@frozen
class PixelShuffle(Layer):
    """Lays r·r channels out as r × r places: a map r times as large in each direction.

    Shapes: X (N, C·r·r, H, W), Z (N, C, H·r, W·r); likewise for one or three axes of places, with
    r or r·r·r channels.

    Forward:
        Z[n,c,y·r+i,x·r+j] = X[n,c·r·r+i·r+j,y,x]

    Adjoints:
        dX[n,c·r·r+i·r+j,y,x] = dZ[n,c,y·r+i,x·r+j]

    Args:
        upscale_factor: r, at least 1.
        name: instead of shuffle1, …

    Raises:
        ArgumentError: a factor that is no whole number of at least 1.

    Source: W. Shi et al., Real-time single image and video super-resolution using an efficient
        sub-pixel convolutional neural network, 2016, equation 4.
    """

    prefix: ClassVar[str] = "shuffle"

    upscale_factor: int
    name: str | None = field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        canonical(self)
        positive(self.kind, upscale_factor=self.upscale_factor)

    def declare(self, *sources: Shape, training: bool) -> Declaration:
        """See `Layer.declare`; the input is (N, C·r·r, H, W)."""
        (shape,) = sources
        places = _places(self, shape)
        each = self.upscale_factor ** len(places)
        if shape[1] % each:
            raise ShapeError(
                f"lays out {each} channels as one but gets {shape[1]}",
                f"Give a number of channels that {each} divides",
            )
        channel, fine, ranges = _shuffled(shape, self.upscale_factor)
        n, c = index("n"), index("c")
        laid = term(Z[n, c, *fine], X[n, channel, *map(index, places)])
        return Declaration(contraction(laid, ranges=ranges, shapes={"X": shape}))


@final
@call_example("gt.PixelUnshuffle(2)")
@frozen
class PixelUnshuffle(Layer):
    """Lays r × r places out as r·r channels: the reverse of `PixelShuffle`.

    Shapes: X (N, C, H·r, W·r), Z (N, C·r·r, H, W); likewise for one or three axes of places.

    Forward:
        Z[n,c·r·r+i·r+j,y,x] = X[n,c,y·r+i,x·r+j]

    Adjoints:
        dX[n,c,y·r+i,x·r+j] = dZ[n,c·r·r+i·r+j,y,x]

    Args:
        downscale_factor: r, at least 1.
        name: instead of shuffle1, …

    Raises:
        ArgumentError: a factor that is no whole number of at least 1.
    """

    prefix: ClassVar[str] = "shuffle"

    downscale_factor: int
    name: str | None = field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        canonical(self)
        positive(self.kind, downscale_factor=self.downscale_factor)

    def declare(self, *sources: Shape, training: bool) -> Declaration:
        """See `Layer.declare`; the input is (N, C, H·r, W·r)."""
        (shape,) = sources
        places, r = _places(self, shape), self.downscale_factor
        if any(size % r for size in shape[2:]):
            raise ShapeError(
                f"lays out {times((r,) * len(places))} places as one but gets {times(shape[2:])}",
                f"Give sizes that {r} divides",
            )
        channel, fine, ranges = _shuffled(shape, r)
        n, c = index("n"), index("c")
        laid = term(Z[n, channel, *map(index, places)], X[n, c, *fine])
        return Declaration(contraction(laid, ranges=ranges, shapes={"X": shape}))


@final
@call_example("gt.ChannelShuffle(2)")
@frozen
class ChannelShuffle(Layer):
    """Deals the channels of each group out to all groups: channel k of group i comes k·g+i-th.

    Shapes: X and Z (N, C, H, W), with g groups of C/g channels.

    Forward:
        Z[n,k·g+i,y,x] = X[n,i·|k|+k,y,x]

    Adjoints:
        dX[n,i·|k|+k,y,x] = dZ[n,k·g+i,y,x]

    Args:
        groups: g, which divides the channels.
        name: instead of shuffle1, …

    Raises:
        ArgumentError: a number of groups that is no whole number of at least 1.

    Source: X. Zhang et al., ShuffleNet: an extremely efficient convolutional neural network for
        mobile devices, 2017, section 3.1.
    """

    prefix: ClassVar[str] = "shuffle"

    groups: int
    name: str | None = field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        canonical(self)
        positive(self.kind, groups=self.groups)

    def declare(self, *sources: Shape, training: bool) -> Declaration:
        """See `Layer.declare`; the channels are axis 1."""
        (shape,) = sources
        if shape[1] % self.groups:
            raise ShapeError(
                f"groups={self.groups} does not divide the {shape[1]} channels",
                f"Set groups to a divisor of {shape[1]}",
            )
        own = shape[1] // self.groups
        n, k, i = map(index, "nki")
        places = [index(name) for name in output_names(len(shape))[2:]]
        dealt = k * Number(self.groups, "g") + i
        laid = term(Z[n, dealt, *places], X[n, i * Number(own, "|k|") + k, *places])
        ranges = {"k": own, "i": self.groups}
        return Declaration(contraction(laid, ranges=ranges, shapes={"X": shape}))
