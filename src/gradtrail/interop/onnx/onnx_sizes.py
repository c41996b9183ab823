"""Operators that begin with sizes and constants: what they are made of; see `onnx_folding.py`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import prod
from typing import Any

import numpy as np

from ..reading.building import Builder
from ..reading.refusals import Refusal
from ..reading.values import BATCH, Value, Weights
from .onnx_arrays import MOST_AXES, MOST_BYTES
from .onnx_view import LONGEST, View, are_sizes

_DTYPES = {
    1: "float32",
    6: "int32",
    7: "int64",
    9: "bool",
    10: "float32",
    11: "float64",
    16: "float32",
}

_NUMBERS = {"FLOAT": 1, "INT32": 6, "INT64": 7, "BOOL": 9, "FLOAT16": 10, "DOUBLE": 11}

Converter = Callable[[Builder, View], Any]


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
    """A change of dtype; samples keep the one that the network computes in.

    Float16 and bfloat16 are read as float32, here as in the file's arrays.
    """
    x, named = n.given(0), n.attributes.get("to")
    if isinstance(named, str):  # until version 6
        n.asked.add("to")
        number = _NUMBERS.get(named, 0)
    else:
        number = n.whole_number("to", None, least=0)
    n.whole_number("saturate", 1, least=0)
    n.word("round_mode", "up")
    if number not in _DTYPES:
        raise Refusal("casts to a dtype that is not taken")
    return _as_dtype(b, x, np.dtype(_DTYPES[number]))


def _as_dtype(b: Builder, x: Any, dtype: np.dtype[Any]) -> Any:
    if isinstance(x, Value):
        if dtype.kind != "f":
            raise Refusal(f"casts the samples to {dtype}, and a network computes with others")
        return x
    if isinstance(x, Weights):
        if dtype == x.values.dtype:
            return x
        return Weights(x.name, b.spent(x.values.astype(dtype)))
    if are_sizes(x):
        return x if dtype.kind == "i" or BATCH in x.reshape(-1).tolist() else x.astype(dtype)
    cast = b.spent(x.astype(dtype))
    return cast.astype(object) if dtype.kind == "i" and cast.size <= LONGEST else cast


def _cast_like(b: Builder, n: View) -> Any:
    """A change to the dtype of something else."""
    n.whole_number("saturate", 1, least=0)
    n.word("round_mode", "up")
    x, like = n.given(0), n.given(1)
    if isinstance(like, Value):
        return _as_dtype(b, x, n.dtype)
    if are_sizes(like):
        return _as_dtype(b, x, np.dtype(np.int64))
    return _as_dtype(b, x, like.values.dtype if isinstance(like, Weights) else like.dtype)


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


def _expand(b: Builder, n: View) -> Any:
    x = n.given(0)
    if not isinstance(x, Value):
        return _repeated(b, x.values if isinstance(x, Weights) else x, n.axes("shape", 1))
    own, target = n.sizes_of(b.shape(x)), n.integers(1)
    sizes = [1] * (len(target) - len(own)) + own
    wanted = [1] * (len(own) - len(target)) + target
    if len(sizes) > len(own) or (n.lead and wanted[0] not in (BATCH, 1, n.declared_batch)):
        raise Refusal(f"repeats samples of {b.shape(x)} to {target}")
    kept = [w if s == 1 else s for s, w in zip(sizes, wanted, strict=True)]
    return b.expand(x, tuple(kept[n.lead :]))


def _constant_of_shape(b: Builder, n: View) -> np.ndarray:
    n.asked.add("value")
    value = n.attributes.get("value", np.zeros(1, np.float32))
    if not isinstance(value, np.ndarray) or value.size != 1 or value.dtype.kind not in "fi":
        raise Refusal("repeats something else than a number")
    return _repeated(b, value.reshape(()), n.axes("shape", 0))


def _shape_of(x: Weights | np.ndarray) -> tuple[int, ...]:
    return x.values.shape if isinstance(x, Weights) else x.shape


def _shape(b: Builder, n: View) -> np.ndarray:
    x = n.given(0)
    sizes = [*_shape_of(x)] if isinstance(x, Weights | np.ndarray) else n.sizes_of(b.shape(x))
    start = n.whole_number("start", 0, least=None)
    end = n.whole_number("end", len(sizes), least=None)
    return np.array(sizes, object)[start:end]


SIZES: Mapping[str, Converter] = {
    "Cast": _cast,
    "CastLike": _cast_like,
    "Constant": _constant,
    "ConstantOfShape": _constant_of_shape,
    "Expand": _expand,
    "Shape": _shape,
}
"""By name."""
