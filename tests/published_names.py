"""Names of arrays as torchvision and timm publish them, written down without these packages.

`python -m benchmarks.zoo.published --tables` prints the counts and digests of the real ones, which
are of lines `NAME SIZE_OF_FIRST_AXIS NUMBER_OF_ELEMENTS`.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping
from itertools import product
from math import prod

_DEPTHWISE, _INVERTED = "{conv_dw,bn1,conv_pw,bn2}", "{conv_pw,bn1,conv_dw,bn2,conv_pwl,bn3}"
_GATE = "se.{conv_reduce,conv_expand}"
_GATED = _INVERTED.replace("}", ",se.conv_reduce,se.conv_expand}")
_NEXT = "{.gamma,conv_dw,norm,mlp.fc1,mlp.fc2}"

TIMM: Mapping[str, str] = {
    "vgg16_bn": "features.{0,1,3,4,7,8,10,11,14,15,17,18,20,21,24,25,27,28,30,31,34,35,37,38,40,41}"
    " pre_logits.{fc1,fc2} head.fc",
    "mobilenet_v2": f"conv_stem bn1 blocks.0.0.{_DEPTHWISE} blocks.1.{{0,1}}.{_INVERTED} "
    f"blocks.{{2,4,5}}.{{0,1,2}}.{_INVERTED} blocks.3.{{0,1,2,3}}.{_INVERTED} "
    f"blocks.6.0.{_INVERTED} conv_head bn2 classifier",
    "mobilenet_v3_small": f"conv_stem bn1 blocks.0.0.{_DEPTHWISE} blocks.0.0.{_GATE} "
    f"blocks.1.{{0,1}}.{_INVERTED} blocks.{{2,4}}.{{0,1,2}}.{_GATED} blocks.3.{{0,1}}.{_GATED} "
    "blocks.5.0.{conv,bn1} conv_head classifier",
    "efficientnet_b0": f"conv_stem bn1 blocks.0.0.{_DEPTHWISE} blocks.0.0.{_GATE} "
    f"blocks.{{1,2}}.{{0,1}}.{_GATED} blocks.{{3,4}}.{{0,1,2}}.{_GATED} "
    f"blocks.5.{{0,1,2,3}}.{_GATED} blocks.6.0.{_GATED} conv_head bn2 classifier",
    "convnext_tiny": "stem.{0,1} stages.{1,2,3}.downsample.{0,1} "
    f"stages.{{0,1,3}}.blocks.{{0,1,2}}.{_NEXT} stages.2.blocks.{{0,1,2,3,4,5,6,7,8}}.{_NEXT} "
    "head.{norm,fc}",
}
"""timm's layers, where it calls them otherwise than torchvision; an array behind two dots."""

DIGESTS: Mapping[str, tuple[int, str, str | None]] = {
    "resnet18": (102, "de512dde7803aa82", "de512dde7803aa82"),
    "resnet34": (182, "6bab13238105d6bf", "6bab13238105d6bf"),
    "resnet50": (267, "0ea416bf600a6e44", "0ea416bf600a6e44"),
    "vgg16_bn": (84, "7293450899fc633c", "398f1744b841c618"),
    "densenet121": (606, "43c9457c4b04e2d4", "43c9457c4b04e2d4"),
    "squeezenet1_1": (52, "674b5cd9417fd9f8", None),
    "mobilenet_v2": (262, "ea0ee26835a542d0", "6484dd8c9074f157"),
    "mobilenet_v3_small": (210, "6325e9030f20b3aa", "f0e8661bf51f8c72"),
    "efficientnet_b0": (311, "2eb029f1a96c9c28", "463e7c2fb336356f"),
    "convnext_tiny": (182, "8e97fd4830ae3c59", "c0bc578b0d867fb2"),
}
"""With 1000 classes: how many arrays, torchvision's digest, and timm's if it has the network."""


def torchvision_names(ours: Iterable[str]) -> list[str]:
    """torchvision's names of all arrays of a network."""
    names = []
    for name in ours:
        layer, _, array = name.removesuffix("_layer_scale.g").rpartition(".")
        scale = name.endswith("_layer_scale.g")
        dotted = (array if scale else layer).replace("_", ".")
        names.append(f"{dotted}.layer_scale" if scale else f"{dotted}.{array}")
    return names


def timm_names(name: str, ours: Iterable[str]) -> list[str]:
    """All names of arrays that layers of timm may have; those of torchvision where they agree."""
    if name not in TIMM:
        return torchvision_names(ours)
    arrays = ("weight", "bias", "running_mean", "running_var")
    layers = [layer for pattern in TIMM[name].split() for layer in _expanded(pattern)]
    single = [layer.replace("..", ".") for layer in layers if ".." in layer]
    return [f"{layer}.{a}" for layer in layers if ".." not in layer for a in arrays] + single


def _expanded(pattern: str) -> list[str]:
    parts = re.split(r"\{(.*?)\}", pattern)
    chosen = product(
        *(part.split(",") if place % 2 else [part] for place, part in enumerate(parts))
    )
    return ["".join(parts) for parts in chosen]


def digest(shapes: Mapping[str, tuple[int, ...]]) -> str:
    """A digest of names, first axes and sizes."""
    lines = sorted(f"{name} {shape[0]} {prod(shape)}" for name, shape in shapes.items())
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:16]
