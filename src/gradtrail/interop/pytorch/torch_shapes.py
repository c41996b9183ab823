"""PyTorch's functions and methods that compute nothing: views, parts, orders of axes, sizes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from math import prod
from typing import Any

import numpy as np

from ...checking.arguments import is_whole
from ...layers import ChannelShuffle, PixelShuffle, PixelUnshuffle
from ..reading.building import Builder
from ..reading.refusals import Refusal
from ..reading.values import BATCH, TRACED, Value, Weights
from .torch_windows import Converter


def _expand(b: Builder, input: Any, *sizes: Any) -> Any:
    target = sizes[0] if len(sizes) == 1 and isinstance(sizes[0], Sequence) else sizes
    own = (BATCH, *b.shape(input))
    if len(target) != len(own):
        raise Refusal(f"repeats samples of {own[1:]} along new axes")
    asked = tuple(o if a == -1 else a for a, o in zip(target, own, strict=True))
    return b.expand(input, tuple(int(size) for size in asked[1:] if is_whole(size)))


def _repeat(b: Builder, input: Any, *repeats: Any) -> Any:
    times = repeats[0] if len(repeats) == 1 and isinstance(repeats[0], Sequence) else repeats
    if len(times) != len(b.shape(input)) + 1 or times[0] != 1:
        raise Refusal(f"repeats samples of {b.shape(input)} {list(times)} times")
    for axis, count in enumerate(times):
        input = b.concat([input] * count, axis) if count != 1 else input
    return input


def _repeat_interleave(b: Builder, input: Any, repeats: Any, dim: int | None = None) -> Any:
    if dim is None or not is_whole(repeats):
        raise Refusal("repeats elements otherwise than each so many times along one axis")
    size = b.shape(input)[b.axis(input, dim) - 1]
    return b.select(input, dim, [place // repeats for place in range(size * repeats)])


def _expand_as(b: Builder, input: Any, other: Any) -> Any:
    return b.expand(input, b.shape(other))


def _flatten(b: Builder, input: Any, start_dim: int = 0, end_dim: int = -1) -> Any:
    shape = b.shape(input)
    rank = len(shape) + 1
    start, end = start_dim % rank, end_dim % rank
    if start == 0:
        raise Refusal("flattens the samples into each other; give start_dim=1")
    if start >= end:
        return input
    inner = prod(shape[start - 1 : end])
    return b.view_as(input, (*shape[: start - 1], inner, *shape[end:]))


def _reshape(b: Builder, input: Any, *shape: Any) -> Any:
    if isinstance(input, np.ndarray):
        return input.reshape(*shape)
    if isinstance(input, Weights):
        return replace(input, values=input.values.reshape(*shape))
    target = shape[0] if len(shape) == 1 and isinstance(shape[0], Sequence) else shape
    return b.reshape(input, list(target), TRACED)


def _squeeze(b: Builder, input: Any, dim: Any = None) -> Any:
    if dim is None:
        raise Refusal("squeezes every axis of size 1, and the batch may be one; name the axes")
    return b.squeeze(input, dim if isinstance(dim, Sequence) else [dim])


def _unsqueeze(b: Builder, input: Any, dim: int) -> Any:
    if isinstance(input, Weights):
        return replace(input, values=np.expand_dims(input.values, dim))
    return b.unsqueeze(input, [dim])


def _permute(b: Builder, input: Any, *dims: Any) -> Any:
    return b.permute(input, dims[0] if len(dims) == 1 else dims)


def _transpose(b: Builder, input: Any, dim0: int, dim1: int) -> Any:
    return b.transpose(input, dim0, dim1)


def _narrow(b: Builder, input: Any, dim: int, start: int, length: int) -> Any:
    return b.take(input, dim, start, start + length)


def _select(b: Builder, input: Any, dim: int, index: int) -> Any:
    stop = index + 1 if index != -1 else None
    return b.squeeze(b.take(input, dim, index, stop), [dim])


def _index_select(b: Builder, input: Any, dim: int, index: Any) -> Any:
    return b.select(input, dim, _places(index))


def _places(given: Any) -> list[int]:
    """Positions that are named one by one: an array of the model, or a list."""
    array = np.asarray(given)
    if array.ndim != 1 or array.dtype.kind != "i":
        raise Refusal("takes positions that are no row of whole numbers of the model")
    return [int(place) for place in array]


def _split(b: Builder, tensor: Any, split_size_or_sections: Any, dim: int = 0) -> Any:
    given = split_size_or_sections
    if isinstance(given, Sequence):
        return b.split(tensor, given, dim)
    size = b.shape(tensor)[b.axis(tensor, dim) - 1]
    whole, rest = divmod(size, given)
    return b.split(tensor, [given] * whole + [rest] * bool(rest), dim)


def _split_method(b: Builder, tensor: Any, split_size: Any, dim: int = 0) -> Any:
    return _split(b, tensor, split_size, dim)


def _chunk(b: Builder, input: Any, chunks: int, dim: int = 0) -> Any:
    size = b.shape(input)[b.axis(input, dim) - 1]
    return _split(b, input, -(-size // chunks), dim)


def _unbind(b: Builder, input: Any, dim: int = 0) -> Any:
    size = b.shape(input)[b.axis(input, dim) - 1]
    return tuple(b.squeeze(part, [dim]) for part in b.split(input, [1] * size, dim))


def _stack(b: Builder, tensors: Sequence[Any], dim: int = 0) -> Any:
    raised = [b.unsqueeze(tensor, [dim]) for tensor in tensors]
    return b.concat(raised, dim % (len(b.shape(raised[0])) + 1))


def _pixel_shuffle(b: Builder, input: Any, upscale_factor: int) -> Any:
    return b.layer(PixelShuffle(upscale_factor), input)


def _pixel_unshuffle(b: Builder, input: Any, downscale_factor: int) -> Any:
    return b.layer(PixelUnshuffle(downscale_factor), input)


def _channel_shuffle(b: Builder, input: Any, groups: int) -> Any:
    return b.layer(ChannelShuffle(groups), input)


def is_copied(at: Any) -> bool:
    """Whether a part by these indices has memory of its own: positions one by one are copied."""
    return any(isinstance(place, list | np.ndarray) for place in _listed(at))


def _listed(at: Any) -> list[Any]:
    return list(at) if isinstance(at, tuple) else [at]


def part(b: Builder, input: Any, at: Any) -> Any:
    """A part of a tensor by indices, as `x[:, 1:, None, ..., 0]` names it."""
    if isinstance(input, np.ndarray | tuple | list):
        return input[at]
    if isinstance(input, Weights):
        return _weights_seen(input, at)
    places = _listed(at)
    if isinstance(at, str):
        raise Refusal(
            f"reads {at!r} of a mapping, while a network takes one array; a module whose forward "
            "takes that array can be read"
        )
    if any(isinstance(place, Value) for place in places):
        raise Refusal("takes positions that depend on the samples")
    known = len(b.shape(input)) + 1
    taken = sum(place is not None and place is not Ellipsis for place in places)
    middle = next((nth for nth, place in enumerate(places) if place is Ellipsis), None)
    if middle is not None:
        places[middle : middle + 1] = [slice(None)] * (known - taken)
    several = sum(isinstance(place, list | np.ndarray) for place in places) > 1
    axis = 0
    for place in places:
        if place is None:
            input, axis = b.unsqueeze(input, [axis]), axis + 1
        elif isinstance(place, slice):
            if place != slice(None):
                input = b.take(input, axis, place.start, place.stop, place.step)
            axis += 1
        elif is_whole(place):
            input = _select(b, input, axis, place)
        elif isinstance(place, list | np.ndarray) and not several:
            input, axis = b.select(input, axis, _places(place)), axis + 1
        else:
            raise Refusal(
                "takes a part of a tensor by something else than whole numbers, slices and one row "
                "of positions"
            )
    return input


def _weights_seen(weights: Weights, at: Any) -> Weights:
    """A whole parameter with more axes of size 1, as `gamma[:, None, None]` gives it."""
    whole = (None, Ellipsis, slice(None))
    if not all(any(place is one or place == one for one in whole) for place in _listed(at)):
        raise Refusal(f"takes a part of the parameter {weights.name!r}, which no layer trains")
    return replace(weights, values=weights.values[at])


def _cat(b: Builder, tensors: Sequence[Any], dim: int = 0, axis: int | None = None) -> Any:
    return b.concat(tensors, dim if axis is None else axis)


def _size(b: Builder, input: Any, dim: int | None = None) -> Any:
    sizes = (BATCH, *b.shape(input))
    if dim is not None and not -len(sizes) <= dim < len(sizes):
        raise Refusal(f"asks for axis {dim} of {len(sizes)}")
    return sizes if dim is None else sizes[dim]


def _getattr(b: Builder, input: Any, name: str) -> Any:
    if name == "shape":
        return _size(b, input)
    if name == "ndim":
        return len(b.shape(input)) + 1
    if isinstance(input, tuple) and hasattr(input, name):
        return getattr(input, name)
    raise Refusal(f"reads the attribute {name!r} of a tensor")


def _dim(b: Builder, input: Any) -> Any:
    return _getattr(b, input, "ndim")


def _contiguous(b: Builder, input: Any) -> Any:
    return input


def _clone(b: Builder, input: Any) -> Any:
    """As `_contiguous`, in memory of its own, so that it is none of `VIEWS`."""
    return input


def _new_tensor(b: Builder, input: Any, data: Any) -> Any:
    return np.asarray(data, np.float64)


SHAPES: Mapping[str, Converter] = {  # in torch and as methods
    "flatten": _flatten, "reshape": _reshape, "squeeze": _squeeze, "unsqueeze": _unsqueeze,
    "permute": _permute, "transpose": _transpose, "swapaxes": _transpose,
    "narrow": _narrow, "select": _select, "index_select": _index_select,
    "repeat_interleave": _repeat_interleave,
    "split": _split, "chunk": _chunk, "unbind": _unbind,
    "clone": _clone,
}  # fmt: skip
"""By name."""

SHAPE_METHODS: Mapping[str, Converter] = {
    "split": _split_method,
    "view": _reshape, "contiguous": _contiguous, "new_tensor": _new_tensor,
    "repeat": _repeat, "size": _size, "dim": _dim, "expand": _expand, "expand_as": _expand_as,
}  # fmt: skip
"""What there is as a method alone."""

SHUFFLES: Mapping[str, Converter] = {
    "pixel_shuffle": _pixel_shuffle, "pixel_unshuffle": _pixel_unshuffle,
    "channel_shuffle": _channel_shuffle,
}  # fmt: skip
"""By the function's name in `torch.nn.functional`, and in `torch`."""

SHAPE_FUNCTIONS: Mapping[str, Converter] = {
    "torch.stack": _stack,
    "torch.cat": _cat, "torch.concat": _cat, "torch.concatenate": _cat,
    "builtins.getattr": _getattr,
}  # fmt: skip
"""By path."""

VIEWS = frozenset({_contiguous, _flatten, _reshape, _squeeze, _unsqueeze})
"""What gives a view of its whole input, or the input itself, rather than a tensor of its own."""

PARTS = frozenset({_permute, _transpose, _narrow, _select, part})
"""What gives a view of a part of its input, or of its axes in another order."""

SPLITS = frozenset({_split, _split_method, _chunk, _unbind})
"""What gives several parts of its input at once, each a view."""
