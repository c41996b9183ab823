"""Operators that compute sizes, as exporters write `x.view(x.size(0), -1)`, and constants.

Sizes are lists of whole numbers with `BATCH` among them, or one of these alone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from .building import Builder
from .onnx_view import View
from .values import BATCH, Refused, Value, Weights

__all__ = ["SIZES"]

_DTYPES = {1: "float32", 6: "int32", 7: "int64", 11: "float64"}


def _constant(b: Builder, n: View) -> Weights:
    known = ("value", "value_float", "value_floats", "value_int", "value_ints")
    n.asked.update(known)
    found = [n.attributes[name] for name in known if name in n.attributes]
    if len(found) != 1 or isinstance(found[0], str):
        raise Refused("is a constant without a number, an array or a list of numbers")
    dtype = None
    if not isinstance(found[0], np.ndarray):
        dtype = np.float32 if "float" in next(iter(n.attributes)) else np.int64
    try:
        values = np.asarray(found[0], dtype)
    except (TypeError, ValueError, OverflowError) as cause:
        raise Refused("is a constant of another kind than its name says") from cause
    return Weights(n.operation.outputs[0], values)


def _cast(b: Builder, n: View) -> Any:
    """A change of dtype, which is none for sizes, and for samples only if it is theirs already."""
    dtype, x = _DTYPES.get(n.whole_number("to", None, least=0)), n.given(0)
    n.whole_number("saturate", 1, least=0)
    if dtype is None:
        raise Refused("casts to a dtype that is not taken")
    if isinstance(x, Weights):
        if x.values.dtype.kind == "f" and dtype.startswith("int"):
            raise Refused("casts numbers to whole numbers")
        return Weights(x.name, x.values.astype(dtype))
    if isinstance(x, Value) and dtype != n.dtype.name:
        raise Refused(f"casts to {dtype}, and the network computes in {n.dtype.name}")
    return x


def _shape(b: Builder, n: View) -> list[Any]:
    sizes = [BATCH, *b.shape(n.value(0))]
    start = n.whole_number("start", 0, least=None)
    end = n.whole_number("end", len(sizes), least=None)
    return sizes[start:end]


def _gather(b: Builder, n: View) -> Any:
    if isinstance(n.given(0), Value):
        raise Refused("takes a part of the samples by index, which no layer here does")
    listed, places = n.integers(n.given(0)), n.given(1)
    n.whole_number("axis", 0, least=0)
    if any(not -len(listed) <= place < len(listed) for place in n.integers(places)):
        raise Refused("takes a size of an axis that is not there")
    found = [listed[place] for place in n.integers(places)]
    alone = isinstance(places, int) or (isinstance(places, Weights) and places.values.ndim == 0)
    return found[0] if alone else found


def _listed(b: Builder, n: View) -> list[Any]:
    """Unsqueeze: a number becomes a list of one."""
    n.asked.add("axes")
    if isinstance(n.given(0), Value):
        raise Refused("puts an axis of size 1 in, which no layer here does")
    return n.integers(n.given(0))


def _alone(b: Builder, n: View) -> Any:
    """Squeeze: a list of one becomes a number."""
    n.asked.add("axes")
    listed = n.integers(n.given(0))
    return listed[0] if len(listed) == 1 else listed


def _reshape(b: Builder, n: View) -> list[Any]:
    n.flag("allowzero", False)
    return n.integers(n.given(0))


def _joined(b: Builder, n: View) -> list[Any]:
    n.whole_number("axis", 0, least=None)
    found: list[Any] = []
    for place in range(n.count):
        found += n.integers(n.given(place))
        if len(found) > 64:
            raise Refused("joins more sizes than any array has axes")
    return found


def _slice(b: Builder, n: View) -> list[Any]:
    if isinstance(n.given(0), Value):
        raise Refused("takes a part of the samples, which no layer here does")
    listed = n.integers(n.given(0))
    starts, ends = n.axes("starts", 1), n.axes("ends", 2)
    n.asked.add("axes")
    steps = n.axes("steps", 4) if n.opset >= 10 else []
    if len(starts) != 1 or len(ends) != 1 or steps not in ([], [1]):
        raise Refused("takes a part of sizes in more than one way")
    return listed[starts[0] : ends[0]]


def _transpose(b: Builder, n: View) -> Weights:
    n.asked.add("perm")
    x, order = n.given(0), n.attributes.get("perm", [1, 0])
    if not isinstance(x, Weights) or x.values.ndim != 2 or order not in ([1, 0], [0, 1]):
        raise Refused("exchanges axes, which no layer here does")
    return Weights(x.name, x.values.transpose(order))


SIZES: Mapping[str, Callable[[Builder, View], Any]] = {
    "Cast": _cast,
    "Concat": _joined,
    "Constant": _constant,
    "Gather": _gather,
    "Reshape": _reshape,
    "Shape": _shape,
    "Slice": _slice,
    "Squeeze": _alone,
    "Transpose": _transpose,
    "Unsqueeze": _listed,
}
"""By name."""
