"""Networks and steps that several tests of the trace ask about."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np
import pytest

import gradtrail as gt

SHALLOW = [gt.Conv2d(3, 3), gt.ReLU(), gt.MaxPool2d(2), gt.Flatten(), gt.Linear(4)]

engines = pytest.mark.parametrize("engine", ["cpu", "reference"])


def network(layers: Sequence[Any], shape: tuple[int, ...] = (1, 8, 8)) -> gt.Network:
    return gt.Network(shape, layers, seed=0)


def samples(net: gt.Network, count: int = 4) -> tuple[np.ndarray, np.ndarray]:
    draw = np.random.Generator(np.random.PCG64(7))
    classes = net.system(1).shapes[net.output_name][1]
    x = draw.standard_normal((count, *net.input_shape)).astype(np.float32)
    return x, draw.integers(0, classes, count)


def zeros(array: np.ndarray) -> list[tuple[int, ...]]:
    return [tuple(int(i) for i in index) for index in np.argwhere(array == 0)]


@cache
def lenet() -> gt.Trace:
    network = gt.architecture("lenet5").network(None, seed=0)
    draw = np.random.Generator(np.random.PCG64(3))
    x = draw.standard_normal((40, 1, 28, 28)).astype(np.float32)
    return gt.trace(network, x, draw.integers(0, 10, 40))


def dense(t: gt.Trace) -> np.ndarray:
    """The products of dconv1.weight[2,0,1,4], (N, H, W), written out by hand."""
    delta = t.grad["conv1.output"][:, 2].astype(np.float64)
    padded = np.pad(t.value["input"][:, 0].astype(np.float64), ((0, 0), (2, 2), (2, 2)))
    return delta * padded[:, 1:29, 4:32]


def spoiled(bad: float, where: str = "input") -> gt.Trace:
    """A step with something in it that is not finite."""
    net = gt.Network(
        (1, 6, 6),
        [gt.Conv2d(2, 3), gt.ReLU(), gt.MaxPool2d(2), gt.Flatten(), gt.Linear(3)],
        seed=1,
    )
    x = np.random.Generator(np.random.PCG64(3)).standard_normal((4, 1, 6, 6))
    if where == "input":
        x[1, 0, 2, 2] = bad
    else:
        net.parameters[where][0] = bad
    with np.errstate(all="ignore"):
        return gt.trace(net, x, [0, 1, 2, 0], engine="reference")
