"""Shuffles as views: how samples are seen, in which order the axes then go, and as what again."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain

Laid = tuple[Sequence[int], Sequence[int], Sequence[int]]
"""A sample's sizes apart, the order of the axes with that of the samples, and the sizes behind."""


def channel_shuffle(groups: int, shape: Sequence[int]) -> Laid:
    """Groups of channels and the channels in each, exchanged."""
    channels, *sizes = shape
    seen = (groups, channels // groups, *sizes)
    return seen, [0, 2, 1, *range(3, len(seen) + 1)], shape


def pixel_shuffle(r: int, shape: Sequence[int]) -> Laid:
    """Channels apart into r for each axis of places, which go behind that axis."""
    channels, *sizes = shape
    rank = len(sizes)
    few = channels // r**rank
    spread = chain.from_iterable((2 + rank + axis, 2 + axis) for axis in range(rank))
    wide = [size * r for size in sizes]
    return (few, *[r] * rank, *sizes), [0, 1, *spread], (few, *wide)


def pixel_unshuffle(r: int, shape: Sequence[int]) -> Laid:
    """Each axis of places apart into blocks of r, whose places become channels."""
    channels, *sizes = shape
    rank, small = len(sizes), [size // r for size in sizes]
    seen = (channels, *chain.from_iterable((size, r) for size in small))
    order = [0, 1, *(3 + 2 * axis for axis in range(rank)), *(2 + 2 * axis for axis in range(rank))]
    return seen, order, (channels * r**rank, *small)
