"""Early stopping: a training ends when its measure has not become better for a while."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, final

import numpy as np

from ..checking.arguments import flags, is_real, positive
from ..checking.calls import call_example
from ..equation.frozen import frozen
from ..errors import ArgumentError
from ..layers.functional import as_json
from .history import History
from .schedules import check_measure


@final
@call_example("gt.EarlyStopping(patience=5)")
@frozen
class EarlyStopping:
    """When to stop, and which weights to keep.

    Args:
        patience: how many epochs in a row may bring nothing better, at least 1.
        measure: "validation_loss", "validation_accuracy", "loss" or "accuracy"; of one of several
            outputs such as "a.validation_accuracy".
        least: by how much it must become better to count, at least 0.
        keep_best: whether the network ends with the weights of the best epoch, instead of the last.

    Raises:
        ArgumentError: an argument out of its range.

    Source: L. Prechelt, "Early stopping – but when?" (1998), criterion UP.
    """

    patience: int = 5
    measure: str = field(default="validation_loss", kw_only=True)
    least: float = field(default=0.0, kw_only=True)
    keep_best: bool = field(default=True, kw_only=True)

    def __post_init__(self) -> None:
        positive("EarlyStopping", patience=self.patience)
        flags("EarlyStopping", keep_best=self.keep_best)
        check_measure("EarlyStopping", self.measure)
        if not is_real(self.least) or not 0 <= self.least < math.inf:
            raise ArgumentError(
                f"EarlyStopping: least must be a finite number ≥ 0, got {self.least!r}"
            )

    @property
    def of_validation(self) -> bool:
        """Whether it needs validation samples."""
        return self.measure.rpartition(".")[2].startswith("validation")

    @property
    def of_classes(self) -> bool:
        """Whether it needs classes, and is better where it is greater."""
        return self.measure.endswith("accuracy")

    def gain(self, value: float, than: float) -> float:
        """By how much a value is better than another one."""
        return value - than if self.of_classes else than - value

    def settings(self) -> dict[str, Any]:
        """The arguments as JSON."""
        return {known.name: as_json(getattr(self, known.name)) for known in fields(self)}


@dataclass(frozen=True)
class Best:
    """The best epoch so far.

    Args:
        rule: when to stop; None for never, and then nothing is kept.
        epoch: its number, counted from 0; None before there is one.
        arrays: the network's parameters and statistics then, where they are kept.
    """

    rule: EarlyStopping | None
    epoch: int | None = None
    arrays: Mapping[str, np.ndarray] = field(default_factory=dict)

    def after(self, history: History, arrays: Mapping[str, np.ndarray]) -> Best:
        """The best epoch when one more is over.

        Args:
            history: with its figures.
            arrays: the network's parameters and statistics, which are copied.
        """
        found = self.best_of(history)
        if self.rule is None or found == self.epoch:
            return self
        kept = {name: array.copy() for name, array in arrays.items()} if self.rule.keep_best else {}
        return Best(self.rule, found, kept)

    def best_of(self, history: History) -> int | None:
        """Which epoch was the best of all that are over; each has to be better by `least`."""
        if self.rule is None:
            return None
        found: int | None = None
        values = history[self.rule.measure]
        for epoch, value in enumerate(values):
            if found is None or self.rule.gain(value, values[found]) > self.rule.least:
                found = epoch
        return found

    def over(self, history: History) -> bool:
        """Whether the training has gone on for too long."""
        if self.rule is None or self.epoch is None:
            return False
        return history.epochs - 1 - self.epoch >= self.rule.patience
