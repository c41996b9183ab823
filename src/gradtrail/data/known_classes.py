"""The names of the known sets' classes."""

from __future__ import annotations

from collections.abc import Mapping

from .cifar import CIFAR_CLASSES
from .sets import CIFAR

__all__ = ["CLASSES"]

CLASSES: Mapping[str, tuple[str, ...]] = {
    "digits": tuple("0123456789"),
    "mnist": tuple("0123456789"),
    "fashion-mnist": (
        *("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat"),
        *("Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"),
    ),
    CIFAR: CIFAR_CLASSES,
}
"""In the order of their labels."""
