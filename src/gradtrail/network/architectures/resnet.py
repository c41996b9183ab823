"""Residual networks. Source: K. He et al., "Deep residual learning" (2015), table 1.

The stride of a bottleneck is in its 3 × 3 convolution, as in torchvision and timm.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ...layers import BatchNorm2d, Conv2d, GlobalAvgPool2d, Linear, MaxPool2d, ReLU, Residual
from .starting_values import he_by_outputs, uniform_by_inputs

_WIDTHS = (64, 128, 256, 512)


def resnet18(classes: int) -> list[Any]:
    """The layers of ResNet-18."""
    return _resnet(classes, (2, 2, 2, 2), bottleneck=False)


def resnet34(classes: int) -> list[Any]:
    """The layers of ResNet-34."""
    return _resnet(classes, (3, 4, 6, 3), bottleneck=False)


def resnet50(classes: int) -> list[Any]:
    """The layers of ResNet-50."""
    return _resnet(classes, (3, 4, 6, 3), bottleneck=True)


def _resnet(classes: int, counts: Sequence[int], *, bottleneck: bool) -> list[Any]:
    layers: list[Any] = [
        _convolution("conv1", 64, 7, stride=2),
        *(BatchNorm2d(name="bn1"), ReLU(), MaxPool2d(3, stride=2, padding=1)),
    ]
    before = 64
    for stage, (width, count) in enumerate(zip(_WIDTHS, counts, strict=True), 1):
        for number in range(count):
            stride, at = (2 if stage > 1 and number == 0 else 1), f"layer{stage}_{number}"
            after = 4 * width if bottleneck else width
            body = _bottleneck(at, width, stride) if bottleneck else _basic(at, width, stride)
            around = [
                _convolution(f"{at}_downsample_0", after, 1, stride=stride),
                BatchNorm2d(name=f"{at}_downsample_1"),
            ]
            changes = stride > 1 or before != after
            layers += [Residual(body, around if changes else None), ReLU()]
            before = after
    head = Linear(classes, initialization=uniform_by_inputs(before), name="fc")
    return [*layers, GlobalAvgPool2d(), head]


def _convolution(name: str, width: int, size: int, *, stride: int = 1) -> Conv2d:
    settings: dict[str, Any] = {"stride": stride, "padding": size // 2, "bias": False}
    return Conv2d(width, size, **settings, initialization=he_by_outputs(width, size), name=name)


def _basic(at: str, width: int, stride: int) -> list[Any]:
    """Two convolutions of 3 × 3."""
    return [
        _convolution(f"{at}_conv1", width, 3, stride=stride),
        *(BatchNorm2d(name=f"{at}_bn1"), ReLU()),
        _convolution(f"{at}_conv2", width, 3),
        BatchNorm2d(name=f"{at}_bn2"),
    ]


def _bottleneck(at: str, width: int, stride: int) -> list[Any]:
    """A convolution of 3 × 3 on few channels, between two of 1 × 1."""
    return [
        *(_convolution(f"{at}_conv1", width, 1), BatchNorm2d(name=f"{at}_bn1"), ReLU()),
        _convolution(f"{at}_conv2", width, 3, stride=stride),
        *(BatchNorm2d(name=f"{at}_bn2"), ReLU()),
        _convolution(f"{at}_conv3", 4 * width, 1),
        BatchNorm2d(name=f"{at}_bn3"),
    ]
