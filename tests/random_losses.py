"""Losses with labels for outputs of any shape: of rows and maps, of classes, tags and numbers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import gradtrail as gt
from gradtrail.graph.output_losses import network_loss
from gradtrail.layers import Loss

Shape = tuple[int, ...]
Asked = tuple[Loss, np.ndarray]


def any_loss(draw: Any, network: gt.Network, classes: bool, size: int) -> Asked:
    """A loss that the outputs of a network fit, with labels for so many samples.

    Args:
        draw: see `random_networks.Draws`.
        network: whose outputs they are.
        classes: whether classes are told apart; else numbers, or what is there and what is not.
        size: how many samples.
    """
    outputs = network.system(size).shapes[network.output_name]
    maps = 3 <= len(outputs) <= 5
    numbers: list[Callable[..., Asked]] = [_squared, _absolute, _huber, _own, _tags, _binary_focal]
    kinds = [_entropy, _focal] if classes and 2 <= len(outputs) <= 5 else numbers
    if maps:
        kinds = [*kinds, _dice if classes else _masks]
    return draw.one(*kinds)(draw, outputs)


def each_loss(draw: Any, network: gt.Network, classes: bool, size: int) -> tuple[Loss, Any]:
    """A loss with a weight for each of several outputs, and labels; of those that PyTorch has."""
    shapes = network.system(size).shapes
    outputs = {name: shapes[array] for name, array in network.outputs.items()}
    found = {name: _common(draw, shape) for name, shape in outputs.items()}
    losses = {name: (loss, draw.one(1, 0.3, 2.5)) for name, (loss, _) in found.items()}
    return network_loss(network, losses), {name: labels for name, (_, labels) in found.items()}


def _common(draw: Any, outputs: Shape) -> Asked:
    kind = draw.one(_squared, _huber, _yes_or_no, _classes if len(outputs) <= 5 else _squared)
    found: Asked = kind(draw, outputs)
    return found


def _yes_or_no(draw: Any, outputs: Shape) -> Asked:
    return gt.BCEWithLogits(), _yes(draw, outputs)


def _classes(draw: Any, outputs: Shape) -> Asked:
    labels = _labels(draw, outputs, True)
    labels.flat[0] = 0  # one counts
    return gt.CrossEntropy(ignore_index=-1), labels


def _squared(draw: Any, outputs: Shape) -> Asked:
    return gt.MeanSquaredError(), draw.uniform(outputs)


def _absolute(draw: Any, outputs: Shape) -> Asked:
    return gt.L1(), draw.uniform(outputs)


def _huber(draw: Any, outputs: Shape) -> Asked:
    return gt.Huber(draw.one(0.3, 1.0)), draw.uniform(outputs)


def _own(draw: Any, outputs: Shape) -> Asked:
    formula = draw.one("sqrt((z - t)**2 + 0.1)", "exp(-z*t)", "softplus(z) - t*z")
    weight = tuple(draw.uniform((outputs[1],), 0.5, 2.0)) if draw.chance(0.3) else None
    return gt.PointwiseLoss(formula, weight=weight), draw.uniform(outputs)


def _yes(draw: Any, outputs: Shape) -> np.ndarray:
    return np.asarray(draw.generator.random(outputs) < 0.4).astype(float)


def _tags(draw: Any, outputs: Shape) -> Asked:
    pos = tuple(draw.uniform((outputs[1],), 0.5, 2.0)) if draw.chance(0.5) else None
    return gt.BCEWithLogits(pos_weight=pos), _yes(draw, outputs)


def _binary_focal(draw: Any, outputs: Shape) -> Asked:
    return gt.BinaryFocal(draw.one(0.0, 1.5, 2.0), alpha=draw.one(None, 0.25)), _yes(draw, outputs)


def _masks(draw: Any, outputs: Shape) -> Asked:
    return gt.BinaryDice(draw.one(0.5, 1.0)), _yes(draw, outputs)


def _labels(draw: Any, outputs: Shape, left_out: bool) -> np.ndarray:
    """A class for each position, −1 for some that are left out."""
    shape = (outputs[0], *outputs[2:])
    found = np.asarray(draw.generator.integers(0, outputs[1], shape))
    return np.where(draw.generator.random(shape) < 0.2, -1, found) if left_out else found


def _entropy(draw: Any, outputs: Shape) -> Asked:
    left_out = bool(draw.chance(0.4))
    weight = tuple(draw.uniform((outputs[1],), 0.2, 2.0)) if draw.chance(0.3) else None
    loss = gt.CrossEntropy(
        label_smoothing=draw.one(0.0, 0.0, 0.2),
        weight=weight,
        ignore_index=-1 if left_out else None,
    )
    return loss, _labels(draw, outputs, left_out)


def _focal(draw: Any, outputs: Shape) -> Asked:
    left_out = bool(draw.chance(0.4))
    alpha = tuple(draw.uniform((outputs[1],), 0.2, 2.0)) if draw.chance(0.3) else None
    loss = gt.Focal(draw.one(0.0, 2.0), alpha=alpha, ignore_index=-1 if left_out else None)
    return loss, _labels(draw, outputs, left_out)


def _dice(draw: Any, outputs: Shape) -> Asked:
    return gt.Dice(draw.one(0.5, 1.0)), _labels(draw, outputs, False)
