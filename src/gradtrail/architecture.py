"""Architectures: networks as JSON, and a few with names.

{"input_shape": [1, 28, 28], "layers": [{"type": "Conv2d", "out_channels": 6, …}, …]}
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import fields
from typing import Any

from . import layers as available
from .calls import written
from .equation.frozen import frozen
from .errors import ArgumentError, UnknownNameError, unknown
from .layers import (
    BatchNorm2d,
    Concat,
    Conv2d,
    Dropout,
    Flatten,
    GlobalAvgPool2d,
    Layer,
    Linear,
    MaxPool2d,
    ReLU,
    Residual,
)
from .network import Network, Step

__all__ = [
    "ARCHITECTURES",
    "Architecture",
    "architecture",
    "difference",
    "layer_from",
    "network_from",
]

_LAYERS: Mapping[str, type[Layer]] = {
    name: kind
    for name in available.__all__
    if isinstance(kind := getattr(available, name), type)
    and issubclass(kind, Layer)
    and kind is not Layer
}


def network_from(data: Any) -> Network:
    """The network that an architecture in JSON describes, with fresh parameters.

    Args:
        data: what `Network.architecture` gives.

    Raises:
        ArgumentError: a key that is missing, unknown or of the wrong type; it is named.
        ShapeError: layers that do not fit.
    """
    if not isinstance(data, dict) or not {"input_shape", "layers"} <= data.keys():
        raise ArgumentError('an architecture is {"input_shape": […], "layers": […]}')
    surplus = data.keys() - {"input_shape", "layers", "dtype", "seed"}
    if surplus:
        raise ArgumentError(f"an architecture has no key {sorted(surplus)[0]!r}")
    if not isinstance(data["input_shape"], list):
        raise ArgumentError(f"input_shape must be a list, got {data['input_shape']!r}")
    dtype = data.get("dtype", "float32")
    if dtype not in ("float32", "float64"):
        raise ArgumentError(f"dtype must be float32 or float64, got {dtype!r}")
    chain = _chain(data["layers"], "layers")
    return Network(data["input_shape"], chain, seed=data.get("seed", 0), dtype=dtype)


def _chain(data: Any, where: str) -> list[Any]:
    if not isinstance(data, list):
        raise ArgumentError(f"{where} must be a list of layers, got {data!r}")
    return [layer_from(entry, f"{where}[{place}]") for place, entry in enumerate(data)]


def layer_from(data: Any, where: str) -> Any:
    """One layer or branching from its JSON.

    Args:
        data: `type` and arguments.
        where: what messages call it.

    Raises:
        ArgumentError: a key that is missing, unknown or of the wrong type; it is named.
    """
    if not isinstance(data, dict) or not isinstance(data.get("type"), str):
        raise ArgumentError(f'{where} must be {{"type": "Conv2d", …}}, got {data!r}')
    settings = {key: value for key, value in data.items() if key != "type"}
    kind = data["type"]
    if kind == "Residual":
        _known(settings, ("body", "shortcut", "name"), where, kind)
        shortcut = settings.get("shortcut")
        return Residual(
            _chain(settings.get("body"), f"{where}.body"),
            None if shortcut is None else _chain(shortcut, f"{where}.shortcut"),
            name=settings.get("name"),
        )
    if kind == "Concat":
        _known(settings, ("branches", "name"), where, kind)
        branches = settings.get("branches")
        if not isinstance(branches, list):
            raise ArgumentError(f"{where}.branches must be a list of lists, got {branches!r}")
        chains = [_chain(b, f"{where}.branches[{i}]") for i, b in enumerate(branches)]
        return Concat(*chains, name=settings.get("name"))
    if kind not in _LAYERS:
        raise ArgumentError(f"{where}: {unknown('layer', kind, [*_LAYERS, 'Residual', 'Concat'])}")
    _known(settings, [f.name for f in fields(_LAYERS[kind])], where, kind)  # type: ignore[arg-type]
    arguments = {k: tuple(v) if isinstance(v, list) else v for k, v in settings.items()}
    try:
        return _LAYERS[kind](**arguments)
    except (ArgumentError, TypeError) as cause:
        raise ArgumentError(f"{where}: {cause}") from cause


def _known(settings: Mapping[str, Any], known: Any, where: str, kind: str) -> None:
    for key in settings:
        if key not in known:
            raise ArgumentError(f"{where}: {unknown(f'argument of {kind}', key, list(known))}")
    name = settings.get("name")
    if name is not None and not isinstance(name, str):
        raise ArgumentError(f"{where}: name must be a word, got {name!r}")


def difference(one: Network, other: Network, *, named: bool = True) -> str | None:
    """Where one network is another than the other, as a clause about the first; None if nowhere.

    Args:
        one: a network.
        other: a network.
        named: whether the layers' names count.
    """
    if one.input_shape != other.input_shape:
        return f"it takes samples of {one.input_shape}, not {other.input_shape}"
    for number, pair in enumerate(zip(one.steps, other.steps, strict=False), 1):
        apart = _layer_difference(pair, (one, other), named)
        if apart is not None:
            return f"layer {number} '{pair[0].name}' ({pair[0].layer.kind}) {apart}"
    if len(one.steps) != len(other.steps):
        longer, has = (one, "has") if len(one.steps) > len(other.steps) else (other, "lacks")
        extra = longer.steps[min(len(one.steps), len(other.steps))]
        return f"it {has} the layer '{extra.name}' ({extra.layer.kind}) behind the last"
    if one.dtype != other.dtype:
        return f"its numbers are {one.dtype}, not {other.dtype}"
    return None


def _layer_difference(
    pair: tuple[Step, Step], networks: tuple[Network, Network], named: bool
) -> str | None:
    """Where a layer is another than the one in its place."""
    step, wanted = pair
    if step.layer.kind != wanted.layer.kind or (named and step.name != wanted.name):
        return f"is '{wanted.name}' ({wanted.layer.kind}) in the other"
    for field in fields(step.layer):  # type: ignore[arg-type]
        mine, theirs = getattr(step.layer, field.name), getattr(wanted.layer, field.name)
        if field.name != "name" and mine != theirs:
            return f"has {field.name}={mine!r}, not {theirs!r}"
    places = [[known.output for known in network.steps] for network in networks]
    numbers, told = [], []
    for outputs, one in zip(places, pair, strict=True):
        numbers.append([outputs.index(s) if s in outputs else -1 for s in one.sources])
        told.append(" and ".join(source.removesuffix(".output") for source in one.sources))
    return None if numbers[0] == numbers[1] else f"reads {told[0]}, not {told[1]}"


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


@written('gt.architecture("lenet5")')
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
