"""How much of a Winograd convolution is done at a time, and how long it takes."""

from __future__ import annotations

from ....equation.frozen import frozen
from ..target import Target
from .tiles import Tiles

GROUP = 4
"""How many output channels of U lie side by side: the most that a product of the convolution
accumulates at once."""

STRIP = 4
"""How many tiles are transformed at a time. One to eight are about as fast, since what they are
transformed to outgrows the first cache anyway; few keep the scratch small, and with more than one
the transformed kernels are read less often. A processor with 32 registers multiplies four at once.
"""

GRADIENT_STRIP = 2
"""The same in a weight gradient, which has dU besides to keep near."""


_NEAR = 5 << 19
"""Bytes of dU that are made before they are added to dW."""


@frozen
class RegisterTile:
    """How many output channels and tiles a product of the convolution accumulates at once."""

    channels: int
    tiles: int


def _accumulators(target: Target) -> int:
    """Half of the registers: enough multiply-adds under way to hide their latency, none spilt."""
    return target.registers // 2


def register_tile(target: Target) -> RegisterTile:
    """What a product of the convolution accumulates at once on a processor."""
    lines = _accumulators(target) // target.parts
    channels = min(GROUP, lines)
    return RegisterTile(channels, lines // channels)


def nearby_sixteens(alpha: int, in_channels: int) -> int:
    """How often sixteen output channels of dU stay near."""
    return max(1, _NEAR // (alpha**2 * in_channels * 64))


def channel_tile(target: Target, in_channels: int) -> int:
    """How many input channels the weight gradient accumulates at once, in groups of equal size."""
    groups = -(-in_channels // (_accumulators(target) // target.parts))
    return -(-in_channels // groups)


def estimated_cycles(
    target: Target, tiles: Tiles, in_channels: int, out_channels: int, *, gradient: bool = False
) -> float:
    """Cycles of a block of sixteen samples on one core, to choose an algorithm by.

    Args:
        target: the processor.
        tiles: the plane.
        in_channels: C.
        out_channels: K.
        gradient: whether it is the weight gradient, where k comes in sixteens.
    """
    lanes = 16 if gradient else GROUP
    outputs = -(-out_channels // lanes) * lanes
    products = tiles.alpha**2 * (in_channels + 2) * outputs / target.rate * _OF_PRODUCTS
    lines_in, lines_out = 2 * tiles.alpha**2, tiles.alpha**2 + tiles.m**2
    per_line, per_turned = _PER_LINE[tiles.m]
    per_out = per_turned if gradient else per_line
    moved = lines_in * in_channels * per_line + lines_out * outputs * per_out
    return tiles.count * (products + moved)


_OF_PRODUCTS = 1.25
"""Cycles over those of the multiply-adds alone. Like the next ones measured on Zen 3."""

_PER_LINE = {2: (2.5, 3.5), 4: (4.5, 6.5)}
"""m → cycles for each cache line that a transform reads or writes, and if it transposes, too."""
