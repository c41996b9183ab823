"""Arithmetic with a parameter, as a layer that is a formula."""

from __future__ import annotations

from collections.abc import Sequence

from ...layers.formula import EquationLayer
from ...layers.layer import elementwise

SIGNS = {"add": " + ", "sub": " − ", "mul": "·"}
"""What such arithmetic is written with."""


def trained_formula(
    name: str, sizes: Sequence[int], path: str, first: bool
) -> tuple[EquationLayer, str]:
    """A formula that computes with a parameter, and what the parameter is called in it.

    Args:
        name: add, sub or mul.
        sizes: of the parameter, along all axes, samples among them.
        path: what the model calls it.
        first: whether it stands before the samples.
    """
    each = [position.plain or "" for position in elementwise(tuple(sizes))]
    own = [index for index, size in zip(each, sizes, strict=True) if size > 1]
    key = path.rpartition(".")[2]
    key = key if key.isidentifier() and key.isascii() and len(key) > 1 else "w"
    places = ",".join(each)
    if not own:
        own = ["i"]
    pair = [f"{key}[{','.join(own)}]", f"X[{places}]"]
    summed = own == ["i"]
    pair[0] = f"Σ_{{i}} {pair[0]}" if summed else pair[0]
    pair = pair if first or name == "mul" else pair[::-1]
    text = f"Z[{places}] = {SIGNS[name].join(pair)}"
    numbers = {"i": 1} if summed else None
    return EquationLayer(text, parameters={key: "ones"}, numbers=numbers), key
