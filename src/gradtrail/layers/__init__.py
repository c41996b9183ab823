"""The layers and losses, one small file per kind. See README.md."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from ..machine.first_use import at_first_use
from .activations import GELU, LeakyReLU, ReLU, Sigmoid, SiLU, Tanh
from .batch_norm import BatchNorm2d
from .branches import Concat, Residual
from .conv import Conv2d
from .dropout import Dropout
from .flatten import Flatten
from .functional import Input
from .layer import Buffer, Declaration, Layer, Parameter, Shape
from .linear import Linear
from .loss_functions import CrossEntropy, Loss, MeanSquaredError
from .pooling import AvgPool2d, GlobalAvgPool2d, MaxPool2d

if TYPE_CHECKING:
    from .channel_dropout import Dropout1d, Dropout2d, Dropout3d
    from .conv_transpose import ConvTranspose2d
    from .global_max_pooling import GlobalMaxPool1d, GlobalMaxPool2d, GlobalMaxPool3d
    from .joins import add, concat, multiply
    from .normalize import Normalize
    from .padding import Pad
    from .rearranging import Permute, Reshape, Slice
    from .reductions import Mean
    from .sequences import AvgPool1d, Conv1d, ConvTranspose1d, GlobalAvgPool1d, MaxPool1d
    from .shuffles import ChannelShuffle, PixelShuffle, PixelUnshuffle
    from .stochastic_depth import StochasticDepth
    from .volumes import AvgPool3d, Conv3d, ConvTranspose3d, GlobalAvgPool3d, MaxPool3d

__all__ = [
    "AvgPool1d",
    "AvgPool2d",
    "AvgPool3d",
    "BatchNorm2d",
    "Buffer",
    "ChannelShuffle",
    "Concat",
    "Conv1d",
    "Conv2d",
    "Conv3d",
    "ConvTranspose1d",
    "ConvTranspose2d",
    "ConvTranspose3d",
    "CrossEntropy",
    "Declaration",
    "Dropout",
    "Dropout1d",
    "Dropout2d",
    "Dropout3d",
    "Flatten",
    "GELU",
    "GlobalAvgPool1d",
    "GlobalAvgPool2d",
    "GlobalAvgPool3d",
    "GlobalMaxPool1d",
    "GlobalMaxPool2d",
    "GlobalMaxPool3d",
    "Input",
    "Layer",
    "LeakyReLU",
    "Linear",
    "Loss",
    "MaxPool1d",
    "MaxPool2d",
    "MaxPool3d",
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
    "StochasticDepth",
    "Tanh",
    "add",
    "concat",
    "multiply",
]

LATE: Mapping[str, str] = {
    "AvgPool1d": "sequences",
    "AvgPool3d": "volumes",
    "ChannelShuffle": "shuffles",
    "Conv1d": "sequences",
    "Conv3d": "volumes",
    "ConvTranspose1d": "sequences",
    "ConvTranspose3d": "volumes",
    "Dropout1d": "channel_dropout",
    "Dropout2d": "channel_dropout",
    "Dropout3d": "channel_dropout",
    "GlobalAvgPool1d": "sequences",
    "GlobalAvgPool3d": "volumes",
    "GlobalMaxPool1d": "global_max_pooling",
    "GlobalMaxPool2d": "global_max_pooling",
    "GlobalMaxPool3d": "global_max_pooling",
    "MaxPool1d": "sequences",
    "MaxPool3d": "volumes",
    "Mean": "reductions",
    "Pad": "padding",
    "Permute": "rearranging",
    "PixelShuffle": "shuffles",
    "PixelUnshuffle": "shuffles",
    "Reshape": "rearranging",
    "Slice": "rearranging",
    "StochasticDepth": "stochastic_depth",
    "ConvTranspose2d": "conv_transpose",
    "Normalize": "normalize",
    **dict.fromkeys(("add", "concat", "multiply"), "joins"),
}
"""Layers that most networks do not have, with the modules of this folder that they are in: those
are imported when they are first asked for."""

__getattr__, __dir__ = at_first_use(__name__, LATE)
