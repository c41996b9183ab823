"""Which axis of an image in an array counts its channels, as far as its shape tells."""

from __future__ import annotations

from typing import Literal

Axis = Literal["first", "last", "first, probably", "first or last", "none that can be told"]

_CHANNELS = (1, 3)


def channel_axis(shape: tuple[int, ...]) -> Axis:
    """Where the channels are in (C, H, W) or (H, W, C).

    One of 1 and 3 counts them for sure. Without these the first does probably, if the others are
    equal and differ from it, or if it is the least: 12 × 64 × 64, not 28 × 28 × 28 or 32 × 32 × 4.
    """
    first, rows, last = shape
    if first in _CHANNELS or last in _CHANNELS:
        if first in _CHANNELS and last in _CHANNELS:
            return "first or last"
        return "first" if first in _CHANNELS else "last"
    if (rows == last != first) or first < min(rows, last):
        return "first, probably"
    return "none that can be told"
