"""The boundary where samples come in: each usual mistake is recognised and named.

Samples are (N, C, H, W), or with one axis of places or three; labels are checked by the loss
(`layers/loss_functions.py`).
"""

from __future__ import annotations

from math import prod
from os import PathLike
from os.path import exists, isdir
from typing import Any

import numpy as np

from ..errors import DataError, indexed, warn

_CHANNELS, _SMALLEST = (1, 3, 4), 8
_BRIGHT, _WHITE = 128, 255


def looks_last(shape: tuple[int, ...]) -> bool:
    """Whether one sample's shape looks like (height, width, channels).

    The last axis counts 1, 3 or 4, and the others 8 rows and columns or more.
    """
    if len(shape) != 3:
        return False
    first, rows, last = shape
    return last in _CHANNELS and min(first, rows) >= _SMALLEST


def warn_if_last(shape: tuple[int, ...], what: str) -> None:
    """Say that (N, C, H, W) looks like (N, H, W, C), where that is what is taken all the same."""
    _, first, rows, last = shape
    if last in (3, 4) and last < min(first, rows) and first not in (1, 3):
        warn(
            f"{what} has shape {shape} and was taken to be {first} channels of {rows} × {last}, as "
            "(N, C, H, W); if the channels are last, pass x.transpose(0, 3, 1, 2)"
        )


def shape_meant(shape: tuple[int, ...], rank: int = 2) -> str:
    """What `input_shape` should probably be where layers do not fit it; empty for no idea.

    Args:
        shape: what it is.
        rank: how many axes of places the layers take.
    """
    if len(shape) == rank + 2 and (rank > 1 or shape[0] not in _CHANNELS):
        return f"input_shape is one sample's, without the batch: write {shape[1:]}"
    if len(shape) == rank:
        kind = "grey images" if rank == 2 else f"{_KINDS[rank][0]}s with one"
        return f"input_shape has no channels: of {kind} it is {(1, *shape)}"
    if looks_last(shape):
        return f"input_shape may be channels last: then write {(shape[2], *shape[:2])}"
    return ""


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
    array = as_array(x, name, sample)
    if array.dtype.kind not in "biuf":
        raise DataError(f"{name} must hold real numbers, got dtype {array.dtype}{_held(x)}")
    if array.dtype.kind in "iu" and array.size:
        _pixels_or_numbers(array, name)
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
                f"{indexed(name, index)} is {array[index]:g}, beyond what {dtype} can hold; scale "
                "the samples, for instance to mean 0 and standard deviation 1"
            )
    return converted


def as_array(x: Any, name: str, sample: tuple[int, ...] = ()) -> np.ndarray:
    """What a caller passed, as an array; a path is none, nor a tensor that NumPy cannot read.

    Args:
        x: an array, or what can be made one without changing its numbers.
        name: what the caller calls it.
        sample: the shape of one sample, for what to write instead of a path; () of what is none.

    Raises:
        DataError: it is none.
    """
    first = x[0] if isinstance(x, list | tuple) and len(x) else x
    if sample and isinstance(first, str | PathLike) and _is_file(first):
        several = first is not x
        raise DataError(f"{name} is {_of_paths(first, several, sample)}")
    try:
        return np.asarray(x)
    except ValueError as cause:
        hint = ""
        if isinstance(x, tuple | list) and len(x) == 2 and np.ndim(x[1]) < 2:
            hint = "; if it is a pair (samples, labels), pass the samples alone"
        raise DataError(f"{name} is no array: its rows differ in length ({cause}){hint}") from cause
    except (RuntimeError, TypeError) as cause:
        tensor = type(x).__module__.startswith("torch")
        hint = f"; pass {name}.detach().cpu().float().numpy()" if tensor else ""
        raise DataError(f"{name} cannot be read as an array: {cause}{hint}") from cause


def _is_file(path: Any) -> bool:
    """Whether something is a path: of a class of its own, to what is there, or with an ending."""
    return isinstance(path, PathLike) or "." in path[-6:] or exists(path)


def _of_paths(path: Any, several: bool, sample: tuple[int, ...]) -> str:
    """What paths are to be replaced by."""
    read = f"gt.data.read_image(path, {sample})"
    if several:
        return f"a list of paths, not an array; of images pass np.stack([{read} for path in paths])"
    if isdir(path):
        size = f", size={sample[1:]}, channels={sample[0]}" if len(sample) == 3 else ""
        return f"a folder, not an array; of images pass gt.data.ImageFolder(path{size})"
    from ..storage.foreign_files import reader_of

    what = reader_of(path) or "it is no array"
    if what.startswith("it is an image"):
        return f"a path, not an array; of an image pass {read}[None]"
    return f"a path, not an array; {what}"


def _held(x: Any) -> str:
    """What is said of objects that hold samples without being arrays."""
    if hasattr(x, "train") and hasattr(x, "held_out"):
        return "; pass a part of what gt.data.read found, such as data.test"
    if hasattr(x, "dataset") and hasattr(x, "batch_size"):
        return "; collect what a DataLoader gives, np.concatenate([batch for batch, *_ in loader])"
    return ""


def _pixels_or_numbers(array: np.ndarray, name: str) -> None:
    """Refuse the integers that pictures are stored in; warn of others that look like pixels."""
    stored = array.dtype.kind == "u" and array.dtype.itemsize <= 2
    white = np.iinfo(array.dtype).max if stored else _WHITE
    divided, kept = f"{name} / np.float32({white})", f"np.asarray({name}, np.float32)"
    if stored:
        raise DataError(
            f"{name} is {array.dtype}, which may be pixels or numbers: pass {divided} for pixels "
            f"from 0 to 1, as folders and .npz files are read, or {kept} for numbers as they are"
        )
    if array.min() >= 0 and _BRIGHT <= array.max() <= _WHITE:
        warn(
            f"{name} is {array.dtype} from {array.min()} to {array.max()}, and taken as numbers; "
            f"if these are pixels, pass {divided}, else {kept}, which says so"
        )


_KINDS = {1: ("sequence", "N, L, C"), 2: ("image", "N, H, W, C"), 3: ("volume", "N, D, H, W, C")}
"""What samples with so many axes of places are, and their axes with the channels last."""


def _hint(array: np.ndarray, sample: tuple[int, ...], name: str) -> str:
    """What the mistake probably was, and how to mend it."""
    if array.size == 0:
        return ": it is empty"
    if array.shape == sample:
        return f": this is one sample without the batch axis; pass {name}[None]"
    found = _of_places(array, sample, name) if len(sample) - 1 in _KINDS else ""
    if not found and array.ndim != len(sample) + 1:
        axes = "1 axis" if array.ndim == 1 else f"{array.ndim} axes"
        return f": it has {axes} instead of {len(sample) + 1}"
    return found


def _of_places(array: np.ndarray, sample: tuple[int, ...], name: str) -> str:
    """The mistakes that samples of channels and places are handed in with."""
    channels, *places = sample
    (kind, last), size = _KINDS[len(places)], tuple(places)
    order = [len(places), *range(len(places))]
    if array.shape[1:] == (*size, channels):
        turned = ", ".join(map(str, (0, *(axis + 1 for axis in order))))
        return (
            f": it is channels last ({last}); pass {name}.transpose({turned}), which has "
            f"shape {(len(array), *sample)}"
        )
    if array.shape == (*size, channels):
        return (
            f": this is one {kind} without the batch axis and channels last; pass "
            f"{name}.transpose({', '.join(map(str, order))})[None]"
        )
    if looks_last(sample) and array.shape[1:] == (sample[2], channels, sample[1]):
        return (
            f": the network's input_shape {sample} is channels last; build it for "
            f"{array.shape[1:]}, (channels, height, width)"
        )
    if array.shape[1:] == size and channels == 1:
        return f": the channel axis is missing; pass {name}[:, None]"
    if array.shape == size and channels == 1:
        return f": this is one {kind} without batch and channel axis; pass {name}[None, None]"
    if array.ndim == 2 and array.shape[1] == prod(sample):
        return f": the samples are flat; pass {name}.reshape(-1, {', '.join(map(str, sample))})"
    if array.ndim == len(sample) + 1:
        if array.shape[1] != channels:
            return f": it has {array.shape[1]} channels instead of {channels}"
        got, wanted = (" × ".join(map(str, sizes)) for sizes in (array.shape[2:], places))
        mend = "cut them, or put zeros behind" if len(places) == 1 else "resize them"
        return f": its {kind}s are {got} instead of {wanted}; {mend}"
    return ""
