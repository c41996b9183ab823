"""MobileNetV3. Source: A. Howard et al., "Searching for MobileNetV3" (2019), table 2."""

from __future__ import annotations

from typing import Any

from ...layers import Dropout, GlobalAvgPool2d, Hardsigmoid, Hardswish, Linear, ReLU
from .inverted import InvertedResidual, NormedConvolutions
from .public_names import Rewriting

_RE, _HS = ReLU(), Hardswish()

_STAGES = (  # of blocks: kernel, channels inside, channels out, gate, activation, stride
    ((3, 16, 16, True, _RE, 2),),
    ((3, 72, 24, False, _RE, 2), (3, 88, 24, False, _RE, 1)),
    ((5, 96, 40, True, _HS, 2), (5, 240, 40, True, _HS, 1), (5, 240, 40, True, _HS, 1)),
    ((5, 120, 48, True, _HS, 1), (5, 144, 48, True, _HS, 1)),
    ((5, 288, 96, True, _HS, 2), (5, 576, 96, True, _HS, 1), (5, 576, 96, True, _HS, 1)),
)


def mobilenet_v3_small(
    classes: int, *, dropout: float = 0.2, eps: float = 1e-3, momentum: float = 0.01
) -> list[Any]:
    """The layers of the small MobileNetV3.

    Args:
        classes: how many.
        dropout: before the last layer.
        eps: of the batch norms.
        momentum: of their running statistics.
    """
    convolutions = NormedConvolutions(eps, momentum)
    layers = convolutions.layers("features_0", 16, 3, Hardswish(), stride=2)
    for stage in _blocks():
        for block in stage:
            layers += block.layers(convolutions)
    layers += convolutions.layers("features_12", 576, 1, Hardswish())
    hidden = Linear(1024, initialization="normal(0.01)", name="classifier_0")
    layers += [GlobalAvgPool2d(), hidden, Hardswish(), Dropout(dropout)]
    return [*layers, Linear(classes, initialization="normal(0.01)", name="classifier_3")]


def _blocks() -> list[list[InvertedResidual]]:
    """The blocks of each stage."""
    before, number = 16, 0
    stages: list[list[InvertedResidual]] = []
    for stage in _STAGES:
        stages.append([])
        for size, many, width, gated, activation, stride in stage:
            number += 1
            gate = (_multiple_of_8(many / 4), ReLU(), Hardsigmoid()) if gated else None
            inside = (before, many, width, size, stride, activation, gate)
            stages[-1].append(InvertedResidual(f"features_{number}_block", *inside))
            before = width
    return stages


def _multiple_of_8(channels: float) -> int:
    """The nearest multiple of 8 that takes no more than a tenth away."""
    near = max(8, int(channels + 4) // 8 * 8)
    return near + 8 if near < 0.9 * channels else near


def _timm_names() -> Rewriting:
    """timm's names, which count stages and blocks."""
    rules = [(r"conv_stem", "features.0.0"), (r"bn1", "features.0.1")]
    for stage, blocks in enumerate(_blocks()):
        for place, block in enumerate(blocks):
            rules += block.timm_names(rf"blocks\.{stage}\.{place}")
    rules += [(r"blocks\.5\.0\.conv", "features.12.0"), (r"blocks\.5\.0\.bn1", "features.12.1")]
    return (*rules, (r"conv_head", "classifier.0"), (r"classifier", "classifier.3"))


MOBILENET_V3_NAMES = _timm_names()
"""timm's names."""

MOBILENET_V3_OF_TIMM = {"eps": 1e-5, "momentum": 0.1}
"""The settings of timm's network, whose weights are made for these."""
