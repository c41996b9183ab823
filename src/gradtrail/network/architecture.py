"""Architectures: networks made from JSON, and a few with names."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import field, replace
from inspect import signature
from pathlib import Path
from typing import Any

from ..checking.arguments import flags, positive
from ..checking.calls import call_example, checked_path
from ..equation.frozen import frozen
from ..errors import ArgumentError, FileError, UnknownNameError, unknown
from ..graph.description import arguments_from
from ..storage.arrays import read_shapes
from .architectures import (
    convnext,
    densenet,
    efficientnet,
    mobilenet,
    mobilenet_v3,
    resnet,
    small,
    squeezenet,
    unet,
    vgg,
)
from .architectures.public_names import rewritten
from .foreign_weights import load_weights
from .network import Network

_FRESH = 10
"""How many classes a network has where nobody says."""


@frozen
class Architecture:
    """A network with a name.

    Args:
        name: as the command line takes it.
        summary: one line on what it is.
        input_shape: of one sample, where none is asked for.
        make: the layers for a number of classes; its other arguments are settings.
        head: the layer whose outputs are the classes, where published weights name it.
        names: the names of layers in published files, where they differ from torchvision's.
        timm: the settings of timm's network, where they differ from torchvision's.
        settings: those that were asked for.
        classes: how many; None for those of the weights, or 10.
        weights: a safetensors file with the names of torchvision or timm, or of `Network.save`.
        fresh_head: whether the head is left as it begins, for other classes than the file's.
        beyond_recipes: why no recipe trains it; empty where recipes do.
    """

    name: str
    summary: str
    input_shape: tuple[int, ...]
    make: Callable[..., list[Any]]
    head: str = ""
    names: tuple[tuple[str, str], ...] = ()
    timm: Mapping[str, Any] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)
    classes: int | None = None
    weights: str | None = None
    fresh_head: bool = False
    beyond_recipes: str = ""

    def __repr__(self) -> str:
        """The call that gives it, and what it is."""
        given = {"classes": self.classes, "weights": self.weights, **self.settings}
        told = "".join(f", {n}={value!r}" for n, value in given.items() if value is not None)
        told += ", fresh_head=True" if self.fresh_head else ""
        return f"<architecture({self.name!r}{told}): {self.summary}>"

    def network(
        self,
        input_shape: tuple[int, ...] | None = None,
        classes: int | None = None,
        seed: int = 0,
    ) -> Network:
        """The network, with fresh parameters or those of the file.

        Args:
            input_shape: of one sample; by default as the architecture has it.
            classes: instead of the architecture's own.
            seed: what fresh parameters are drawn from.

        Raises:
            FileError: the weights cannot be read or do not fit; all that does not is named.
            ShapeError: samples of this shape are too small for it.
        """
        wanted = classes or self.classes or self._classes_of_weights() or _FRESH
        network = Network(input_shape or self.input_shape, self.layers(wanted), seed=seed)
        self.fill(network)
        return network

    def layers(self, classes: int) -> list[Any]:
        """The layers for a number of classes, with the settings that the weights are made for.

        Raises:
            FileError: the weights cannot be read.
        """
        from_timm = self.timm and any(map(_is_of_timm, self._shapes_of_weights()))
        return self.make(classes, **{**(self.timm if from_timm else {}), **self.settings})

    def fill(self, network: Network) -> None:
        """Put the file's weights into a network of this architecture; without a file, nothing.

        Raises:
            FileError: they cannot be read, or do not fit.
        """
        if self.weights is None:
            return
        skip = [self.head] if self.fresh_head else []
        try:
            load_weights(network, self.weights, skip=skip, rename=self.our_name)
        except FileError as cause:
            other = f"{self.head}.weight has shape" in str(cause)
            hint = "; fresh_head=True leaves the head as it begins" if other else ""
            raise FileError(f"{self.name}: {cause}{hint}") from cause

    def having(self, **settings: Any) -> Architecture:
        """The same with other settings, such as the depth of a U-Net.

        Raises:
            ArgumentError: one out of its range.
            UnknownNameError: one that it has not.
        """
        for name in settings:
            if name not in self.setting_names:
                from ..checking.other_libraries import argument_for  # only where there is none

                if told := argument_for(name, ["architecture"]):
                    raise ArgumentError(f"{self.name} has no setting {name!r}: {told}")
                raise UnknownNameError(unknown(f"setting of {self.name}", name, self.setting_names))
        made = replace(self, settings={**self.settings, **settings})
        if settings:
            made.make(_FRESH, **made.settings)  # looks at their values
        return made

    @property
    def setting_names(self) -> tuple[str, ...]:
        """What settings it has."""
        arguments = signature(self.make).parameters.values()
        return tuple(p.name for p in arguments if p.kind is p.KEYWORD_ONLY)

    def made_for(self, weights: str | None) -> Architecture:
        """The same for a file's weights; where none are published for it, itself."""
        return replace(self, weights=weights) if self.head else self

    def our_name(self, name: str) -> str | None:
        """What an array of a published file is called here; None for what counts batches."""
        return rewritten(name, self.names)

    def _classes_of_weights(self) -> int | None:
        """How many classes the head of the file has."""
        if self.fresh_head:
            return None
        shapes = self._shapes_of_weights().items()
        heads = (s for name, s in shapes if self.our_name(name) == f"{self.head}.weight")
        return next((shape[0] for shape in heads if shape), None)

    def _shapes_of_weights(self) -> Mapping[str, tuple[int, ...]]:
        """The arrays of the file; without one, none."""
        return {} if self.weights is None else read_shapes(Path(self.weights))


def _is_of_timm(name: str) -> bool:
    """Whether an array's name is one that only timm's files have, of those that differ at all."""
    return name == "conv_stem.weight"


def network_from(data: Any) -> Network:
    """The network that an architecture in JSON describes, with fresh parameters.

    Args:
        data: what `Network.architecture` gives.

    Raises:
        ArgumentError: a key that is missing, unknown or of the wrong type; it is named.
        ShapeError: layers that do not fit.
    """
    network = Network(**arguments_from(data))
    if "frozen" in data:
        network.frozen = data["frozen"]
    return network


@call_example('gt.architecture("resnet18", classes=5, weights="resnet18.safetensors")')
def architecture(
    name: str,
    *,
    classes: int | None = None,
    weights: str | os.PathLike[str] | None = None,
    fresh_head: bool = False,
    **settings: Any,
) -> Architecture:
    """The architecture called `name`, as settings that `.network()` makes a network of.

    Args:
        name: such as "resnet18".
        classes: how many outputs; None for as many as the weights have, or 10.
        weights: a safetensors file such as torchvision's or timm's, read without PyTorch. Files of
            PyTorch's own kind are saved as safetensors first (`safetensors.torch.save_file`).
        fresh_head: whether the last layer is left as it begins, for other classes.
        **settings: of the architecture alone, such as `depth` and `width` of "unet".

    Raises:
        ArgumentError: a setting out of its range, or weights for an architecture without published
            ones.
        UnknownNameError: there is none, or it has no such setting; the message lists near names.

    Example:
        >>> net = architecture("resnet18", classes=5).network((3, 64, 64))
        >>> net.parameters["layer1_0_conv1.weight"].shape
        (64, 64, 3, 3)
    """
    if name not in ARCHITECTURES:
        raise UnknownNameError(unknown("architecture", name, ARCHITECTURES))
    if classes is not None:
        positive("architecture", classes=classes)
    flags("architecture", fresh_head=fresh_head)
    found = ARCHITECTURES[name].having(**settings)
    if weights is not None and not found.head:
        raise ArgumentError(
            f"architecture: {name} has no published weights; make its network, and "
            "gt.load_weights(network, path) reads a file into it"
        )
    file = None if weights is None else str(checked_path("architecture: weights", weights))
    return replace(found, classes=classes, weights=file, fresh_head=fresh_head)


_IMAGES = (3, 224, 224)

ARCHITECTURES: Mapping[str, Architecture] = {
    a.name: a
    for a in (
        Architecture("digits-cnn", "3 convolutions for 8 × 8 digits", (1, 8, 8), small.digits_cnn),
        Architecture(
            "images-cnn",
            "four convolutions with batch norm, for images from 8 × 8 on",
            (3, 64, 64),
            small.images_cnn,
        ),
        Architecture(
            "cnn-1d",
            "three convolutions along time, for sensor windows",
            (6, 128),
            small.cnn_1d,
            beyond_recipes="takes windows (channels, length), and recipes read images",
        ),
        Architecture("lenet5", "LeNet-5 with ReLU and max pooling", (1, 28, 28), small.lenet5),
        Architecture(
            "lenet-short",
            "LeNet with one hidden layer, to train quickly",
            (1, 28, 28),
            small.lenet_short,
        ),
        Architecture("mnist-cnn", "PyTorch's MNIST example", (1, 28, 28), small.mnist_cnn),
        Architecture("resnet20", "the CIFAR ResNet with 20 layers", (3, 32, 32), small.resnet20),
        Architecture(
            "vgg-small", "six 3 × 3 convolutions in VGG's manner", (3, 32, 32), small.vgg_small
        ),
        Architecture(
            "unet",
            "U-Net, a class for every position",
            (3, 256, 256),
            unet.unet,
            beyond_recipes="gives every position a class, and recipes have one for each image",
        ),
        Architecture("resnet18", "ResNet with 18 layers", _IMAGES, resnet.resnet18, "fc"),
        Architecture("resnet34", "ResNet with 34 layers", _IMAGES, resnet.resnet34, "fc"),
        Architecture("resnet50", "ResNet with 50 layers", _IMAGES, resnet.resnet50, "fc"),
        Architecture(
            "vgg16_bn",
            "VGG with 16 layers and batch norm",
            _IMAGES,
            vgg.vgg16_bn,
            "classifier_6",
            tuple(vgg.VGG_NAMES),
        ),
        Architecture(
            "densenet121",
            "DenseNet with 121 layers",
            _IMAGES,
            densenet.densenet121,
            "classifier",
            tuple(densenet.DENSENET_NAMES),
        ),
        Architecture(
            "squeezenet1_1",
            "SqueezeNet 1.1, small in weights",
            _IMAGES,
            squeezenet.squeezenet1_1,
            "classifier_1",
        ),
        Architecture(
            "mobilenet_v2",
            "MobileNetV2, small in work",
            _IMAGES,
            mobilenet.mobilenet_v2,
            "classifier_1",
            tuple(mobilenet.MOBILENET_NAMES),
        ),
        Architecture(
            "mobilenet_v3_small",
            "the small MobileNetV3, with gated channels",
            _IMAGES,
            mobilenet_v3.mobilenet_v3_small,
            "classifier_3",
            tuple(mobilenet_v3.MOBILENET_V3_NAMES),
            mobilenet_v3.MOBILENET_V3_OF_TIMM,
        ),
        Architecture(
            "efficientnet_b0",
            "EfficientNet-B0, with gated channels",
            _IMAGES,
            efficientnet.efficientnet_b0,
            "classifier_1",
            tuple(efficientnet.EFFICIENTNET_NAMES),
        ),
        Architecture(
            "convnext_tiny",
            "ConvNeXt-T, with layer norms",
            _IMAGES,
            convnext.convnext_tiny,
            "classifier_2",
            tuple(convnext.CONVNEXT_NAMES),
        ),
    )
}
"""The named architectures."""
