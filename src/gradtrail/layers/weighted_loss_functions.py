"""The losses of samples that count by a weight each.

A batch is divided by its samples, not by their weights, so that a sample counts the same in
whatever company it comes; weights of mean 1 leave the size of the steps as it is.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, final

import numpy as np

from ..equation.frozen import frozen
from ..errors import DataError, ShapeError
from .class_labels import check_number, class_numbers
from .cross_entropy import CrossEntropy, entropy
from .layer import Declaration, Shape, times
from .loss_functions import Loss, squared_error


@final
@frozen
class WeightedCrossEntropy(Loss):
    """Softmax with cross-entropy, each sample's share times its weight, the mean over the batch.

    The equation is that of `CrossEntropy` with class weights; T is one-hot times the sample's
    weight, and S that weight. Labels are rows (N, 2): class number and weight.
    """

    def declare(self, prediction: Shape) -> Declaration:
        """See `Loss.declare`; predictions are (N, K)."""
        if len(prediction) != 2:
            raise ShapeError(
                f"compares K outputs per sample but gets {times(prediction[1:])}",
                "End the network with Flatten() and Linear(number of classes)",
            )
        return CrossEntropy(weight=(1.0,) * prediction[1]).declare(prediction)

    def targets(self, labels: Any, prediction: Shape) -> Mapping[str, np.ndarray]:
        """See `Loss.targets`.

        Raises:
            DataError: no rows of class number and weight, or a weight that is negative or no
                number.
        """
        rows = _rows(labels, (prediction[0], 2), "class number")
        weights = rows[:, 1]
        between = np.flatnonzero(rows[:, 0] % 1)
        if len(between):
            raise DataError(
                f"the class number of sample {between[0]} is {rows[between[0], 0]:g}; class "
                "numbers are whole"
            )
        numbers = class_numbers(rows[:, 0].astype(np.int64), prediction)
        target = np.zeros(prediction)
        target[np.arange(len(rows)), numbers] = weights
        return {"T": target, "S": weights.copy()}

    def classes(self, labels: Any, prediction: Shape) -> np.ndarray:
        """See `Loss.classes`."""
        return np.asarray(labels)[:, 0].astype(np.int64)

    def chance(self, labels: Any, prediction: Shape) -> float | None:
        """See `Loss.chance`."""
        return entropy(self.targets(labels, prediction)["T"].mean(axis=0))


@final
@frozen
class WeightedSquaredError(Loss):
    """The squared difference, each sample's share times its weight, the mean over the batch.

    Shapes: Z and the targets T (N, K), the weights S (N,).

    Forward:
        L = (1/(|n|·|k|))·Σ_{n,k} S[n]·(Z[n,k] − T[n,k])²

    Adjoints:
        dZ[n,k] = (2/(|n|·|k|))·S[n]·Z[n,k] − (2/(|n|·|k|))·S[n]·T[n,k]

    Labels are rows (N, K + 1): K targets and the weight.
    """

    def declare(self, prediction: Shape) -> Declaration:
        """See `Loss.declare`; predictions are (N, K)."""
        if len(prediction) != 2:
            raise ShapeError(
                f"compares K numbers per sample but gets {times(prediction[1:])}",
                "End the network with Flatten() and Linear(number of targets)",
            )
        return squared_error(prediction, weighted=True)

    def targets(self, labels: Any, prediction: Shape) -> Mapping[str, np.ndarray]:
        """See `Loss.targets`.

        Raises:
            DataError: no rows of targets and weight, or a weight that is negative or no number.
        """
        rows, _ = self.rows(labels, prediction)
        return {"T": rows[:, :-1].copy(), "S": rows[:, -1].copy()}

    def rows(self, labels: Any, prediction: Shape) -> tuple[np.ndarray, bool]:
        """See `Loss.rows`: the labels as they are, weights last."""
        samples, outputs = prediction
        return _rows(labels, (samples, outputs + 1), f"{outputs} targets"), False

    def chance(self, labels: Any, prediction: Shape) -> float | None:
        """See `Loss.chance`: the targets' variance with their weights."""
        held = self.targets(labels, prediction)
        target, weight = held["T"], held["S"][:, None]
        total = weight.sum()
        mean = (weight * target).sum(axis=0) / total if total else 0.0
        return float((weight * (target - mean) ** 2).mean())


def _rows(labels: Any, shape: tuple[int, int], what: str) -> np.ndarray:
    """Labels that end with a weight, checked; float64.

    Args:
        labels: what the caller passed.
        shape: that they must have.
        what: stands before the weight.

    Raises:
        DataError: they are none, or a weight is negative or no number.
    """
    array = np.asarray(labels)
    check_number(array, shape[0])
    if array.shape != shape or array.dtype.kind != "f":
        raise DataError(
            f"y has shape {array.shape} and dtype {array.dtype}; with weights it has rows of "
            f"{what} and weight, {shape} float64"
        )
    weights = array[:, -1]
    wrong = np.flatnonzero(~((weights >= 0) & np.isfinite(weights)))
    if len(wrong):
        raise DataError(
            f"the weight of sample {wrong[0]} is {weights[wrong[0]]:g}; weights are finite "
            "numbers from 0"
        )
    return array.astype(np.float64)
