"""Losses that look at every element by itself: the mean of a scalar expression of z and t.

Each is a penalty, an expression; equations, gradients, machine code and the page follow from it.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import field
from typing import Any, final

import numpy as np

from ..checking.arguments import is_finite
from ..checking.calls import call_example
from ..equation import Access, Array, Penalty, loss
from ..equation.frozen import frozen
from ..equation.scalar import (
    Expression,
    Literal,
    Variable,
    absolute,
    softplus,
    where,
)
from ..equation.scalar_text import scalar_from_text, variables
from ..errors import ArgumentError, DataError, EquationError, ShapeError
from .class_labels import check_number
from .layer import Declaration, Shape, elementwise, times
from .loss_functions import Loss

Z, L = Array("Z"), Access("L", ())
z, t, w, p = map(Variable, "ztwp")


class AlikeLoss(Loss):
    """The base of losses whose labels have the predictions' shape, or (N, …) for one output."""

    def check(self, labels: Any, prediction: Shape) -> None:
        """See `Loss.check`."""
        self._fitting(labels, prediction)

    def targets(self, labels: Any, prediction: Shape) -> Mapping[str, np.ndarray]:
        """See `Loss.targets`; targets have the prediction's shape, (N,) for one output."""
        return {"T": self._fitting(labels, prediction).astype(np.float64)}

    def _fitting(self, labels: Any, prediction: Shape) -> np.ndarray:
        """Labels in the prediction's shape, checked.

        Raises:
            DataError: they do not fit.
        """
        array = np.asarray(labels)
        check_number(array, prediction[0])
        if array.dtype.kind not in "biuf":
            raise DataError(f"y must hold numbers, got dtype {array.dtype}")
        if array.shape == (prediction[0], *prediction[2:]) and prediction[1] == 1:
            array = array[:, None]
        if array.shape != tuple(prediction):
            raise DataError(
                f"y has shape {array.shape}, but the network's outputs have {tuple(prediction)}; "
                f"{type(self).__name__} compares them element by element{self._hint(array)}"
            )
        return array

    def _hint(self, labels: np.ndarray) -> str:
        """What labels of another shape are, probably."""
        if labels.ndim == 1 and labels.dtype.kind in "iu":
            return ". Class numbers are for loss=CrossEntropy()"
        return ""


class ElementLoss(AlikeLoss):
    """The base of these losses: a penalty, and the constants that it reads beside z and t."""

    @property
    @abstractmethod
    def penalty(self) -> Penalty:
        """What one element adds, before the mean over all of them."""

    @property
    def beside(self) -> Mapping[str, tuple[str, Any]]:
        """The constants: variable of the penalty → what it is called, and its numbers.

        Numbers are one per class, or an array with an axis for each of an output's.
        """
        return {}

    def constants(self, prediction: Shape) -> Mapping[str, np.ndarray]:
        """See `Loss.constants`; axes along which they do not change are left out."""
        return {letter.upper(): array for letter, (array, _) in self._placed(prediction).items()}

    def _placed(self, prediction: Shape) -> dict[str, tuple[np.ndarray, tuple[int, ...]]]:
        """Each constant without its axes of size 1, and the output's axes that are left."""
        found = {}
        for letter, (name, numbers) in self.beside.items():
            array = np.asarray(numbers, np.float64)
            if array.ndim == 1 and len(prediction) > 2:
                array = array.reshape(-1, *[1] * (len(prediction) - 2))
            sizes = (1,) * (len(prediction) - 1 - array.ndim) + array.shape
            fits = all(a in (1, b) for a, b in zip(sizes, prediction[1:], strict=False))
            if len(sizes) != len(prediction) - 1 or not fits:
                raise ShapeError(
                    f"has {times(array.shape)} numbers as {name} but gets {times(prediction[1:])} "
                    "outputs",
                    "Give one per class, or for each axis of a sample's output its size or 1",
                )
            axes = tuple(axis for axis, size in enumerate(sizes, 1) if size > 1)
            found[letter] = (array.reshape([s for s in sizes if s > 1]), axes)
        return found

    def declare(self, prediction: Shape) -> Declaration:
        """See `Loss.declare`; predictions of any shape."""
        each, placed = elementwise(prediction), self._placed(prediction)
        constants = tuple(
            (letter, Access(letter.upper(), tuple(each[axis] for axis in axes)))
            for letter, (_, axes) in placed.items()
        )
        equation = loss(
            "pointwise",
            L,
            Z[each],
            "T",
            penalty=self.penalty,
            elements="E",
            slopes="D",
            constants=constants,
            shapes={"Z": prediction, **{k.upper(): a.shape for k, (a, _) in placed.items()}},
        )
        given = {"T": "target"} | {k.upper(): name for k, (name, _) in self.beside.items()}
        return Declaration(equation, ("Z",), saved={"E": "elements", "D": "slopes"}, given=given)


@final
@call_example("gt.L1()")
@frozen
class L1(ElementLoss):
    """The absolute difference, the mean over the batch and all outputs.

    Shapes: Z and the targets T alike, (N, K) or any other.

    Forward:
        L = (1/(|n|·|k|))·Σ_{n,k} E[n,k]
        E[n,k] = abs(Z[n,k], T[n,k])

    Adjoints:
        dZ[n,k] = (1/(|n|·|k|))·D[n,k]

    with abs(z, t) = |z − t| and the slope D: −1, 1, and 0 where z is t, as in PyTorch.
    """

    @property
    def penalty(self) -> Penalty:
        """See `ElementLoss.penalty`."""
        return Penalty.of("abs", absolute(z - t))

    def chance(self, labels: Any, prediction: Shape) -> float | None:
        """See `Loss.chance`: the mean distance from the median."""
        rows = self.rows(labels, prediction)[0]
        return float(np.abs(rows - np.median(rows, axis=0)).mean())


@final
@call_example("gt.Huber(1.0)")
@frozen
class Huber(ElementLoss):
    """Half the squared difference near 0, and beyond `delta` a straight line.

    Shapes: Z and the targets T alike, (N, K) or any other.

    Forward:
        L = (1/(|n|·|k|))·Σ_{n,k} E[n,k]
        E[n,k] = huber(Z[n,k], T[n,k])

    Adjoints:
        dZ[n,k] = (1/(|n|·|k|))·D[n,k]

    with d = z − t: huber(z, t) = d²/2 where |d| ≤ delta, and delta·(|d| − delta/2) elsewhere; the
    slope D is d there and ±delta here. PyTorch's SmoothL1Loss(beta) is Huber(beta) divided by beta.

    Args:
        delta: where the line begins, above 0.

    Raises:
        ArgumentError: an argument out of its range.

    Source: P. Huber, "Robust estimation of a location parameter" (1964).
    """

    delta: float = 1.0

    def __post_init__(self) -> None:
        if not is_finite(self.delta) or not self.delta > 0:
            raise ArgumentError(f"Huber: delta must be a finite number above 0, got {self.delta!r}")

    @property
    def penalty(self) -> Penalty:
        """See `ElementLoss.penalty`."""
        delta, d = float(self.delta), z - t
        line = delta * (absolute(d) - delta / 2)
        return Penalty.of("huber", where(absolute(d) - delta, line, 0.5 * (d * d)))


@final
@call_example("gt.BCEWithLogits()")
@frozen
class BCEWithLogits(ElementLoss):
    """Yes or no for every output: the sigmoid with its cross-entropy, the mean over all of them.

    For samples with several tags (multi-label), for one output of yes or no, and for masks.

    Shapes: Z and the targets T, from 0 to 1, alike, (N, K) or maps (N, K, …).

    Forward:
        L = (1/(|n|·|k|))·Σ_{n,k} E[n,k]
        E[n,k] = bce(Z[n,k], T[n,k])

    Adjoints:
        dZ[n,k] = (1/(|n|·|k|))·D[n,k]

    with bce(z, t) = −w·(p·t·log σ(z) + (1 − t)·log(1 − σ(z))), which does not overflow, and the
    slope D = w·((1 − t)·σ(z) − p·t·σ(−z)), which is σ(z) − t without weights.

    Args:
        pos_weight: p, what a yes counts, one number per class, or None for 1.
        weight: w, what an output counts, one number per class, or None for 1.

    Raises:
        ArgumentError: an argument out of its range.
    """

    pos_weight: tuple[float, ...] | None = field(default=None, kw_only=True)
    weight: tuple[float, ...] | None = field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        for name in ("pos_weight", "weight"):
            object.__setattr__(self, name, numbers_of("BCEWithLogits", name, getattr(self, name)))

    @property
    def beside(self) -> Mapping[str, tuple[str, Any]]:
        """See `ElementLoss.beside`."""
        given = {"p": ("pos_weight", self.pos_weight), "w": ("weight", self.weight)}
        return {letter: (name, held) for letter, (name, held) in given.items() if held is not None}

    @property
    def penalty(self) -> Penalty:
        """See `ElementLoss.penalty`."""
        yes = t if self.pos_weight is None else p * t
        body = yes * softplus(-z) + (1 - t) * softplus(z)
        return Penalty.of("bce", body if self.weight is None else w * body)

    def _fitting(self, labels: Any, prediction: Shape) -> np.ndarray:
        """See `ElementLoss._fitting`; labels are from 0 to 1."""
        return yes_or_no(super()._fitting(labels, prediction))

    def chance(self, labels: Any, prediction: Shape) -> float | None:
        """See `Loss.chance`: the entropy of each output's share of yes; not with weights."""
        if self.weight is not None or self.pos_weight is not None:
            return None
        share = self.rows(labels, prediction)[0].mean(axis=0)
        with np.errstate(all="ignore"):
            both = share * np.log(share), (1 - share) * np.log(1 - share)
        return float(-sum(np.nan_to_num(part) for part in both).mean())


@final
@call_example('gt.PointwiseLoss("abs(z − t)")')
@frozen
class PointwiseLoss(ElementLoss):
    """A loss of one's own: the mean of a formula of the prediction z and the target t.

    Shapes: Z and the targets T alike, (N, K) or any other.

    Forward:
        L = (1/(|n|·|k|))·Σ_{n,k} E[n,k]
        E[n,k] = penalty(Z[n,k], T[n,k])

    Adjoints:
        dZ[n,k] = (1/(|n|·|k|))·D[n,k]

    The slope D follows by the chain rule; that of abs is 0 at 0, and that of max(x, 0), too.

    Args:
        formula: of `z` and `t` in Python's notation (`·`, `−` and `²` too), with functions such as
            abs, exp, log, sqrt, tanh, sigmoid, softplus, erf, max, min and clip; or an expression
            of `gradtrail.equation.scalar`.
        weight: what an output counts, one number per class, or an array with an axis for each of a
            sample's output, of its size or 1; None for 1.
        name: what formulas call it.

    Raises:
        ArgumentError: a formula that cannot be read, or weights that are no numbers.
    """

    formula: str | Expression
    weight: Any = field(default=None, kw_only=True)
    name: str = field(default="penalty", kw_only=True)

    def __post_init__(self) -> None:
        object.__setattr__(self, "weight", numbers_of("PointwiseLoss", "weight", self.weight))
        if not isinstance(self.name, str) or not self.name.isidentifier():
            raise ArgumentError(f"PointwiseLoss: name must be a word, got {self.name!r}")
        self._body()

    def _body(self) -> Expression:
        """The formula as an expression.

        Raises:
            ArgumentError: it cannot be read, or reads something else than z and t.
        """
        formula = self.formula
        found: Expression = Literal(0.0)
        try:
            if isinstance(formula, str):
                found = scalar_from_text(formula)
        except EquationError as cause:
            raise ArgumentError(f"PointwiseLoss: formula: {cause}") from None
        if isinstance(formula, Expression):
            found = formula
        strange = sorted({*variables(found)} - {"z", "t"})
        if strange or not isinstance(formula, str | Expression):
            got = f"reads {', '.join(strange)}" if strange else f"is {formula!r:.60}"
            raise ArgumentError(
                f"PointwiseLoss: formula {got}; it is an expression of z, the output, and t, the "
                "target, such as 'abs(z − t)'"
            )
        return found

    @property
    def beside(self) -> Mapping[str, tuple[str, Any]]:
        """See `ElementLoss.beside`."""
        return {} if self.weight is None else {"w": ("weight", self.weight)}

    @property
    def penalty(self) -> Penalty:
        """See `ElementLoss.penalty`."""
        body = self._body()
        return Penalty.of(self.name, body if self.weight is None else w * body)

    def settings(self) -> dict[str, Any]:
        """See `Loss.settings`; an expression as its JSON."""
        from ..equation import to_data

        held = self.formula if isinstance(self.formula, str) else to_data(self.formula)
        return {"type": "PointwiseLoss", "formula": held, "weight": self.weight, "name": self.name}


def yes_or_no(labels: np.ndarray) -> np.ndarray:
    """Labels, checked to lie from 0 to 1.

    Raises:
        DataError: one does not.
    """
    if labels.size and not (labels.min() >= 0 and labels.max() <= 1):
        place = tuple(int(i) for i in np.argwhere(~((labels >= 0) & (labels <= 1)))[0])
        raise DataError(
            f"y is {labels[place]} at {place}, but yes is 1 and no is 0; tags are rows of 0 and 1, "
            "one column per tag"
        )
    return labels


def numbers_of(loss: str, name: str, value: Any) -> Any:
    """Weights as nested tuples of numbers ≥ 0; None stays.

    Raises:
        ArgumentError: they are none.
    """
    if value is None:
        return None
    try:
        array = np.asarray(value, np.float64)
    except (TypeError, ValueError):
        array = np.empty(0)
    if not array.size or not (np.isfinite(array) & (array >= 0)).all():
        raise ArgumentError(f"{loss}: {name} needs finite numbers ≥ 0, got {value!r:.60}")
    return _nested((array if array.ndim else array[None]).tolist())


def _nested(listed: Sequence[Any]) -> tuple[Any, ...]:
    return tuple(_nested(one) if isinstance(one, list) else one for one in listed)
