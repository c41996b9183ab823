"""PyTorch's losses, as modules and functions, as losses here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from ... import layers as available
from ...errors import ArgumentError
from ...layers import CrossEntropy, Loss, MeanSquaredError

_IGNORED = -100  # what PyTorch ignores where it is told nothing else


def _classes(given: Any, y: Any) -> Loss:
    ignored = int(getattr(given, "ignore_index", _IGNORED))
    told = ignored != _IGNORED or bool((np.asarray(y) == ignored).any())
    return CrossEntropy(
        label_smoothing=float(getattr(given, "label_smoothing", 0.0)),
        weight=_numbers(given, "weight"),
        ignore_index=ignored if told else None,
    )


def _squares(given: Any, y: Any) -> Loss:
    return MeanSquaredError()


def _differences(given: Any, y: Any) -> Loss:
    return available.L1()


def _huber(given: Any, y: Any) -> Loss:
    return available.Huber(float(getattr(given, "delta", 1.0)))


def _smooth(given: Any, y: Any) -> Loss:
    if (beta := getattr(given, "beta", 1.0)) != 1:
        raise ArgumentError(
            f"SmoothL1Loss with beta={beta} is no loss here; HuberLoss({beta}) is, and {beta:g} "
            "times as large"
        )
    return available.Huber(1.0)


def _tags(given: Any, y: Any) -> Loss:
    weights = {name: _numbers(given, name) for name in ("pos_weight", "weight")}
    return available.BCEWithLogits(**weights)


def _numbers(given: Any, name: str) -> tuple[float, ...] | None:
    """Weights as numbers, where there are some.

    Raises:
        ArgumentError: they are more than one for each class.
    """
    held = getattr(given, name, None)
    if held is not None and held.ndim > 1:
        raise ArgumentError(
            f"{type(given).__name__}: {name} is one number for each class here, and that of shape "
            f"{tuple(held.shape)} is not"
        )
    return None if held is None else tuple(held.detach().cpu().double().reshape(-1).tolist())


LOGARITHMS = ("NLLLoss", "nll_loss")
"""Those that take logarithms of probabilities."""

LOSSES: Mapping[str, Callable[[Any, Any], Loss]] = {
    **dict.fromkeys(("CrossEntropyLoss", "cross_entropy", *LOGARITHMS), _classes),
    **dict.fromkeys(("MSELoss", "mse_loss"), _squares),
    **dict.fromkeys(("L1Loss", "l1_loss"), _differences),
    **dict.fromkeys(("HuberLoss", "huber_loss"), _huber),
    **dict.fromkeys(("SmoothL1Loss", "smooth_l1_loss"), _smooth),
    **dict.fromkeys(("BCEWithLogitsLoss", "binary_cross_entropy_with_logits"), _tags),
}
"""By the name of the class or function, from the loss and the labels."""


def name_of_loss(given: Any) -> str:
    """What PyTorch calls a loss of its own; empty of anything else."""
    named = given if hasattr(given, "__name__") else type(given)
    inside = str(getattr(named, "__module__", "")).startswith("torch.")
    return str(named.__name__) if inside else ""


def loss_of_torch(given: Any, y: Any) -> Loss:
    """PyTorch's loss as one here, with its settings.

    Args:
        given: such as `nn.CrossEntropyLoss(weight=…)` or `F.cross_entropy`.
        y: the labels: only where one is to be ignored does that count.

    Raises:
        ArgumentError: it is none of those that are known, or adds up instead of taking the mean.
    """
    name = name_of_loss(given)
    if name not in LOSSES or isinstance(given, type):
        known = ", ".join(sorted(known for known in LOSSES if known.endswith("Loss")))
        raise ArgumentError(
            f"loss must be one such as gt.CrossEntropy(), or one of PyTorch's {known}, as an "
            f"object; got {name or given!r}"
        )
    if (reduction := getattr(given, "reduction", "mean")) != "mean":
        raise ArgumentError(f"{name} has reduction={reduction!r}, while a loss here is the mean")
    return LOSSES[name](given, y)
