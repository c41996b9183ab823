"""Random numbers: every purpose and every place has numbers of its own.

They follow from the seed, their purpose and their place alone, so it does not matter who draws
them, when, or on which thread. See docs/design/randomness.md.
"""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

Purpose = Literal["parameters", "order", "augmentation", "mixup"]

_PURPOSES: dict[Purpose, int] = {"parameters": 0, "order": 1, "augmentation": 2, "mixup": 3}

_MULTIPLIERS = np.uint64(0xD2511F53), np.uint64(0xCD9E8D57)
_WEYL = 0x9E3779B9, 0xBB67AE85  # added to the key after every round
_LOW, _WORD = np.uint64(0xFFFFFFFF), np.uint64(32)


class Drawn(NamedTuple):
    """How far the random draws of a network's trainings are: the next one goes on from there.

    Args:
        epochs: how many were begun.
        steps: how many were made.
    """

    epochs: int = 0
    steps: int = 0

    @classmethod
    def of(cls, value: Any) -> Drawn | None:
        """Two whole numbers from 0 as a `Drawn`; None where they are something else."""
        numbers = tuple(value) if isinstance(value, list | tuple) else ()
        whole = all(isinstance(n, int) and not isinstance(n, bool) and n >= 0 for n in numbers)
        return cls(*numbers) if len(numbers) == 2 and whole else None


def stream(seed: int, purpose: Purpose, *place: int) -> np.random.Generator:
    """The generator for one place.

    Args:
        seed: of the network or of the training.
        purpose: what is drawn.
        place: numbers that tell one draw from another: a parameter's order, an epoch.
    """
    sequence = np.random.SeedSequence(entropy=seed, spawn_key=(_PURPOSES[purpose], *place))
    return np.random.Generator(np.random.PCG64(sequence))


def philox(
    key: tuple[int, int], counter: tuple[ArrayLike, ArrayLike, ArrayLike, ArrayLike]
) -> np.ndarray:
    """Philox4x32-10: four random words for each counter, without any state.

    Args:
        key: two words, each from 0 to 2³² − 1.
        counter: four words, each a number or an array of whole numbers from 0 to 2³² − 1; arrays
            broadcast against each other.

    Returns:
        (*broadcast shape, 4), uint32.

    Source: J. K. Salmon, M. A. Moraes, R. O. Dror and D. E. Shaw, "Parallel random numbers: as easy
        as 1, 2, 3" (2011), section 3.3; the names of its library Random123.
    """
    a, b, c, d = (np.asarray(word, dtype=np.uint64) for word in counter)
    for turn in range(10):
        # the product of two words fits 64 bits, so nothing overflows
        first, second = _MULTIPLIERS[0] * a, _MULTIPLIERS[1] * c
        k0, k1 = (np.uint64((k + turn * w) & 0xFFFFFFFF) for k, w in zip(key, _WEYL, strict=True))
        a, b = (second >> _WORD) ^ b ^ k0, second & _LOW
        c, d = (first >> _WORD) ^ d ^ k1, first & _LOW
    return np.stack(np.broadcast_arrays(a, b, c, d), axis=-1).astype(np.uint32)
