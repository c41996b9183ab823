"""A share of every class set apart."""

from __future__ import annotations

import numpy as np

__all__ = ["held_out"]


def held_out(y: np.ndarray, share: float, seed: int = 0) -> np.ndarray:
    """Which samples are set apart, (M,) bool: of each class the share, at least one of two or more.

    Args:
        y: (M,) class numbers.
        share: from 0 to 1.
        seed: what the choice follows from.
    """
    draw = np.random.Generator(np.random.PCG64(seed))
    apart = np.zeros(len(y), bool)
    for label in np.unique(y):
        places = np.flatnonzero(y == label)
        count = round(share * len(places))
        count = min(max(count, 1), len(places) - 1) if len(places) > 1 and 0 < share < 1 else count
        apart[draw.permutation(places)[:count]] = True
    return apart
