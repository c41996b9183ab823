"""ConvNeXt. Source: Z. Liu et al., "A ConvNet for the 2020s" (2022), table 9.

Its dense layers over channels are convolutions of 1 × 1 here, and its norms are over the channels
of each position, so that no axis has to move.
"""

from __future__ import annotations

from typing import Any

from ...layers import (
    GELU,
    Conv2d,
    Equation,
    GlobalAvgPool2d,
    LayerNorm,
    Linear,
    Residual,
    StochasticDepth,
)
from .public_names import Rewriting

_STAGES = ((96, 3), (192, 3), (384, 9), (768, 3))  # channels, blocks
_START = "normal(0.02)"


def convnext_tiny(classes: int, *, stochastic_depth: float = 0.1) -> list[Any]:
    """The layers of ConvNeXt-T.

    Args:
        classes: how many.
        stochastic_depth: the probability that a sample goes around the last block in training; from
            0 for the first it grows in equal steps.
    """
    step = stochastic_depth / (sum(count for _, count in _STAGES) - 1)
    layers: list[Any] = []
    before = 0
    for stage, (width, count) in enumerate(_STAGES):
        layers += _smaller(f"features_{2 * stage}", width, first=stage == 0)
        for place in range(count):
            layers.append(_block(f"features_{2 * stage + 1}_{place}", width, step * before))
            before += 1
    head = Linear(classes, initialization=_START, name="classifier_2")
    return [*layers, GlobalAvgPool2d(), _norm("classifier_0"), head]


def _smaller(at: str, width: int, *, first: bool) -> list[Any]:
    """A quarter of the image's sides at first, then half of the map's."""
    size = 4 if first else 2
    patches = Conv2d(width, size, stride=size, initialization=_START, name=f"{at}_{1 - first}")
    norm = _norm(f"{at}_{int(first)}")
    return [patches, norm] if first else [norm, patches]


def _block(at: str, width: int, dropped: float) -> Residual:
    """Each channel by itself in 7 × 7, and at each position many channels from all of them."""
    start: dict[str, Any] = {"initialization": _START}
    scale: dict[str, Any] = {"parameters": {"g": "constant(1e-06)"}, "name": f"{at}_layer_scale"}
    body = [
        Conv2d(width, 7, padding=3, groups=width, **start, name=f"{at}_block_0"),
        _norm(f"{at}_block_2"),
        *(Conv2d(4 * width, 1, **start, name=f"{at}_block_3"), GELU()),
        Conv2d(width, 1, **start, name=f"{at}_block_5"),
        Equation("Z[n,c,y,x] = g[c]·X[n,c,y,x]", **scale),
    ]
    return Residual([*body, *([StochasticDepth(dropped)] if dropped else [])])


def _norm(name: str) -> LayerNorm:
    return LayerNorm(axes=1, eps=1e-6, name=name)


def _names() -> Rewriting:
    """torchvision's name of the scale, and timm's names."""
    rules = [(r"(features\.\d\.\d\.layer_scale)", r"\1.g")]
    rules += [(r"stem\.0", "features.0.0"), (r"stem\.1", "features.0.1")]
    for stage in range(len(_STAGES)):
        theirs, ours = rf"stages\.{stage}\.blocks\.(\d)", rf"features.{2 * stage + 1}.\1"
        parts = {"conv_dw": 0, "norm": 2, r"mlp\.fc1": 3, r"mlp\.fc2": 5}
        rules += [(rf"{theirs}\.{part}", f"{ours}.block.{n}") for part, n in parts.items()]
        rules += [(rf"{theirs}\.gamma", f"{ours}.layer_scale.g")]
        rules += [(rf"stages\.{stage}\.downsample\.(\d)", rf"features.{2 * stage}.\1")]
    return (*rules, (r"head\.norm", "classifier.0"), (r"head\.fc", "classifier.2"))


CONVNEXT_NAMES = _names()
"""torchvision's where they are no layer's, and timm's."""
