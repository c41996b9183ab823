"""A share of the samples held out, from every class alike."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from ..checking.arguments import is_real, whole_number
from ..checking.calls import call_example
from ..errors import ArgumentError, DataError

Pair = tuple[np.ndarray, np.ndarray]


class Split(NamedTuple):
    """Samples with labels, for training and for testing.

    Args:
        train: x (N, C, H, W) float32 and y (N,) int64.
        test: likewise.
    """

    train: Pair
    test: Pair


@call_example("gt.data.split(x, y, 0.2)")
def split(x: np.ndarray, y: ArrayLike, share: float, seed: int = 0) -> Split:
    """Samples in two parts, so that every class is in both alike.

    Of each class, the share rounded to whole samples is held out, but one at least and never all;
    a class with a single sample stays in training. Which ones follows from the seed and from `y`.

    Args:
        x: (N, …), the samples.
        y: (N,), whole numbers from 0, their classes.
        share: of the samples that are held out, between 0 and 1.
        seed: from 0.

    Returns:
        `(x, y), (x_test, y_test)`, each in the order of before; y is int64. They are copies.

    Raises:
        ArgumentError: no share between 0 and 1, or a negative seed.
        DataError: x and y do not fit together, or every class has one sample only.
    """
    if not isinstance(x, np.ndarray) or x.ndim == 0:
        raise DataError(f"split: x must be an array with a first axis N, got {type(x).__name__}")
    labels = labels_from(y, len(x), "split")
    out = held_out_mask(labels, share, seed)
    return Split((x[~out], labels[~out]), (x[out], labels[out]))


def held_out_mask(y: np.ndarray, share: float, seed: int) -> np.ndarray:
    """Which samples `split` holds out.

    Args:
        y: int64 (N,), the classes.
        share: between 0 and 1.
        seed: from 0.

    Returns:
        bool (N,).

    Raises:
        ArgumentError: no share between 0 and 1, or a negative seed.
        DataError: every class has one sample only.
    """
    if not is_real(share) or not 0 < share < 1:
        raise ArgumentError(f"split: share must be between 0 and 1, such as 0.2, got {share!r}")
    draw = np.random.Generator(np.random.PCG64(whole_number("split: seed", seed, 0)))
    out = np.zeros(len(y), dtype=bool)
    for label in np.unique(y):
        places = np.flatnonzero(y == label)
        count = min(max(round(share * len(places)), 1), len(places) - 1)
        out[draw.permutation(places)[:count]] = True
    if not out.any():
        raise DataError(
            f"split: no class has two samples ({len(y)} samples in {len(y)} classes), so none can "
            "be held out"
        )
    return out


def labels_from(y: ArrayLike, count: int, who: str) -> np.ndarray:
    """Labels as int64.

    Args:
        y: what the caller passed.
        count: of the samples.
        who: what to call the caller.

    Returns:
        int64 (N,), a copy.

    Raises:
        DataError: other than whole numbers from 0, one for each sample.
    """
    labels = np.asarray(y)
    if labels.ndim != 1 or labels.dtype.kind not in "iu":
        raise DataError(
            f"{who}: y must be whole numbers (N,), a class for each sample, got {labels.dtype} "
            f"{labels.shape}"
        )
    if len(labels) != count:
        raise DataError(f"{who}: y has {len(labels)} labels for {count} samples in x")
    if count == 0:
        raise DataError(f"{who}: there is no sample; pass at least one")
    if labels.min() < 0 or labels.max() > np.iinfo(np.int64).max:
        wrong = int(np.argmax((labels < 0) | (labels > np.iinfo(np.int64).max)))
        raise DataError(f"{who}: y[{wrong}] is {labels[wrong]}, but classes count from 0")
    return labels.astype(np.int64)
