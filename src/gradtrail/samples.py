"""The boundary where samples come in: each usual mistake is recognised and named.

Samples are (N, C, H, W); labels are checked by the loss (`layers/losses.py`).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .errors import DataError

__all__ = ["as_array", "checked_samples", "looks_last"]

_CHANNELS = (1, 3, 4)


def looks_last(shape: tuple[int, ...]) -> bool:
    """Whether one sample's shape looks like (height, width, channels).

    The last axis counts 1, 3 or 4, the first does not, and both others are longer than the last.
    """
    if len(shape) != 3:
        return False
    first, rows, last = shape
    return last in _CHANNELS and first not in _CHANNELS and last < min(first, rows)


def checked_samples(
    x: Any, sample: tuple[int, ...], dtype: np.dtype[Any], *, name: str = "x"
) -> np.ndarray:
    """Samples as an array of the network's dtype.

    Args:
        x: what the caller passed.
        sample: the shape of one sample, such as (1, 28, 28).
        dtype: float32 or float64.
        name: what the caller calls it.

    Returns:
        (N, *sample), the same memory where nothing had to be converted.

    Raises:
        DataError: another number of axes, channels last, another size, no sample, no numbers, or
            bytes, of which nobody can tell whether they are to be divided by 255.
    """
    array = as_array(x, name)
    if array.dtype.kind not in "biuf":
        raise DataError(f"{name} must hold real numbers, got dtype {array.dtype}")
    if array.dtype == np.uint8:
        raise DataError(
            f"{name} is uint8, which may be pixels or numbers: pass {name} / np.float32(255) for "
            "pixels from 0 to 1, as folders and .npz files are read, or "
            f"{name}.astype(np.float32) for numbers as they are"
        )
    expected = ("N", *map(str, sample))
    written = f"({', '.join(expected)}{',' if len(expected) == 1 else ''})"
    if array.shape[1:] != sample or array.ndim != len(sample) + 1:
        raise DataError(
            f"{name} has shape {array.shape}, but the network takes {written}"
            + _hint(array, sample, name)
        )
    if len(array) == 0:
        raise DataError(f"{name} is empty: shape {array.shape} holds no sample; pass at least one")
    with np.errstate(over="ignore"):
        converted = np.ascontiguousarray(array, dtype=dtype)
    if converted.dtype != array.dtype and array.dtype.kind == "f":
        beyond = np.isinf(converted) & np.isfinite(array)
        if beyond.any():
            index = tuple(int(i) for i in np.argwhere(beyond)[0])
            raise DataError(
                f"{name}{list(index)} is {array[index]:g}, beyond what {dtype} can hold; scale the "
                "samples, for instance to mean 0 and standard deviation 1"
            )
    return converted


def as_array(x: Any, name: str) -> np.ndarray:
    """What the caller passed as an array, the same memory where it is one.

    Other packages' arrays hand themselves over; some cannot, such as a tensor that is tracked or of
    a dtype that NumPy has not.

    Raises:
        DataError: rows that differ in length, or what does not hand itself over.
    """
    try:
        return np.asarray(x)
    except ValueError as cause:
        raise DataError(f"{name} is no array: its rows differ in length ({cause})") from cause
    except (TypeError, RuntimeError) as cause:
        raise DataError(f"{name} cannot be read as an array: {cause}") from cause


def _hint(array: np.ndarray, sample: tuple[int, ...], name: str) -> str:
    """What the mistake probably was, and how to mend it."""
    if array.shape == sample:
        return f": this is one sample without the batch axis; pass {name}[None]"
    if len(sample) == 3:
        channels, height, width = sample
        if array.shape[1:] == (height, width, channels):
            return (
                f": it is channels last (N, H, W, C); pass {name}.transpose(0, 3, 1, 2), which has "
                f"shape {(len(array), *sample)}"
            )
        if array.shape[1:] == (height, width) and channels == 1:
            return f": the channel axis is missing; pass {name}[:, None]"
        if array.shape == (height, width) and channels == 1:
            return f": this is one image without batch and channel axis; pass {name}[None, None]"
        if array.shape[1:] == (height * width * channels,):
            return f": the samples are flat; pass {name}.reshape(-1, {channels}, {height}, {width})"
        if array.ndim == 4 and array.shape[1] != channels:
            return f": it has {array.shape[1]} channels instead of {channels}"
        if array.ndim == 4:
            got = f"{array.shape[2]} × {array.shape[3]}"
            return f": its images are {got} instead of {height} × {width}; resize them"
    if array.ndim != len(sample) + 1:
        return f": it has {array.ndim} axes instead of {len(sample) + 1}"
    return ""
