"""DenseNet. Source: G. Huang et al., "Densely connected networks" (2016), table 1."""

from __future__ import annotations

from typing import Any

from ...layers import (
    AvgPool2d,
    BatchNorm2d,
    Concat,
    Conv2d,
    GlobalAvgPool2d,
    Linear,
    MaxPool2d,
    ReLU,
)
from .public_names import Rewriting
from .starting_values import uniform_by_inputs

_GROWTH, _BLOCKS = 32, (6, 12, 24, 16)

DENSENET_NAMES: Rewriting = ((r"(.*denselayer\d+)\.(norm|conv|relu)\.(\d)", r"\1.\2\3"),)
"""Those of torchvision's first files."""


def densenet121(classes: int) -> list[Any]:
    """The layers of DenseNet-121."""
    width = 64
    layers: list[Any] = [
        Conv2d(width, 7, stride=2, padding=3, bias=False, name="features_conv0"),
        *(BatchNorm2d(name="features_norm0"), ReLU(), MaxPool2d(3, stride=2, padding=1)),
    ]
    for block, count in enumerate(_BLOCKS, 1):
        for number in range(1, count + 1):
            at = f"features_denseblock{block}_denselayer{number}"
            layers.append(Concat([], _dense(at)))
        width += count * _GROWTH
        if block < len(_BLOCKS):
            width //= 2
            at = f"features_transition{block}"
            layers += [BatchNorm2d(name=f"{at}_norm"), ReLU()]
            layers += [Conv2d(width, 1, bias=False, name=f"{at}_conv"), AvgPool2d(2)]
    end = [BatchNorm2d(name="features_norm5"), ReLU(), GlobalAvgPool2d()]
    start = uniform_by_inputs(width)
    return [*layers, *end, Linear(classes, initialization=start, name="classifier")]


def _dense(at: str) -> list[Any]:
    """What a layer of a dense block adds to what all before it gave."""
    return [
        *(BatchNorm2d(name=f"{at}_norm1"), ReLU()),
        Conv2d(4 * _GROWTH, 1, bias=False, name=f"{at}_conv1"),
        *(BatchNorm2d(name=f"{at}_norm2"), ReLU()),
        Conv2d(_GROWTH, 3, padding=1, bias=False, name=f"{at}_conv2"),
    ]
