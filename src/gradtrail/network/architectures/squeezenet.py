"""SqueezeNet 1.1. Source: F. Iandola et al., "SqueezeNet" (2016), and its second release."""

from __future__ import annotations

from typing import Any

from ...layers import Concat, Conv2d, Dropout, GlobalAvgPool2d, MaxPool2d, ReLU

_START: dict[str, Any] = {"initialization": "he_uniform"}


def squeezenet1_1(classes: int, *, dropout: float = 0.5) -> list[Any]:
    """The layers of SqueezeNet 1.1.

    Args:
        classes: how many.
        dropout: before the last layer.
    """
    head = Conv2d(classes, 1, initialization="normal(0.01)", name="classifier_1")
    return [
        *(Conv2d(64, 3, stride=2, **_START, name="features_0"), ReLU(), _pool()),
        *(*_fire(3, 16, 64), *_fire(4, 16, 64), _pool()),
        *(*_fire(6, 32, 128), *_fire(7, 32, 128), _pool()),
        *(*_fire(9, 48, 192), *_fire(10, 48, 192)),
        *(*_fire(11, 64, 256), *_fire(12, 64, 256)),
        *(Dropout(dropout), head, ReLU(), GlobalAvgPool2d()),
    ]


def _pool() -> MaxPool2d:
    return MaxPool2d(3, stride=2, ceil_mode=True)


def _fire(number: int, few: int, many: int) -> list[Any]:
    """Few channels, and from these many by 1 × 1 and as many by 3 × 3."""
    at = f"features_{number}"
    return [
        *(Conv2d(few, 1, **_START, name=f"{at}_squeeze"), ReLU()),
        Concat(
            [Conv2d(many, 1, **_START, name=f"{at}_expand1x1"), ReLU()],
            [Conv2d(many, 3, padding=1, **_START, name=f"{at}_expand3x3"), ReLU()],
        ),
    ]
