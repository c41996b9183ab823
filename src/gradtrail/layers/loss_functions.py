"""Losses: the one number at the end, and how labels become the array it compares with."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import field
from typing import Any, final

import numpy as np

from ..checking.arguments import is_real
from ..checking.calls import call_example
from ..equation import Access, Array, indices, loss
from ..equation.frozen import frozen
from ..errors import ArgumentError, DataError, ShapeError
from .class_labels import check_number, class_numbers, probabilities
from .functional import as_json
from .layer import Declaration, Shape, elementwise, times

Z, L = Array("Z"), Access("L", ())


class Loss(ABC):
    """The base of the losses: an equation, and targets made from labels."""

    @abstractmethod
    def declare(self, prediction: Shape) -> Declaration:
        """The equation for predictions of this shape, samples first.

        Raises:
            ShapeError: predictions that the loss is not defined for.
        """

    @abstractmethod
    def targets(self, labels: Any, prediction: Shape) -> Mapping[str, np.ndarray]:
        """The arrays behind the equation's given letters.

        Args:
            labels: what the caller passed as `y`.
            prediction: the shape of the network's output, samples first.

        Returns:
            float64 arrays by letter: `T` of the prediction's shape, and `S` (N,) where declared.
            `S` is the sum of a sample's targets, or of the squared error its weight.

        Raises:
            DataError: labels that do not fit: their number, type, range or shape.
        """

    def rows(self, labels: Any, prediction: Shape) -> tuple[np.ndarray, bool]:
        """What `targets` is made of: rows that no batch changes.

        Returns:
            One row per class and True, or one per sample and False. `targets` of some of the
            samples are their rows times their `scale`. Where the equation has a factor for each
            sample (`LossEquation.factors`), rows are flat, and end with it.

        Raises:
            DataError: labels that do not fit.
        """
        return self.targets(labels, prediction)["T"], False

    def scale(self, labels: Any) -> float:
        """What the rows of these labels are multiplied by when they make up a batch."""
        return 1.0

    def even(self, labels: Any) -> bool:
        """Whether each of these labels counts the same: any n have the mass n and the scale 1."""
        mine = type(self)
        return mine.scale is Loss.scale and mine.mass is Loss.mass

    def classes(self, labels: Any) -> np.ndarray | None:
        """The class number of each sample, (N,); None where outputs are no classes."""
        return None

    def mass(self, labels: Any) -> float:
        """What the mean over these labels is divided by: how much it counts beside others."""
        return float(len(labels))

    def chance(self, labels: Any, prediction: Shape) -> float | None:
        """The least loss that one and the same output for all samples can have.

        What has not come below it has learned nothing of the samples. None where it is not known.
        """
        return None

    def settings(self) -> dict[str, Any]:
        """The loss as JSON: its type and its arguments."""
        fields = getattr(self, "__dataclass_fields__", {})
        values = {name: as_json(getattr(self, name)) for name in fields}
        return {"type": type(self).__name__, **values}


@final
@call_example("gt.CrossEntropy(label_smoothing=0.1)")
@frozen
class CrossEntropy(Loss):
    """Softmax with cross-entropy, the mean over the batch, by log-sum-exp.

    Shapes: Z, the targets T and the probabilities P (N, K); labels integers (N,) or one-hot (or
    any probabilities) (N, K).

    Forward:
        L = −(1/N)·Σ_{n,k} T[n,k]·log P[n,k]
        P[n,k] = (exp Z[n,k])/(Σ_{k} exp Z[n,k])

    Adjoints:
        dZ[n,k] = (1/N)·P[n,k] − (1/N)·T[n,k]

    With class weights the sum S of a sample's targets is no longer 1:
        dZ[n,k] = (1/N)·S[n]·P[n,k] − (1/N)·T[n,k]

    T is one-hot, or (1 − label_smoothing)·one-hot + label_smoothing/K, times the class weights. As
    in PyTorch, with integer labels the weighted mean divides by the weights of the labels' classes;
    a batch in which those are all 0 has loss 0.

    Args:
        label_smoothing: how much of each target is spread evenly over the classes, 0 to 1.
        weight: one weight per class, or None.

    Raises:
        ArgumentError: an argument out of its range.
    """

    label_smoothing: float = field(default=0.0, kw_only=True)
    weight: tuple[float, ...] | None = field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        if not is_real(self.label_smoothing) or not 0 <= self.label_smoothing <= 1:
            raise ArgumentError(
                "CrossEntropy: label_smoothing must lie between 0 and 1, got "
                f"{self.label_smoothing!r}"
            )
        if self.weight is not None:
            try:
                listed: Sequence[float] = tuple(float(w) for w in self.weight)
            except (TypeError, ValueError, OverflowError):
                listed = ()
            if not all(math.isfinite(w) and w >= 0 for w in listed) or not any(listed):
                raise ArgumentError(
                    "CrossEntropy: weight needs finite numbers ≥ 0, one of them above 0, got "
                    f"{self.weight!r}"
                )
            object.__setattr__(self, "weight", listed)

    def declare(self, prediction: Shape) -> Declaration:
        """See `Loss.declare`; predictions are (N, K)."""
        if len(prediction) != 2:
            raise ShapeError(
                f"compares K outputs per sample but gets {times(prediction[1:])}",
                "End the network with Flatten() and Linear(number of classes). A class for every "
                "position (segmentation) has no loss yet; numbers for every position are compared "
                "by loss=MeanSquaredError()",
            )
        if self.weight is not None and len(self.weight) != prediction[1]:
            raise ShapeError(
                f"has {len(self.weight)} class weights but gets {prediction[1]} outputs",
                "Give one weight per class",
            )
        n, k = indices("n k")
        weighted = self.weight is not None
        equation = loss(
            "softmax cross-entropy",
            L,
            Z[n, k],
            "T",
            probabilities="P",
            weight="S" if weighted else None,
            shapes={"Z": prediction},
        )
        given = {"T": "target"} | ({"S": "weight"} if weighted else {})
        return Declaration(equation, ("Z",), saved={"P": "probabilities"}, given=given)

    def targets(self, labels: Any, prediction: Shape) -> Mapping[str, np.ndarray]:
        """See `Loss.targets`; labels are integers (N,) or one-hot (N, K)."""
        samples, classes = prediction
        array = np.asarray(labels)
        counted = array.ndim == 1 or (array.ndim == 2 and array.shape != prediction)
        if counted:
            classed = class_numbers(array, samples, classes)
            target = np.zeros(prediction)
            target[np.arange(samples), classed] = 1.0
        else:
            target = probabilities(array, samples, classes)
        target = self._smoothed_rows(target)
        if self.weight is None:
            return {"T": target}
        if counted:
            target *= self.scale(classed)
        return {"T": target, "S": target.sum(axis=1)}

    def rows(self, labels: Any, prediction: Shape) -> tuple[np.ndarray, bool]:
        """See `Loss.rows`; class numbers have one row per class."""
        array, classes = np.asarray(labels), prediction[1]
        if array.ndim != 1:
            return self.targets(labels, prediction)["T"], False
        return self._smoothed_rows(np.eye(classes)), True

    def _smoothed_rows(self, rows: np.ndarray) -> np.ndarray:
        """One-hot rows, smoothed and times the class weights."""
        smooth = self.label_smoothing
        smoothed: np.ndarray = (1 - smooth) * rows + smooth / rows.shape[1]
        return smoothed if self.weight is None else smoothed * np.array(self.weight)

    def even(self, labels: Any) -> bool:
        """See `Loss.even`; not with class weights and class numbers."""
        return self.weight is None or np.ndim(labels) > 1

    def scale(self, labels: Any) -> float:
        """See `Loss.scale`; with class weights and class numbers, samples over their weights."""
        if self.even(labels):
            return 1.0
        total = self.mass(labels)
        return len(labels) / total if total else 0.0  # nothing counts: nothing is learned

    def mass(self, labels: Any) -> float:
        """See `Loss.mass`; with class weights and class numbers, the weights of the labels."""
        if self.even(labels):
            return float(len(labels))
        return float(np.array(self.weight)[np.asarray(labels).astype(np.int64)].sum())

    def chance(self, labels: Any, prediction: Shape) -> float | None:
        """See `Loss.chance`: the entropy of the classes as often as they are there."""
        rows, by_class = self.rows(labels, prediction)
        if by_class:
            counts = np.bincount(np.asarray(labels).astype(np.int64), minlength=len(rows))
            total = counts @ rows
        else:
            total = rows.sum(axis=0)
        return entropy(total, self.mass(labels))

    def classes(self, labels: Any) -> np.ndarray | None:
        """See `Loss.classes`; of one-hot labels, the greatest."""
        array = np.asarray(labels)
        return array if array.ndim == 1 else array.argmax(axis=1)


@final
@call_example("gt.MeanSquaredError()")
@frozen
class MeanSquaredError(Loss):
    """The squared difference, the mean over the batch and all outputs.

    Shapes: Z and the targets T alike, (N, K) or any other.

    Forward:
        L = (1/(|n|·|k|))·Σ_{n,k} (Z[n,k] − T[n,k])²

    Adjoints:
        dZ[n,k] = (2/(|n|·|k|))·Z[n,k] − (2/(|n|·|k|))·T[n,k]
    """

    def declare(self, prediction: Shape) -> Declaration:
        """See `Loss.declare`; predictions of any shape."""
        return squared_error(prediction)

    def targets(self, labels: Any, prediction: Shape) -> Mapping[str, np.ndarray]:
        """See `Loss.targets`; targets have the prediction's shape, or (N,) for one output."""
        array = np.asarray(labels)
        check_number(array, prediction[0])
        if array.dtype.kind not in "biuf":
            raise DataError(f"y must hold numbers, got dtype {array.dtype}")
        if array.ndim == 1 and prediction[1:] == (1,):
            array = array[:, None]
        if array.shape != prediction:
            raise DataError(
                f"y has shape {array.shape}, but the network's outputs have {prediction}; the mean "
                "squared error compares them element by element"
            )
        return {"T": array.astype(np.float64)}

    def chance(self, labels: Any, prediction: Shape) -> float | None:
        """See `Loss.chance`: the variance of the targets."""
        return float(self.rows(labels, prediction)[0].var(axis=0).mean())


def squared_error(prediction: Shape, *, weighted: bool = False) -> Declaration:
    """The mean of the squared differences, each times its sample's weight S where there is one."""
    shapes, given = {"Z": prediction}, {"T": "target"} | ({"S": "weight"} if weighted else {})
    weight, each = "S" if weighted else None, elementwise(prediction)
    equation = loss("squared error", L, Z[each], "T", weight=weight, shapes=shapes)
    return Declaration(equation, ("Z",), given=given)


def entropy(counts: np.ndarray, among: float = 1.0) -> float:
    """−Σ q·log(q/Σq) over the classes' shares q = counts/among, without those of 0."""
    there = counts[counts > 0] / among
    return float(-(there * np.log(there / there.sum())).sum())


def log_softmax(outputs: np.ndarray) -> np.ndarray:
    """The logarithms of the softmax over axis 1, by log-sum-exp; (N, K) as the outputs."""
    shifted = outputs - outputs.max(axis=1, keepdims=True)
    return np.asarray(shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True)))


def loss_for(loss: Loss | None) -> Loss:
    """The loss that a `loss=` argument means; None is the cross-entropy.

    Raises:
        ArgumentError: it is no loss.
    """
    if loss is None:
        return CrossEntropy()
    if not isinstance(loss, Loss):
        raise ArgumentError(f"loss must be an object such as gt.CrossEntropy(), got {loss!r}")
    return loss
