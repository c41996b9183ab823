"""Mean and standard deviation of each channel, streamed, so that no data set is too large."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from ..checking.calls import call_example
from ..checking.input_samples import warn_if_last
from ..errors import DataError, indexed, warn
from .constant_channels import counts_of_levels, least_of_levels, least_of_pixels
from .images import Images

_BLOCK = 1 << 20
"""How many numbers are looked at at a time."""

_COLOURS = ("red", "green", "blue")


@call_example("gt.data.channel_statistics(x)")
def channel_statistics(data: np.ndarray | Images) -> tuple[np.ndarray, np.ndarray]:
    """What `(x − mean) / std` takes to give every channel mean 0 and standard deviation 1.

    Bytes are counted as numbers from 0 to 1, a 255th each. The result is exact for them, and does
    not depend on the blocks that they are read in.

    Args:
        data: images, or an array (N, C, H, W) of floats or bytes.

    Returns:
        mean and std, each float64 (C,), over all samples and pixels. Of a channel that is the same
        everywhere std is 1, which is said: divided by next to nothing, the first image that differs
        in it would drown everything else. So it is where pixels, bytes or floats from 0 to 1, have
        a deviation below 1e-4; and, beside a channel with a deviation of 1/255 or more, where bytes
        or whole 255ths have less than that and only one in a hundred is not of the usual level.
        Whole numbers from 0 to 255, of which one is 128 or more, are levels like these.

    Raises:
        DataError: another type or number of axes, no number, or a NaN or an infinity.
    """
    if isinstance(data, Images):
        step = max(1, _BLOCK // int(np.prod(data.shape)))
        begins = range(0, len(data), step)
        parts = (data.read(np.arange(at, min(at + step, len(data)))) for at in begins)
        return _usable(*_of_bytes(parts, data.shape[0]))
    _check(data)
    step = max(1, _BLOCK // int(np.prod(data.shape[1:])))
    blocks = [data[begin : begin + step] for begin in range(0, len(data), step)]
    if data.dtype == np.uint8:
        return _usable(*_of_bytes(blocks, data.shape[1]))
    return _usable(*_of_floats(data, blocks))


def _check(data: object) -> None:
    """Refuse what is no array of pixels."""
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
    warn_if_last(data.shape, "channel_statistics: the array")


def _of_bytes(
    blocks: Iterable[np.ndarray], channels: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Mean, deviation, and the deviation that is none: of uint8 (n, C, H, W), exactly."""
    counts = counts_of_levels(blocks, channels)
    levels, number = np.arange(256) / 255, counts.sum(axis=1)
    mean = counts @ levels / number
    std = np.sqrt((counts * (levels - mean[:, None]) ** 2).sum(axis=1) / number)
    return mean, std, least_of_levels(std, counts)


def _of_floats(
    data: np.ndarray, blocks: list[np.ndarray]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The same of floats, less one of their own numbers first: what is constant has exactly 0.

    Twice through the data: a sum of squares in one pass would lose what a large mean leaves.
    """
    number, axes = data.size // data.shape[1], (0, 2, 3)
    start = data[0, :, :1, :1].astype(np.float64)
    with np.errstate(invalid="ignore", over="ignore"):  # told below, with the place
        mean = start[:, 0, 0] + sum((block - start).sum(axis=axes) for block in blocks) / number
    if not np.isfinite(mean).all():
        wrong = np.argwhere(~np.isfinite(data))
        told = f"{indexed('', wrong[0])} is not finite" if len(wrong) else " overflows"
        raise DataError(f"channel_statistics: the array{told}; mend the data first")
    centre = mean[:, None, None]
    std = np.sqrt(sum(((block - centre) ** 2).sum(axis=axes) for block in blocks) / number)
    rounding = float(np.finfo(data.dtype).eps) * np.abs(mean)
    return mean, std, np.maximum(rounding, least_of_pixels(lambda: blocks, std, data.dtype))


def _usable(mean: np.ndarray, std: np.ndarray, least: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and deviation to divide by: 1 for a channel that does not change, which is said."""
    constant = std <= least
    for channel in np.flatnonzero(constant):
        named = f" ({_COLOURS[channel]})" if len(mean) == len(_COLOURS) else ""
        warn(
            f"channel {channel}{named} is {mean[channel]:.4g} in all images, or nearly so: its "
            "standard deviation was set to 1, since a division by next to nothing would drown the "
            "other channels; Normalize and a recipe's [model] take mean and std that are given"
        )
    return mean, np.where(constant, 1.0, std)
