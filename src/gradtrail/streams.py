"""Random numbers: every purpose and every place has a stream of its own.

A stream follows from the seed, its purpose and its place alone, so it does not matter who draws
from it, when, or on which thread. See docs/design/randomness.md.
"""

from __future__ import annotations

from typing import Literal

import numpy as np

__all__ = ["Purpose", "stream"]

Purpose = Literal["parameters", "order", "masks"]

_PURPOSES: dict[Purpose, int] = {"parameters": 0, "order": 1, "masks": 2}


def stream(seed: int, purpose: Purpose, *place: int) -> np.random.Generator:
    """The generator for one place.

    Args:
        seed: of the network or of the training.
        purpose: what is drawn.
        place: numbers that tell one draw from another: a parameter's order, an epoch, a sample.
    """
    sequence = np.random.SeedSequence(entropy=seed, spawn_key=(_PURPOSES[purpose], *place))
    return np.random.Generator(np.random.PCG64(sequence))
