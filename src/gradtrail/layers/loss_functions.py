"""Losses: the one number at the end, and how labels become the array it compares with."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any, final

import numpy as np

from ..checking.calls import call_example
from ..equation import Access, Array, loss
from ..equation.frozen import frozen
from ..equation.number import ONE, Number
from ..errors import DataError
from .functional import as_json
from .layer import Declaration, Shape, elementwise

Z, L = Array("Z"), Access("L", ())


class Loss(ABC):
    """The base of the losses: an equation, and targets made from labels."""

    @property
    def parts(self) -> tuple[LossPart, ...]:
        """The losses of a network's outputs, where it has several; see `joint_loss.py`."""
        return ()

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

    def check(self, labels: Any, prediction: Shape) -> None:
        """See that labels fit, without making the targets of all of them where that can be.

        Raises:
            DataError: labels that do not fit.
        """
        self.targets(labels, prediction)

    def constants(self, prediction: Shape) -> Mapping[str, np.ndarray]:
        """The arrays behind those given letters that no label changes, such as class weights."""
        return {}

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

    def scale(self, labels: Any, prediction: Shape) -> float:
        """What the rows of these labels are multiplied by when they make up a batch."""
        return 1.0

    def even(self, labels: Any, prediction: Shape) -> bool:
        """Whether each of these labels counts the same: any n have the mass n and the scale 1."""
        mine = type(self)
        return mine.scale is Loss.scale and mine.mass is Loss.mass

    def classes(self, labels: Any, prediction: Shape) -> np.ndarray | None:
        """The class numbers that outputs are to be greatest for; None where outputs are no classes.

        Returns:
            One of each sample, (N,), or of each of its positions, (N, …); −1 where none counts.
        """
        return None

    def answers(self, labels: Any, prediction: Shape) -> int:
        """How many of these classes count: what an accuracy is taken over."""
        return len(labels)

    def mass(self, labels: Any, prediction: Shape) -> float:
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
@frozen
class LossPart:
    """The loss of one of several outputs.

    Args:
        name: the output's.
        loss: what compares it.
        weight: what it counts in the sum, at least 0.
        shape: one sample's output.
    """

    name: str
    loss: Loss
    weight: float
    shape: Shape

    def prediction(self, samples: int) -> Shape:
        """The shape of the outputs of so many samples."""
        return (samples, *self.shape)

    @property
    def array(self) -> str:
        """The name of the array that holds the loss."""
        return f"{self.name}.loss"

    @property
    def scale(self) -> Number:
        """The weight as it stands in the sum: exactly, and written as it was given."""
        if self.weight == 1:
            return ONE
        return Number(Fraction(repr(float(self.weight))), f"{self.weight:g}")


AnyLoss = Loss | Mapping[str, Loss | tuple[Loss, float]] | Sequence[Loss | tuple[Loss, float]]
"""What `loss=` takes: a loss, or of several outputs one for each, with its weight or without."""


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
        from .class_labels import check_number  # only where there are labels

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
