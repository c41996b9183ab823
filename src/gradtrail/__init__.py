"""gradtrail: train convolutional networks on a CPU, and ask any gradient where it came from."""

from . import data, equation
from .architecture import architecture
from .engines import CPU, Reference
from .errors import (
    ArgumentError,
    DataError,
    EquationError,
    FileError,
    GradientError,
    GradtrailError,
    NonFiniteError,
    ShapeError,
    UnknownNameError,
)
from .files import load
from .layers import (
    GELU,
    AvgPool2d,
    BatchNorm2d,
    Concat,
    Conv2d,
    ConvTranspose2d,
    CrossEntropy,
    Dropout,
    Flatten,
    GlobalAvgPool2d,
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
from .network import Network
from .trace import GradientReport, Trace, check_gradients, trace
from .train import SGD, Adam, AdamW, Cosine, History, OneCycle, evaluate, train

__version__ = "0.1.0"

__all__ = [
    "Adam",
    "AdamW",
    "ArgumentError",
    "AvgPool2d",
    "BatchNorm2d",
    "CPU",
    "Concat",
    "Conv2d",
    "ConvTranspose2d",
    "Cosine",
    "CrossEntropy",
    "DataError",
    "Dropout",
    "EquationError",
    "FileError",
    "Flatten",
    "GELU",
    "GlobalAvgPool2d",
    "GradientError",
    "GradientReport",
    "GradtrailError",
    "History",
    "LeakyReLU",
    "Linear",
    "MaxPool2d",
    "MeanSquaredError",
    "Network",
    "NonFiniteError",
    "OneCycle",
    "ReLU",
    "Reference",
    "Residual",
    "SGD",
    "ShapeError",
    "SiLU",
    "Sigmoid",
    "Tanh",
    "Trace",
    "UnknownNameError",
    "architecture",
    "check_gradients",
    "data",
    "equation",
    "evaluate",
    "load",
    "trace",
    "train",
]
