"""Learning-rate schedules: by what the learning rate is multiplied, from how far a training is."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import field
from typing import Any, final

from ..equation.frozen import frozen
from ..errors import ArgumentError
from ..layers.base import plain

__all__ = ["Cosine", "OneCycle", "Schedule"]


class Schedule(ABC):
    """The base of the schedules."""

    @abstractmethod
    def factor(self, progress: float) -> float:
        """What the learning rate is multiplied by.

        Args:
            progress: how much of the training is over, from 0 to 1.
        """

    def settings(self) -> dict[str, Any]:
        """The schedule as JSON: its type and its arguments."""
        names = getattr(self, "__dataclass_fields__", {})
        return {"type": type(self).__name__} | {n: plain(getattr(self, n)) for n in names}


@final
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

    def __post_init__(self) -> None:
        _check("OneCycle", self.warm_up)

    def factor(self, progress: float) -> float:
        """See `Schedule.factor`."""
        if progress < self.warm_up:
            return progress / self.warm_up
        return (1 - progress) / (1 - self.warm_up)


@final
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

    def __post_init__(self) -> None:
        _check("Cosine", self.warm_up)

    def factor(self, progress: float) -> float:
        """See `Schedule.factor`."""
        if progress < self.warm_up:
            return progress / self.warm_up
        return 0.5 * (1 + math.cos(math.pi * (progress - self.warm_up) / (1 - self.warm_up)))


def _check(kind: str, warm_up: float) -> None:
    if not 0 <= warm_up < 1:
        raise ArgumentError(f"{kind}: warm_up must be at least 0 and below 1, got {warm_up!r}")
