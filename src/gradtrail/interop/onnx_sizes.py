"""Operators that compute sizes, as exporters write `x.view(x.size(0), -1)`, and constants.

Sizes are small arrays of objects: whole numbers, with `BATCH` among them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import wraps
from math import prod
from typing import Any

import numpy as np

from .building import Builder
from .onnx_arrays import MOST_AXES, MOST_BYTES
from .onnx_view import LONGEST, View
from .refusals import Refusal
from .values import BATCH, Value, Weights

_DTYPES = {1: "float32", 6: "int32", 7: "int64", 11: "float64"}

Converter = Callable[[Builder, View], Any]


def _of_sizes(compute: Callable[[View], np.ndarray]) -> Converter:
    """An operator on sizes: refused for samples, and where the sizes do not fit each other."""

    @wraps(compute)
    def convert(b: Builder, n: View) -> np.ndarray:
        if n.count and isinstance(n.given(0), Value):
            raise Refusal("takes a part of the samples or exchanges axes, which no layer here does")
        try:
            found = compute(n)
        except Refusal:
            raise
        except (IndexError, TypeError, ValueError, OverflowError, MemoryError) as cause:
            raise Refusal(f"computes sizes that do not fit each other: {cause}") from cause
        if found.size > LONGEST:
            raise Refusal(f"computes {found.size:,} sizes, more than any array has axes")
        return found

    return convert


def _constant(b: Builder, n: View) -> Weights:
    known = ("value", "value_float", "value_floats", "value_int", "value_ints")
    n.asked.update(known)
    found = {name: n.attributes[name] for name in known if name in n.attributes}
    if len(found) != 1:
        raise Refusal("is a constant without a number, an array or a list of numbers")
    ((name, value),) = found.items()
    if isinstance(value, np.ndarray) != (name == "value") or isinstance(value, str):
        raise Refusal("is a constant of another kind than its name says")
    dtype = None if name == "value" else np.float32 if "float" in name else np.int64
    return Weights(n.operation.outputs[0], np.asarray(value, dtype))


def _cast(b: Builder, n: View) -> Any:
    """A change of dtype, which is none for sizes, and for samples only if it is theirs already."""
    dtype, x = _DTYPES.get(n.whole_number("to", None, least=0)), n.given(0)
    n.whole_number("saturate", 1, least=0)
    if dtype is None:
        raise Refusal("casts to a dtype that is not taken")
    if isinstance(x, Weights):
        if x.values.dtype.kind == "f" and dtype.startswith("int"):
            raise Refusal("casts numbers to whole numbers")
        return Weights(x.name, b.spent(x.values.astype(dtype)))
    if isinstance(x, Value) and dtype != n.dtype.name:
        raise Refusal(f"casts to {dtype}, and the network computes in {n.dtype.name}")
    return x


def _cast_like(b: Builder, n: View) -> Any:
    """A constant in the dtype of something else, as exporters write one that fits the samples."""
    n.whole_number("saturate", 1, least=0)
    x, like = n.given(0), n.given(1)
    dtype = like.values.dtype if isinstance(like, Weights) else n.dtype
    if isinstance(x, Weights) and not isinstance(like, np.ndarray):
        return Weights(x.name, b.spent(x.values.astype(dtype)))
    raise Refusal("casts something else than a constant to the dtype of something else")


def _repeated(b: Builder, array: np.ndarray, shape: list[Any]) -> np.ndarray:
    """A constant repeated, which is how exporters write the bias of a layer that has none.

    It is computed, not an array of the file: nothing that training would change.
    """
    if array.dtype.kind == "i":
        array = array.astype(object)
    most = LONGEST if array.dtype == object else MOST_BYTES
    known = all(isinstance(size, int) and size >= 0 for size in shape)
    if len(shape) > MOST_AXES or not known or prod(shape) > most:
        raise Refusal(f"repeats a constant to the shape {shape!r:.60}")
    b.spend(prod(shape) * array.itemsize)
    try:
        return np.broadcast_to(array, np.broadcast_shapes(array.shape, tuple(shape)))
    except ValueError as cause:
        raise Refusal(f"repeats a constant of {array.shape} to {tuple(shape)}") from cause


def _expand(b: Builder, n: View) -> np.ndarray:
    x = n.given(0)
    if isinstance(x, Value):
        raise Refusal("repeats the samples, which no layer here does")
    return _repeated(b, x.values if isinstance(x, Weights) else x, n.axes("shape", 1))


def _constant_of_shape(b: Builder, n: View) -> np.ndarray:
    n.asked.add("value")
    value = n.attributes.get("value", np.zeros(1, np.float32))
    if not isinstance(value, np.ndarray) or value.size != 1 or value.dtype.kind not in "fi":
        raise Refusal("repeats something else than a number")
    return _repeated(b, value.reshape(()), n.axes("shape", 0))


def _shape(b: Builder, n: View) -> np.ndarray:
    x = n.given(0)
    sizes = [*x.values.shape] if isinstance(x, Weights) else [BATCH, *b.shape(n.value(0))]
    start = n.whole_number("start", 0, least=None)
    end = n.whole_number("end", len(sizes), least=None)
    return np.array(sizes, object)[start:end]


def _gather(n: View) -> np.ndarray:
    axis = n.whole_number("axis", 0, least=None)
    return np.asarray(np.take(n.sizes(0), n.sizes(1).astype(np.int64), axis=axis), object)


def _squeeze(n: View) -> np.ndarray:
    axes = n.axes("axes", 1)
    return np.squeeze(n.sizes(0), tuple(axes) if axes else None)


def _reshape(n: View) -> np.ndarray:
    n.flag("allowzero", False)
    return n.sizes(0).reshape(n.axes("shape", 1))


def _concat(n: View) -> np.ndarray:
    axis = n.whole_number("axis", None, least=None)
    return np.concatenate([n.sizes(place) for place in range(n.count)], axis=axis)


def _slice(n: View) -> np.ndarray:
    listed = n.sizes(0)
    starts, ends = n.axes("starts", 1), n.axes("ends", 2)
    axes = n.axes("axes", 3) or list(range(len(starts)))
    steps = n.axes("steps", 4) or [1] * len(starts)
    for start, end, axis, step in zip(starts, ends, axes, steps, strict=True):
        moved = np.moveaxis(listed, axis, 0)[start:end:step]
        listed = np.moveaxis(moved, 0, axis)
    return listed


def _transpose(b: Builder, n: View) -> Any:
    n.asked.add("perm")
    x, order = n.given(0), n.attributes.get("perm", [1, 0])
    if isinstance(x, Value) or order not in ([1, 0], [0, 1]):
        raise Refusal("exchanges axes, which no layer here does")
    array = x.values if isinstance(x, Weights) else n.sizes(0)
    if array.ndim != 2:
        raise Refusal(f"exchanges axes of an array with {array.ndim}")
    turned = array.transpose(order)
    return Weights(x.name, turned) if isinstance(x, Weights) else turned


def size_arithmetic(n: View, name: str) -> np.ndarray:
    """Arithmetic with sizes: "add", "sub" or "mul"."""
    operations = {"add": np.add, "sub": np.subtract, "mul": np.multiply}
    if name not in operations or any(isinstance(n.given(place), Value) for place in (0, 1)):
        raise Refusal("computes with the samples' sizes")
    try:
        return np.asarray(operations[name](n.sizes(0), n.sizes(1)), object)
    except Refusal:
        raise
    except (TypeError, ValueError) as cause:
        raise Refusal("computes with the size of the batch, which may be any") from cause


SIZES: Mapping[str, Converter] = {
    "Cast": _cast,
    "CastLike": _cast_like,
    "Concat": _of_sizes(_concat),
    "Constant": _constant,
    "ConstantOfShape": _constant_of_shape,
    "Expand": _expand,
    "Gather": _of_sizes(_gather),
    "Reshape": _of_sizes(_reshape),
    "Shape": _shape,
    "Slice": _of_sizes(_slice),
    "Squeeze": _of_sizes(_squeeze),
    "Transpose": _transpose,
    "Unsqueeze": _of_sizes(lambda n: np.expand_dims(n.sizes(0), tuple(n.axes("axes", 1)))),
}
"""By name."""
