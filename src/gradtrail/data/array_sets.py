"""Images and labels that were saved as arrays, in the form that networks take.

N samples, C channels, H, W sizes.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from ..errors import DataError, indexed
from .channel_axis import channel_axis
from .dataset import DataSet
from .images import classes_of
from .levels import unit
from .npz import read_npz
from .splitting import Pair, labels_from

_ARRAYS: Mapping[str, tuple[tuple[str, str], ...]] = {
    "train": (
        *(("x", "y"), ("x_train", "y_train")),
        *(("images", "labels"), ("train_images", "train_labels")),
    ),
    "validation": (("x_val", "y_val"), ("val_images", "val_labels")),
    "test": (("x_test", "y_test"), ("test_images", "test_labels")),
}
_CLASSES = ("classes", "class_names")

_DARK = 63
"""Where bytes end, of a whole data set, that are hardly levels up to 255: a quarter of them."""

_UNLIKE = 32.0
"""How many times larger the numbers of one part are, of two that are hardly scaled alike."""


def read_array_set(path: Path, channels_last: bool | None) -> DataSet:
    """The data set in a `.npz` file; see `gradtrail.data.read`.

    Raises:
        FileError: see `read_npz`.
        DataError: no images and labels under any of the usual names, or such as nobody can learn
            from.
    """
    known = [name for pairs in _ARRAYS.values() for pair in pairs for name in pair]
    arrays = read_npz(path, (*known, *_CLASSES))
    parts: dict[str, Pair] = {}
    notes: list[str] = []
    for part, pairs in _ARRAYS.items():
        for x, y in pairs:
            there = [name for name in (x, y) if name in arrays]
            if len(there) == 1:
                missing = y if there == [x] else x
                raise DataError(f"{path} has {there[0]} but no {missing}; save both")
            if there and part in parts:
                raise DataError(f"{path} has {x} and other arrays for {part}; save one of them")
            if there:
                images, note = _images(path, x, arrays.pop(x), channels_last)
                parts[part] = images, _labels(path, y, arrays.pop(y), len(images))
                notes += note
    if "train" not in parts:
        pairs_known = " or ".join(", ".join(pair) for pair in _ARRAYS["train"])
        raise DataError(f"{path} has no images to learn from; save them as {pairs_known}")
    _same_shape(path, parts)
    notes += _unlike(path, parts)
    return DataSet("arrays", **parts, classes=_classes(path, arrays, parts), notes=tuple(notes))


def _images(
    path: Path, name: str, x: np.ndarray, channels_last: bool | None
) -> tuple[np.ndarray, list[str]]:
    """Images float32 (N, C, H, W), and what a person should be told of them."""
    where = f"{path}: {name}"
    if x.dtype != np.uint8 and x.dtype.kind not in "bf":
        raise DataError(
            f"{where} holds {x.dtype}, whose range nobody can know; save pixels as uint8 from 0 to "
            "255, or as floats"
        )
    if x.ndim not in (3, 4) or not x.size:
        raise DataError(
            f"{where} has shape {x.shape}; save images as (N, H, W), (N, C, H, W) or (N, H, W, C), "
            "one of them at least"
        )
    notes: list[str] = []
    if x.ndim == 3:
        if channels_last:
            raise DataError(f"{where} has shape {x.shape}: no axis for channels to be last")
        x = x[:, None]
    else:
        last, notes = _channels_last(where, x.shape, channels_last)
        x = x.transpose(0, 3, 1, 2) if last else x
    x = np.ascontiguousarray(x)
    if x.dtype == np.uint8:
        if 0 < (highest := int(x.max())) <= _DARK:
            notes.append(
                f"{where} holds bytes up to {highest} alone: they were divided by 255, as all "
                "pixels are; save floats if they are no levels of 255"
            )
        return unit(x), notes
    with np.errstate(over="ignore", invalid="ignore"):
        images = x.astype(np.float32, copy=False)
    if not np.isfinite(images).all():
        place = indexed("", np.argwhere(~np.isfinite(images))[0])
        raise DataError(f"{where} is not finite in float32 at {place} of (N, C, H, W)")
    return images, notes


def _channels_last(where: str, shape: tuple[int, ...], told: bool | None) -> tuple[bool, list[str]]:
    """Whether images of four axes are channels last, and what a person should be told of it.

    Raises:
        DataError: it may be either, or neither.
    """
    if told is not None:
        return told, []
    otherwise = "pass channels_last=True or False (--channels-last, --channels-first)"
    match channel_axis(shape[1:]):
        case "first":
            return False, []
        case "first, probably":
            images = f"{shape[1]} channels of {shape[2]} × {shape[3]} pixels"
            return False, [f"{where} {shape} was taken to be {images}; {otherwise} to say so"]
        case "last":
            taken = "was taken to be channels last, (N, H, W, C)"
            return True, [f"{where} {shape} {taken}; {otherwise} to say so"]
        case "first or last":
            raise DataError(
                f"{where} has shape {shape}, where the second or the last axis may count the "
                f"channels; {otherwise}"
            )
        case _:
            raise DataError(
                f"{where} has shape {shape}, and no axis counts 1 or 3 channels: volumes are not "
                "learned from as such, but their slices are, as grey images "
                f"x.reshape(-1, {shape[2]}, {shape[3]}) with a label each; of images with so many "
                f"channels, {otherwise}"
            )


def _labels(path: Path, name: str, y: np.ndarray, count: int) -> np.ndarray:
    """Labels int64 (N,); a second axis of one is taken away."""
    if y.ndim == 2 and y.shape[1] == 1:
        y = y[:, 0]
    if y.ndim == 2:
        raise DataError(
            f"{path}: {name} has shape {y.shape}; save a class for each sample, such as "
            f"{name}.argmax(axis=1) if its rows mark one"
        )
    return labels_from(y, count, f"{path}: {name}")


def _same_shape(path: Path, parts: Mapping[str, Pair]) -> None:
    shapes = {part: x.shape[1:] for part, (x, _) in parts.items()}
    for part, shape in shapes.items():
        if shape != shapes["train"]:
            raise DataError(
                f"{path}: its images for {part} have shape {shape} and those for training "
                f"{shapes['train']}; save one size"
            )


def _unlike(path: Path, parts: Mapping[str, Pair]) -> list[str]:
    """A note where one part is pixels from 0 to 1, and another has numbers up to 255."""
    tops = {part: float(np.abs(x).max()) for part, (x, _) in parts.items()}
    return [
        f"{path}: its numbers for {part} go up to {top:.4g}, and those for training up to "
        f"{tops['train']:.4g}: they were taken as they are; scale both alike"
        for part, top in tops.items()
        if max(top, tops["train"]) > _UNLIKE * min(top, tops["train"])
    ]


def _classes(
    path: Path, arrays: Mapping[str, np.ndarray], parts: Mapping[str, Pair]
) -> tuple[str, ...] | None:
    """The classes' names, if the file has them."""
    stored = next((arrays[name] for name in _CLASSES if name in arrays), None)
    if stored is None:
        return None
    if stored.dtype.kind != "U" or stored.ndim != 1:
        raise DataError(f"{path}: classes must be text with one axis, got {stored.dtype}")
    labels = np.concatenate([labels for _, labels in parts.values()])
    return classes_of(labels, stored.tolist(), str(path))
