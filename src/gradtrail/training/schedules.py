"""Learning-rate schedules: by what the learning rate is multiplied, from how far a training is."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import field
from itertools import pairwise
from typing import TYPE_CHECKING, Any, final

from ..checking.arguments import is_finite, is_real, is_whole
from ..checking.calls import call_example
from ..equation.frozen import frozen
from ..errors import ArgumentError
from ..layers.functional import as_json

if TYPE_CHECKING:
    from .history import History

__all__ = [
    "Constant",
    "Cosine",
    "CosineWarmRestarts",
    "OneCycle",
    "Polynomial",
    "ReduceLROnPlateau",
    "Schedule",
    "StepDecay",
]


MEASURES = ("validation_loss", "validation_accuracy", "loss", "accuracy")
"""The figures of an epoch that may be looked at."""


def check_measure(kind: str, measure: Any) -> None:
    """See that there is such a figure of an epoch.

    Raises:
        ArgumentError: there is not.
    """
    output, dot, figure = measure.rpartition(".") if isinstance(measure, str) else ("", "", "")
    if figure not in MEASURES or bool(dot) != output.isidentifier():
        listed = ", ".join(f'"{m}"' for m in MEASURES)
        raise ArgumentError(f"{kind}: measure must be one of {listed}, got {measure!r}")


class Schedule(ABC):
    """The base of the schedules: a straight warm-up from 0 to the full rate, then a course."""

    warm_up: float

    def __post_init__(self) -> None:
        if not is_real(self.warm_up) or not 0 <= self.warm_up < 1:
            kind = type(self).__name__
            raise ArgumentError(
                f"{kind}: warm_up must be at least 0 and below 1, got {self.warm_up!r}"
            )

    @abstractmethod
    def course(self, progress: float) -> float:
        """The factor behind the warm-up.

        Args:
            progress: how much of what is behind the warm-up is over, from 0 to 1.
        """

    def factor(self, progress: float) -> float:
        """What the learning rate is multiplied by.

        Args:
            progress: how much of the training is over, from 0 to 1.
        """
        if progress < self.warm_up:
            return progress / self.warm_up
        return self.course((progress - self.warm_up) / (1 - self.warm_up))

    def factor_after(self, progress: float, history: History) -> float:
        """The same, where a schedule looks at how the training goes; most do not.

        Args:
            progress: how much of the training is over, from 0 to 1.
            history: the figures of the epochs that are over.
        """
        return self.factor(progress)

    def settings(self) -> dict[str, Any]:
        """The schedule as JSON: its type and its arguments."""
        names = getattr(self, "__dataclass_fields__", {})
        return {"type": type(self).__name__} | {n: as_json(getattr(self, n)) for n in names}


@final
@call_example("gt.schedules.Constant(warm_up=0.1)")
@frozen
class Constant(Schedule):
    """The optimiser's learning rate throughout, after a straight warm-up.

    Args:
        warm_up: how much of the training goes up, at least 0 and below 1.

    Raises:
        ArgumentError: an argument out of its range.
    """

    warm_up: float = field(default=0.0, kw_only=True)

    def course(self, progress: float) -> float:
        """See `Schedule.course`."""
        return 1.0


@final
@call_example("gt.schedules.StepDecay((0.5, 0.75))")
@frozen
class StepDecay(Schedule):
    """The optimiser's learning rate, multiplied by `gamma` at certain points of the training.

    Args:
        at: where, as shares of the training, rising, each above 0 and below 1.
        gamma: by what, above 0 and at most 1.
        warm_up: how much of the training goes up, at least 0 and below the first of `at`.

    Raises:
        ArgumentError: an argument out of its range.

    Source: K. He et al., "Deep residual learning for image recognition" (2015), section 3.4.
    """

    at: tuple[float, ...] = (0.5, 0.75)
    gamma: float = 0.1
    warm_up: float = field(default=0.0, kw_only=True)

    def __post_init__(self) -> None:
        super().__post_init__()
        at = tuple(self.at) if isinstance(self.at, list | tuple) else (self.at,)
        object.__setattr__(self, "at", at)
        bounds = (self.warm_up, *at, 1)
        if not all(is_real(share) for share in at) or not all(a < b for a, b in pairwise(bounds)):
            raise ArgumentError(
                "StepDecay: at must be rising shares of the training above 0 (and warm_up) and "
                f"below 1, got {self.at!r}"
            )
        if not is_real(self.gamma) or not 0 < self.gamma <= 1:
            raise ArgumentError(
                f"StepDecay: gamma must be above 0 and at most 1, got {self.gamma!r}"
            )

    def course(self, progress: float) -> float:
        """See `Schedule.course`."""
        over = self.warm_up + progress * (1 - self.warm_up)
        return float(self.gamma ** sum(over >= share for share in self.at))


@final
@call_example("gt.schedules.OneCycle()")
@frozen
class OneCycle(Schedule):
    """Straight up to the optimiser's learning rate, then straight down to 0.

    Args:
        warm_up: how much of the training goes up, at least 0 and below 1.

    Raises:
        ArgumentError: an argument out of its range.

    Source: L. Smith, "A disciplined approach to neural network hyper-parameters" (2018),
        section 4; without its last phase.
    """

    warm_up: float = field(default=0.25, kw_only=True)

    def course(self, progress: float) -> float:
        """See `Schedule.course`."""
        return 1 - progress


@final
@call_example("gt.schedules.Cosine()")
@frozen
class Cosine(Schedule):
    """Half a cosine from the optimiser's learning rate down to 0, after a straight warm-up.

    Args:
        warm_up: how much of the training goes up, at least 0 and below 1.

    Raises:
        ArgumentError: an argument out of its range.

    Source: I. Loshchilov and F. Hutter, "SGDR" (2016), eq. 5 without restarts.
    """

    warm_up: float = field(default=0.0, kw_only=True)

    def course(self, progress: float) -> float:
        """See `Schedule.course`."""
        return 0.5 * (1 + math.cos(math.pi * progress))


@final
@call_example("gt.schedules.CosineWarmRestarts(3)")
@frozen
class CosineWarmRestarts(Schedule):
    """Half a cosine down to 0, again and again from the full learning rate.

    Args:
        cycles: how many there are in the training, at least 1.
        growth: by how much each is longer than the one before, at least 1; PyTorch's T_mult.
        warm_up: how much of the training goes up before, at least 0 and below 1.

    Raises:
        ArgumentError: an argument out of its range.

    Source: I. Loshchilov and F. Hutter, "SGDR" (2016), eq. 5.
    """

    cycles: int = 3
    growth: float = 1.0
    warm_up: float = field(default=0.0, kw_only=True)

    def __post_init__(self) -> None:
        super().__post_init__()
        if not is_whole(self.cycles, 1) or self.cycles > 1000:
            raise ArgumentError(
                f"CosineWarmRestarts: cycles must be a whole number from 1 to 1000, got "
                f"{self.cycles!r}"
            )
        if not is_real(self.growth) or not 1 <= self.growth <= 10:
            raise ArgumentError(
                f"CosineWarmRestarts: growth must be at least 1 and at most 10, got {self.growth!r}"
            )

    def course(self, progress: float) -> float:
        """See `Schedule.course`."""
        lengths = [float(self.growth) ** (n - self.cycles) for n in range(self.cycles)]
        left = progress * sum(lengths)
        for length in lengths[:-1]:
            if left < length:
                break
            left -= length
        else:
            length = lengths[-1]
        return 0.5 * (1 + math.cos(math.pi * min(left / length, 1.0)))


@final
@call_example("gt.schedules.Polynomial(0.9)")
@frozen
class Polynomial(Schedule):
    """Down to 0 as a power of what is left of the training.

    Args:
        power: above 0; 1 is a straight line, and 0.9 is usual for segmentation.
        warm_up: how much of the training goes up, at least 0 and below 1.

    Raises:
        ArgumentError: an argument out of its range.

    Source: L.-C. Chen et al., "DeepLab" (2016), section 4.3.
    """

    power: float = 1.0
    warm_up: float = field(default=0.0, kw_only=True)

    def __post_init__(self) -> None:
        super().__post_init__()
        if not is_real(self.power) or not 0 < self.power <= 100:
            raise ArgumentError(
                f"Polynomial: power must be above 0 and at most 100, got {self.power!r}"
            )

    def course(self, progress: float) -> float:
        """See `Schedule.course`."""
        return float((1 - progress) ** self.power)


@final
@call_example("gt.schedules.ReduceLROnPlateau(patience=3)")
@frozen
class ReduceLROnPlateau(Schedule):
    """A smaller learning rate whenever a figure has not become better for some epochs.

    It follows from the figures of the epochs that are over alone, so that a training goes on from a
    checkpoint with the same rates. Rules and defaults are PyTorch's.

    Args:
        gamma: by what the rate is multiplied, above 0 and below 1.
        patience: how many epochs in a row may bring nothing better, at least 0.
        measure: "validation_loss", "validation_accuracy", "loss" or "accuracy"; of one of several
            outputs such as "a.validation_accuracy".
        threshold: by which share of the best it must become better to count, at least 0.
        cooldown: for how many epochs after a change none is counted, at least 0.
        least: below which share of the optimiser's rate it does not go, from 0 to 1.
        warm_up: how much of the training goes up, at least 0 and below 1.

    Raises:
        ArgumentError: an argument out of its range.
    """

    gamma: float = 0.1
    patience: int = 10
    measure: str = field(default="validation_loss", kw_only=True)
    threshold: float = field(default=1e-4, kw_only=True)
    cooldown: int = field(default=0, kw_only=True)
    least: float = field(default=0.0, kw_only=True)
    warm_up: float = field(default=0.0, kw_only=True)

    def __post_init__(self) -> None:
        super().__post_init__()
        check_measure("ReduceLROnPlateau", self.measure)
        for good, bounds in (
            (is_real(self.gamma) and 0 < self.gamma < 1, "gamma must be above 0 and below 1"),
            (is_finite(self.threshold) and self.threshold >= 0, "threshold must be at least 0"),
            (is_real(self.least) and 0 <= self.least <= 1, "least must lie between 0 and 1"),
        ):
            if not good:
                value = getattr(self, bounds.partition(" ")[0])
                raise ArgumentError(f"ReduceLROnPlateau: {bounds}, got {value!r}")
        for name in ("patience", "cooldown"):
            if not is_whole(getattr(self, name), 0):
                raise ArgumentError(
                    f"ReduceLROnPlateau: {name} must be a whole number from 0, got "
                    f"{getattr(self, name)!r}"
                )

    @property
    def of_validation(self) -> bool:
        """Whether it needs validation samples."""
        return self.measure.rpartition(".")[2].startswith("validation")

    @property
    def of_classes(self) -> bool:
        """Whether it needs classes, and is better where it is greater."""
        return self.measure.endswith("accuracy")

    def course(self, progress: float) -> float:
        """See `Schedule.course`; before anything is known the rate is the whole."""
        return 1.0

    def factor_after(self, progress: float, history: History) -> float:
        """See `Schedule.factor_after`."""
        factor, waited, cooling = 1.0, 0, 0
        best: float | None = None
        for value in history[self.measure]:
            if best is None or self._better(value, best):
                best, waited = value, 0
            else:
                waited += 1
            if cooling:
                cooling, waited = cooling - 1, 0
            if waited > self.patience:
                factor, waited, cooling = max(factor * self.gamma, self.least), 0, self.cooldown
        return factor * self.factor(progress)

    def _better(self, value: float, best: float) -> bool:
        if self.of_classes:
            return value > best * (1 + self.threshold)
        return value < best * (1 - self.threshold)
