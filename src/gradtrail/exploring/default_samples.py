"""The samples that a network is shown with where nobody gives any."""

from __future__ import annotations

import numpy as np

from ..data import digits, enlarged
from ..errors import ArgumentError
from ..graph import Graph
from ..layers import Loss

Pair = tuple[np.ndarray, np.ndarray]

_CLASSES, _SIZE = 10, 8


def takes_digits(network: Graph) -> bool:
    """Whether the digits fit: images of one channel, at least 8 × 8, and ten outputs or more."""
    outputs = network.system(1).shapes[next(iter(network.outputs.values()))][1:]
    shape = network.sample_shape
    return (
        len(network.inputs) == len(network.outputs) == 1
        and len(shape) == 3
        and shape[0] == 1
        and min(shape[1:]) >= _SIZE
        and len(outputs) == 1
        and outputs[0] >= _CLASSES
    )


def usual_samples(network: Graph, count: int, loss: Loss, seed: int) -> Pair:
    """The first digits of the test part in the network's size, or else noise.

    Args:
        network: that takes them.
        count: how many.
        loss: that compares the outputs with labels.
        seed: of the noise: normal numbers, each with the label 0.

    Raises:
        ArgumentError: a loss that takes other labels than classes.
    """
    if loss.parts:
        listed = ", ".join(part.name for part in loss.parts)
        raise ArgumentError(f"explore: pass x and y, the labels of the outputs {listed}")
    if takes_digits(network):
        x, y = digits().test
        return enlarged(x[:count], *network.input_shape[1:]), y[:count]
    labels = np.zeros(count, np.int64)
    outputs = network.system(1).shapes[network.output_name][1:]
    if len(outputs) > 1 or loss.classes(labels, (count, *outputs)) is None:
        raise ArgumentError(
            f"explore: {type(loss).__name__} compares with other labels than the "
            "classes of samples; pass x and y"
        )
    drawn = np.random.default_rng(seed).standard_normal((count, *network.sample_shape))
    return drawn.astype(network.dtype), labels
