"""How published architectures start, as their first implementations have it."""

from __future__ import annotations

from math import sqrt


def he_by_outputs(width: int, size: int) -> str:
    """He's normal distribution with the fan of the outputs, as an initialization.

    The fan is that of a whole convolution, in groups too, as torchvision counts it.

    Args:
        width: channels that the convolution gives.
        size: of its kernel.
    """
    return f"normal({sqrt(2 / (width * size**2)):.6g})"


def uniform_by_inputs(features: int) -> str:
    """What PyTorch's dense layers start with, as an initialization.

    Args:
        features: what the layer reads.
    """
    return f"uniform({1 / sqrt(features):.6g})"
