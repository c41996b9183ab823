"""Small networks for small images."""

from __future__ import annotations

from typing import Any

from ...layers import (
    BatchNorm1d,
    BatchNorm2d,
    Conv1d,
    Conv2d,
    Dropout,
    Flatten,
    GlobalAvgPool1d,
    GlobalAvgPool2d,
    Linear,
    MaxPool1d,
    MaxPool2d,
    ReLU,
    Residual,
)


def digits_cnn(classes: int) -> list[Any]:
    """Three convolutions, the last two pooled."""
    return [
        *(Conv2d(16, 3, padding=1), ReLU()),
        *(Conv2d(32, 3, padding=1), ReLU(), MaxPool2d(2)),
        *(Conv2d(64, 3, padding=1), ReLU(), MaxPool2d(2)),
        *(Flatten(), Dropout(0.3), Linear(classes)),
    ]


def lenet5(classes: int) -> list[Any]:
    """LeNet-5 with ReLU and max pooling."""
    return [
        *(Conv2d(6, 5, padding=2), ReLU(), MaxPool2d(2)),
        *(Conv2d(16, 5), ReLU(), MaxPool2d(2)),
        *(Flatten(), Linear(120), ReLU(), Linear(84), ReLU(), Linear(classes)),
    ]


def lenet_short(classes: int) -> list[Any]:
    """LeNet with one hidden layer."""
    return [
        *(Conv2d(8, 5, padding=2), ReLU(), MaxPool2d(2)),
        *(Conv2d(16, 5), ReLU(), MaxPool2d(2)),
        *(Flatten(), Linear(64), ReLU(), Linear(classes)),
    ]


def images_cnn(classes: int) -> list[Any]:
    """Four convolutions with batch norm."""
    layers: list[Any] = []
    for width in (16, 32, 64, 128):
        layers += [Conv2d(width, 3, padding=1, bias=False), BatchNorm2d(), ReLU()]
        layers += [MaxPool2d(2)] if width < 128 else [GlobalAvgPool2d()]
    return [*layers, Dropout(0.2), Linear(classes)]


def cnn_1d(classes: int) -> list[Any]:
    """Three convolutions along time, for windows of sensors."""
    layers: list[Any] = []
    for width in (32, 64, 128):
        layers += [Conv1d(width, 5, padding=2, bias=False), BatchNorm1d(), ReLU()]
        layers += [MaxPool1d(2)] if width < 128 else [GlobalAvgPool1d()]
    return [*layers, Dropout(0.2), Linear(classes)]


def mnist_cnn(classes: int) -> list[Any]:
    """PyTorch's MNIST example."""
    return [
        *(Conv2d(32, 3), ReLU(), Conv2d(64, 3), ReLU(), MaxPool2d(2), Dropout(0.25)),
        *(Flatten(), Linear(128), ReLU(), Dropout(0.5), Linear(classes)),
    ]


def resnet20(classes: int) -> list[Any]:
    """The CIFAR ResNet with 20 layers."""
    layers: list[Any] = [Conv2d(16, 3, padding=1, bias=False), BatchNorm2d(), ReLU()]
    before = 16
    for width in (16, 32, 64):
        for _ in range(3):
            stride = 1 if width == before else 2
            body = [
                *(Conv2d(width, 3, stride=stride, padding=1, bias=False), BatchNorm2d(), ReLU()),
                *(Conv2d(width, 3, padding=1, bias=False), BatchNorm2d()),
            ]
            around = [Conv2d(width, 1, stride=stride, bias=False), BatchNorm2d()]
            layers += [Residual(body, None if stride == 1 else around), ReLU()]
            before = width
    return [*layers, GlobalAvgPool2d(), Linear(classes)]


def vgg_small(classes: int) -> list[Any]:
    """Six convolutions in VGG's manner."""
    layers: list[Any] = []
    for width in (64, 128, 256):
        layers += [Conv2d(width, 3, padding=1), ReLU(), Conv2d(width, 3, padding=1), ReLU()]
        layers += [MaxPool2d(2)]
    return [*layers, Flatten(), Linear(classes)]
