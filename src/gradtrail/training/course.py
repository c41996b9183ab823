"""What a training follows from, besides the network and the data: all settings, checked."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from ..checking.arguments import flags, is_real, positive, whole_number
from ..checking.calls import in_short
from ..data.augment import Augment
from ..errors import ArgumentError, DataError
from ..layers import Loss
from ..layers.cross_entropy import loss_for
from ..layers.functional import as_json
from ..optimizers import Adam, Optimizer
from ..optimizers.composed import Composed
from .schedules import Schedule
from .stopping import EarlyStopping

if TYPE_CHECKING:
    from ..engines import Engine
    from ..graph import Graph
    from .feed import Feed


@dataclass(frozen=True)
class Course:
    """The settings of a training; see `train` for what each means.

    Raises:
        ArgumentError: a setting out of its range.
    """

    loss: Loss = field(default_factory=lambda: loss_for(None))
    optimizer: Optimizer = field(default_factory=Adam)
    schedule: Schedule | None = None
    epochs: int = 1
    batch_size: int = 64
    accumulate: int = 1
    shuffle: bool = True
    drop_last: bool = False
    augment: Augment | None = None
    mixup: float = 0.0
    clip_norm: float | None = None
    clip_value: float | None = None
    average: float | None = None
    stopping: EarlyStopping | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        numbers = {"epochs": self.epochs, "batch_size": self.batch_size}
        positive("train", **numbers, accumulate=self.accumulate)
        for name in (*numbers, "accumulate"):
            object.__setattr__(self, name, int(getattr(self, name)))
        flags("train", shuffle=self.shuffle, drop_last=self.drop_last)
        object.__setattr__(self, "seed", whole_number("train: seed", self.seed, 0))
        kinds = {
            "optimizer": (Optimizer, "gt.Adam()"),
            "schedule": (Schedule, "gt.schedules.OneCycle()"),
            "augment": (Augment, "gt.Augment(flip=0.5)"),
            "stopping": (EarlyStopping, "gt.EarlyStopping(5)"),
        }
        for name, (kind, example) in kinds.items():
            value = getattr(self, name)
            if not isinstance(value, kind) and (value is not None or name == "optimizer"):
                raise ArgumentError(
                    f"train: {name} must be an object such as {example}, got {in_short(value)}"
                )
        _number("mixup", self.mixup, 0, math.inf)
        for name, most in (("clip_norm", math.inf), ("clip_value", math.inf), ("average", 1)):
            if getattr(self, name) is not None:
                _number(name, getattr(self, name), 0, most, above=True)
        if self.clip_norm is not None and self.clip_value is not None:
            raise ArgumentError("train: clip_norm and clip_value exclude each other; give one")

    def composed(self) -> Optimizer:
        """The optimiser with what is around it; a schedule changes the rate of this one alone."""
        scheduled = self.schedule is not None
        inner = self.optimizer.at_a_rate_of_its_own() if scheduled else self.optimizer
        if self.clip_norm is None and self.clip_value is None and self.average is None:
            return inner
        return Composed(
            inner,
            clip_norm=self.clip_norm,
            clip_value=self.clip_value,
            decay=self.average,
        )

    def steps(self, count: int) -> int:
        """How many steps an epoch of so many samples has."""
        return count // self.of_step if self.drop_last else -(-count // self.of_step)

    @property
    def of_step(self) -> int:
        """How many samples one update follows from."""
        return self.batch_size * self.accumulate

    def fits(self, network: Graph, count: int) -> None:
        """Refuse now what a batch of some size will not fit.

        Raises:
            DataError: batches that batch norm cannot normalise, or no whole one.
            ShapeError: outputs that the loss does not compare.
        """
        if not self.steps(count):
            told, most = f"batch of {self.batch_size}", f"a batch_size up to {count}"
            if self.accumulate > 1:
                told = f"step of {self.accumulate} batches of {self.batch_size}"
                most = f"batch_size times accumulate up to {count}"
            raise DataError(
                f"train: {count} samples fill no {told}, and drop_last=True leaves out what fills "
                f"none; choose {most}"
            )
        size = min(self.batch_size, count)
        left = count % self.of_step % size if not self.drop_last else 0
        for samples in {size, left or size}:
            network.system(samples, training=True, loss=self.loss)

    def settings(self) -> dict[str, Any]:
        """All of it as JSON."""
        numbers = (
            *("epochs", "batch_size", "shuffle", "mixup"),
            *("clip_norm", "clip_value", "average", "seed"),
        )
        objects = ("loss", "optimizer", "schedule", "augment", "stopping")
        given = {n: getattr(self, n) for n in objects}
        settings = {n: None if o is None else o.settings() for n, o in given.items()}
        dropping: dict[str, Any] = {}  # older checkpoints have none
        if self.drop_last:
            dropping["drop_last"] = True
        if self.accumulate > 1:
            dropping["accumulate"] = self.accumulate
        return {n: as_json(getattr(self, n)) for n in numbers} | settings | dropping


def refuse_frozen(name: str, network: Graph) -> None:
    """Refuse a network of which nothing is trained.

    Args:
        name: the public function.
        network: that is to be trained.

    Raises:
        ArgumentError: all of its parameters are frozen.
    """
    if network.frozen and not network.trained:
        raise ArgumentError(
            f"{name}: every parameter of the network is frozen, so that nothing would change; "
            'free some of them, as in network.unfreeze("fc*")'
        )


class Setup(NamedTuple):
    """What a training is made of.

    Args:
        network: whose parameters and running statistics are changed.
        course: the settings.
        feed: the data.
        held_out: those to evaluate on after every epoch; None for none.
        engine: what computes.
        optimizer: the course's, composed.
    """

    network: Graph
    course: Course
    feed: Feed
    held_out: Feed | None
    engine: Engine
    optimizer: Optimizer


def _number(name: str, value: Any, least: float, below: float, *, above: bool = False) -> None:
    if not is_real(value) or not (least < value if above else least <= value) or not value < below:
        bounds = f"{'above' if above else 'at least'} {least:g}"
        bounds += "" if below == math.inf else f" and below {below:g}"
        raise ArgumentError(f"train: {name} must be a number {bounds}, got {value!r}")
