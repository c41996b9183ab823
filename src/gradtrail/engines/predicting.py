"""Predicting: the outputs of any number of samples, so many at once."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ..graph import Graph
from .interface import Engine


def predict(
    network: Graph,
    samples: Callable[[int, int], np.ndarray],
    count: int,
    batch_size: int,
    engine: Engine,
) -> np.ndarray:
    """The outputs of the last layer, in evaluation.

    Args:
        network: is not changed.
        samples: gives those from one number to another, (n, *input_shape), checked.
        count: how many there are.
        batch_size: how many are computed at once.
        engine: which computes.

    Returns:
        (count, …), of the network's dtype.
    """
    parts = [
        engine.predict(network, samples(at, min(at + batch_size, count)))
        for at in range(0, count, batch_size)
    ]
    with np.errstate(over="ignore"):  # beyond float32 is infinity on either engine
        return np.concatenate(parts).astype(network.dtype, copy=False)
