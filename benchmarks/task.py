"""What every side does: the same network, weights, data and threads."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

import gradtrail as gt

from .settings import TRAINING, Workload

__all__ = [
    "DisagreementError",
    "Task",
    "UnavailableError",
    "random_samples",
    "task_for",
    "without_dropout",
]


class UnavailableError(Exception):
    """A side that cannot take part; the message says why."""


class DisagreementError(Exception):
    """Two sides that do not compute the same: their times would say nothing."""


@dataclass(frozen=True)
class Task:
    """A training to time.

    Args:
        network: with the weights that all sides start from; nobody changes it.
        x: (B·N, C, H, W) float32, B batches one after the other.
        y: (B·N,) int64 labels.
        batch_size: N.
        threads: how many each side uses.
        lr, momentum: of SGD.
    """

    network: gt.Network
    x: np.ndarray
    y: np.ndarray
    batch_size: int
    threads: int
    lr: float = TRAINING.lr
    momentum: float = TRAINING.momentum

    @property
    def batches(self) -> list[tuple[np.ndarray, np.ndarray]]:
        """The batches in the order in which they take turns."""
        starts = range(0, len(self.x), self.batch_size)
        return [(self.x[a : a + self.batch_size], self.y[a : a + self.batch_size]) for a in starts]


def random_samples(network: gt.Network, count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Normal noise (count, C, H, W) float32 and labels (count,) int64; no array is made twice."""
    draw = np.random.default_rng(seed)
    classes = network.system(1).shapes[network.output_name][1]
    x = draw.standard_normal((count, *network.input_shape), dtype=np.float32)
    return x, draw.integers(0, classes, count)


def task_for(workload: Workload, threads: int) -> Task:
    """The task of a workload, with fresh weights and random data."""
    network = gt.architecture(workload.name).network(seed=TRAINING.seed)
    count = TRAINING.batches * workload.batch_size
    x, y = random_samples(network, count, TRAINING.seed + 1)
    return Task(network, x, y, workload.batch_size, threads)


def without_dropout(network: gt.Network) -> gt.Network:
    """The same network and weights without dropout, whose draws differ between libraries.

    One that has none is given back itself.
    """
    if not any(isinstance(step.layer, gt.Dropout) for step in network.steps):
        return network
    twin = gt.Network(network.input_shape, _plain(network.layers), seed=network.seed)
    for name, values in network.parameters.items():
        twin.parameters[name] = values
    return twin


def _plain(layers: Any) -> list[Any]:
    """A chain of layers without its dropout; branches have none in the networks measured."""
    return [layer for layer in layers if not isinstance(layer, gt.Dropout)]
