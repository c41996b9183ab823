"""Where the greatest of many numbers stand."""

from __future__ import annotations

import numpy as np

_CHUNK = 64


def places_of_greatest(sizes: np.ndarray, k: int) -> np.ndarray:
    """The places of the k greatest, greatest first, of equal ones the first.

    Of all chunks' maxima the k-th greatest is a bound that k numbers reach: what is above it is
    little. Selecting among all is slow where most are equal, and most products are 0.

    Args:
        sizes: (N,) none of them NaN.
        k: at least 1.

    Returns:
        (min(k, N),) int64.
    """
    if len(sizes) <= _CHUNK * k:
        return np.argsort(-sizes, kind="stable")[:k]
    maxima = np.maximum.reduceat(sizes, np.arange(0, len(sizes), _CHUNK))
    bound = np.sort(maxima)[-k]
    above = np.flatnonzero(sizes > bound)
    equal = np.flatnonzero(sizes == bound)[: max(0, k - len(above))]
    above = above[np.argsort(-sizes[above], kind="stable")]
    return np.concatenate([above, equal])[:k]
