"""Grey levels of one byte as numbers from 0 to 1."""

from __future__ import annotations

import numpy as np

__all__ = ["unit"]


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
