"""VGG with batch norm. Source: K. Simonyan and A. Zisserman, "Very deep networks" (2014), table 1.

Its first dense layer takes what five poolings leave of 224 × 224, 7 × 7; of other images as much is
made by pooling to that size, as in torchvision.
"""

from __future__ import annotations

from typing import Any

from ...layers import (
    AdaptiveAvgPool2d,
    BatchNorm2d,
    Conv2d,
    Dropout,
    Flatten,
    Linear,
    MaxPool2d,
    ReLU,
)
from .public_names import Rewriting
from .starting_values import he_by_outputs

_STAGES = ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3))

VGG_NAMES: Rewriting = (
    (r"pre_logits\.fc1", "classifier.0"),
    (r"pre_logits\.fc2", "classifier.3"),
    (r"head\.fc", "classifier.6"),
)
"""timm's names; its dense layers are convolutions there."""


def vgg16_bn(classes: int, *, dropout: float = 0.5) -> list[Any]:
    """The layers of VGG-16 with batch norm.

    Args:
        classes: how many.
        dropout: before each of the last two layers.
    """
    layers: list[Any] = []
    for width, count in _STAGES:
        start = he_by_outputs(width, 3)
        for _ in range(count):
            at = len(layers)
            convolution = Conv2d(width, 3, padding=1, initialization=start, name=f"features_{at}")
            layers += [convolution, BatchNorm2d(name=f"features_{at + 1}"), ReLU()]
        layers.append(MaxPool2d(2))
    return [
        *(*layers, AdaptiveAvgPool2d(7), Flatten()),
        *(_dense(4096, "classifier_0"), ReLU(), Dropout(dropout)),
        *(_dense(4096, "classifier_3"), ReLU(), Dropout(dropout)),
        _dense(classes, "classifier_6"),
    ]


def _dense(width: int, name: str) -> Linear:
    return Linear(width, initialization="normal(0.01)", name=name)
