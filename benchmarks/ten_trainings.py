"""Ten seeded trainings that between them meet what can change a bit, and their digests.

Only the surface that all builds of gradtrail share is used, and nothing is downloaded, so that this
file runs with an older build as with a newer one; where a name has moved, both places are tried.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

import numpy as np

import gradtrail as gt

__all__ = ["TRAININGS", "Setup", "digest", "digests", "schedule"]

DIGITS = 16
"""How many hexadecimal digits of a digest are kept."""

TRACED = 7
"""How many samples the traced step has: they fill no block."""

Data = tuple[np.ndarray, np.ndarray]


@dataclass(frozen=True)
class Setup:
    """A training that is ready to run.

    Args:
        network: with fresh parameters.
        data: x (N, *input_shape) and y (N, …).
        settings: further arguments of `gt.train`.
        winograd: which of the CPU engine's algorithms; None for the reference engine.
        loss: of training and tracing.
    """

    network: gt.Network
    data: Data
    settings: Mapping[str, Any]
    winograd: str | None = "auto"
    loss: Any = field(default_factory=gt.CrossEntropy)

    def engine(self, threads: int) -> Any:
        """What computes, with so many threads."""
        return "reference" if self.winograd is None else gt.CPU(threads, winograd=self.winograd)


def schedule(name: str, older: str | None = None, **settings: Any) -> Any:
    """A schedule by its name, from `gt.schedules` or, in builds without it, from `gt`.

    Args:
        name: its class in `gt.schedules`.
        older: its class in `gt`, where that was another.
        settings: its arguments.
    """
    home = getattr(gt, "schedules", None)
    kind = getattr(gt, older or name) if home is None else getattr(home, name)
    return kind(**settings)


def digest(arrays: Iterable[tuple[str, Any]]) -> str:
    """The beginning of the SHA-256 over names, types, shapes and bytes, in order.

    Args:
        arrays: names and what NumPy takes.
    """
    found = sha256()
    for name, values in arrays:
        array = np.asarray(values)
        found.update(f"{name} {array.dtype.str} {array.shape}\n".encode())
        found.update(array.tobytes())
    return found.hexdigest()[:DIGITS]


def digests(name: str, threads: int) -> dict[str, str]:
    """Run one of the trainings, trace a step of what it ends with, and predict with it.

    Args:
        name: a key of `TRAININGS`.
        threads: how many run.

    Returns:
        The digests of the training (parameters, running statistics, the loss of every step, the
        figures of every epoch), of the traced step (values and gradients), and of predictions for
        one sample and for several.
    """
    setup = TRAININGS[name]()
    net, (x, y), engine = setup.network, setup.data, setup.engine(threads)
    history = gt.train(
        net, (x, y), loss=setup.loss, engine=engine, threads=threads, progress=False,
        **setup.settings,
    )  # fmt: skip
    traced = gt.trace(net, x[:TRACED], y[:TRACED], loss=setup.loss, engine=engine, seed=3)
    predicted = [(f"{n} samples", net.predict(x[:n], engine=engine)) for n in (1, 2 * TRACED + 5)]
    return {
        "training": digest([*net.parameters.items(), *net.buffers.items(), *_figures(history)]),
        "trace": digest([*traced.value.items(), *traced.grad.items()]),
        "prediction": digest(predicted),
    }


def _figures(history: Any) -> list[tuple[str, np.ndarray]]:
    """A history's figures, float64, by names that do not follow the build's."""
    per_step = "step_losses" if hasattr(history, "step_losses") else "losses"  # its former name
    per_epoch = ("loss", "accuracy", "validation_loss", "validation_accuracy")
    lists = [("every step", getattr(history, per_step))]
    lists += [(name, getattr(history, name)) for name in per_epoch]
    return [(name, np.asarray(values, np.float64)) for name, values in lists]


def _noise(shape: tuple[int, ...], count: int, classes: int = 10) -> Data:
    """Normal noise (count, *shape) float32 with random labels (count,)."""
    draw = np.random.default_rng(count)
    x = draw.standard_normal((count, *shape), dtype=np.float32)
    return x, draw.integers(0, classes, count)


def _digits(count: int) -> Data:
    """The first of the embedded digits."""
    (x, y), _ = gt.data.digits()
    return x[:count], y[:count]


def _lenet5() -> Setup:
    """Momentum, and a last batch of eight samples."""
    settings = {
        "optimizer": gt.SGD(0.05, momentum=0.9), "epochs": 2, "batch_size": 64, "seed": 1,
    }  # fmt: skip
    network = gt.architecture("lenet5").network(seed=1)
    return Setup(network, _noise(network.input_shape, 200), settings)


def _mnist_cnn() -> Setup:
    """Dropout, Winograd's algorithm by default, and batches that fill no blocks."""
    settings = {
        "optimizer": gt.SGD(0.01, momentum=0.9, nesterov=True), "epochs": 1, "batch_size": 50,
        "seed": 2,
    }  # fmt: skip
    network = gt.architecture("mnist-cnn").network(seed=2)
    return Setup(network, _noise(network.input_shape, 130), settings)


def _resnet20() -> Setup:
    """Batch norm, branches that are added, and a rate that falls twice."""
    settings = {
        "optimizer": gt.SGD(0.1, momentum=0.9, weight_decay=1e-4),
        "schedule": schedule("StepDecay", "Step", at=(0.5, 0.75), gamma=0.1),
        "epochs": 2, "batch_size": 40, "seed": 3,
    }  # fmt: skip
    network = gt.architecture("resnet20").network(seed=3)
    return Setup(network, _noise(network.input_shape, 96), settings)


def _vgg_small() -> Setup:
    """Winograd's greater tiles in all passes, Adam, and samples in their order."""
    settings = {
        "optimizer": gt.Adam(1e-4), "epochs": 1, "batch_size": 16, "seed": 4, "shuffle": False,
    }  # fmt: skip
    network = gt.architecture("vgg-small").network(seed=4)
    return Setup(network, _noise(network.input_shape, 48), settings, winograd="f4")


def _branches() -> Setup:
    """What the architectures do not have, side by side."""
    up = [gt.Conv2d(6, 3, stride=2, padding=1), gt.ConvTranspose2d(5, 4, stride=2, padding=1)]
    pooled = [gt.AvgPool2d(3, 1, 1, count_include_pad=False), gt.Conv2d(4, 1), gt.Tanh()]
    grouped = [gt.Conv2d(8, 3, padding=2, dilation=2, groups=4), gt.LeakyReLU(0.1)]
    layers = [
        gt.Normalize(0.1, 0.9), gt.Conv2d(8, 3, padding=1), gt.GELU(),
        gt.Concat([*up, gt.SiLU()], pooled, grouped), gt.BatchNorm2d(),
        gt.Residual([gt.Conv2d(17, 3, padding=1), gt.Sigmoid()]), gt.MaxPool2d(3, 2, 1),
        gt.GlobalAvgPool2d(), gt.Linear(4),
    ]  # fmt: skip
    settings = {
        "optimizer": gt.AdamW(3e-3, weight_decay=0.05), "schedule": schedule("OneCycle"),
        "epochs": 3, "batch_size": 24, "seed": 5,
    }  # fmt: skip
    network = gt.Network((3, 14, 18), layers, seed=5)
    return Setup(network, _noise((3, 14, 18), 60, 4), settings, winograd="off")


def _augmentation() -> Setup:
    """Images moved and mixed, and a rate that follows a cosine."""
    moved = gt.Augment(shift=0.1, rotation=12, flip=0.5, scale=0.1, cutout=2)
    settings = {
        "optimizer": gt.Adam(2e-3, weight_decay=1e-3), "augment": moved, "mixup": 0.2,
        "schedule": schedule("Cosine", warm_up=0.1), "epochs": 2, "batch_size": 64, "seed": 6,
    }  # fmt: skip
    return Setup(gt.architecture("digits-cnn").network(seed=6), _digits(600), settings)


def _regression() -> Setup:
    """Odd sizes, samples that are dropped, and numbers as targets."""
    layers = [
        gt.Conv2d(7, (3, 5), padding=1), gt.SiLU(), gt.AvgPool2d(2), gt.Flatten(), gt.Linear(11),
        gt.Tanh(), gt.Linear(3),
    ]  # fmt: skip
    x, _ = _noise((2, 9, 11), 101)
    y = np.stack([x.min((1, 2, 3)), x.max((1, 2, 3)), x[:, 0, 4, 5]], axis=1)
    settings = {
        "optimizer": gt.AdamW(1e-2), "schedule": schedule("Constant", warm_up=0.2), "epochs": 3,
        "batch_size": 10, "drop_last": True, "clip_value": 0.05, "seed": 7,
    }  # fmt: skip
    network = gt.Network((2, 9, 11), layers, seed=7)
    return Setup(network, (x, y), settings, loss=gt.MeanSquaredError())


def _class_weights() -> Setup:
    """Weights of classes, smoothed labels, and Winograd's lesser tiles."""
    weight = tuple(0.5 + 0.25 * k for k in range(10))
    settings = {
        "optimizer": gt.SGD(0.1, momentum=0.5), "epochs": 2, "batch_size": 33, "seed": 8,
    }  # fmt: skip
    loss = gt.CrossEntropy(label_smoothing=0.1, weight=weight)
    network = gt.architecture("digits-cnn").network(seed=8)
    return Setup(network, _digits(300), settings, winograd="f2", loss=loss)


def _early_stopping() -> Setup:
    """A training that is too quick, and so ends early with an earlier epoch's weights."""
    layers = [
        gt.Conv2d(12, 3, padding=1, bias=False), gt.BatchNorm2d(), gt.ReLU(), gt.MaxPool2d(2),
        gt.Flatten(), gt.Dropout(0.2), gt.Linear(10),
    ]  # fmt: skip
    _, held_out = gt.data.digits()
    settings = {
        "validation": held_out, "optimizer": gt.SGD(2.0, momentum=0.9), "epochs": 12,
        "stopping": gt.EarlyStopping(2), "clip_norm": 1.0, "average": 0.8, "batch_size": 50,
        "seed": 9,
    }  # fmt: skip
    return Setup(gt.Network((1, 8, 8), layers, seed=9), _digits(330), settings)


def _reference() -> Setup:
    """The engine that everything else is held to, in float64."""
    layers = [
        gt.Concat([gt.Conv2d(3, 3, padding=1)], [gt.AvgPool2d(3, 1, 1)]), gt.BatchNorm2d(),
        gt.ReLU(), gt.MaxPool2d(2), gt.Flatten(), gt.Dropout(0.25), gt.Linear(10),
    ]  # fmt: skip
    settings = {
        "optimizer": gt.Adam(1e-2), "schedule": schedule("Cosine"), "epochs": 2, "batch_size": 30,
        "clip_norm": 0.5, "seed": 10,
    }  # fmt: skip
    network = gt.Network((1, 8, 8), layers, seed=10, dtype=np.float64)
    return Setup(network, _digits(100), settings, winograd=None)


TRAININGS: Mapping[str, Callable[[], Setup]] = {
    "lenet5": _lenet5,
    "mnist-cnn": _mnist_cnn,
    "resnet20": _resnet20,
    "vgg-small": _vgg_small,
    "branches": _branches,
    "augmentation": _augmentation,
    "regression": _regression,
    "class-weights": _class_weights,
    "early-stopping": _early_stopping,
    "reference": _reference,
}
"""The trainings by name."""
