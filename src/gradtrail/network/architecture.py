"""Architectures: networks made from JSON, and a few with names."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ..checking.calls import call_example
from ..equation.frozen import frozen
from ..errors import UnknownNameError, unknown
from ..graph.description import arguments_from
from ..layers import (
    BatchNorm2d,
    Conv2d,
    Dropout,
    Flatten,
    GlobalAvgPool2d,
    Linear,
    MaxPool2d,
    ReLU,
    Residual,
)
from .network import Network


@frozen
class Architecture:
    """A network with a name.

    Args:
        name: as the command line takes it.
        summary: one line on what it is.
        input_shape: of one sample, where none is asked for.
        make: the layers for a number of classes.
    """

    name: str
    summary: str
    input_shape: tuple[int, ...]
    make: Callable[[int], list[Any]]

    def network(
        self, input_shape: tuple[int, ...] | None = None, classes: int = 10, seed: int = 0
    ) -> Network:
        """The network, with fresh parameters.

        Raises:
            ShapeError: samples of this shape are too small for it.
        """
        return Network(input_shape or self.input_shape, self.make(classes), seed=seed)


def network_from(data: Any) -> Network:
    """The network that an architecture in JSON describes, with fresh parameters.

    Args:
        data: what `Network.architecture` gives.

    Raises:
        ArgumentError: a key that is missing, unknown or of the wrong type; it is named.
        ShapeError: layers that do not fit.
    """
    network = Network(**arguments_from(data))
    network.frozen = data.get("frozen", ())
    return network


@call_example('gt.architecture("lenet5")')
def architecture(name: str) -> Architecture:
    """The architecture called `name`.

    Raises:
        UnknownNameError: there is none; the message lists near names.
    """
    if name not in ARCHITECTURES:
        raise UnknownNameError(unknown("architecture", name, ARCHITECTURES))
    return ARCHITECTURES[name]


def _digits_cnn(classes: int) -> list[Any]:
    return [
        *(Conv2d(16, 3, padding=1), ReLU()),
        *(Conv2d(32, 3, padding=1), ReLU(), MaxPool2d(2)),
        *(Conv2d(64, 3, padding=1), ReLU(), MaxPool2d(2)),
        *(Flatten(), Dropout(0.3), Linear(classes)),
    ]


def _lenet5(classes: int) -> list[Any]:
    return [
        *(Conv2d(6, 5, padding=2), ReLU(), MaxPool2d(2)),
        *(Conv2d(16, 5), ReLU(), MaxPool2d(2)),
        *(Flatten(), Linear(120), ReLU(), Linear(84), ReLU(), Linear(classes)),
    ]


def _lenet_short(classes: int) -> list[Any]:
    return [
        *(Conv2d(8, 5, padding=2), ReLU(), MaxPool2d(2)),
        *(Conv2d(16, 5), ReLU(), MaxPool2d(2)),
        *(Flatten(), Linear(64), ReLU(), Linear(classes)),
    ]


def _images_cnn(classes: int) -> list[Any]:
    layers: list[Any] = []
    for width in (16, 32, 64, 128):
        layers += [Conv2d(width, 3, padding=1, bias=False), BatchNorm2d(), ReLU()]
        layers += [MaxPool2d(2)] if width < 128 else [GlobalAvgPool2d()]
    return [*layers, Dropout(0.2), Linear(classes)]


def _mnist_cnn(classes: int) -> list[Any]:
    return [
        *(Conv2d(32, 3), ReLU(), Conv2d(64, 3), ReLU(), MaxPool2d(2), Dropout(0.25)),
        *(Flatten(), Linear(128), ReLU(), Dropout(0.5), Linear(classes)),
    ]


def _resnet20(classes: int) -> list[Any]:
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


def _vgg_small(classes: int) -> list[Any]:
    layers: list[Any] = []
    for width in (64, 128, 256):
        layers += [Conv2d(width, 3, padding=1), ReLU(), Conv2d(width, 3, padding=1), ReLU()]
        layers += [MaxPool2d(2)]
    return [*layers, Flatten(), Linear(classes)]


ARCHITECTURES: Mapping[str, Architecture] = {
    a.name: a
    for a in (
        Architecture("digits-cnn", "three convolutions for 8 × 8 digits", (1, 8, 8), _digits_cnn),
        Architecture(
            "images-cnn",
            "four convolutions with batch norm, for images from 8 × 8 on",
            (3, 64, 64),
            _images_cnn,
        ),
        Architecture("lenet5", "LeNet-5 with ReLU and max pooling", (1, 28, 28), _lenet5),
        Architecture(
            "lenet-short",
            "LeNet with one hidden layer, to train quickly",
            (1, 28, 28),
            _lenet_short,
        ),
        Architecture("mnist-cnn", "PyTorch's MNIST example", (1, 28, 28), _mnist_cnn),
        Architecture("resnet20", "the CIFAR ResNet with 20 layers", (3, 32, 32), _resnet20),
        Architecture(
            "vgg-small", "six 3 × 3 convolutions in VGG's manner", (3, 32, 32), _vgg_small
        ),
    )
}
"""The named architectures."""
