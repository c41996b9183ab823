"""The layers and losses, one small file per kind. See README.md."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from ..machine.first_use import at_first_use
from .activations import GELU, LeakyReLU, ReLU, Sigmoid, SiLU, Tanh
from .batch_norm import BatchNorm2d
from .branches import Concat, Residual
from .conv import Conv2d
from .conv_transpose import ConvTranspose2d
from .dropout import Dropout
from .flatten import Flatten
from .layer import Buffer, Declaration, Layer, Parameter, Shape
from .linear import Linear
from .loss_functions import CrossEntropy, Loss, MeanSquaredError
from .normalize import Normalize
from .pooling import AvgPool2d, GlobalAvgPool2d, MaxPool2d

if TYPE_CHECKING:
    from .padding import Pad
    from .rearranging import Permute, Reshape, Slice
    from .reductions import Mean
    from .shuffles import ChannelShuffle, PixelShuffle, PixelUnshuffle

__all__ = [
    "AvgPool2d",
    "BatchNorm2d",
    "Buffer",
    "ChannelShuffle",
    "Concat",
    "Conv2d",
    "ConvTranspose2d",
    "CrossEntropy",
    "Declaration",
    "Dropout",
    "Flatten",
    "GELU",
    "GlobalAvgPool2d",
    "Layer",
    "LeakyReLU",
    "Linear",
    "Loss",
    "MaxPool2d",
    "Mean",
    "MeanSquaredError",
    "Normalize",
    "Pad",
    "Parameter",
    "Permute",
    "PixelShuffle",
    "PixelUnshuffle",
    "ReLU",
    "Reshape",
    "Residual",
    "Shape",
    "SiLU",
    "Sigmoid",
    "Slice",
    "Tanh",
]

LATE: Mapping[str, str] = {
    "ChannelShuffle": "shuffles",
    "Mean": "reductions",
    "Pad": "padding",
    "Permute": "rearranging",
    "PixelShuffle": "shuffles",
    "PixelUnshuffle": "shuffles",
    "Reshape": "rearranging",
    "Slice": "rearranging",
}
"""Layers that most networks do not have, with the modules of this folder that they are in: those
are imported when they are first asked for."""

__getattr__, __dir__ = at_first_use(__name__, LATE)
