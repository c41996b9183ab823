"""MobileNetV2. Source: M. Sandler et al., "MobileNetV2" (2018), table 2."""

from __future__ import annotations

from typing import Any

from ...layers import BatchNorm2d, Conv2d, Dropout, GlobalAvgPool2d, Linear, ReLU6, Residual
from .public_names import Rewriting
from .starting_values import he_by_outputs

_STAGES = (  # expansion, channels, blocks, stride of the first
    *((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2)),
    *((6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1)),
)


def mobilenet_v2(classes: int, *, dropout: float = 0.2) -> list[Any]:
    """The layers of MobileNetV2.

    Args:
        classes: how many.
        dropout: before the last layer.
    """
    layers = _convolution("features_0_0", "features_0_1", 32, 3, stride=2)
    before, number = 32, 1
    for expansion, width, count, first in _STAGES:
        for place in range(count):
            stride = first if place == 0 else 1
            body = _inverted(f"features_{number}_conv", before, expansion, width, stride)
            layers += [Residual(body)] if stride == 1 and before == width else body
            before, number = width, number + 1
    layers += _convolution("features_18_0", "features_18_1", 1280, 1)
    head = Linear(classes, initialization="normal(0.01)", name="classifier_1")
    return [*layers, GlobalAvgPool2d(), Dropout(dropout), head]


def _convolution(
    conv: str, norm: str, width: int, size: int, *, stride: int = 1, groups: int = 1
) -> list[Any]:
    """A convolution of these names with batch norm and ReLU6."""
    settings: dict[str, Any] = {"stride": stride, "padding": size // 2, "groups": groups}
    start = he_by_outputs(width, size)
    made = Conv2d(width, size, **settings, bias=False, initialization=start, name=conv)
    return [made, BatchNorm2d(name=norm), ReLU6()]


def _inverted(at: str, before: int, expansion: int, width: int, stride: int) -> list[Any]:
    """Many channels from few, each by itself in 3 × 3, and few of them again."""
    many = before * expansion
    layers: list[Any] = []
    if expansion > 1:
        layers += _convolution(f"{at}_0_0", f"{at}_0_1", many, 1)
    end = 1 if expansion == 1 else 2
    deep = f"{at}_{end - 1}"
    layers += _convolution(f"{deep}_0", f"{deep}_1", many, 3, stride=stride, groups=many)
    start = he_by_outputs(width, 1)
    last = Conv2d(width, 1, bias=False, initialization=start, name=f"{at}_{end}")
    return [*layers, last, BatchNorm2d(name=f"{at}_{end + 1}")]


def _timm_names() -> Rewriting:
    """timm's names, which count stages and blocks."""
    rules = [(r"conv_stem", "features.0.0"), (r"bn1", "features.0.1")]
    number = 1
    for stage, (expansion, _, count, _) in enumerate(_STAGES):
        parts = ("conv_dw", "bn1", "conv_pw", "bn2") if expansion == 1 else _PARTS
        ours = ("0.0", "0.1", "1", "2") if expansion == 1 else _OURS
        for place in range(count):
            rules += [
                (rf"blocks\.{stage}\.{place}\.{part}", f"features.{number}.conv.{mine}")
                for part, mine in zip(parts, ours, strict=True)
            ]
            number += 1
    end = [(r"conv_head", "features.18.0"), (r"bn2", "features.18.1")]
    return (*rules, *end, (r"classifier", "classifier.1"))


_PARTS = ("conv_pw", "bn1", "conv_dw", "bn2", "conv_pwl", "bn3")
_OURS = ("0.0", "0.1", "1.0", "1.1", "2", "3")

MOBILENET_NAMES = _timm_names()
"""timm's names."""
