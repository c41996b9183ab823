"""What the tests of training share: one small network, data, and images that are read."""

from __future__ import annotations

import numpy as np

import gradtrail as gt
from gradtrail.data.images import Images

Arrays = dict[str, np.ndarray]
Pair = tuple[np.ndarray, np.ndarray]

ENGINES = ("cpu", "reference")
SHAPE, CLASSES = (2, 6, 5), 3

OPTIMIZERS = {
    "sgd": lambda: gt.SGD(0.05),
    "momentum": lambda: gt.SGD(0.05, momentum=0.9, weight_decay=1e-3),
    "nesterov": lambda: gt.SGD(0.05, momentum=0.9, nesterov=True),
    "adam": lambda: gt.Adam(3e-3, weight_decay=1e-2),
    "adamw": lambda: gt.AdamW(3e-3),
    "rmsprop": lambda: gt.RMSprop(1e-3, momentum=0.5, centered=True),
    "adagrad": lambda: gt.Adagrad(1e-2, initial_accumulator_value=0.1),
    "nadam": lambda: gt.NAdam(weight_decay=1e-2, decay_bias_and_norm=False),
    "radam": lambda: gt.RAdam(weight_decay=1e-2, decoupled_weight_decay=True),
    "lion": lambda: gt.Lion(weight_decay=1e-2),
}


def network(seed: int = 1) -> gt.Network:
    """Batch norm and dropout, so that statistics and masks are part of what is compared."""
    layers = [gt.Conv2d(4, 3, padding=1), gt.BatchNorm2d(), gt.ReLU(), gt.Flatten()]
    return gt.Network(SHAPE, [*layers, gt.Dropout(0.2), gt.Linear(CLASSES)], seed=seed)


def plain(seed: int = 1, outputs: int = CLASSES, **settings: object) -> gt.Network:
    """One linear layer."""
    return gt.Network(SHAPE, [gt.Flatten(), gt.Linear(outputs)], seed=seed, **settings)


def pixels(count: int = 50, seed: int = 3) -> Pair:
    """Images of bytes with a bright column that gives the class; 50 is no multiple of a batch."""
    draw = np.random.Generator(np.random.PCG64(seed))
    x, y = draw.integers(0, 160, (count, *SHAPE), np.uint8), draw.integers(0, CLASSES, count)
    x[np.arange(count), :, :, y] += 95
    return x, y


def data(count: int = 50, seed: int = 3) -> Pair:
    """The same from 0 to 1."""
    x, y = pixels(count, seed)
    return x.astype(np.float32) / np.float32(255), y


def trained(net: gt.Network, given: object = None, **settings: object) -> gt.History:
    """A training of two epochs of four steps, the last of which has two samples."""
    common = {"epochs": 2, "batch_size": 16, "seed": 5, "progress": False, "threads": 1}
    return gt.train(net, data() if given is None else given, **common | settings)


def arrays_of(net: gt.Network) -> Arrays:
    """Copies of parameters and running statistics."""
    return {name: array.copy() for name, array in {**net.parameters, **net.buffers}.items()}


def assert_same_bits(one: Arrays, other: Arrays) -> None:
    assert one.keys() == other.keys()
    for name, array in one.items():
        assert array.dtype == other[name].dtype, name
        assert array.tobytes() == other[name].tobytes(), name


class Held(Images):
    """Images in memory that are read as if they were not.

    Args:
        x: (M, C, H, W) uint8.
        y: (M,).
        cached: how many pretend to be in memory.
    """

    def __init__(self, x: np.ndarray, y: np.ndarray, cached: int = 0) -> None:
        names = tuple("abcdefgh"[: int(y.max(initial=0)) + 1])
        super().__init__(x.shape[1:], y, names)
        self.x, self.reads, self._cached = x, 0, cached

    def cached_among(self, places: np.ndarray) -> int:
        return min(self._cached, len(places))

    def take(self, places: np.ndarray, out: np.ndarray) -> None:
        self.reads += 1
        out[...] = self.x[places]
