"""Numbers of a file's pixels as levels from 0 to 255, and these as numbers from 0 to 1.

H, W rows and columns of one image, B bands of it.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from PIL.Image import Image as Picture
    from PIL.ImageFile import ImageFile


def unit(pixels: np.ndarray) -> np.ndarray:
    """Bytes divided by 255.

    Args:
        pixels: uint8, of any shape.

    Returns:
        float32 of the same shape, 0 to 1. Whatever reads images gives this same number for a byte.
    """
    x = pixels.astype(np.float32)
    x /= 255
    return x


def to_levels(numbers: np.ndarray, bits: int, white: int | None = None) -> np.ndarray:
    """Numbers of some bits as levels of 8.

    Args:
        numbers: unsigned, of any shape.
        bits: how many of theirs a file has, 8 or more.
        white: the number that is white; None for the largest of so many bits.

    Returns:
        uint8 of the same shape: the higher 8 bits; with `white` the nearest of 255 equal steps up
        to it, and 255 for all above.
    """
    if white is None:
        return (numbers >> (bits - 8)).astype(np.uint8)
    wide = numbers.astype(np.uint32)
    return ((np.minimum(wide, white) * 255 + white // 2) // white).astype(np.uint8)


def highest_number(levels: np.ndarray) -> int:
    """The largest number that may be in a file of 16 bits.

    Args:
        levels: uint8, the higher 8 bits, or uint16, the numbers.
    """
    top = int(levels.max(initial=0))
    return top if levels.dtype.itemsize == 2 else top << 8 | 0xFF


def merge_bands(mode: str, bands: list[np.ndarray]) -> Picture:
    """An image of its bands.

    Args:
        mode: Pillow's, with B bands of 8 bits, such as "RGBA".
        bands: B arrays uint8 (H, W).
    """
    from PIL import Image

    pictures = [Image.fromarray(np.ascontiguousarray(band)) for band in bands]
    return pictures[0] if mode == "L" else Image.merge(mode, pictures)


def numbers_of_16_bits(again: Callable[[], ImageFile]) -> np.ndarray:
    """Numbers of 16 bits in colours, of which Pillow gives the higher 8 alone.

    Its readers for the one order of bytes give the lower 8 of the other order, so that two
    readings give all.

    Args:
        again: opens the file, whose mode is RGB or RGBA, once more.

    Returns:
        uint16 (H, W, B).
    """
    high, low = again(), again()
    low.tile = [tile._replace(args=_swapped(tile.args)) for tile in low.tile]
    whole: np.ndarray = np.asarray(high).astype(np.uint16) << 8 | np.asarray(low)
    return whole


def _swapped(args: Any) -> Any:
    """A tile's arguments with the other order of bytes; the first, or the only one, names it."""
    if not isinstance(args, str):
        return (_swapped(args[0]), *args[1:])
    native = "L" if sys.byteorder == "little" else "B"
    order = args[-1] if args[-1] in "LB" else native
    return args[:-1] + ("B" if order == "L" else "L")
