"""Operators on constants: what a file computes from its arrays and sizes before any sample comes.

Exporters and ONNX's own definitions of operators write sizes, axes and weights as small programs:
`Shape → Slice → Sub → ConstantOfShape → Concat`. Each such node is computed while the file is
read. A result's size is known before its memory is taken. Sizes are small arrays of objects: whole
numbers, with `BATCH` among them, which may be moved and compared, but not computed with.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from math import ceil, prod
from typing import Any

import numpy as np

from ..reading.building import Builder
from ..reading.refusals import Refusal
from ..reading.values import BatchSize, Weights
from .onnx_arrays import MOST_AXES
from .onnx_view import LONGEST, View

Fold = Callable[[Builder, View, list[np.ndarray]], Any]
"""Builder, node, and the inputs as arrays, of objects where `BATCH` is among them."""

_SCALARS = "the size of the batch, which may be any"
_MOST_PRODUCTS = 1 << 30


def folded(b: Builder, n: View) -> Any:
    """What a node gives that reads constants only.

    Args:
        b: that counts the bytes.
        n: the node.

    Returns:
        `Weights` where an array of the file is only moved, sizes for whole numbers, else an array;
        None if it reads samples, or if its operator is none of those that are computed here.

    Raises:
        Refusal: what it reads does not fit together, or needs too much memory.
    """
    operator = n.operation.operator
    read = [n.optional(place) for place in range(n.count)]
    constant = all(x is None or isinstance(x, Weights | np.ndarray) for x in read)
    if operator not in FOLDED or not read or not constant:
        return None
    given = [_array(x) for x in read if x is not None]
    try:
        found = FOLDED[operator](b, n, given)
    except Refusal:
        raise
    except (IndexError, TypeError, ValueError, OverflowError, MemoryError) as cause:
        told = any(_has_batch(array) for array in given)
        what = _SCALARS if told and isinstance(cause, TypeError) else f"what does not fit: {cause}"
        raise Refusal(f"computes with {what}") from cause
    moved = isinstance(read[0], Weights) and operator in _MOVING and given[0].dtype.kind == "f"
    return _kept(found, read[0].name if moved else None)


def _array(x: Any) -> Any:
    """A constant as an array: of whole numbers where it holds sizes without `BATCH`."""
    if isinstance(x, Weights):
        return x.values
    if isinstance(x, np.ndarray) and x.dtype == object and not _has_batch(x):
        return x.astype(np.int64)
    return x


def _has_batch(array: Any) -> bool:
    held = array.reshape(-1) if isinstance(array, np.ndarray) and array.dtype == object else ()
    return any(isinstance(size, BatchSize) for size in held)


def _kept(found: Any, name: str | None) -> Any:
    """A result as converters take it."""
    if isinstance(found, tuple):
        return tuple(_kept(part, None) for part in found)
    array = np.asarray(found)
    if name is not None:
        return Weights(name, array)
    whole = array.dtype.kind in "iu" and array.size <= LONGEST
    if array.dtype == object and array.size > LONGEST:
        raise Refusal(f"computes {array.size:,} sizes, more than any array has axes")
    return array.astype(object) if whole else array


def _room(b: Builder, shape: Sequence[int], itemsize: int) -> None:
    """Count an array before it is made."""
    if len(shape) > MOST_AXES:
        raise Refusal(f"makes an array of {len(shape)} axes")
    b.spend(prod(shape) * itemsize)


# -- element by element ---------------------------------------------------------------------------


def _each(function: Callable[..., Any], *, takes_batch: bool = False) -> Fold:
    """A function of each element, broadcasting; more inputs than two are taken in turn."""

    def fold(b: Builder, n: View, arrays: list[np.ndarray]) -> Any:
        if not takes_batch and any(map(_has_batch, arrays)):
            raise Refusal(f"computes with {_SCALARS}")
        shape = np.broadcast_shapes(*(array.shape for array in arrays))
        _room(b, shape, max(array.itemsize for array in arrays))
        with np.errstate(all="ignore"):
            if len(arrays) < 3 or function is np.where:
                return function(*arrays)
            first, *others = arrays
            for other in others:
                first = function(first, other)
            return first

    return fold


def _divided(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """The quotient; of whole numbers what is left of it towards 0."""
    if a.dtype.kind not in "iu":
        return np.asarray(a / b)
    if not b.all():
        raise Refusal("divides a whole number by 0")
    return np.asarray(np.sign(a) * np.sign(b) * (np.abs(a) // np.abs(b)))


def _modulo(b: Builder, n: View, arrays: list[np.ndarray]) -> Any:
    return _each(np.fmod if n.flag("fmod", False) else np.mod)(b, n, arrays)


def _rooted(x: np.ndarray) -> np.ndarray:
    return np.asarray(np.sqrt(x))


def _equal(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return np.asarray(a == b, bool)


# -- over axes ------------------------------------------------------------------------------------


def _over(function: Callable[..., Any]) -> Fold:
    def fold(b: Builder, n: View, arrays: list[np.ndarray]) -> Any:
        axes, keep = n.axes("axes", 1), n.flag("keepdims", True)
        if n.flag("noop_with_empty_axes", False) and not axes:
            return arrays[0]
        found = function(arrays[0], axis=tuple(axes) or None, keepdims=keep)
        return np.asarray(found, arrays[0].dtype)

    return fold


def _product(b: Builder, n: View, arrays: list[np.ndarray]) -> Any:
    """A product of matrices."""
    one, other = arrays
    if one.ndim < 2 or other.ndim < 2:
        raise Refusal("multiplies constants that are no matrices")
    lead = np.broadcast_shapes(one.shape[:-2], other.shape[:-2])
    shape = (*lead, one.shape[-2], other.shape[-1])
    _room(b, shape, one.itemsize)
    if prod(shape) * one.shape[-1] > _MOST_PRODUCTS:
        raise Refusal(f"multiplies constants of {one.shape} and {other.shape}, which takes long")
    return one @ other


# -- moved ----------------------------------------------------------------------------------------


def _reshaped(b: Builder, n: View, arrays: list[np.ndarray]) -> Any:
    copies, x = not n.flag("allowzero", False), arrays[0]
    target = n.axes("shape", 1)
    sizes = [x.shape[at] if size == 0 and copies else size for at, size in enumerate(target)]
    return x.reshape(sizes)


def _flattened(b: Builder, n: View, arrays: list[np.ndarray]) -> Any:
    axis, (x,) = n.whole_number("axis", 1, least=None), arrays
    if not -x.ndim <= axis <= x.ndim:
        raise Refusal(f"flattens from axis {axis} of {x.ndim}")
    lead = x.shape[: axis + x.ndim if axis < 0 else axis]
    return x.reshape(prod(lead), -1 if x.size else 0)


def _squeezed(b: Builder, n: View, arrays: list[np.ndarray]) -> Any:
    axes = n.axes("axes", 1)
    return np.squeeze(arrays[0], tuple(axes) if axes else None)


def _unsqueezed(b: Builder, n: View, arrays: list[np.ndarray]) -> Any:
    return np.expand_dims(arrays[0], tuple(n.axes("axes", 1)))


def _turned(b: Builder, n: View, arrays: list[np.ndarray]) -> Any:
    n.asked.add("perm")
    (x,) = arrays
    order = n.attributes.get("perm", list(range(x.ndim))[::-1])
    if not isinstance(order, list) or not all(isinstance(axis, int) for axis in order):
        raise Refusal(f"has perm={order!r:.60}, which is no order of axes")
    return x.transpose(order)


def _sliced(b: Builder, n: View, arrays: list[np.ndarray]) -> Any:
    found = arrays[0]
    for start, end, axis, step in n.slices(found.ndim):
        places = [slice(None)] * found.ndim
        places[axis] = slice(start, end, step)
        found = found[tuple(places)]
    return found


def _gathered(b: Builder, n: View, arrays: list[np.ndarray]) -> Any:
    axis, (x, places) = n.whole_number("axis", 0, least=None), arrays
    _room(b, (*x.shape[:axis], *places.shape, *x.shape[axis:][1:]), x.itemsize)
    return np.take(x, places.astype(np.int64), axis=axis)


def _joined(b: Builder, n: View, arrays: list[np.ndarray]) -> Any:
    axis = n.whole_number("axis", None, least=None)
    b.spend(sum(array.nbytes for array in arrays))
    return np.concatenate(arrays, axis=axis)


def _parted(b: Builder, n: View, arrays: list[np.ndarray]) -> Any:
    axis, x = n.whole_number("axis", 0, least=None), arrays[0]
    ends = np.cumsum(n.parts(x.shape[axis]))
    return tuple(np.split(x, ends[:-1], axis))


def _counted(b: Builder, n: View, arrays: list[np.ndarray]) -> Any:
    """Whole numbers or others from a start on, below an end."""
    start, end, step = (array.reshape(()).item() for array in arrays)
    if not step:
        raise Refusal("counts in steps of 0")
    _room(b, (max(0, ceil((end - start) / step)),), arrays[0].itemsize)
    return np.arange(start, end, step, dtype=arrays[0].dtype)


def _tiled(b: Builder, n: View, arrays: list[np.ndarray]) -> Any:
    x, times = arrays[0], n.axes("repeats", 1)
    if len(times) != x.ndim or any(count < 0 for count in times):
        raise Refusal(f"repeats a constant of {x.shape} by {times}")
    _room(b, [size * count for size, count in zip(x.shape, times, strict=True)], x.itemsize)
    return np.tile(x, times)


def _size(b: Builder, n: View, arrays: list[np.ndarray]) -> Any:
    return np.int64(arrays[0].size)


_MOVING = ("Flatten", "Reshape", "Slice", "Squeeze", "Transpose", "Unsqueeze")
"""Operators behind which an array of the file is still that array, and has its name."""

FOLDED: Mapping[str, Fold] = {
    "Abs": _each(np.abs),
    "Add": _each(np.add),
    "And": _each(np.logical_and),
    "Ceil": _each(np.ceil),
    "Concat": _joined,
    "Div": _each(_divided),
    "Equal": _each(_equal, takes_batch=True),
    "Exp": _each(np.exp),
    "Flatten": _flattened,
    "Floor": _each(np.floor),
    "Gather": _gathered,
    "Greater": _each(np.greater),
    "GreaterOrEqual": _each(np.greater_equal),
    "Less": _each(np.less),
    "LessOrEqual": _each(np.less_equal),
    "Log": _each(np.log),
    "MatMul": _product,
    "Max": _each(np.maximum),
    "Min": _each(np.minimum),
    "Mod": _modulo,
    "Mul": _each(np.multiply),
    "Neg": _each(np.negative),
    "Not": _each(np.logical_not),
    "Or": _each(np.logical_or),
    "Pow": _each(np.power),
    "Range": _counted,
    "Reciprocal": _each(np.reciprocal),
    "ReduceMax": _over(np.max),
    "ReduceMean": _over(np.mean),
    "ReduceMin": _over(np.min),
    "ReduceProd": _over(np.prod),
    "ReduceSum": _over(np.sum),
    "Reshape": _reshaped,
    "Sign": _each(np.sign),
    "Size": _size,
    "Slice": _sliced,
    "Split": _parted,
    "Sqrt": _each(_rooted),
    "Squeeze": _squeezed,
    "Sub": _each(np.subtract),
    "Sum": _each(np.add),
    "Tile": _tiled,
    "Transpose": _turned,
    "Unsqueeze": _unsqueezed,
    "Where": _each(np.where, takes_batch=True),
}
"""By name."""
