"""Averages of running statistics, beside those of the weights that the rule itself keeps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np


class StatisticsAverage:
    """The same average over all steps as `Composed` takes of the weights, in float64.

    Args:
        names: of the running statistics.
        decay: how much of the average each step leaves.
    """

    def __init__(self, names: Sequence[str], decay: float) -> None:
        self.names, self.decay = tuple(names), decay
        self.steps = 0
        self.sums: dict[str, np.ndarray] = {}

    def note(self, steps: int, arrays: Mapping[str, np.ndarray]) -> None:
        """A step is done; the same one twice counts once.

        Args:
            steps: how many there were.
            arrays: the running statistics behind it, and others.
        """
        if steps == self.steps:
            return
        d = self.decay
        found = {
            name: d * self.sums.get(name, 0.0) + (1 - d) * arrays[name].astype(np.float64)
            for name in self.names
        }
        self.steps, self.sums = steps, found

    def averages(self) -> dict[str, np.ndarray]:
        """What is evaluated with, and what a training ends with."""
        share = 1 - self.decay**self.steps
        return {name: total / share for name, total in self.sums.items()}
