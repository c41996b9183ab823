"""The interface that every engine stands behind; nothing above it knows which one runs."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

if TYPE_CHECKING:
    from ..layers import Loss
    from ..network import Network
    from ..train.optimizers import Optimizer

__all__ = ["Arrays", "Batch", "Computed", "Engine", "Stepped", "Trainer"]

Arrays = Mapping[str, np.ndarray]
"""Arrays by name: `conv1.output`, `fc1.weight`, `loss.target`."""


@dataclass(frozen=True)
class Batch:
    """Samples with what their loss compares them to.

    Args:
        x: (N, C, H, W).
        targets: the arrays behind the loss's given letters, from `Loss.targets`.
        classes: the class number of each sample, (N,); None where there are no classes.
        mass: how much the batch's mean loss counts beside other batches', from `Loss.mass`.
        seed: what the step's random draws follow from.
        step: which step of the training this is, for the same purpose.
    """

    x: np.ndarray
    targets: Arrays
    classes: np.ndarray | None = None
    mass: float = 1.0
    seed: int = 0
    step: int = 0

    @classmethod
    def of(
        cls, network: Network, x: np.ndarray, y: Any, loss: Loss, seed: int = 0, step: int = 0
    ) -> Batch:
        """A batch from checked samples and labels as the caller gave them.

        Raises:
            DataError: labels that do not fit.
        """
        system = network.system(len(x), loss=loss)
        targets = loss.targets(y, system.shapes[network.output_name])
        return cls(x, targets, loss.classes(y), loss.mass(y), seed, step)


@dataclass(frozen=True)
class Computed:
    """Every array of one learning step.

    Args:
        values: input, parameters, buffers, outputs, what was saved, `loss`.
        gradients: of input, parameters, outputs and `loss`; empty where none were asked for.
    """

    values: Arrays
    gradients: Arrays


@dataclass(frozen=True)
class Stepped:
    """What one training step reports.

    Args:
        loss: the mean loss of the batch before the update.
        correct: how many samples' greatest output was their class; None without classes.
        finite: whether the loss, all gradients and all updated arrays were finite, the latter in
            the network's dtype. If not, parameters and statistics are those before the step.
    """

    loss: float
    correct: int | None
    finite: bool


class Trainer(ABC):
    """One training in progress, with its parameters and state as the engine keeps them."""

    @abstractmethod
    def step(self, batch: Batch) -> Stepped:
        """Forward, loss, backward, update."""

    @abstractmethod
    def computed(self, batch: Batch) -> Computed:
        """All arrays of the step that `step` would make of this batch; nothing is changed."""

    @abstractmethod
    def store(self) -> None:
        """Write parameters and statistics back to the network."""


class Engine(ABC):
    """Computes outputs, learning steps and trainings of any network."""

    name: ClassVar[str]

    @abstractmethod
    def predict(self, network: Network, x: np.ndarray) -> np.ndarray:
        """The outputs of the last layer in evaluation, (N, …)."""

    @abstractmethod
    def compute(
        self, network: Network, batch: Batch, loss: Loss, *, training: bool, backward: bool = True
    ) -> Computed:
        """Forward, loss and backward with everything kept and nothing changed."""

    @abstractmethod
    def trainer(self, network: Network, loss: Loss, optimizer: Optimizer) -> Trainer:
        """A training of `network` that starts from its present parameters."""
