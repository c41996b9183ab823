"""Mean and standard deviation of each channel, streamed, so that no data set is too large."""

from __future__ import annotations

import numpy as np

from ..errors import DataError
from .images import Images

__all__ = ["channel_statistics"]

_FLOOR = 1e-4  # of the standard deviation: 1/40 of a grey level
_BLOCK = 1 << 20  # numbers at a time


def channel_statistics(data: np.ndarray | Images) -> tuple[np.ndarray, np.ndarray]:
    """What `(x − mean) / std` takes to give every channel mean 0 and standard deviation 1.

    Bytes are counted as numbers from 0 to 1, a 255th each. The result is exact for them, and does
    not depend on the blocks that they are read in.

    Args:
        data: images, or an array (N, C, H, W) of floats or bytes.

    Returns:
        mean and std, each float64 (C,), over all samples and pixels; std is 1e-4 at least, so that
        a channel that is the same everywhere stays 0 instead of dividing by 0.

    Raises:
        DataError: another type or number of axes, no number, or a NaN or an infinity.
    """
    if isinstance(data, Images):
        counts = np.zeros((data.shape[0], 256), dtype=np.int64)
        step = max(1, _BLOCK // int(np.prod(data.shape)))
        for begin in range(0, len(data), step):
            _count(data.read(np.arange(begin, min(begin + step, len(data)))), counts)
        return _of_counts(counts)
    if not isinstance(data, np.ndarray) or data.ndim != 4 or data.dtype.kind not in "fu":
        got = f"{data.dtype} {data.shape}" if isinstance(data, np.ndarray) else type(data).__name__
        raise DataError(
            "channel_statistics takes images, or floats or uint8 as (N, C, H, W); got " + got
        )
    if not data.size or (data.dtype.kind == "u" and data.dtype != np.uint8):
        raise DataError(
            f"channel_statistics: an array of {data.dtype} {data.shape} holds no floats and no "
            "uint8 to average"
        )
    step = max(1, _BLOCK // int(np.prod(data.shape[1:])))
    blocks = [data[begin : begin + step] for begin in range(0, len(data), step)]
    if data.dtype == np.uint8:
        counts = np.zeros((data.shape[1], 256), dtype=np.int64)
        for block in blocks:
            _count(block, counts)
        return _of_counts(counts)
    return _of_floats(data, blocks)


def _count(pixels: np.ndarray, counts: np.ndarray) -> None:
    """Add how often each byte is in each channel: pixels uint8 (n, C, H, W), counts (C, 256)."""
    for channel, count in enumerate(counts):
        count += np.bincount(pixels[:, channel].ravel(), minlength=256)


def _of_counts(counts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    levels = np.arange(256) / 255
    number = counts.sum(axis=1)
    mean = counts @ levels / number
    spread = (counts * (levels - mean[:, None]) ** 2).sum(axis=1) / number
    return mean, np.maximum(np.sqrt(spread), _FLOOR)


def _of_floats(data: np.ndarray, blocks: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Twice through the data: a sum of squares in one pass would lose what a large mean leaves."""
    number, axes = data.size // data.shape[1], (0, 2, 3)
    with np.errstate(invalid="ignore", over="ignore"):  # told below, with the place
        mean = sum(block.sum(axis=axes, dtype=np.float64) for block in blocks) / number
    if not np.isfinite(mean).all():
        wrong = np.argwhere(~np.isfinite(data))
        where = f"[{', '.join(map(str, wrong[0]))}] is not finite" if len(wrong) else "overflows"
        raise DataError(f"channel_statistics: the array{where}; mend the data first")
    centre = mean[:, None, None]
    spread = sum(((block - centre) ** 2).sum(axis=axes) for block in blocks) / number
    return mean, np.maximum(np.sqrt(spread), _FLOOR)
