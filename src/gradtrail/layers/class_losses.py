"""Losses of classes beside the cross-entropy: of what is hard, and of how far regions overlap."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from typing import Any, final

import numpy as np

from ..checking.arguments import is_finite, is_real, is_whole
from ..checking.calls import call_example
from ..equation import Access, Array, Penalty, index, loss
from ..equation.frozen import frozen
from ..equation.scalar import Expression, Literal, Variable, exp, sigmoid, softplus
from ..errors import ArgumentError, ShapeError
from .cross_entropy import CrossEntropy
from .element_losses import AlikeLoss, ElementLoss, numbers_of, yes_or_no
from .layer import Declaration, Shape, spatial, times
from .loss_functions import Loss

Z, L = Array("Z"), Access("L", ())
z, t = Variable("z"), Variable("t")


class ClassLoss(Loss):
    """The base of losses whose labels are classes, read as the cross-entropy reads them."""

    @property
    def labels(self) -> CrossEntropy:
        """The cross-entropy that reads labels as this loss does."""
        return CrossEntropy()

    def check(self, labels: Any, prediction: Shape) -> None:
        """See `Loss.check`."""
        self.labels.check(labels, prediction)

    def targets(self, labels: Any, prediction: Shape) -> Mapping[str, np.ndarray]:
        """See `Loss.targets`; labels are integers (N, …), or one-hot (N, K, …)."""
        return {"T": self.labels.targets(labels, prediction)["T"]}

    def rows(self, labels: Any, prediction: Shape) -> tuple[np.ndarray, bool]:
        """See `Loss.rows`."""
        return self.labels.rows(labels, prediction)

    def even(self, labels: Any, prediction: Shape) -> bool:
        """See `Loss.even`."""
        return self.labels.even(labels, prediction)

    def scale(self, labels: Any, prediction: Shape) -> float:
        """See `Loss.scale`."""
        return self.labels.scale(labels, prediction)

    def mass(self, labels: Any, prediction: Shape) -> float:
        """See `Loss.mass`."""
        return self.labels.mass(labels, prediction)

    def classes(self, labels: Any, prediction: Shape) -> np.ndarray:
        """See `Loss.classes`."""
        return self.labels.classes(labels, prediction)

    def answers(self, labels: Any, prediction: Shape) -> int:
        """See `Loss.answers`."""
        return self.labels.answers(labels, prediction)


@final
@call_example("gt.Focal(2.0)")
@frozen
class Focal(ClassLoss):
    """The cross-entropy in which what is easy counts little: −(1 − P)^gamma·log P of the class.

    Shapes: Z, T and P (N, K), or maps (N, K, …); labels as those of `CrossEntropy`.

    Forward:
        L = (1/N)·Σ_{n,k} E[n,k]
        E[n,k] = T[n,k]·focal(log P[n,k])
        P[n,k] = (exp Z[n,k])/(Σ_{k} exp Z[n,k])

    Adjoints:
        dZ[n,k] = (1/N)·D[n,k]

    with focal(l) = −(1 − exp l)^gamma·l; D = G − P·Σ_k G, where G = T·focal′(log P). T is one-hot,
    times alpha. The mean is over samples and positions that are not left out, and alpha does not
    change by what it is divided. With gamma=0 it is the cross-entropy. For yes or no, and for
    several tags, there is `BinaryFocal`.

    Args:
        gamma: how much less the easy counts, at least 0; 0, or from 1 on.
        alpha: what a class counts, one number per class, or None for 1.
        ignore_index: the label of what is left out; None leaves out nothing.

    Raises:
        ArgumentError: an argument out of its range.

    Source: T.-Y. Lin et al., "Focal loss for dense object detection" (2017), eq. 5.
    """

    gamma: float = 2.0
    alpha: tuple[float, ...] | None = field(default=None, kw_only=True)
    ignore_index: int | None = field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        _check_gamma("Focal", self.gamma)
        object.__setattr__(self, "alpha", numbers_of("Focal", "alpha", self.alpha))
        if self.alpha is not None and (np.ndim(self.alpha) != 1 or not any(self.alpha)):
            raise ArgumentError(
                "Focal: alpha needs one number per class, one of them above 0, got "
                f"{self.alpha!r:.60}"
            )
        if self.ignore_index is not None and not is_whole(self.ignore_index):
            raise ArgumentError(
                f"Focal: ignore_index must be a whole number or None, got {self.ignore_index!r}"
            )

    @property
    def labels(self) -> CrossEntropy:
        """See `ClassLoss.labels`."""
        return CrossEntropy(ignore_index=self.ignore_index)

    @property
    def penalty(self) -> Penalty:
        """−(1 − exp l)^gamma·l, of l = log P."""
        return Penalty.of("focal", -(hard(1 - exp(z), self.gamma) * z))

    def declare(self, prediction: Shape) -> Declaration:
        """See `Loss.declare`; predictions are (N, K), or maps (N, K, …)."""
        CrossEntropy(weight=self.alpha).declare(prediction)  # which refuses what does not fit
        each = (index("n"), index("k"), *spatial(len(prediction) - 2))
        equation = loss(
            "softmax pointwise",
            L,
            Z[each],
            "T",
            probabilities="P",
            penalty=self.penalty,
            elements="E",
            slopes="D",
            shapes={"Z": prediction},
        )
        saved = {"P": "probabilities", "E": "elements", "D": "slopes"}
        return Declaration(equation, ("Z",), saved=saved, given={"T": "target"})

    def targets(self, labels: Any, prediction: Shape) -> Mapping[str, np.ndarray]:
        """See `Loss.targets`; one-hot, times alpha."""
        target = super().targets(labels, prediction)["T"]
        if self.alpha is not None:
            target = target * np.array(self.alpha).reshape(-1, *[1] * (target.ndim - 2))
        return {"T": target}

    def rows(self, labels: Any, prediction: Shape) -> tuple[np.ndarray, bool]:
        """See `Loss.rows`."""
        rows, by_class = self.labels.rows(labels, prediction)
        if not by_class:
            return self.targets(labels, prediction)["T"], False
        return (rows if self.alpha is None else rows * np.array(self.alpha)), True


@final
@call_example("gt.BinaryFocal(2.0)")
@frozen
class BinaryFocal(ElementLoss):
    """Yes or no for every output, where what is easy counts little.

    Shapes: Z and the targets T, from 0 to 1, alike, (N, K) or maps (N, K, …).

    Forward:
        L = (1/(|n|·|k|))·Σ_{n,k} E[n,k]
        E[n,k] = focal(Z[n,k], T[n,k])

    Adjoints:
        dZ[n,k] = (1/(|n|·|k|))·D[n,k]

    with focal(z, t) = a·(1 − q)^gamma·bce(z, t), q = σ(z)·t + (1 − σ(z))·(1 − t) and a = alpha·t +
    (1 − alpha)·(1 − t), or 1 without alpha; torchvision's sigmoid_focal_loss, its mean.

    Args:
        gamma: how much less the easy counts, at least 0; 0, or from 1 on.
        alpha: what a yes counts, from 0 to 1; a no counts 1 − alpha. None for 1 each.

    Raises:
        ArgumentError: an argument out of its range.

    Source: T.-Y. Lin et al., "Focal loss for dense object detection" (2017), eq. 5.
    """

    gamma: float = 2.0
    alpha: float | None = field(default=0.25, kw_only=True)

    def __post_init__(self) -> None:
        _check_gamma("BinaryFocal", self.gamma)
        if self.alpha is not None and (not is_real(self.alpha) or not 0 <= self.alpha <= 1):
            raise ArgumentError(
                f"BinaryFocal: alpha must lie between 0 and 1 or be None, got {self.alpha!r}"
            )

    def _fitting(self, labels: Any, prediction: Shape) -> np.ndarray:
        """See `AlikeLoss._fitting`; labels are from 0 to 1."""
        return yes_or_no(super()._fitting(labels, prediction))

    @property
    def penalty(self) -> Penalty:
        """See `ElementLoss.penalty`."""
        yes = sigmoid(z)
        both = t * softplus(-z) + (1 - t) * softplus(z)
        body = hard(yes + t - 2 * (yes * t), self.gamma) * both
        if self.alpha is None:
            return Penalty.of("focal", body)
        counts = self.alpha * t + (1 - self.alpha) * (1 - t)
        return Penalty.of("focal", counts * body)


@final
@call_example("gt.Dice()")
@frozen
class Dice(ClassLoss):
    """How far regions of classes fail to overlap, over a softmax.

    Shapes: Z, T and P (N, K, …); labels class numbers (N, …) or one-hot (N, K, …).

    Forward:
        L = (1/(|n|·|k|))·Σ_{n,k} E[n,k]
        E[n,k] = 1 − (2·Σ_{x} P[n,k,x]·T[n,k,x] + s)/(Σ_{x} P[n,k,x] + Σ_{x} T[n,k,x] + s)
        P[n,k,x] = (exp Z[n,k,x])/(Σ_{k} exp Z[n,k,x])

    Adjoints:
        dZ[n,k,x] = (1/(|n|·|k|))·D[n,k,x]

    This is the soft Dice of every sample and every class by itself, the background among them, and
    the mean over both: MONAI's DiceLoss(softmax=True, to_onehot_y=True) with smooth_nr = smooth_dr
    = s. Sums of P, not of P². For one mask per channel there is `BinaryDice`.

    Args:
        smooth: s, above 0: a class that is nowhere and is found nowhere has loss 0.

    Raises:
        ArgumentError: an argument out of its range.

    Source: F. Milletari et al., "V-Net" (2016), section 3, without the squares.
    """

    smooth: float = 1.0

    def __post_init__(self) -> None:
        _check_smooth("Dice", self.smooth)

    def declare(self, prediction: Shape) -> Declaration:
        """See `Loss.declare`; predictions are maps (N, K, …)."""
        CrossEntropy().declare(prediction)
        return _overlap("softmax overlap", prediction, self.smooth)


@final
@call_example("gt.BinaryDice()")
@frozen
class BinaryDice(AlikeLoss):
    """How far the masks of every channel fail to overlap, over a sigmoid.

    Shapes: Z, the targets T, from 0 to 1, and P alike, (N, K, …); (N, …) for one channel.

    Forward:
        L = (1/(|n|·|k|))·Σ_{n,k} E[n,k]
        E[n,k] = 1 − (2·Σ_{x} P[n,k,x]·T[n,k,x] + s)/(Σ_{x} P[n,k,x] + Σ_{x} T[n,k,x] + s)
        P[n,k,x] = sigmoid(Z[n,k,x])

    Adjoints:
        dZ[n,k,x] = (1/(|n|·|k|))·D[n,k,x]

    The soft Dice of every sample and channel by itself, and the mean over both.

    Args:
        smooth: s, above 0: where no mask is and none is found the loss is 0.

    Raises:
        ArgumentError: an argument out of its range.

    Source: F. Milletari et al., "V-Net" (2016), section 3, without the squares.
    """

    smooth: float = 1.0

    def __post_init__(self) -> None:
        _check_smooth("BinaryDice", self.smooth)

    def _fitting(self, labels: Any, prediction: Shape) -> np.ndarray:
        """See `AlikeLoss._fitting`; labels are from 0 to 1."""
        return yes_or_no(super()._fitting(labels, prediction))

    def declare(self, prediction: Shape) -> Declaration:
        """See `Loss.declare`; predictions are maps (N, K, …)."""
        return _overlap("sigmoid overlap", prediction, self.smooth)


def _overlap(rule: Any, prediction: Shape, smooth: float) -> Declaration:
    """The equation of an overlap over positions.

    Raises:
        ShapeError: predictions without positions.
    """
    if not 3 <= len(prediction) <= 5:
        raise ShapeError(
            f"compares regions of maps but gets {times(prediction[1:])}",
            "End the network with maps, such as those of Conv2d(number of classes, 1)",
        )
    names = [index("n"), index("k"), *spatial(len(prediction) - 2)]
    equation = loss(
        rule,
        L,
        Z[tuple(names)],
        "T",
        probabilities="P",
        elements="E",
        slopes="D",
        smooth=float(smooth),
        shapes={"Z": prediction},
    )
    saved = {"P": "probabilities", "E": "elements", "D": "slopes"}
    return Declaration(equation, ("Z",), saved=saved, given={"T": "target"})


def hard(rest: Expression, gamma: float) -> Expression:
    """What is missing of a certain answer, to the power of gamma."""
    return rest**gamma if gamma else Literal(1.0)


def _check_gamma(loss: str, gamma: Any) -> None:
    if not is_real(gamma) or not (gamma == 0 or 1 <= gamma <= 100):
        raise ArgumentError(f"{loss}: gamma must be 0, or from 1 to 100, got {gamma!r}")


def _check_smooth(loss: str, smooth: Any) -> None:
    if not is_finite(smooth) or not smooth > 0:
        raise ArgumentError(f"{loss}: smooth must be a finite number above 0, got {smooth!r}")
