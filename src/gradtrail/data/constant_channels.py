"""Which deviation of a channel is none: what is as good as constant is no scale to divide by.

One rule for whatever standardises images: `channel_statistics`, with it recipes and the command
line, and the scikit-learn estimators.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

_LEAST = 1e-4
"""The least deviation of a pixel from 0 to 1 that is one: 1/40 of a grey level."""

_LEVEL, _FEW = 1 / 255, 1 / 100
"""Beside a channel that deviates by a grey level or more, one that deviates by less is as good as
constant where so few of its pixels are not of its usual level: one bright pixel of a thousand dark
images is no scale. Masks of 0 and 1 have more of both, and an image of nothing else is no less of
one for being faint."""

_BRIGHT = 128
"""Whole numbers from 0 to at most 255 are levels where one of them is so bright."""


def counts_of_levels(
    blocks: Iterable[np.ndarray], channels: int, weights: np.ndarray | None = None
) -> np.ndarray:
    """How often each channel has each level.

    Args:
        blocks: bytes, uint8 (n, C, H, W).
        channels: C.
        weights: (N,) how much each sample counts, of all blocks in their order; None for all alike.

    Returns:
        (C, 256): int64, or float64 with weights.
    """
    counts = np.zeros((channels, 256), np.int64 if weights is None else np.float64)
    at = 0
    for pixels in blocks:
        n, _, *size = pixels.shape
        each = None if weights is None else np.repeat(weights[at : at + n], int(np.prod(size)))
        for channel, count in enumerate(counts):
            count += np.bincount(pixels[:, channel].ravel(), each, minlength=256)
        at += n
    return counts


def least_of_levels(std: np.ndarray, counts: np.ndarray, white: float = 1.0) -> np.ndarray:
    """The greatest deviation of each channel of bytes that is none.

    Args:
        std: (C,) the channels' deviations.
        counts: (C, 256), see `counts_of_levels`.
        white: the number of level 255 that `std` is in: 1 or 255.

    Returns:
        (C,): a 1e-4 of white. Beside a channel that deviates by a level or more, it is just below
        one level where at most one pixel of a hundred is not of its channel's usual level.
    """
    level = white * _LEVEL
    unusual = 1 - counts.max(axis=1) / counts.sum(axis=1)
    faint = (unusual <= _FEW) & bool((std >= level).any())
    return np.where(faint, np.nextafter(level, 0), white * _LEAST)


def least_of_pixels(
    parts: Callable[[], Iterable[np.ndarray]],
    std: np.ndarray,
    dtype: np.dtype[Any],
    weights: np.ndarray | None = None,
) -> np.ndarray:
    """The same of an array, as far as its numbers tell that they are pixels.

    Bytes do, numbers from 0 to 1, and whole numbers from 0 to at most 255, one of them 128 or more.

    Args:
        parts: gives the array's parts (n, C, H, W) in their order, each time anew.
        std: (C,) the channels' deviations.
        dtype: that the array came in.
        weights: see `counts_of_levels`.

    Returns:
        (C,), as `least_of_levels` of what once were bytes; a 1e-4 of other numbers from 0 to 1;
        0 of what is no pixel.
    """
    none = np.zeros(len(std))
    if (std >= 1).all():  # a level of either white: the rule has nothing to say
        return none
    white = 255.0 if dtype == np.uint8 else _white(parts())
    if white is None or (std >= white * _LEVEL).all():
        return none
    scale = 255 / white
    coarsest = dtype if dtype == np.float16 else np.float32  # that the numbers went through
    near = 255 * float(np.finfo(coarsest).eps) if scale > 1 else 0.0
    levels = (np.asarray(part, np.float64) * scale for part in parts())
    if not all((np.abs(x - np.rint(x)) <= near).all() for x in levels):
        return none + _LEAST if scale > 1 else none
    bytes_ = (np.rint(np.asarray(part, np.float64) * scale).astype(np.uint8) for part in parts())
    return least_of_levels(std, counts_of_levels(bytes_, len(std), weights), white)


def _white(parts: Iterable[np.ndarray]) -> float | None:
    """The number that white is, by the least and the greatest; None of what are no pixels."""
    low, high = np.inf, -np.inf
    for part in parts:
        low, high = min(low, float(part.min())), max(high, float(part.max()))
    if low < 0:
        return None
    return 1.0 if _LEVEL <= high <= 1 else 255.0 if _BRIGHT <= high <= 255 else None
