"""gradtrail: train convolutional networks on a CPU, and ask any gradient where it came from."""

from __future__ import annotations

from typing import TYPE_CHECKING

from . import data, equation
from .engines import CPU
from .errors import (
    ArgumentError,
    DataError,
    EquationError,
    FileError,
    GradientError,
    GradtrailError,
    GradtrailWarning,
    MissingPackageError,
    NonFiniteError,
    NoRoomError,
    ShapeError,
    UnknownNameError,
)
from .layers import (
    GELU,
    AvgPool2d,
    BatchNorm1d,
    BatchNorm2d,
    BatchNorm3d,
    Concat,
    Conv2d,
    CrossEntropy,
    Dropout,
    Flatten,
    GlobalAvgPool2d,
    Input,
    LeakyReLU,
    Linear,
    MaxPool2d,
    MeanSquaredError,
    ReLU,
    Residual,
    Sigmoid,
    SiLU,
    Tanh,
)
from .layers import LATE as _LATE_LAYERS
from .machine.first_use import at_first_use
from .network import Network
from .renamed import keep_old_modules, with_former_names
from .version import VERSION

if TYPE_CHECKING:
    from .data.augment import Augment
    from .engines import Reference
    from .interop import from_onnx, from_torch, to_onnx, to_torch
    from .layers import (
        CELU,
        ELU,
        SELU,
        AvgPool1d,
        AvgPool3d,
        ChannelShuffle,
        Conv1d,
        Conv3d,
        ConvTranspose1d,
        ConvTranspose2d,
        ConvTranspose3d,
        Dropout1d,
        Dropout2d,
        Dropout3d,
        Equation,
        GlobalAvgPool1d,
        GlobalAvgPool3d,
        GlobalMaxPool1d,
        GlobalMaxPool2d,
        GlobalMaxPool3d,
        GroupNorm,
        Hardshrink,
        Hardsigmoid,
        Hardswish,
        Hardtanh,
        InstanceNorm1d,
        InstanceNorm2d,
        InstanceNorm3d,
        LayerNorm,
        LogSigmoid,
        LogSoftmax,
        MatMul,
        MaxPool1d,
        MaxPool3d,
        Mean,
        Mish,
        Normalize,
        Pad,
        Permute,
        PixelShuffle,
        PixelUnshuffle,
        Pointwise,
        PReLU,
        ReLU6,
        Reshape,
        RMSNorm,
        Slice,
        Softmax,
        Softplus,
        Softshrink,
        Softsign,
        StochasticDepth,
        Tanhshrink,
        Threshold,
        add,
        concat,
        multiply,
    )
    from .network.architecture import architecture
    from .network.foreign_weights import load_weights
    from .network.saving import load
    from .optimizers import SGD, Adam, AdamW
    from .tracing.check import GradientReport, check_gradients
    from .tracing.influence import Influence, influence
    from .tracing.trace import Trace, trace
    from .training import (
        Checkpoints,
        Confusion,
        EarlyStopping,
        History,
        Watched,
        confusion,
        evaluate,
        load_watched,
        schedules,
        train,
    )

__version__ = VERSION

__all__ = [
    "Adam",
    "AdamW",
    "ArgumentError",
    "Augment",
    "AvgPool1d",
    "AvgPool2d",
    "AvgPool3d",
    "BatchNorm1d",
    "BatchNorm2d",
    "BatchNorm3d",
    "CELU",
    "CPU",
    "ChannelShuffle",
    "Checkpoints",
    "Concat",
    "Confusion",
    "Conv1d",
    "Conv2d",
    "Conv3d",
    "ConvTranspose1d",
    "ConvTranspose2d",
    "ConvTranspose3d",
    "CrossEntropy",
    "DataError",
    "Dropout",
    "Dropout1d",
    "Dropout2d",
    "Dropout3d",
    "ELU",
    "EarlyStopping",
    "Equation",
    "EquationError",
    "FileError",
    "Flatten",
    "GELU",
    "GlobalAvgPool1d",
    "GlobalAvgPool2d",
    "GlobalAvgPool3d",
    "GlobalMaxPool1d",
    "GlobalMaxPool2d",
    "GlobalMaxPool3d",
    "GradientError",
    "GradientReport",
    "GradtrailError",
    "GradtrailWarning",
    "GroupNorm",
    "Hardshrink",
    "Hardsigmoid",
    "Hardswish",
    "Hardtanh",
    "History",
    "Influence",
    "Input",
    "InstanceNorm1d",
    "InstanceNorm2d",
    "InstanceNorm3d",
    "LayerNorm",
    "LeakyReLU",
    "Linear",
    "LogSigmoid",
    "LogSoftmax",
    "MatMul",
    "MaxPool1d",
    "MaxPool2d",
    "MaxPool3d",
    "Mean",
    "MeanSquaredError",
    "Mish",
    "MissingPackageError",
    "Network",
    "NoRoomError",
    "NonFiniteError",
    "Normalize",
    "PReLU",
    "Pad",
    "Permute",
    "PixelShuffle",
    "PixelUnshuffle",
    "Pointwise",
    "RMSNorm",
    "ReLU",
    "ReLU6",
    "Reference",
    "Reshape",
    "Residual",
    "SELU",
    "SGD",
    "ShapeError",
    "SiLU",
    "Sigmoid",
    "Slice",
    "Softmax",
    "Softplus",
    "Softshrink",
    "Softsign",
    "StochasticDepth",
    "Tanh",
    "Tanhshrink",
    "Threshold",
    "Trace",
    "UnknownNameError",
    "Watched",
    "add",
    "architecture",
    "check_gradients",
    "concat",
    "confusion",
    "data",
    "equation",
    "evaluate",
    "from_onnx",
    "from_torch",
    "influence",
    "load",
    "load_watched",
    "load_weights",
    "multiply",
    "schedules",
    "to_onnx",
    "to_torch",
    "trace",
    "train",
]


def _instead(name: str) -> str:
    """What to write for a name that there is not, where that is known."""
    if name.startswith("_"):
        return ""
    from .checking.other_libraries import name_for

    instead = name_for(name, __all__)
    return f"; write {instead}" if instead else ""


_TRAINING = (
    *("Checkpoints", "Confusion", "EarlyStopping", "History", "Watched"),
    *("confusion", "evaluate", "load_watched", "schedules", "train"),
)

_find, __dir__ = at_first_use(
    __name__,
    {
        **dict.fromkeys(_LATE_LAYERS, "layers"),
        "Augment": "data.augment",
        "Reference": "engines",
        "architecture": "network.architecture",
        **dict.fromkeys(("SGD", "Adam", "AdamW"), "optimizers"),
        "load": "network.saving",
        "load_weights": "network.foreign_weights",
        **dict.fromkeys(("from_onnx", "from_torch", "to_onnx", "to_torch"), "interop"),
        **dict.fromkeys(("Trace", "trace"), "tracing.trace"),
        **dict.fromkeys(("GradientReport", "check_gradients"), "tracing.check"),
        **dict.fromkeys(("Influence", "influence"), "tracing.influence"),
        **dict.fromkeys(_TRAINING, "training"),
    },
    _instead,
)
__getattr__ = with_former_names(_find)

keep_old_modules()
