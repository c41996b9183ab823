"""Winograd convolution of 3 × 3 with stride 1, in all three passes. See README.md beside it."""

from __future__ import annotations

from .blocking import STRIP, estimated_cycles
from .convolution import Convolution
from .gradient import WeightGradient
from .single_sample import SampleConvolution
from .tiles import Tiles, turned
from .weights import PackWeights, UnpackGradient

__all__ = [
    "Convolution",
    "PackWeights",
    "STRIP",
    "SampleConvolution",
    "Tiles",
    "UnpackGradient",
    "WeightGradient",
    "estimated_cycles",
    "turned",
]
