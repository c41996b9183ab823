"""The layers and losses, one small file per kind. See README.md."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from ..machine.first_use import at_first_use
from .activations import GELU, LeakyReLU, ReLU, Sigmoid, SiLU, Tanh
from .branches import Concat, Residual
from .conv import Conv2d
from .cross_entropy import CrossEntropy
from .dropout import Dropout
from .flatten import Flatten
from .functional import Input
from .layer import Buffer, Declaration, Layer, Parameter, Shape
from .linear import Linear
from .loss_functions import Loss, MeanSquaredError
from .pooling import AvgPool2d, GlobalAvgPool2d, MaxPool2d

if TYPE_CHECKING:
    from .adaptive_pooling import (
        AdaptiveAvgPool1d,
        AdaptiveAvgPool2d,
        AdaptiveAvgPool3d,
        AdaptiveMaxPool1d,
        AdaptiveMaxPool2d,
        AdaptiveMaxPool3d,
    )
    from .batch_norm import BatchNorm1d, BatchNorm2d, BatchNorm3d
    from .channel_dropout import Dropout1d, Dropout2d, Dropout3d
    from .class_losses import BinaryDice, BinaryFocal, Dice, Focal
    from .conv_transpose import ConvTranspose2d
    from .element_losses import L1, BCEWithLogits, Huber, PointwiseLoss
    from .formula import Equation
    from .global_max_pooling import GlobalMaxPool1d, GlobalMaxPool2d, GlobalMaxPool3d
    from .instance_norm import InstanceNorm1d, InstanceNorm2d, InstanceNorm3d
    from .joins import add, concat, maximum, minimum, multiply
    from .local_response_norm import LocalResponseNorm
    from .matmul import MatMul
    from .normalize import Normalize
    from .padding import Pad
    from .piecewise_activations import (
        Hardshrink,
        Hardsigmoid,
        Hardswish,
        Hardtanh,
        ReLU6,
        Softshrink,
        Threshold,
    )
    from .pointwise import Pointwise
    from .prelu import PReLU
    from .rearranging import Permute, Reshape, Slice, split
    from .reductions import Max, Mean, Sum
    from .resampling import Upsample
    from .resizing import Resize
    from .sample_norms import GroupNorm, LayerNorm, RMSNorm
    from .selecting import IndexSelect
    from .sequences import AvgPool1d, Conv1d, ConvTranspose1d, GlobalAvgPool1d, MaxPool1d
    from .shuffles import ChannelShuffle, PixelShuffle, PixelUnshuffle
    from .smooth_activations import (
        CELU,
        ELU,
        SELU,
        LogSigmoid,
        Mish,
        Softplus,
        Softsign,
        Tanhshrink,
    )
    from .softmax import LogSoftmax, Softmax
    from .stochastic_depth import StochasticDepth
    from .volumes import AvgPool3d, Conv3d, ConvTranspose3d, GlobalAvgPool3d, MaxPool3d


__all__ = [
    "AdaptiveAvgPool1d",
    "AdaptiveAvgPool2d",
    "AdaptiveAvgPool3d",
    "AdaptiveMaxPool1d",
    "AdaptiveMaxPool2d",
    "AdaptiveMaxPool3d",
    "AvgPool1d",
    "AvgPool2d",
    "AvgPool3d",
    "BCEWithLogits",
    "BatchNorm1d",
    "BatchNorm2d",
    "BatchNorm3d",
    "BinaryDice",
    "BinaryFocal",
    "Buffer",
    "CELU",
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
    "Dice",
    "Dropout",
    "Dropout1d",
    "Dropout2d",
    "Dropout3d",
    "ELU",
    "Equation",
    "Flatten",
    "Focal",
    "GELU",
    "GlobalAvgPool1d",
    "GlobalAvgPool2d",
    "GlobalAvgPool3d",
    "GlobalMaxPool1d",
    "GlobalMaxPool2d",
    "GlobalMaxPool3d",
    "GroupNorm",
    "Hardshrink",
    "Hardsigmoid",
    "Hardswish",
    "Hardtanh",
    "Huber",
    "IndexSelect",
    "Input",
    "InstanceNorm1d",
    "InstanceNorm2d",
    "InstanceNorm3d",
    "L1",
    "Layer",
    "LayerNorm",
    "LeakyReLU",
    "Linear",
    "LocalResponseNorm",
    "LogSigmoid",
    "LogSoftmax",
    "Loss",
    "MatMul",
    "Max",
    "MaxPool1d",
    "MaxPool2d",
    "MaxPool3d",
    "Mean",
    "MeanSquaredError",
    "Mish",
    "Normalize",
    "PReLU",
    "Pad",
    "Parameter",
    "Permute",
    "PixelShuffle",
    "PixelUnshuffle",
    "Pointwise",
    "PointwiseLoss",
    "RMSNorm",
    "ReLU",
    "ReLU6",
    "Reshape",
    "Residual",
    "Resize",
    "SELU",
    "Shape",
    "SiLU",
    "Sigmoid",
    "Slice",
    "Softmax",
    "Softplus",
    "Softshrink",
    "Softsign",
    "StochasticDepth",
    "Sum",
    "Tanh",
    "Tanhshrink",
    "Threshold",
    "Upsample",
    "add",
    "concat",
    "maximum",
    "minimum",
    "multiply",
    "split",
]

LATE: Mapping[str, str] = {
    "AdaptiveAvgPool1d": "adaptive_pooling",
    "AdaptiveAvgPool2d": "adaptive_pooling",
    "AdaptiveAvgPool3d": "adaptive_pooling",
    "AdaptiveMaxPool1d": "adaptive_pooling",
    "AdaptiveMaxPool2d": "adaptive_pooling",
    "AdaptiveMaxPool3d": "adaptive_pooling",
    "AvgPool1d": "sequences",
    "AvgPool3d": "volumes",
    "BCEWithLogits": "element_losses",
    "BatchNorm1d": "batch_norm",
    "BatchNorm2d": "batch_norm",
    "BatchNorm3d": "batch_norm",
    "BinaryDice": "class_losses",
    "BinaryFocal": "class_losses",
    "CELU": "smooth_activations",
    "ChannelShuffle": "shuffles",
    "Conv1d": "sequences",
    "Conv3d": "volumes",
    "ConvTranspose1d": "sequences",
    "ConvTranspose2d": "conv_transpose",
    "ConvTranspose3d": "volumes",
    "Dice": "class_losses",
    "Dropout1d": "channel_dropout",
    "Dropout2d": "channel_dropout",
    "Dropout3d": "channel_dropout",
    "ELU": "smooth_activations",
    "Equation": "formula",
    "Focal": "class_losses",
    "GlobalAvgPool1d": "sequences",
    "GlobalAvgPool3d": "volumes",
    "GlobalMaxPool1d": "global_max_pooling",
    "GlobalMaxPool2d": "global_max_pooling",
    "GlobalMaxPool3d": "global_max_pooling",
    "GroupNorm": "sample_norms",
    "Hardshrink": "piecewise_activations",
    "Hardsigmoid": "piecewise_activations",
    "Hardswish": "piecewise_activations",
    "Hardtanh": "piecewise_activations",
    "Huber": "element_losses",
    "IndexSelect": "selecting",
    "InstanceNorm1d": "instance_norm",
    "InstanceNorm2d": "instance_norm",
    "InstanceNorm3d": "instance_norm",
    "L1": "element_losses",
    "LayerNorm": "sample_norms",
    "LocalResponseNorm": "local_response_norm",
    "LogSigmoid": "smooth_activations",
    "LogSoftmax": "softmax",
    "MatMul": "matmul",
    "Max": "reductions",
    "MaxPool1d": "sequences",
    "MaxPool3d": "volumes",
    "Mean": "reductions",
    "Mish": "smooth_activations",
    "Normalize": "normalize",
    "PReLU": "prelu",
    "Pad": "padding",
    "Permute": "rearranging",
    "PixelShuffle": "shuffles",
    "PixelUnshuffle": "shuffles",
    "Pointwise": "pointwise",
    "PointwiseLoss": "element_losses",
    "RMSNorm": "sample_norms",
    "ReLU6": "piecewise_activations",
    "Reshape": "rearranging",
    "Resize": "resizing",
    "SELU": "smooth_activations",
    "Slice": "rearranging",
    "Softmax": "softmax",
    "Softplus": "smooth_activations",
    "Softshrink": "piecewise_activations",
    "Softsign": "smooth_activations",
    "StochasticDepth": "stochastic_depth",
    "Sum": "reductions",
    "Tanhshrink": "smooth_activations",
    "Threshold": "piecewise_activations",
    "Upsample": "resampling",
    "add": "joins",
    "concat": "joins",
    "maximum": "joins",
    "minimum": "joins",
    "multiply": "joins",
    "split": "rearranging",
}
"""Layers that most networks do not have, with the modules of this folder that they are in: those
are imported when they are first asked for."""

__getattr__, __dir__ = at_first_use(__name__, LATE)
