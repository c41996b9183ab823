"""Arrays that machine code reads by their address: nobody may give their memory back meanwhile."""

from __future__ import annotations

from weakref import ReferenceType, ref

import numpy as np


def pin(array: np.ndarray) -> tuple[ReferenceType[np.ndarray], ...]:
    """Keep an array's memory where it is for as long as the answer is kept.

    `array.resize(shape, refcheck=False)` gives memory back whoever reads it, in another thread or a
    callback. An array that is weakly referred to is never resized: whoever calls `resize` gets
    NumPy's `ValueError`, and what is computed meanwhile stays right. Nothing is copied.

    Args:
        array: of any shape; what it is a view of is held, too.
    """
    held: list[ReferenceType[np.ndarray]] = []
    owner: object = array
    while isinstance(owner, np.ndarray):
        held.append(ref(owner))
        owner = owner.base
    return tuple(held)
