"""The interface that every engine stands behind; nothing above it knows which one runs."""

from __future__ import annotations

import platform
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

import numpy as np

from .batch import Arrays, Batch

if TYPE_CHECKING:
    from ..graph import Graph
    from ..layers import Loss
    from ..optimizers import Optimizer
    from .bilinear import WarpInput
    from .explanation import Explanation
    from .sample_gradients import SampleGradients


@dataclass(frozen=True)
class Extent:
    """How much of a step is computed.

    Args:
        training: batch statistics and dropout, or evaluation.
        backward: whether there are gradients.
        per_sample: whether there are each sample's gradients, too; they need `backward`.
        towards: the arrays whose gradients are wanted; None for all. An engine may give more.
    """

    training: bool = True
    backward: bool = True
    per_sample: bool = False
    towards: tuple[str, ...] | None = None


TRAINING = Extent()
"""What a training's step computes."""


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
        parts: of several outputs, what each has.
    """

    loss: float
    correct: int | None
    finite: bool
    parts: tuple[Evaluated, ...] = ()

    @classmethod
    def of(cls, judged: Evaluated, *, finite: bool) -> Stepped:
        """A step with this loss and so many right answers."""
        return cls(judged.loss, judged.correct, finite, judged.parts)


@dataclass(frozen=True)
class Evaluated:
    """What evaluating one batch reports.

    Args:
        loss: the mean loss of the batch.
        correct: how many samples' greatest output was their class; None without classes.
        parts: the same of each of several outputs, of which `loss` is the weighted sum.
    """

    loss: float
    correct: int | None
    parts: tuple[Evaluated, ...] = ()

    @classmethod
    def joint(cls, loss: Loss, parts: Sequence[Evaluated]) -> Evaluated:
        """What follows from the parts of a loss; from one, itself."""
        if not loss.parts:
            return parts[0]
        total = sum(part.weight * own.loss for part, own in zip(loss.parts, parts, strict=True))
        return cls(total, None, tuple(parts))

    @classmethod
    def mean(cls, loss: Loss, pieces: Sequence[Evaluated], shares: Sequence[float]) -> Evaluated:
        """What the pieces of a batch come to, each with its share in the whole."""
        if loss.parts:
            parts = zip(*(piece.parts for piece in pieces), strict=True)
            own = zip(loss.parts, parts, strict=True)
            return cls.joint(loss, [cls.mean(part.loss, several, shares) for part, several in own])
        total = sum(
            (share * piece.loss for share, piece in zip(shares, pieces, strict=True)), start=0.0
        )
        if pieces[0].correct is None:
            return cls(total, None)
        return cls(total, sum(piece.correct or 0 for piece in pieces))


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
    piece: int | None = None
    """How many samples are computed at once, where a step takes a batch in pieces."""

    def __init__(self, network: Graph, loss: Loss, optimizer: Optimizer) -> None:
        self.network, self.loss, self.optimizer = network, loss, optimizer

    @abstractmethod
    def step(self, batch: Batch) -> Stepped:
        """Forward, loss, backward, update."""

    @abstractmethod
    def computed(self, batch: Batch) -> Computed:
        """All arrays of the step that `step` would make of this batch; nothing is changed."""

    @abstractmethod
    def arrays(self) -> dict[str, np.ndarray]:
        """Parameters and running statistics as the engine has them, to be read before a step."""

    def parameter(self, name: str) -> np.ndarray:
        """A parameter as it is now, to be read before the next step."""
        return self.arrays()[name]

    def store(self) -> None:
        """Write parameters and statistics back to the network."""
        arrays = self.arrays()
        for held in (self.network.parameters, self.network.buffers):
            for name in held:
                held[name] = arrays[name]


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
    def predict(self, network: Graph, x: np.ndarray) -> np.ndarray:
        """The outputs of the last layer in evaluation, (N, …)."""

    def compute(
        self,
        network: Graph,
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
        arrays = {**network.parameters, **network.buffers}
        return self.step(network, batch, loss, arrays, Extent(training, backward, per_sample))

    @abstractmethod
    def step(
        self, network: Graph, batch: Batch, loss: Loss, arrays: Arrays, extent: Extent = TRAINING
    ) -> Computed:
        """What `compute` gives, from other parameters and buffers than the network's."""

    @abstractmethod
    def per_sample(
        self, network: Graph, batch: Batch, loss: Loss, *, training: bool
    ) -> SampleGradients:
        """Each sample's gradients of all parameters; nothing else is kept, nothing changed."""

    def warp(self, inputs: WarpInput, out: np.ndarray) -> None:
        """Write moved images into `out`, (n, C, H, W) float32."""
        from .bilinear import warp  # few trainings move images

        warp(inputs, out)

    @abstractmethod
    def evaluate(self, network: Graph, batch: Batch) -> Evaluated:
        """Loss and right answers in evaluation; nothing is kept."""

    @abstractmethod
    def explain(self, network: Graph, layer: str, loss: Loss) -> Explanation:
        """How a layer is computed in a training step.

        Raises:
            UnknownNameError: no layer is called so.
        """

    @abstractmethod
    def memory(
        self, network: Graph, loss: Loss, optimizer: Optimizer, samples: int
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
        self, network: Graph, loss: Loss, optimizer: Optimizer, start: Arrays | None = None
    ) -> Trainer:
        """A training of `network` that starts from its present parameters.

        Args:
            network: what is trained.
            loss: what is made small.
            optimizer: how.
            start: instead of the network's parameters and statistics, those that another trainer's
                `arrays` gave. An engine may be more precise than the network.
        """
