"""The cross-entropy of samples that count by a weight each."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, final

import numpy as np

from ..equation.frozen import frozen
from ..errors import DataError
from .base import Declaration, Shape
from .labels import check_number, class_numbers
from .losses import CrossEntropy, Loss

__all__ = ["WeightedCrossEntropy"]


@final
@frozen
class WeightedCrossEntropy(Loss):
    """Softmax with cross-entropy, each sample's share times its weight, the mean over the batch.

    The equation is that of `CrossEntropy` with class weights; T is one-hot times the sample's
    weight, and S that weight. Labels are rows (N, 2): class number and weight. A batch is divided
    by its samples, not by their weights, so that a sample counts the same in whatever company it
    comes; weights of mean 1 leave the size of the steps as it is.
    """

    def declare(self, prediction: Shape) -> Declaration:
        """See `Loss.declare`; predictions are (N, K)."""
        CrossEntropy().declare(prediction)  # which refuses what are no classes
        return CrossEntropy(weight=(1.0,) * prediction[1]).declare(prediction)

    def targets(self, labels: Any, prediction: Shape) -> Mapping[str, np.ndarray]:
        """See `Loss.targets`.

        Raises:
            DataError: no rows of class number and weight, or a weight that is negative or no
                number.
        """
        array = np.asarray(labels)
        check_number(array, prediction[0])
        if array.ndim != 2 or array.shape[1] != 2 or array.dtype.kind != "f":
            raise DataError(
                f"y has shape {array.shape} and dtype {array.dtype}; with weights it has rows of "
                f"class number and weight, ({prediction[0]}, 2) float64"
            )
        weights = array[:, 1]
        wrong = np.flatnonzero(~((weights >= 0) & np.isfinite(weights)))
        if len(wrong):
            raise DataError(
                f"the weight of sample {wrong[0]} is {weights[wrong[0]]:g}; weights are finite "
                "numbers from 0"
            )
        numbers = class_numbers(array[:, 0].astype(np.int64), *prediction)
        target = np.zeros(prediction)
        target[np.arange(len(array)), numbers] = weights
        return {"T": target, "S": weights.copy()}

    def classes(self, labels: Any) -> np.ndarray:
        """See `Loss.classes`."""
        return np.asarray(labels)[:, 0].astype(np.int64)

    def chance(self, labels: Any, prediction: Shape) -> float | None:
        """See `Loss.chance`."""
        total = self.targets(labels, prediction)["T"].mean(axis=0)
        there = total[total > 0]
        return float(-(there * np.log(there / there.sum())).sum())
