"""Labels of the cross-entropy, checked; what they seem to be meant for is named with its loss."""

from __future__ import annotations

import numpy as np

from ..errors import DataError

_TAGS = "several tags for a sample (multi-label) are for loss=BCEWithLogits()"
_NUMBERS = "numbers to come near (regression) are for loss=MeanSquaredError()"
_MAPS = "a class for every position (segmentation) needs outputs for every position, such as {}"


def check_number(labels: np.ndarray, samples: int) -> None:
    """Refuse labels that are not one for each sample.

    Raises:
        DataError: it names both numbers.
    """
    if labels.ndim == 0 or len(labels) != samples:
        given = "a single value" if labels.ndim == 0 else f"{len(labels)} labels"
        raise DataError(f"y has {given}, but x has {samples} samples; give one label per sample")


def class_numbers(
    labels: np.ndarray, prediction: tuple[int, ...], ignore_index: int | None = None
) -> np.ndarray:
    """Labels as class numbers, (N,) int64, or (N, …) for outputs (N, K, …).

    Args:
        labels: what the caller passed.
        prediction: the shape of the network's outputs, samples first.
        ignore_index: what marks those that are left out; they become −1.

    Raises:
        DataError: they are none.
    """
    samples, classes, *places = prediction
    check_number(labels, samples)
    if labels.shape != (samples, *places):
        told = f"({samples}, {classes}{''.join(f', {p}' for p in places)})"
        held = f"({samples},)" if not places else f"({samples}, {', '.join(map(str, places))})"
        raise DataError(
            f"y has shape {labels.shape}; labels are integers of shape {held} or one-hot of shape "
            f"{told}{_shape_hint(labels, classes, bool(places))}"
        )
    numbers = f"class numbers 0 to {classes - 1} as integers" if classes > 1 else "class numbers"
    first = labels.flat[0] if labels.size else None
    if labels.dtype.kind == "f":
        whole = bool(np.isfinite(labels).all() and (labels == np.round(labels)).all())
        hint = f"; pass y.astype(int){_one_output(classes)}" if whole else f"; {_NUMBERS}"
        raise DataError(
            f"y has dtype {labels.dtype}, but the cross-entropy takes {numbers} (first label: "
            f"{first}){hint}"
        )
    if labels.dtype.kind not in "biu":
        several = labels.dtype == object and isinstance(first, list | set | tuple | frozenset)
        hint = "np.unique(y, return_inverse=True)[1] numbers the classes"
        raise DataError(
            f"y has dtype {labels.dtype}, but the cross-entropy takes {numbers}; "
            + (_TAGS if several else hint)
        )
    left_out = None if ignore_index is None else labels == ignore_index
    _check_range(labels, left_out, classes)
    found = labels.astype(np.int64)
    if left_out is not None:
        found[left_out] = -1
    return found


def _check_range(labels: np.ndarray, left_out: np.ndarray | None, classes: int) -> None:
    """Refuse integers that count no class of these and are not left out."""
    outside = (labels < 0) | (labels >= classes)
    if left_out is not None:
        outside &= ~left_out
    if not outside.any():
        return
    place = tuple(int(i) for i in np.argwhere(outside)[0])
    first, at = int(labels[place]), place[0] if len(place) == 1 else place
    if classes == 1:
        raise DataError(
            f"y has label {first} at position {at}, but the network has a single "
            f"output, and the cross-entropy needs one for each class{_one_output(classes)}"
        )
    count = int(outside.sum())
    from_one = labels.min() == 1 and labels.max() == classes
    hint = "; the classes seem to be counted from 1: pass y - 1" if from_one else ""
    if first in (-100, -1, 255) and count == np.count_nonzero(labels == first):
        hint = f"; CrossEntropy(ignore_index={first}) leaves them out"
    raise DataError(
        f"label {first} at position {at} is out of range: the network has {classes} "
        f"outputs, so labels run from 0 to {classes - 1} ({count} of {labels.size} labels are "
        f"outside){hint}"
    )


def _one_output(classes: int) -> str:
    """What to do about a network with a single output."""
    if classes > 1:
        return ""
    return (
        "; end the network with Linear(2) for two classes, or pass loss=BCEWithLogits() for yes or "
        "no, loss=MeanSquaredError() for a number per sample"
    )


def _shape_hint(labels: np.ndarray, classes: int, of_places: bool) -> str:
    """What labels of another shape than the outputs' are, probably."""
    if of_places:
        told = "; for one label per sample, end the network with Flatten() and Linear(number of "
        return f"{told}classes)" if labels.ndim == 1 else ""
    if labels.ndim > 2:
        return f"; {_MAPS.format(f'Conv2d({classes}, 1)')}"
    if labels.shape[1] == 1:
        return "; pass y[:, 0]"
    columns = labels.shape[1]
    fitting = f"; y has {columns} columns, but the network {classes} outputs"
    if labels.dtype.kind == "f" and not ((labels >= 0) & (labels <= 1)).all():
        return f"{fitting}, and {_NUMBERS}"
    return f"{fitting}: end it with Linear({columns})"


def probabilities(labels: np.ndarray, prediction: tuple[int, ...]) -> np.ndarray:
    """One-hot labels or probabilities, (N, K, …) float64.

    Args:
        labels: what the caller passed, of this shape.
        prediction: the shape of the network's outputs, samples first.

    Raises:
        DataError: they are none.
    """
    classes = prediction[1]
    if labels.dtype.kind not in "biuf":
        raise DataError(
            f"y has shape {labels.shape} and dtype {labels.dtype}; labels are integers of shape "
            f"{(prediction[0], *prediction[2:])} or one-hot of shape {tuple(prediction)}"
        )
    rows = labels.astype(np.float64)
    sums = rows.sum(axis=1)
    wrong = np.argwhere(~((rows >= 0).all(axis=1) & (np.abs(sums - 1) <= 1e-4)))
    if not len(wrong):
        return rows
    place = tuple(int(i) for i in wrong[0])
    row = place[0] if len(place) == 1 else place
    what = "one-hot rows and probabilities are at least 0 and sum to 1"
    if ((rows == 0) | (rows == 1)).all():
        hint = _TAGS if classes > 1 else _one_output(classes)[2:]
        raise DataError(f"row {row} of y has {sums[place]:g} ones, but {what}; {hint}")
    raise DataError(f"row {row} of y sums to {sums[place]:g}; {what}; {_NUMBERS}")
