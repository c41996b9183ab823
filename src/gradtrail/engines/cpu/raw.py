"""Memory as native code sees it: addresses, whole cache lines, a number's bits."""

from __future__ import annotations

import struct

import numpy as np

_LINE = 64


def next_line(place: int) -> int:
    """The next place where a cache line begins."""
    return -(-place // _LINE) * _LINE


def padded(size: int) -> int:
    """A region's bytes as whole cache lines, one at least."""
    return max(_LINE, next_line(size))


def aligned(size: int) -> np.ndarray:
    """So many zero bytes, beginning at a multiple of 64."""
    held = np.zeros(size + _LINE, np.uint8)
    skip = -address(held) % _LINE
    return held[skip : skip + size]


def address(array: np.ndarray) -> int:
    """Where an array's first element lies."""
    return int(array.__array_interface__["data"][0])


def bits(value: float) -> int:
    """A float32 as it lies in a slot of the frame."""
    return int(struct.unpack("<I", struct.pack("<f", value))[0])
