"""The cross-entropy: classes of samples, or of every position of a map."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import field
from typing import Any, final

import numpy as np

from ..checking.arguments import is_real, is_whole
from ..checking.calls import call_example, in_short
from ..equation import Access, Array, index, loss
from ..equation.frozen import frozen
from ..errors import ArgumentError, ShapeError
from .layer import Declaration, Shape, spatial, times
from .loss_functions import Loss

Z, L = Array("Z"), Access("L", ())


@final
@call_example("gt.CrossEntropy(label_smoothing=0.1)")
@frozen
class CrossEntropy(Loss):
    """Softmax with cross-entropy, the mean over the batch, by log-sum-exp.

    Shapes: Z, the targets T and the probabilities P (N, K); labels integers (N,) or one-hot (or
    any probabilities) (N, K). Over maps Z (N, K, L), (N, K, H, W) or (N, K, D, H, W), and labels
    the same without K, or probabilities of Z's shape; the mean is over all positions.

    Forward:
        L = −(1/N)·Σ_{n,k} T[n,k]·log P[n,k]
        P[n,k] = (exp Z[n,k])/(Σ_{k} exp Z[n,k])

    Adjoints:
        dZ[n,k] = (1/N)·P[n,k] − (1/N)·T[n,k]

    With class weights, or labels that are left out, the sum S of a sample's targets is no longer 1:
        dZ[n,k] = (1/N)·S[n]·P[n,k] − (1/N)·T[n,k]

    T is one-hot, or (1 − label_smoothing)·one-hot + label_smoothing/K, times the class weights. As
    in PyTorch, with integer labels the mean divides by the weights of the labels' classes, those
    that are left out not among them; a batch in which nothing counts has loss 0.

    Args:
        label_smoothing: how much of each target is spread evenly over the classes, 0 to 1.
        weight: one weight per class, or None.
        ignore_index: the label of what is left out, such as 255 or −100; None leaves out nothing,
            and a label that is no class is refused.

    Raises:
        ArgumentError: an argument out of its range.
    """

    label_smoothing: float = field(default=0.0, kw_only=True)
    weight: tuple[float, ...] | None = field(default=None, kw_only=True)
    ignore_index: int | None = field(default=None, kw_only=True)

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
        if self.ignore_index is not None and not is_whole(self.ignore_index):
            raise ArgumentError(
                "CrossEntropy: ignore_index must be a whole number or None, got "
                f"{self.ignore_index!r}"
            )

    def declare(self, prediction: Shape) -> Declaration:
        """See `Loss.declare`; predictions are (N, K), or maps (N, K, …)."""
        if not 2 <= len(prediction) <= 5:
            raise ShapeError(
                f"compares K outputs per sample or position but gets {times(prediction[1:])}",
                "End the network with Flatten() and Linear(number of classes)",
            )
        if self.weight is not None and len(self.weight) != prediction[1]:
            weights = f"{len(self.weight)} class weight{'s' if len(self.weight) > 1 else ''}"
            raise ShapeError(
                f"has {weights} but gets {prediction[1]} outputs",
                "Give one weight per class",
            )
        each = (index("n"), index("k"), *spatial(len(prediction) - 2))
        equation = loss(
            "softmax cross-entropy",
            L,
            Z[each],
            "T",
            probabilities="P",
            weight="S" if self._partial else None,
            shapes={"Z": prediction},
        )
        given = {"T": "target"} | ({"S": "weight"} if self._partial else {})
        return Declaration(equation, ("Z",), saved={"P": "probabilities"}, given=given)

    @property
    def _partial(self) -> bool:
        """Whether targets need not sum to 1."""
        return self.weight is not None or self.ignore_index is not None

    def check(self, labels: Any, prediction: Shape) -> None:
        """See `Loss.check`."""
        self._read(np.asarray(labels), prediction)

    def _read(self, labels: np.ndarray, prediction: Shape) -> np.ndarray:
        """Labels, checked: class numbers with −1 for what is left out, or probabilities."""
        from .class_labels import class_numbers, probabilities  # only where there are labels

        if _numbered(labels, prediction):
            return class_numbers(labels, prediction, self.ignore_index)
        return probabilities(labels, prediction)

    def targets(self, labels: Any, prediction: Shape) -> Mapping[str, np.ndarray]:
        """See `Loss.targets`; labels are integers (N, …), or one-hot (N, K, …)."""
        array = np.asarray(labels)
        if _numbered(array, prediction):
            numbers = self._read(array, prediction)
            table = np.zeros((prediction[1] + 1, prediction[1]))  # the last for what is left out
            table[:-1] = self._smoothed_rows(np.eye(prediction[1]))
            if self._partial:
                table *= self.scale(array, prediction)
            target = np.moveaxis(table[numbers], -1, 1)
        else:
            target = np.moveaxis(self._read(array, prediction), 1, -1)
            target = np.moveaxis(self._smoothed_rows(target), -1, 1)
        target = np.ascontiguousarray(target)
        return {"T": target, "S": target.sum(axis=1)} if self._partial else {"T": target}

    def rows(self, labels: Any, prediction: Shape) -> tuple[np.ndarray, bool]:
        """See `Loss.rows`; class numbers have one row per class, over maps as well."""
        if not _numbered(np.asarray(labels), prediction):
            return self.targets(labels, prediction)["T"], False
        return self._smoothed_rows(np.eye(prediction[1])), True

    def _smoothed_rows(self, rows: np.ndarray) -> np.ndarray:
        """One-hot rows (…, K), smoothed and times the class weights."""
        smooth = self.label_smoothing
        smoothed: np.ndarray = (1 - smooth) * rows + smooth / rows.shape[-1]
        return smoothed if self.weight is None else smoothed * np.array(self.weight)

    def even(self, labels: Any, prediction: Shape) -> bool:
        """See `Loss.even`; not where class numbers count differently, or not at all."""
        return not self._partial or not _numbered(np.asarray(labels), prediction)

    def scale(self, labels: Any, prediction: Shape) -> float:
        """See `Loss.scale`: how many labels there are, over what they count."""
        if self.even(labels, prediction):
            return 1.0
        total = self.mass(labels, prediction)
        return np.size(labels) / total if total else 0.0  # nothing counts: nothing is learned

    def mass(self, labels: Any, prediction: Shape) -> float:
        """See `Loss.mass`; the weights of the labels that count, or their number."""
        if self.even(labels, prediction):
            return float(len(labels))
        numbers = self.classes(labels, prediction)
        counted = numbers[numbers >= 0] if self.ignore_index is not None else numbers
        if self.weight is None:
            return float(counted.size)
        return float(np.array(self.weight)[counted.astype(np.int64)].sum())

    def _counts(self, labels: np.ndarray, prediction: Shape) -> np.ndarray:
        """How often each class is there, (K,)."""
        numbers = self.classes(labels, prediction)
        counted = numbers[numbers >= 0].astype(np.int64)
        return np.asarray(np.bincount(counted, minlength=prediction[1]))

    def chance(self, labels: Any, prediction: Shape) -> float | None:
        """See `Loss.chance`: the entropy of the classes as often as they are there."""
        array = np.asarray(labels)
        rows, by_class = self.rows(labels, prediction)
        if not by_class:
            total = np.moveaxis(rows, 1, -1).reshape(-1, prediction[1]).sum(axis=0)
            return entropy(total, array.size / prediction[1])
        among = array.size if self.even(labels, prediction) else self.mass(labels, prediction)
        return entropy(self._counts(array, prediction) @ rows, among)

    def classes(self, labels: Any, prediction: Shape) -> np.ndarray:
        """See `Loss.classes`; of one-hot labels, the greatest."""
        array = np.asarray(labels)
        if not _numbered(array, prediction):
            return np.asarray(array.argmax(axis=1))
        if self.ignore_index is None:
            return array
        return np.where(array == self.ignore_index, -1, array.astype(np.int64))

    def answers(self, labels: Any, prediction: Shape) -> int:
        """See `Loss.answers`: the labels that are not left out."""
        numbers = self.classes(labels, prediction)
        return (
            int(np.count_nonzero(numbers >= 0)) if self.ignore_index is not None else numbers.size
        )


def _numbered(labels: np.ndarray, prediction: Shape) -> bool:
    """Whether labels are class numbers, one for each sample or position; else a row for each."""
    return labels.shape != tuple(prediction)


def entropy(counts: np.ndarray, among: float = 1.0) -> float:
    """−Σ q·log(q/Σq) over the classes' shares q = counts/among, without those of 0."""
    there = counts[counts > 0] / among
    return float(-(there * np.log(there / there.sum())).sum())


def loss_for(loss: Loss | None) -> Loss:
    """The loss that a `loss=` argument means; None is the cross-entropy.

    Raises:
        ArgumentError: it is no loss.
    """
    if loss is None:
        return CrossEntropy()
    if not isinstance(loss, Loss):
        raise ArgumentError(
            f"loss must be an object such as gt.CrossEntropy(), got {in_short(loss)}"
            f"{loss_hint(loss)}"
        )
    return loss


def loss_hint(given: object) -> str:
    """What to write instead of another library's loss, as a clause; empty for nothing."""
    from ..checking.other_libraries import name_for  # only where a loss is none

    kind = given if isinstance(given, type) else type(given)
    found = name_for(given if isinstance(given, str) else kind.__name__, ())
    if isinstance(given, type) and issubclass(given, Loss):
        found = f"gt.{given.__name__}(…), with its brackets"
    return f"; write {found}" if found else ""
