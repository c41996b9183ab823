"""The layers and losses, one small file per kind. See README.md."""

from __future__ import annotations

from collections.abc import Mapping

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

__all__ = [
    "AvgPool2d",
    "BatchNorm2d",
    "Buffer",
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
    "MeanSquaredError",
    "Normalize",
    "Parameter",
    "ReLU",
    "Residual",
    "Shape",
    "SiLU",
    "Sigmoid",
    "Tanh",
]

LATE: Mapping[str, str] = {}
"""Layers that most networks do not have, with the modules of this folder that they are in: those
are imported when they are first asked for."""

__getattr__, __dir__ = at_first_use(__name__, LATE)
