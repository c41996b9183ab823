"""Names of arrays in published files of weights → names of arrays here."""

from __future__ import annotations

import re
from collections.abc import Sequence

Rewriting = Sequence[tuple[str, str]]
"""Patterns for the whole of a layer's name with dots, or an array's, each with what it becomes."""


def rewritten(name: str, rules: Rewriting) -> str | None:
    """A published name here; None for what counts batches, which is never read.

    `layer1.0.conv1.weight` is `layer1_0_conv1.weight`.

    Args:
        name: an array's.
        rules: for layers that a library, or an older file, calls otherwise than torchvision.
    """
    layer, _, array = name.rpartition(".")
    if array == "num_batches_tracked":
        return None
    for pattern, replacement in rules:
        if re.fullmatch(pattern, name):
            layer, _, array = re.sub(pattern, replacement, name).rpartition(".")
            break
        if re.fullmatch(pattern, layer):
            layer = re.sub(pattern, replacement, layer)
            break
    return f"{layer.replace('.', '_')}.{array}"
