"""ONNX's Einsum, as the formula that it is."""

from __future__ import annotations

import re
from collections import Counter
from typing import Any

from ..layers.formula import EquationLayer
from .building import Builder
from .onnx_view import View
from .refusals import Refusal
from .values import Value, Weights

_INPUTS = "ABCDEFGH"


def read_einsum(b: Builder, n: View) -> Any:
    """A sum of products of samples, and of arrays of the model, which are trained."""
    written = re.sub(r"\s", "", n.word("equation", ""))
    sides, arrow, target = written.partition("->")
    read = sides.split(",")
    labels = Counter("".join(read))
    target = target if arrow else "".join(sorted(x for x, count in labels.items() if count == 1))
    letters = re.fullmatch(r"[A-Za-z]+(,[A-Za-z]+)*", sides)
    if n.lead != 1 or not letters or len(read) != n.count or not {*target} <= {*labels}:
        raise Refusal(f"sums by {written!r:.60}, which no formula here says")
    given = [n.given(place) for place in range(n.count)]
    first = target[:1]
    for value, own in zip(given, read, strict=True):
        samples = isinstance(value, Value)
        if not first or samples != own.startswith(first) or first in own[1:]:
            raise Refusal(f"sums by {written!r:.60}, in which the samples do not stay apart")
    return _formula(b, given, read, target)


def _formula(b: Builder, given: list[Any], read: list[str], target: str) -> Any:
    """The layer for what is read along these indices."""
    indices = {label: "n" if label == target[0] else f"{label.lower()}_{place}"
               for place, label in enumerate(dict.fromkeys("".join(read)))}  # fmt: skip
    sources = [value for value in given if isinstance(value, Value)]
    numbers: dict[str, int] = {}
    weights: dict[str, Weights] = {}
    factors, inputs = [], iter(_INPUTS)
    for value, labels in zip(given, read, strict=True):
        if isinstance(value, Value):
            letter, sizes = next(inputs), (1, *b.shape(value))
        elif isinstance(value, Weights):
            letter, sizes = f"w{len(weights) + 1}", value.values.shape
            weights[letter] = value
        else:
            raise Refusal("multiplies by something that is no array of weights")
        if len(sizes) != len(labels):
            raise Refusal(f"calls the axes of an array of {len(sizes)} {labels!r}")
        numbers |= {indices[x]: s for x, s in zip(labels, sizes, strict=True) if x != target[0]}
        factors.append(f"{letter}[{','.join(indices[label] for label in labels)}]")
    summed = [name for label, name in indices.items() if label not in target]
    sign = f"Σ_{{{','.join(summed)}}} " if summed else ""
    result = ",".join(indices[label] for label in target)
    layer = EquationLayer(
        f"Z[{result}] = {sign}{'·'.join(factors)}",
        inputs=tuple(_INPUTS[: len(sources)]),
        parameters=dict.fromkeys(weights, "he_normal"),
        numbers=numbers,
    )
    return b.layer(layer, *sources, weights=weights)
