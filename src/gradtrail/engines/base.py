"""The interface that every engine stands behind; nothing above it knows which one runs."""

from __future__ import annotations

import platform
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

import numpy as np

from ..errors import DataError
from .warp import warp

if TYPE_CHECKING:
    from ..layers import Loss
    from ..network import Network
    from ..train.optimizers import Optimizer
    from .explanation import Explanation
    from .sample_gradients import SampleGradients

__all__ = [
    "Arrays",
    "Batch",
    "Computed",
    "Engine",
    "Evaluated",
    "Finished",
    "Samples",
    "Stepped",
    "Trainer",
    "counted",
    "own",
]

Arrays = Mapping[str, np.ndarray]
"""Arrays by name: `conv1.output`, `fc1.weight`, `loss.target`."""


class Samples:
    """Data to learn from, checked: samples, labels, and the loss that compares them.

    Labels are copied: engines read classes and targets by address, so what is read must be what was
    checked, whatever a caller does to the array meanwhile. Samples are read where they lie, and no
    value of theirs leads anywhere else.

    Args:
        x: (M, C, H, W), C-contiguous.
        y: (M, …), as the loss takes it.
        loss: the loss.
        outputs: the shape of one sample's output.

    Raises:
        DataError: labels that do not fit.
    """

    def __init__(self, x: np.ndarray, y: np.ndarray, loss: Loss, outputs: tuple[int, ...]) -> None:
        self.x, self.y, self.loss, self.outputs = x, y, loss, outputs

    @classmethod
    def of(cls, network: Network, data: Any, loss: Loss, name: str = "data") -> Samples:
        """Samples and labels as the caller gave them, all of them checked.

        Args:
            network: that they are for.
            data: a pair (samples, labels).
            loss: the loss.
            name: what the caller calls the pair.

        Raises:
            DataError: no pair, samples or labels that do not fit, or labels that do not count.
        """
        if not isinstance(data, tuple | list) or len(data) != 2:
            got = f"{len(data)} entries" if isinstance(data, tuple | list) else type(data).__name__
            raise DataError(f"{name} must be a pair (samples, labels), got {got}")
        try:
            x, y = network.checked(data[0]), own(data[1])
            prediction = network.system(1, loss=loss).shapes[network.output_name]
            loss.targets(y, (len(x), *prediction[1:]))
        except DataError as cause:
            raise DataError(str(cause) if name == "data" else f"{name}: {cause}") from None
        counted(y, loss, name)
        return cls(seen(x), y, loss, prediction[1:])

    def __len__(self) -> int:
        return len(self.x)

    @cached_property
    def classes(self) -> np.ndarray | None:
        """The class number of each sample, (M,) int64; None where there are no classes."""
        found = self.loss.classes(self.y)
        return None if found is None else np.ascontiguousarray(found, dtype=np.int64)

    @cached_property
    def rows(self) -> tuple[np.ndarray, bool]:
        """What the loss compares with, float32; one row per class (True) or per sample (False)."""
        rows, by_class = self.loss.rows(self.y, (len(self), *self.outputs))
        return np.ascontiguousarray(rows, dtype=np.float32), by_class

    @cached_property
    def even(self) -> bool:
        """Whether every sample counts the same, see `Loss.even`."""
        return self.loss.even(self.y)

    @cached_property
    def places(self) -> np.ndarray:
        """0, 1, …, M − 1, int64."""
        return np.arange(len(self), dtype=np.int64)


def own(labels: Any) -> np.ndarray:
    """A copy of labels that nobody else has; it cannot be written to.

    Raises:
        DataError: rows that differ in length.
    """
    try:
        array = np.array(labels)
    except ValueError as cause:
        raise DataError(f"y is no array: its rows differ in length ({cause})") from cause
    array.flags.writeable = False
    return array


def seen(x: np.ndarray) -> np.ndarray:
    """Samples C-contiguous, the same memory where they are so: with a shape of its own.

    A caller's `x.shape = …` changes only the caller's array, and NumPy refuses its `x.resize(…)`.
    """
    return np.ascontiguousarray(x).view()


def counted(labels: np.ndarray, loss: Loss, name: str) -> None:
    """Check that some of the labels count.

    Raises:
        DataError: the classes of all of them have weight 0.
    """
    if loss.mass(labels) == 0:
        raise DataError(f"the classes of all labels in {name} have weight 0; nothing would count")


class Batch:
    """Some of the samples, for one step; gathered when they are asked for.

    Args:
        samples: what they are chosen from.
        order: places in the samples, int64, C-contiguous.
        seed: what the step's random draws follow from.
        step: which step of the training this is, for the same purpose.
        begin, end: the part of the order that this batch takes; by default the whole.
    """

    def __init__(
        self,
        samples: Samples,
        order: np.ndarray,
        seed: int = 0,
        step: int = 0,
        begin: int = 0,
        end: int | None = None,
    ) -> None:
        self.samples, self.order, self.seed, self.step = samples, order, seed, step
        self.begin, self.end = begin, len(order) if end is None else end

    @classmethod
    def of(
        cls, network: Network, x: np.ndarray, y: Any, loss: Loss, seed: int = 0, step: int = 0
    ) -> Batch:
        """A batch from checked samples and labels as the caller gave them.

        Raises:
            DataError: labels that do not fit.
        """
        system = network.system(len(x), loss=loss)
        prediction = system.shapes[network.output_name]
        labels = own(y)
        loss.targets(labels, prediction)
        samples = Samples(seen(x), labels, loss, prediction[1:])
        return cls(samples, samples.places, seed, step)

    def __len__(self) -> int:
        return self.end - self.begin

    @cached_property
    def chosen(self) -> np.ndarray:
        """The places of its samples."""
        return self.order[self.begin : self.end]

    @property
    def numbers(self) -> np.ndarray:
        """Which samples of the data these are."""
        return self.chosen

    @cached_property
    def x(self) -> np.ndarray:
        """(N, C, H, W)."""
        return np.asarray(self.samples.x[self.chosen])

    @cached_property
    def y(self) -> np.ndarray:
        """The labels."""
        return np.asarray(self.samples.y[self.chosen])

    @cached_property
    def targets(self) -> Arrays:
        """The arrays behind the loss's given letters, from `Loss.targets`."""
        return self.samples.loss.targets(self.y, (len(self), *self.samples.outputs))

    @cached_property
    def classes(self) -> np.ndarray | None:
        """The class number of each sample, (N,); None where there are no classes."""
        known = self.samples.classes
        return None if known is None else known[self.chosen]

    @property
    def mass(self) -> float:
        """How much the batch's mean loss counts beside other batches', from `Loss.mass`."""
        return float(len(self)) if self.samples.even else self.samples.loss.mass(self.y)

    @property
    def scale(self) -> float:
        """What the samples' target rows are multiplied by in this batch, from `Loss.scale`."""
        return 1.0 if self.samples.even else self.samples.loss.scale(self.y)


@dataclass(frozen=True)
class Computed:
    """Every array of one learning step.

    Args:
        values: input, parameters, buffers, outputs, what was saved, `loss`.
        gradients: of input, parameters, outputs and `loss`; empty where none were asked for.
        per_sample: each sample's gradients of the parameters; None where they were not asked for.
    """

    values: Arrays
    gradients: Arrays
    per_sample: SampleGradients | None = None


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


@dataclass(frozen=True)
class Evaluated:
    """What evaluating one batch reports.

    Args:
        loss: the mean loss of the batch.
        correct: how many samples' greatest output was their class; None without classes.
    """

    loss: float
    correct: int | None


class Finished(NamedTuple):
    """What a trainer has done.

    Args:
        steps: how many it finished.
        last: what the last of them reported; None before there is one.
    """

    steps: int
    last: Stepped | None


class Trainer(ABC):
    """One training in progress, with its parameters and state as the engine keeps them.

    `finished` changes together with the parameters, so that it is right wherever an interruption
    comes.
    """

    finished: Finished = Finished(0, None)

    @abstractmethod
    def step(self, batch: Batch) -> Stepped:
        """Forward, loss, backward, update."""

    @abstractmethod
    def computed(self, batch: Batch) -> Computed:
        """All arrays of the step that `step` would make of this batch; nothing is changed."""

    @abstractmethod
    def arrays(self) -> dict[str, np.ndarray]:
        """Parameters and running statistics as the engine has them, to be read before a step."""

    @abstractmethod
    def parameter(self, name: str) -> np.ndarray:
        """A parameter as it is now, to be read before the next step."""

    @abstractmethod
    def store(self) -> None:
        """Write parameters and statistics back to the network."""


class Engine(ABC):
    """Computes outputs, learning steps and trainings of any network."""

    name: ClassVar[str]

    def on(self, threads: int | None) -> Engine:
        """This engine with so many threads, where it has any; None leaves its own number."""
        return self

    def settings(self) -> dict[str, Any]:
        """What results may depend on, as JSON: a training goes on from a checkpoint of the same."""
        return {"name": self.name}

    def runs_on(self) -> tuple[str, str]:
        """The processor's name, and on which processors the same bits follow from the same code."""
        machine = platform.machine() or "an unknown machine"
        return machine, f"{machine}, NumPy {np.__version__}"

    @property
    def direct(self) -> Engine:
        """This engine with every sum computed as its equation has it, product by product.

        An algorithm that computes several sums together may be faster, but where all products of
        one of them are 0 it can leave a rounding error instead.
        """
        return self

    @abstractmethod
    def predict(self, network: Network, x: np.ndarray) -> np.ndarray:
        """The outputs of the last layer in evaluation, (N, …)."""

    @abstractmethod
    def compute(
        self,
        network: Network,
        batch: Batch,
        loss: Loss,
        *,
        training: bool,
        backward: bool = True,
        per_sample: bool = False,
    ) -> Computed:
        """Forward, loss and backward with everything kept and nothing changed.

        Args:
            network: what is computed.
            batch: samples and labels.
            loss: at its end.
            training: batch statistics and dropout, or evaluation.
            backward: whether gradients are wanted.
            per_sample: whether each sample's gradients are wanted, too; they need `backward`.
        """

    @abstractmethod
    def per_sample(
        self, network: Network, batch: Batch, loss: Loss, *, training: bool
    ) -> SampleGradients:
        """Each sample's gradients of all parameters; nothing else is kept, nothing changed."""

    def warp(
        self,
        source: np.ndarray,
        places: np.ndarray,
        maps: np.ndarray,
        boxes: np.ndarray,
        divisor: float,
        out: np.ndarray,
    ) -> None:
        """Write images, moved by affine maps, into `out`; see `engines.warp.warp`."""
        warp(source, places, maps, boxes, divisor, out)

    @abstractmethod
    def evaluate(self, network: Network, batch: Batch) -> Evaluated:
        """Loss and right answers in evaluation; nothing is kept."""

    @abstractmethod
    def explain(self, network: Network, layer: str, loss: Loss) -> Explanation:
        """How a layer is computed in a training step.

        Raises:
            UnknownNameError: no layer is called so.
        """

    @abstractmethod
    def memory(
        self, network: Network, loss: Loss, optimizer: Optimizer, samples: int
    ) -> dict[str, int]:
        """Bytes that a training takes at the least, besides its data; nothing is allocated.

        Args:
            network: what is trained.
            loss: what is made small.
            optimizer: how.
            samples: of a batch.

        Returns:
            `parameters`, `gradients`, `optimizer` and `activations`; all but the last are the same
            for a batch of any size, as long as it is of one block.
        """

    @abstractmethod
    def trainer(
        self,
        network: Network,
        loss: Loss,
        optimizer: Optimizer,
        threads: int | None = None,
        start: Arrays | None = None,
    ) -> Trainer:
        """A training of `network` that starts from its present parameters.

        Args:
            network: what is trained.
            loss: what is made small.
            optimizer: how.
            threads: how many may be used; None for the engine's own number.
            start: instead of the network's parameters and statistics, those that another trainer's
                `arrays` gave. An engine may be more precise than the network.
        """
