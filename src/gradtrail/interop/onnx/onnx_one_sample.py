"""Nodes that take the samples' axis for one of many, where there is but one sample.

A file made for a batch of one may put that axis anywhere, lay it together with others, or leave it
out: `(1, 3, 8, 8)` as `(192,)`, as `(8, 8, 1, 3)`. Such a file says what is computed of one sample,
and a network computes that of each. So does a file whose input has no axis of samples at all. Here
such values are `OneSample`, whose shape is all of the file's, and the node is read without an axis
of samples. Operators that need that axis, as a convolution does, find it in front where it is 1.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from ..reading.building import Builder
from ..reading.refusals import LimitReached, Refusal
from ..reading.values import OneSample, SamplesBehind, Value, Weights
from .onnx_view import View

Converter = Callable[[Builder, View], Any]

_IN_BATCHES = frozenset(
    {
        *("AveragePool", "BatchNormalization", "Conv", "ConvTranspose", "DepthToSpace"),
        *("GlobalAveragePool", "GlobalMaxPool", "GroupNormalization", "InstanceNormalization"),
        *("LRN", "MaxPool", "Resize", "SpaceToDepth", "Upsample"),
    }
)
"""Operators whose first axis is that of the samples, whatever the file is made for."""

_BROADCASTING = frozenset(
    {
        *("Add", "Div", "Greater", "GreaterOrEqual", "Less", "LessOrEqual", "Max", "Mean", "Min"),
        *("Mul", "PRelu", "Pow", "Sub", "Sum", "Where"),
    }
)
"""Operators that count the axes of what they combine from the last on."""


def read_node(b: Builder, n: View, convert: Converter) -> Any:
    """What one node gives, read with an axis of samples or, if that is refused, without.

    Raises:
        Refusal: neither is possible; the reason is the first one's.
    """
    read = {name: n.known[name] for name in n.operation.inputs if name in n.known}
    if any(isinstance(x, SamplesBehind) for x in read.values()):
        return _read_moved(b, n, convert, read)
    first: Refusal | None = None
    if n.operation.operator in _IN_BATCHES:
        return convert(b, n.reading({name: _in_batches(b, x) for name, x in read.items()}))
    if not any(isinstance(x, OneSample) for x in read.values()):
        try:
            found = convert(b, n)
            if not (n.one_sample and isinstance(found, SamplesBehind)):
                return found
        except LimitReached:
            raise
        except Refusal as cause:
            if not n.one_sample or not any(isinstance(x, Value) for x in read.values()):
                raise
            first = cause
    alone = {name: _alone(b, x) for name, x in read.items()}
    if n.operation.operator in _BROADCASTING:
        alone = _of_one_rank(b, alone)
    try:
        found = convert(b, n.reading(alone, lead=0))
    except Refusal as cause:
        raise first or cause from cause
    several = found if isinstance(found, tuple) else (found,)
    results = tuple(OneSample(x) if isinstance(x, Value) else x for x in several)
    return results if isinstance(found, tuple) else results[0]


_REARRANGING = ("Gather", "Slice", "Split", "Squeeze", "Transpose")
"""Operators that find the samples' axis behind others, as attention puts it for a while."""


def _read_moved(b: Builder, n: View, convert: Converter, read: Mapping[str, Any]) -> Any:
    """What a node gives that reads samples whose axis stands behind others.

    Raises:
        Refusal: it is none that takes parts or turns axes.
    """
    x = read[n.operation.inputs[0]]
    if n.operation.operator not in _REARRANGING or not isinstance(x, SamplesBehind):
        raise Refusal(
            "reads samples whose axis stands behind others, and only what takes parts or turns "
            "axes is read there"
        )
    count = len(b.shape(x.base)) + 1
    known = {**read, n.operation.inputs[0]: x.base}
    found = convert(b, n.reading(known, place=x.place))
    if n.operation.operator == "Transpose":
        return found
    gone = 0
    if n.operation.operator == "Squeeze":
        gone = sum(axis % count < x.place for axis in n.axes("axes", 1))
    elif n.operation.operator == "Gather" and len(b.shape(found)) < len(b.shape(x.base)):
        gone = n.whole_number("axis", 0, least=None) % count < x.place
    place = x.place - gone
    if place == 0:
        return found
    if isinstance(found, tuple):
        return tuple(SamplesBehind(part, place) for part in found)
    return SamplesBehind(found, place)


def _in_batches(b: Builder, x: Any) -> Any:
    """A value with the axis of samples in front, which is one of size 1 in the file."""
    if isinstance(x, SamplesBehind):
        raise Refusal("reads samples whose axis stands behind others")
    if not isinstance(x, OneSample):
        return x
    size, *rest = b.shape(x.base)
    if size != 1 or not rest:
        raise Refusal(
            f"needs an axis of samples in front, and reads one sample of shape {(size, *rest)}"
        )
    return b.view_as(x.base, tuple(rest))


def _alone(b: Builder, x: Any) -> Any:
    """A value in all of the file's shape."""
    if isinstance(x, OneSample):
        return x.base
    return b.view_as(x, (1, *b.shape(x))) if isinstance(x, Value) else x


def _of_one_rank(b: Builder, read: Mapping[str, Any]) -> dict[str, Any]:
    """Values with as many axes as there are at most, those of size 1 in front."""
    ranks = [len(_shape(b, x)) for x in read.values()]
    most = max(ranks, default=0)
    return {
        name: b.view_as(x, (*(1,) * (most - rank), *b.shape(x)))
        if isinstance(x, Value) and rank < most
        else x
        for (name, x), rank in zip(read.items(), ranks, strict=True)
    }


def _shape(b: Builder, x: Any) -> tuple[int, ...]:
    if isinstance(x, Value):
        return b.shape(x)
    return np.shape(x.values if isinstance(x, Weights) else x)


def output_of(b: Builder, x: Any, *, batched: bool) -> Any:
    """A value as the network's output: without the axis that was the file's for its one sample.

    Args:
        b: that made it.
        x: the value, or anything else.
        batched: whether the file's input has an axis of samples.
    """
    if not isinstance(x, OneSample):
        return x
    size, *rest = b.shape(x.base)
    return b.view_as(x.base, tuple(rest)) if batched and size == 1 and rest else x.base
