"""ONNX's operators for norms."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..reading.building import Builder
from ..reading.refusals import Refusal
from ..reading.values import Weights
from .onnx_sizes import Converter
from .onnx_view import View


def _batch_normalization(b: Builder, n: View) -> Any:
    """A batch norm; of one in training the running statistics are where training goes on."""
    n.flag("training_mode", False)
    n.flag("is_test", False)  # until version 7
    if not n.flag("spatial", True):
        raise Refusal(
            "has statistics of its own for each position (spatial=0); the layers here have one "
            "for each channel"
        )
    names = ("weight", "bias", "running_mean", "running_var")
    weights = {name: n.weights(place) for place, name in enumerate(names, 1)}
    scale, shift = (weights[name].values for name in ("weight", "bias"))
    if n.is_computed(1) and n.is_computed(2) and (scale == 1).all() and not shift.any():
        del weights["weight"], weights["bias"]  # how exporters write a norm without them
    kept = n.number("momentum", 0.9)
    if not 0 <= kept <= 1:
        raise Refusal(f"keeps {kept:g} of its running statistics (momentum), not from 0 to 1")
    momentum = round(1 - kept, 7)
    return b.norm(n.value(0), weights, eps=n.number("epsilon", 1e-5), momentum=momentum)


def _arrays(n: View, *names: str) -> dict[str, Weights]:
    """A norm's arrays, from the second input on, those that are there."""
    found = {}
    for place, name in enumerate(names, 1):
        if n.optional(place) is not None:
            found[name] = n.weights(place)
    return found


def _instance_norm(b: Builder, n: View) -> Any:
    return b.instance_norm(n.value(0), _arrays(n, "weight", "bias"), eps=n.number("epsilon", 1e-5))


def _group_norm(b: Builder, n: View) -> Any:
    groups = n.whole_number("num_groups", None, least=1)
    n.whole_number("stash_type", 1, least=0)
    if n.opset < 21:
        raise Refusal("has a scale for each group (before version 21), where layers have channels'")
    weights = _arrays(n, "weight", "bias")
    return b.group_norm(n.value(0), groups, weights, eps=n.number("epsilon", 1e-5))


def _layer_norm(b: Builder, n: View) -> Any:
    n.whole_number("stash_type", 1, least=0)
    first = n.whole_number("axis", -1, least=None)
    x = n.value(0)
    axes = range(n.axis(first, b.shape(x)), len(b.shape(x)) + 1)
    weights = _arrays(n, "weight", "bias")
    return b.layer_norm(x, list(axes), weights, eps=n.number("epsilon", 1e-5))


def _rms_norm(b: Builder, n: View) -> Any:
    n.whole_number("stash_type", 1, least=0)
    x, first = n.value(0), n.whole_number("axis", -1, least=None)
    axes = range(n.axis(first, b.shape(x)), len(b.shape(x)) + 1)
    return b.rms_norm(x, list(axes), _arrays(n, "weight"), eps=n.number("epsilon", 1e-5))


def _local_response_norm(b: Builder, n: View) -> Any:
    return b.local_response_norm(
        n.value(0),
        n.whole_number("size", None, least=1),
        alpha=n.number("alpha", 1e-4),
        beta=n.number("beta", 0.75),
        k=n.number("bias", 1.0),
    )


NORMS: Mapping[str, Converter] = {
    "BatchNormalization": _batch_normalization,
    "GroupNormalization": _group_norm,
    "InstanceNormalization": _instance_norm,
    "LRN": _local_response_norm,
    "LayerNormalization": _layer_norm,
    "RMSNormalization": _rms_norm,
}
"""By name."""
