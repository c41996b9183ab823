"""gradtrail: train convolutional networks on a CPU, and ask any gradient where it came from."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from . import data, equation
from .checking.calls import read_models_by
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
    from .exploring.explorer import explore
    from .interop import from_onnx, from_torch, to_onnx, to_torch
    from .layers import (
        CELU,
        ELU,
        L1,
        SELU,
        AdaptiveAvgPool1d,
        AdaptiveAvgPool2d,
        AdaptiveAvgPool3d,
        AdaptiveMaxPool1d,
        AdaptiveMaxPool2d,
        AdaptiveMaxPool3d,
        AvgPool1d,
        AvgPool3d,
        BatchNorm1d,
        BatchNorm2d,
        BatchNorm3d,
        BCEWithLogits,
        BinaryDice,
        BinaryFocal,
        ChannelShuffle,
        Conv1d,
        Conv3d,
        ConvTranspose1d,
        ConvTranspose2d,
        ConvTranspose3d,
        Dice,
        Dropout1d,
        Dropout2d,
        Dropout3d,
        Equation,
        Focal,
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
        Huber,
        IndexSelect,
        InstanceNorm1d,
        InstanceNorm2d,
        InstanceNorm3d,
        LayerNorm,
        LocalResponseNorm,
        LogSigmoid,
        LogSoftmax,
        MatMul,
        Max,
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
        PointwiseLoss,
        PReLU,
        ReLU6,
        Reshape,
        Resize,
        RMSNorm,
        Slice,
        Softmax,
        Softplus,
        Softshrink,
        Softsign,
        StochasticDepth,
        Sum,
        Tanhshrink,
        Threshold,
        Upsample,
        add,
        concat,
        multiply,
        split,
    )
    from .network.architecture import architecture
    from .network.foreign_weights import load_weights
    from .network.saving import load
    from .optimizers import SGD, Adagrad, Adam, AdamW, Lion, NAdam, RAdam, RMSprop
    from .tracing.check import GradientReport, check_gradients
    from .tracing.influence import Influence, influence
    from .tracing.trace import Trace, trace
    from .training import (
        Checkpoints,
        Confusion,
        EarlyStopping,
        History,
        TagScores,
        Watched,
        confusion,
        evaluate,
        load_watched,
        lr_range_test,
        schedules,
        tag_scores,
        train,
    )

__version__ = VERSION

__all__ = [
    "Adagrad",
    "Adam",
    "AdamW",
    "AdaptiveAvgPool1d",
    "AdaptiveAvgPool2d",
    "AdaptiveAvgPool3d",
    "AdaptiveMaxPool1d",
    "AdaptiveMaxPool2d",
    "AdaptiveMaxPool3d",
    "ArgumentError",
    "Augment",
    "AvgPool1d",
    "AvgPool2d",
    "AvgPool3d",
    "BCEWithLogits",
    "BatchNorm1d",
    "BatchNorm2d",
    "BatchNorm3d",
    "BinaryDice",
    "BinaryFocal",
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
    "Dice",
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
    "Focal",
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
    "Huber",
    "IndexSelect",
    "Influence",
    "Input",
    "InstanceNorm1d",
    "InstanceNorm2d",
    "InstanceNorm3d",
    "L1",
    "LayerNorm",
    "LeakyReLU",
    "Linear",
    "Lion",
    "LocalResponseNorm",
    "LogSigmoid",
    "LogSoftmax",
    "MatMul",
    "Max",
    "MaxPool1d",
    "MaxPool2d",
    "MaxPool3d",
    "Mean",
    "MeanSquaredError",
    "Mish",
    "MissingPackageError",
    "NAdam",
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
    "PointwiseLoss",
    "RAdam",
    "RMSNorm",
    "RMSprop",
    "ReLU",
    "ReLU6",
    "Reference",
    "Reshape",
    "Residual",
    "Resize",
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
    "Sum",
    "TagScores",
    "Tanh",
    "Tanhshrink",
    "Threshold",
    "Trace",
    "UnknownNameError",
    "Upsample",
    "Watched",
    "add",
    "architecture",
    "check_gradients",
    "concat",
    "confusion",
    "data",
    "equation",
    "evaluate",
    "explore",
    "from_onnx",
    "from_torch",
    "influence",
    "load",
    "load_watched",
    "load_weights",
    "lr_range_test",
    "multiply",
    "schedules",
    "split",
    "tag_scores",
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
    *("Checkpoints", "Confusion", "EarlyStopping", "History", "TagScores", "Watched"),
    *("confusion", "evaluate", "load_watched", "lr_range_test", "schedules"),
    *("tag_scores", "train"),
)

_find, __dir__ = at_first_use(
    __name__,
    {
        **dict.fromkeys(_LATE_LAYERS, "layers"),
        "Augment": "data.augment",
        "Reference": "engines",
        "architecture": "network.architecture",
        "explore": "exploring.explorer",
        **dict.fromkeys(
            ("Adagrad", "Adam", "AdamW", "Lion", "NAdam", "RAdam", "RMSprop", "SGD"), "optimizers"
        ),
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


def _read_model(name: str, model: Any, given: Mapping[str, Any]) -> Mapping[str, Any]:
    """What a question about a PyTorch module becomes; see `checking.calls.read_models_by`."""
    from .interop.torch_questions import asked_of_network

    return asked_of_network(name, model, given)


read_models_by(_read_model)
keep_old_modules()
