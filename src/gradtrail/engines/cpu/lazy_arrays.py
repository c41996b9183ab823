"""The arrays of a step that was kept whole, put in order when they are asked for.

In memory sixteen samples stand side by side; an array in the usual order is a copy. A trace is
mostly asked for a few of its arrays, so the step's memory is kept as it is instead, and the next
step is given another. What makes an array holds that memory; once the last array is made, nothing
does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import final

import numpy as np

__all__ = ["LazyArrays"]


@final
class LazyArrays(Mapping[str, np.ndarray]):
    """Arrays by name; each is made once, when it is first asked for.

    Args:
        arrays: each array, or what makes it.
    """

    def __init__(self, arrays: Mapping[str, np.ndarray | Callable[[], np.ndarray]]) -> None:
        self._arrays = dict(arrays)

    def __getitem__(self, name: str) -> np.ndarray:
        held = self._arrays[name]
        if not isinstance(held, np.ndarray):
            held = self._arrays[name] = held()
        return held

    def __contains__(self, name: object) -> bool:
        return name in self._arrays

    def __iter__(self) -> Iterator[str]:
        return iter(self._arrays)

    def __len__(self) -> int:
        return len(self._arrays)
