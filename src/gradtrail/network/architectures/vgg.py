"""VGG with batch norm. Source: K. Simonyan and A. Zisserman, "Very deep networks" (2014), table 1.

Its first dense layer takes what five poolings leave of the image, 7 × 7 of 224 × 224.
"""

from __future__ import annotations

from typing import Any

from ...layers import BatchNorm2d, Conv2d, Dropout, Flatten, Linear, MaxPool2d, ReLU
from .public_names import Rewriting

_STAGES = ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3))

VGG_NAMES: Rewriting = (
    (r"pre_logits\.fc1", "classifier.0"),
    (r"pre_logits\.fc2", "classifier.3"),
    (r"head\.fc", "classifier.6"),
)
"""timm's names; its dense layers are convolutions there."""


def vgg16_bn(classes: int) -> list[Any]:
    """The layers of VGG-16 with batch norm."""
    layers: list[Any] = []
    for width, count in _STAGES:
        for _ in range(count):
            at = len(layers)
            layers.append(Conv2d(width, 3, padding=1, name=f"features_{at}"))
            layers += [BatchNorm2d(name=f"features_{at + 1}"), ReLU()]
        layers.append(MaxPool2d(2))
    return [
        *layers,
        *(Flatten(), Linear(4096, name="classifier_0"), ReLU(), Dropout(0.5)),
        *(Linear(4096, name="classifier_3"), ReLU(), Dropout(0.5)),
        Linear(classes, name="classifier_6"),
    ]
