"""`einsum` of samples and weights, PyTorch's and ONNX's, as a layer that is its formula."""

from __future__ import annotations

import string
from collections.abc import Collection, Sequence
from typing import Any

from ...layers.formula import EquationLayer
from .building import Builder
from .refusals import Refusal
from .values import Value, Weights

_INPUTS = ("X", "Y", "V", "U")
_AXES = {2: "nf", 3: "ncx", 4: "ncyx", 5: "nczyx"}
_OTHERS = "kij" + "".join(letter for letter in string.ascii_lowercase if letter not in "kij")
"""What an index is called: after the axis of the first samples that it runs along, or else one of
these."""


def einsum(b: Builder, equation: str, *operands: Any) -> Any:
    """The layer that a sum of products is; samples are along the first axis of all that have them.

    Args:
        b: the builder.
        equation: such as `nchw,kc->nkhw`.
        operands: samples and weights, or one list of them.

    Raises:
        Refusal: it mixes samples, leaves letters open, or takes the same letter twice.
    """
    listed = operands[0] if operands and isinstance(operands[0], list | tuple) else operands
    read, arrow, target = equation.replace(" ", "").partition("->")
    parts = read.split(",")
    if not arrow or "." in equation or len(parts) != len(listed):
        raise Refusal(f"adds up products as {equation!r}, where not every axis has a letter")
    samples = [part for part, one in zip(parts, listed, strict=True) if isinstance(one, Value)]
    weights = [part for part, one in zip(parts, listed, strict=True) if isinstance(one, Weights)]
    if len(samples) + len(weights) != len(parts) or not 0 < len(samples) <= len(_INPUTS):
        raise Refusal("adds up products of something else than samples and weights")
    first = samples[0][:1]
    apart = all(one[:1] == first for one in (*samples, target))
    if not apart or any(first in one for one in weights):
        raise Refusal(f"adds up products as {equation!r}, where samples do not stay apart")
    if any(len(set(one)) < len(one) for one in (*parts, target)):
        raise Refusal(f"adds up products as {equation!r}, with one letter for two axes")
    return _layer(b, parts, target, listed, samples[0])


def _layer(
    b: Builder, parts: Sequence[str], target: str, operands: Sequence[Any], first: str
) -> Any:
    names = _index_names(parts, target, first)
    arrays: list[str] = []
    held: dict[str, Weights] = {}
    read: list[Any] = []
    for one in operands:
        if isinstance(one, Weights):
            key = _key(one.name, {*held, *_INPUTS, "Z", *names.values()})
            held[key] = one
            arrays.append(key)
        else:
            arrays.append(_INPUTS[len(read)])
            read.append(one)
    factors = [
        f"{array}[{','.join(names[letter] for letter in part)}]"
        for array, part in zip(arrays, parts, strict=True)
    ]
    summed = [names[letter] for letter in names if letter not in target]
    sign = f"Σ_{{{','.join(summed)}}} " if summed else ""
    text = f"Z[{','.join(names[letter] for letter in target)}] = {sign}{'·'.join(factors)}"
    sizes = {
        names[letter]: size
        for one, part in zip(operands, parts, strict=True)
        if isinstance(one, Weights)
        for letter, size in zip(part, one.values.shape, strict=True)
    }
    seen = {names[x] for one, p in zip(operands, parts, strict=True) if one in read for x in p}
    numbers = {name: size for name, size in sizes.items() if name not in seen}
    inputs = _INPUTS[: len(read)]
    layer = EquationLayer(text, inputs=inputs, numbers=numbers or None)
    return b.layer(layer, *read, weights=held)


def _index_names(parts: Sequence[str], target: str, first: str) -> dict[str, str]:
    """What each letter is called, in order of appearance."""
    names = dict(zip(first, _AXES.get(len(first), "n"), strict=False))
    free = (name for name in _OTHERS if name not in names.values() and name != "n")
    for letter in "".join((*parts, target)):
        if letter not in names:
            names[letter] = next(free)
    return names


def _key(path: str, taken: Collection[str]) -> str:
    """What a parameter is called in the formula: as in the model, if that is free."""
    key = path.rpartition(".")[2]
    wanted = (key, "W", *(f"W{number}" for number in range(1, len(taken))))
    return next(k for k in wanted if k not in taken and k.isidentifier() and k.isascii())
