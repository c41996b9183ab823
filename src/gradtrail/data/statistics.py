"""Mean and standard deviation of every channel, over all pixels of all images."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from .images import Images

__all__ = ["Statistics", "channel_statistics"]

_BLOCK = 1024
_LEAST = 1e-3  # a channel that is the same everywhere is not blown up


class Statistics(NamedTuple):
    """Of pixels from 0 to 1.

    Args:
        mean: of every channel.
        std: the standard deviation of every channel, at least 0.001.
    """

    mean: tuple[float, ...]
    std: tuple[float, ...]


def channel_statistics(data: Any) -> Statistics:
    """Mean and standard deviation of every channel.

    Args:
        data: samples (M, C, …) with their labels, or `Images`.
    """
    images = isinstance(data, Images)
    count = len(data) if images else len(data[0])
    pixels, total, squares = 0, np.zeros(1), np.zeros(1)
    for at in range(0, count, _BLOCK):
        places = np.arange(at, min(at + _BLOCK, count))
        part = data.read(places) / 255.0 if images else np.asarray(data[0][places], np.float64)
        flat = np.moveaxis(part, 1, 0).reshape(part.shape[1], -1)
        pixels += flat.shape[1]
        total = total + flat.sum(axis=1)
        squares = squares + np.square(flat).sum(axis=1)
    mean = total / pixels
    std = np.sqrt(np.maximum(squares / pixels - np.square(mean), 0))
    return Statistics(tuple(map(float, mean)), tuple(map(float, np.maximum(std, _LEAST))))
