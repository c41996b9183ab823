"""What is measured: the tables that the benchmarks read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

__all__ = [
    "CURVES",
    "EXPLORING",
    "FEEDING",
    "FLOOR",
    "FOLDER",
    "INFERENCE_BATCHES",
    "LIMITS",
    "MEMORY",
    "MISLABELLED",
    "QUERY",
    "ROUNDING",
    "SAMPLES",
    "TRACE",
    "TRAINING",
    "WORKLOADS",
    "Curves",
    "Limits",
    "Memory",
    "Mislabelled",
    "Rounding",
    "Training",
    "Workload",
    "workload",
]


@dataclass(frozen=True)
class Workload:
    """A network with the batch that it is trained on.

    Args:
        name: of a `gradtrail.network.architecture`.
        batch_size: samples per step.
        goal: the ratio of the best PyTorch mode's step time to ours that was set out for; None
            where none was.
    """

    name: str
    batch_size: int
    goal: float | None = None

    @property
    def title(self) -> str:
        """Such as `lenet5 / 64`."""
        return f"{self.name} / {self.batch_size}"


WORKLOADS: Mapping[str, Workload] = {
    w.name: w
    for w in (
        Workload("lenet5", 64, 4.0),
        Workload("mnist-cnn", 64, 3.0),
        Workload("resnet20", 128, 2.3),
        Workload("vgg-small", 32, 2.8),
    )
}
"""The four networks that are measured where no others are asked for."""

FLOOR = 1.5
"""The ratio below which no network may fall."""


def workload(name: str) -> Workload:
    """The workload called `name`; other architectures get 32 samples and no goal.

    Raises:
        UnknownNameError: no architecture has the name.
    """
    from gradtrail.network.architecture import architecture

    return WORKLOADS.get(name) or Workload(architecture(name).name, 32)


@dataclass(frozen=True)
class Training:
    """How the sides train.

    Args:
        lr: small, so that random labels are neither learned nor lost in a thousand steps.
        momentum: of SGD.
        batches: how many batches of random samples take turns.
        seed: of weights and data.
        agreement: the largest difference of two sides' first losses.
    """

    lr: float = 1e-4
    momentum: float = 0.9
    batches: int = 4
    seed: int = 0
    agreement: float = 1e-4


TRAINING = Training()

INFERENCE_BATCHES = (1, 16, 256)


SAMPLES: Mapping[str, float] = {"lenet5": 1.3, "mnist-cnn": 1.3}
"""How many times as long as a training step each sample's gradients may take."""

FEEDING: Mapping[str, float] = {"mnist-cnn": 0.95, "resnet20": 0.95}
"""What part of its speed on arrays a training must keep where images are moved first."""

FOLDER: Mapping[str, float] = {"mnist-cnn": 0.8}
"""What part of it where they come from a folder of files, once these have been decoded."""

EXPLORING: Mapping[str, float] = dict.fromkeys(WORKLOADS, 1.03)
"""How many times as long a training step may take while a page follows the training."""

TRACE: Mapping[str, float] = {"lenet5": 3.0}
"""How many times as long as a training step a trace may take."""

QUERY: Mapping[str, float] = {"lenet5": 5e-3}
"""How many seconds the strongest terms of one weight may take."""


@dataclass(frozen=True)
class Memory:
    """The batches whose memory is compared.

    Args:
        network: an architecture without batch norm, whose memory follows the threads.
        batches: from the least to the greatest.
        steps: how many steps are made before memory is read.
        growth: by how much the greatest may exceed the least beyond the input, 0.05 for 5 %.
    """

    network: str = "lenet5"
    batches: tuple[int, ...] = (64, 256, 1024, 4096)
    steps: int = 3
    growth: float = 0.05


MEMORY = Memory()


@dataclass(frozen=True)
class Limits:
    """What was set out for besides speed, in seconds.

    Args:
        cold: the first step with an empty code cache.
        warm: the first step with a full one.
        overhead: of a step outside native code.
        compiling: how long a peer may compile before it is given up.
    """

    cold: float = 3.0
    warm: float = 0.1
    overhead: float = 50e-6
    compiling: float = 150.0


LIMITS = Limits()


@dataclass(frozen=True)
class Curves:
    """How the loss curves of one epoch are compared.

    Args:
        lr, momentum: of SGD.
        chaotic: whether PyTorch's own curves, from the same weights with sums in another order,
            differ by more than the bounds; then only the first losses are judged.
        data: a data set by name.
        network: an architecture; its dropout is left out, since draws would differ.
        batch_size: samples per step.
        first: so many losses are compared one by one …
        first_bound: … and may differ by this.
        window: the means over so many steps are compared …
        window_bound: … and may differ by this part of the peer's.
        accuracy_bound: by how much the final test accuracies may differ; 0.003 for 0.3 points.
        seed: of weights and order.
    """

    lr: float
    momentum: float
    chaotic: bool
    data: str = "fashion-mnist"
    network: str = "lenet5"
    batch_size: int = 64
    first: int = 20
    first_bound: float = 1e-4
    window: int = 50
    window_bound: float = 0.01
    accuracy_bound: float = 0.003
    seed: int = 0

    @property
    def title(self) -> str:
        """Such as `lenet5, SGD(0.05, momentum=0.9)`."""
        momentum = f", momentum={self.momentum}" if self.momentum else ""
        return f"{self.network}, SGD({self.lr}{momentum})"


CURVES = (
    Curves(0.05, 0.0, chaotic=False),
    Curves(0.002, 0.0, chaotic=False, network="mnist-cnn"),  # by Winograd's algorithm
    Curves(0.05, 0.9, chaotic=True),
)


@dataclass(frozen=True)
class Rounding:
    """How layers are compared with float64.

    Args:
        batch_size: samples of the step.
        bound: the largest relative rms error of a layer's pass by itself, by default.
        exact: errors up to this are not listed.
        winograd: the settings compared besides the default, where the engine has them.
        seed: of weights and data.
    """

    batch_size: int = 16
    bound: float = 5e-6
    exact: float = 1e-12
    winograd: tuple[str, ...] = ("off", "f2", "f4")
    seed: int = 0


ROUNDING = Rounding()


@dataclass(frozen=True)
class Mislabelled:
    """How wrong labels are looked for.

    Args:
        data: a data set by name.
        networks: architectures by name.
        wrong: the share of the labels that are changed.
        first: how much of a ranking is looked at.
        epochs, batch_size, lr, momentum: of the training, by SGD.
        seeds: how many trainings of each network.
    """

    data: str = "fashion-mnist"
    networks: tuple[str, ...] = ("lenet5", "lenet-short")
    wrong: float = 0.02
    first: float = 0.04
    epochs: int = 1
    batch_size: int = 64
    lr: float = 0.05
    momentum: float = 0.9
    seeds: int = 5

    @property
    def title(self) -> str:
        """Such as `2 % of the labels wrong, SGD(0.05, momentum=0.9), epochs: 1`."""
        trained = f"SGD({self.lr}, momentum={self.momentum}), epochs: {self.epochs}"
        return f"{100 * self.wrong:g} % of the labels wrong, {trained}"

    @property
    def told(self) -> str:
        """What the shares are of."""
        return f"how many of them are in the first {100 * self.first:g} % of each ranking"


MISLABELLED = Mislabelled()
