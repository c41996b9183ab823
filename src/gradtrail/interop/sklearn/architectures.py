"""The layers of an estimator: by default fitted to the samples' shape, or as they are given."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ... import layers as kinds
from ...checking.arguments import positive
from ...errors import ArgumentError
from ...layers import Dropout, Flatten, Linear, ReLU
from ...network import Network
from ...network.architecture import architecture

_DROPPED = 0.5

_LARGE = 16
"""From this side on, the first convolution is followed by a pooling."""


def layers_for(
    layers: Any, shape: tuple[int, ...], outputs: int, width: int, *, drops: bool
) -> list[Any]:
    """All layers of a network, the last one with an output for each class or target.

    Args:
        layers: None for those that the shape suggests, an architecture's name, or a list of layers
            to which the last `Linear`, behind a `Flatten` if need be, is added.
        shape: of one sample.
        outputs: how many numbers come out.
        width: channels of the first convolution, or half the units of the hidden layer.
        drops: whether the default for images has dropout before its last layer.

    Raises:
        ArgumentError: `layers` is none of these, or `width` is no whole number ≥ 1.
        ShapeError: layers that do not fit the samples.
        UnknownNameError: no architecture is called so.
    """
    positive("layers", width=width)
    if isinstance(layers, str):
        return architecture(layers).layers(outputs)
    if layers is None and len(shape) == 1:
        given: list[Any] = [Linear(2 * width), ReLU()]
    elif layers is None:
        given = _convolutions(shape, width)
        given += [Flatten(), Dropout(_DROPPED)] if drops else []
    elif isinstance(layers, Sequence):
        given = list(layers)
    else:
        raise ArgumentError(
            "layers must be a list of gradtrail layers, an architecture's name such as "
            f'"lenet-short", or None for the default, got {layers!r}'
        )
    flat = len(_output_shape(shape, given)) == 1
    return [*given, *([] if flat else [Flatten()]), Linear(outputs)]


def _convolutions(shape: tuple[int, ...], width: int) -> list[Any]:
    """Convolutions of 3 × 3, halving the image until less than 8 positions are left on a side.

    8 × 8 becomes 2 × 2 behind three convolutions, 28 × 28 becomes 3 × 3 and 32 × 32 becomes 4 × 4.
    Of sequences and volumes they are as wide along their axes.
    """
    side, rank = min(shape[1:]), len(shape) - 1
    convolution, pool = (getattr(kinds, f"{kind}{rank}d") for kind in ("Conv", "MaxPool"))
    layers: list[Any] = [convolution(width, 3, padding=1), ReLU()]
    if side >= _LARGE:
        layers.append(pool(2))
        side //= 2
    done = 0
    while side >= 8 or (side >= 4 and done < 2):
        layers += [convolution(2 * width, 3, padding=1), ReLU(), pool(2)]
        side, done = side // 2, done + 1
    return layers


def _output_shape(shape: tuple[int, ...], layers: list[Any]) -> tuple[int, ...]:
    """The shape of one sample behind the layers."""
    if not layers:
        return shape
    network = Network(shape, layers)
    return network.system(1).shapes[network.output_name][1:]
