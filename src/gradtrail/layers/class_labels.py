"""Labels of the cross-entropy, checked; what they seem to be meant for is named with its loss."""

from __future__ import annotations

import numpy as np

from ..errors import DataError

_TAGS = (
    "several tags for a sample (multi-label) have no loss of their own yet, and "
    "loss=MeanSquaredError() brings each output near 0 or 1"
)
_NUMBERS = "numbers to come near (regression) are for loss=MeanSquaredError()"
_MAPS = (
    "a class for every position (segmentation) has no loss yet, and numbers for every position are "
    "compared by loss=MeanSquaredError()"
)


def check_number(labels: np.ndarray, samples: int) -> None:
    """Refuse labels that are not one for each sample.

    Raises:
        DataError: it names both numbers.
    """
    if labels.ndim == 0 or len(labels) != samples:
        given = "a single value" if labels.ndim == 0 else f"{len(labels)} labels"
        raise DataError(f"y has {given}, but x has {samples} samples; give one label per sample")


def class_numbers(labels: np.ndarray, samples: int, classes: int) -> np.ndarray:
    """Labels as class numbers (N,) int64.

    Args:
        labels: what the caller passed.
        samples: N.
        classes: how many outputs the network has.

    Raises:
        DataError: they are none.
    """
    check_number(labels, samples)
    if labels.ndim != 1:
        raise DataError(
            f"y has shape {labels.shape}; labels are integers of shape ({samples},) or one-hot of "
            f"shape ({samples}, {classes}){_shape_hint(labels, classes)}"
        )
    numbers = f"class numbers 0 to {classes - 1} as integers" if classes > 1 else "class numbers"
    if labels.dtype.kind == "f":
        whole = bool(np.isfinite(labels).all() and (labels == np.round(labels)).all())
        hint = f"; pass y.astype(int){_one_output(classes)}" if whole else f"; {_NUMBERS}"
        raise DataError(
            f"y has dtype {labels.dtype}, but the cross-entropy takes {numbers} (first label: "
            f"{labels[0]}){hint}"
        )
    if labels.dtype.kind not in "biu":
        several = labels.dtype == object and isinstance(labels[0], list | set | tuple | frozenset)
        hint = "np.unique(y, return_inverse=True)[1] numbers the classes"
        raise DataError(
            f"y has dtype {labels.dtype}, but the cross-entropy takes {numbers}; "
            + (_TAGS if several else hint)
        )
    _check_range(labels, samples, classes)
    return labels.astype(np.int64)


def _check_range(labels: np.ndarray, samples: int, classes: int) -> None:
    """Refuse integers that count no class of these."""
    wrong = np.flatnonzero((labels < 0) | (labels >= classes))
    if not len(wrong):
        return
    first = int(wrong[0])
    if classes == 1:
        raise DataError(
            f"y has label {labels[first]} at position {first}, but the network has a single "
            f"output, and the cross-entropy needs one for each class{_one_output(classes)}"
        )
    from_one = labels.min() == 1 and labels.max() == classes
    hint = "; the classes seem to be counted from 1: pass y - 1" if from_one else ""
    raise DataError(
        f"label {labels[first]} at position {first} is out of range: the network has {classes} "
        f"outputs, so labels run from 0 to {classes - 1} ({len(wrong)} of {samples} labels are "
        f"outside){hint}"
    )


def _one_output(classes: int) -> str:
    """What to do about a network with a single output."""
    if classes > 1:
        return ""
    return (
        "; end the network with Linear(2) for two classes, or pass loss=MeanSquaredError() for a "
        "number per sample"
    )


def _shape_hint(labels: np.ndarray, classes: int) -> str:
    """What labels with several axes are, probably."""
    if labels.ndim > 2:
        return f"; {_MAPS}"
    if labels.shape[1] == 1:
        return "; pass y[:, 0]"
    columns = labels.shape[1]
    fitting = f"; y has {columns} columns, but the network {classes} outputs"
    if labels.dtype.kind == "f" and not ((labels >= 0) & (labels <= 1)).all():
        return f"{fitting}, and {_NUMBERS}"
    return f"{fitting}: end it with Linear({columns})"


def probabilities(labels: np.ndarray, samples: int, classes: int) -> np.ndarray:
    """One-hot labels or probabilities, (N, K) float64.

    Args:
        labels: what the caller passed.
        samples: N.
        classes: K, how many outputs the network has.

    Raises:
        DataError: they are none.
    """
    check_number(labels, samples)
    if labels.shape != (samples, classes) or labels.dtype.kind not in "biuf":
        hint = _shape_hint(labels, classes) if labels.ndim > 1 else ""
        raise DataError(
            f"y has shape {labels.shape} and dtype {labels.dtype}; labels are integers of shape "
            f"({samples},) or one-hot of shape ({samples}, {classes}){hint}"
        )
    rows = labels.astype(np.float64)
    sums = rows.sum(axis=1)
    wrong = np.flatnonzero(~((rows >= 0).all(axis=1) & (np.abs(sums - 1) <= 1e-4)))
    if not len(wrong):
        return rows
    first = int(wrong[0])
    what = "one-hot rows and probabilities are at least 0 and sum to 1"
    if ((rows == 0) | (rows == 1)).all():
        hint = _TAGS if classes > 1 else _one_output(classes)[2:]
        raise DataError(f"row {first} of y has {sums[first]:g} ones, but {what}; {hint}")
    raise DataError(f"row {first} of y sums to {sums[first]:g}; {what}; {_NUMBERS}")
