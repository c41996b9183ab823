"""Networks for trainings on the CPU engine, and what is left of such a training."""

from __future__ import annotations

import numpy as np

import gradtrail as gt
from gradtrail.engines import CPU

Arrays = dict[str, np.ndarray]


def lenet() -> gt.Network:
    """A chain: each thread's blocks go through it one after the other."""
    return gt.Network(
        (1, 12, 12),
        [
            *(gt.Conv2d(4, 3, padding=1), gt.ReLU(), gt.MaxPool2d(2)),
            *(gt.Conv2d(8, 3), gt.ReLU(), gt.Flatten(), gt.Dropout(0.2), gt.Linear(10)),
        ],
        seed=1,
    )


def branched() -> gt.Network:
    """Batch norm cuts the step into segments; a shortcut adds up gradients."""
    body = [gt.Conv2d(6, 3, padding=1, bias=False), gt.BatchNorm2d(), gt.ReLU()]
    return gt.Network(
        (1, 12, 12),
        [
            *(gt.Conv2d(6, 3, stride=2, padding=1, bias=False), gt.BatchNorm2d(), gt.ReLU()),
            *(gt.Residual([*body, gt.Conv2d(6, 3, padding=1)]), gt.Dropout(0.1)),
            *(gt.GlobalAvgPool2d(), gt.Linear(10)),
        ],
        seed=2,
    )


def heavy() -> gt.Network:
    """More than a MB of weights in one layer: the whole batch sums their gradient at once."""
    return gt.Network(
        (1, 12, 12),
        [
            *(gt.Conv2d(5, 3), gt.ReLU(), gt.Flatten()),
            *(gt.Linear(541), gt.Tanh(), gt.Linear(10)),
        ],
        seed=3,
    )


NETWORKS = {"chain": lenet, "branched": branched, "heavy": heavy}


def data(count: int = 150) -> tuple[np.ndarray, np.ndarray]:
    """Images with a bright column that gives the class."""
    draw = np.random.Generator(np.random.PCG64(3))
    x, y = draw.random((count, 1, 12, 12), dtype=np.float32), draw.integers(0, 10, count)
    x[np.arange(count), 0, :, y] += 1
    return x, y


def trained(
    net: gt.Network, engine: CPU | str, threads: int | None = None, **settings: object
) -> tuple[Arrays, gt.History]:
    """Weights and statistics after a training of two epochs with a shorter last batch."""
    common = {"epochs": 2, "batch_size": 64, "seed": 5, "progress": False}
    history = gt.train(net, data(), engine=engine, threads=threads, **common | settings)
    arrays = {**net.parameters, **net.buffers}
    return {name: array.copy() for name, array in arrays.items()}, history


def assert_same_bits(one: Arrays, other: Arrays) -> None:
    for name, array in one.items():
        np.testing.assert_array_equal(array, other[name], err_msg=name)
