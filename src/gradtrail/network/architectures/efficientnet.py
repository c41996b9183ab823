"""EfficientNet. Source: M. Tan and Q. Le, "EfficientNet" (2019), table 1."""

from __future__ import annotations

from math import sqrt
from typing import Any

from ...layers import Dropout, GlobalAvgPool2d, Linear, Sigmoid, SiLU
from .inverted import InvertedResidual, NormedConvolutions
from .public_names import Rewriting

_STAGES = (  # expansion, kernel, stride of the first, channels, blocks
    *((1, 3, 1, 16, 1), (6, 3, 2, 24, 2), (6, 5, 2, 40, 2), (6, 3, 2, 80, 3)),
    *((6, 5, 1, 112, 3), (6, 5, 2, 192, 4), (6, 3, 1, 320, 1)),
)


def efficientnet_b0(
    classes: int, *, dropout: float = 0.2, stochastic_depth: float = 0.2
) -> list[Any]:
    """The layers of EfficientNet-B0.

    Args:
        classes: how many.
        dropout: before the last layer.
        stochastic_depth: the probability that a sample goes around a block in training: 0 for the
            first, and in equal steps to this behind the last.
    """
    convolutions = NormedConvolutions()
    layers = convolutions.layers("features_0", 32, 3, SiLU(), stride=2)
    blocks = [block for stage in _blocks() for block in stage]
    for place, block in enumerate(blocks):
        layers += block.layers(convolutions, stochastic_depth * place / len(blocks))
    layers += convolutions.layers("features_8", 1280, 1, SiLU())
    start = f"uniform({1 / sqrt(classes):.6g})"
    head = Linear(classes, initialization=start, name="classifier_1")
    return [*layers, GlobalAvgPool2d(), Dropout(dropout), head]


def _blocks() -> list[list[InvertedResidual]]:
    """The blocks of each stage."""
    before = 32
    stages: list[list[InvertedResidual]] = []
    for stage, (expansion, size, first, width, count) in enumerate(_STAGES, 1):
        stages.append([])
        for place in range(count):
            gate = (before // 4, SiLU(), Sigmoid())
            stride = first if place == 0 else 1
            inside = (before, expansion * before, width, size, stride, SiLU(), gate)
            stages[-1].append(InvertedResidual(f"features_{stage}_{place}_block", *inside))
            before = width
    return stages


def _timm_names() -> Rewriting:
    """timm's names."""
    rules = [(r"conv_stem", "features.0.0"), (r"bn1", "features.0.1")]
    for stage, blocks in enumerate(_blocks()):
        for place, block in enumerate(blocks):
            rules += block.timm_names(rf"blocks\.{stage}\.{place}")
    rules += [(r"conv_head", "features.8.0"), (r"bn2", "features.8.1")]
    return (*rules, (r"classifier", "classifier.1"))


EFFICIENTNET_NAMES = _timm_names()
"""timm's names."""
