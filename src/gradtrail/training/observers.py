"""What watches a training from outside: progress, logs, checkpoints."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from .history import History


class Seen(NamedTuple):
    """One finished step.

    Args:
        step: its number in the training, the first being 1.
        epoch: its epoch, the first being 1.
        place: its number in the epoch, the first being 1.
        loss: before the update.
        rate: the learning rate.
        samples: how many this epoch has seen so far.
        accuracy: the share of them that were right; None without classes.
    """

    step: int
    epoch: int
    place: int
    loss: float
    rate: float
    samples: int
    accuracy: float | None


class Observer:
    """Is told how a training goes on; each method does nothing unless it is written."""

    def begin(self, history: History, epochs: int, steps: int) -> None:
        """A training starts, or goes on.

        Args:
            history: what there is so far.
            epochs: how many there will be.
            steps: how many steps each has.
        """

    def step(self, seen: Seen) -> None:
        """A step is done; where Ctrl-C comes as this is told, it may be told twice."""

    def epoch(self, history: History) -> None:
        """An epoch is done, its validation included; see `step`."""

    def flush(self) -> None:
        """A checkpoint is about to be written: what was told until now must be as safe as that."""

    def end(self, history: History) -> None:
        """The training is over, however that came, or could not begin."""
