"""The embedded data set: 1,797 handwritten digits of 8 × 8, with a fixed split."""

from __future__ import annotations

import os
from functools import cache

import numpy as np

from ..checking.calls import call_example
from .splitting import Pair, Split


@cache
def _images() -> Pair:
    """All images, (1797, 64) with grey levels 0 to 16, and their classes, (1797,)."""
    with np.load(
        os.path.join(os.path.dirname(__file__), "digits.npz"), allow_pickle=False
    ) as stored:
        return stored["images"], stored["labels"]


@call_example("gt.data.digits()")
def digits() -> Split:
    """The digits, pixels from 0 to 1, split so that every class is in both parts alike.

    Every fifth image of each class is for testing. The split is always the same.

    Returns:
        `(x, y), (x_test, y_test)`: x float32 (N, 1, 8, 8) with N = 1,442 and 355, y int64 (N,).

    Source: E. Alpaydin and C. Kaynak, "Optical recognition of handwritten digits" (1998), UCI
        machine learning repository, its test part; CC BY 4.0. See DIGITS-LICENSE.md.
    """
    images, labels = _images()
    x = (images.astype(np.float32) / 16).reshape(-1, 1, 8, 8)
    y = labels.astype(np.int64)
    testing = np.zeros(len(y), dtype=bool)
    for label in range(10):
        testing[np.flatnonzero(y == label)[4::5]] = True
    return Split((x[~testing], y[~testing]), (x[testing], y[testing]))
