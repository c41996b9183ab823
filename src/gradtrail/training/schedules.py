"""Learning-rate schedules: by what the learning rate is multiplied, from how far a training is."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import field
from itertools import pairwise
from typing import Any, final

from ..checking.arguments import is_real
from ..checking.calls import call_example
from ..equation.frozen import frozen
from ..errors import ArgumentError
from ..layers.functional import as_json

__all__ = ["Constant", "Cosine", "OneCycle", "Schedule", "StepDecay"]


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
