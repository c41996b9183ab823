"""When a training in progress writes its checkpoints."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

from .checkpoints import Checkpoints
from .snapshot import Snapshot

if TYPE_CHECKING:
    from .training import Training

__all__ = ["Keeping"]


class Keeping:
    """Writes a training's checkpoints when they are due.

    Args:
        checkpoints: where and how often.
        training: whose.
    """

    def __init__(self, checkpoints: Checkpoints, training: Training) -> None:
        self.checkpoints, self.training = checkpoints, training
        self._kept = training.position if training.position.steps else None

    @cached_property
    def _data(self) -> dict[str, Any]:
        """What tells the training's data from others."""
        held_out = self.training.held_out
        return {
            "data": self.training.feed.identity(),
            "validation": None if held_out is None else held_out.identity(),
        }

    def due(self) -> None:
        """Write one if it is time.

        Raises:
            FileError: it cannot be written.
        """
        at = self.training.position
        if at.place == self.training.steps:
            return  # the epoch's figures follow, and then its checkpoint
        if self.checkpoints.due(at.epoch, at.place, at.steps) or self.training.over:
            self.now()

    def now(self) -> None:
        """Write one, unless the last one is of this very moment.

        Raises:
            FileError: it cannot be written.
        """
        at = self.training.position
        if at != self._kept and at.steps:
            for observer in self.training.observers:
                observer.flush()
            self.checkpoints.write(Snapshot.of(self.training, self._data))
            self._kept = at
