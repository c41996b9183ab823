"""ONNX's operators that compute nothing, of samples or of sizes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import prod
from typing import Any

from ..reading.building import Builder
from ..reading.refusals import Refusal
from ..reading.values import BATCH, SamplesBehind, Value, Weights
from .onnx_resizing import RESIZING
from .onnx_sizes import SIZES, Converter
from .onnx_view import View


def _flatten(b: Builder, n: View) -> Any:
    axis = n.whole_number("axis", 1, least=None)
    x = n.value(0)
    sizes = b.shape(x)
    count = len(sizes) + n.lead
    if not -count <= axis <= count:
        raise Refusal(f"flattens from axis {axis} of {count}")
    if n.lead == 0:
        lead = sizes[: axis + count if axis < 0 else axis]
        return b.view_as(x, (prod(lead), prod(sizes) // prod(lead)))
    if axis % count != 1:
        raise Refusal(f"flattens from axis {axis}; only 1 keeps the samples apart")
    return b.flatten(x)


def _pad(b: Builder, n: View) -> Any:
    x, mode, axes = n.value(0), n.word("mode", "constant"), n.optional(3)
    pads = n.axes("paddings" if "paddings" in n.attributes else "pads", 1)
    fill = n.number("value", 0.0) if n.opset < 11 else n.optional(2)
    count = len(b.shape(x)) + n.lead
    if axes is not None:
        pads = _spread(n.axes("axes", 3), pads, count)
    if len(pads) != 2 * count:
        raise Refusal(f"pads {count} axes by {len(pads)} numbers")
    margins = tuple(zip(pads[:count], pads[count:], strict=True))
    if n.lead and any(margins[0]):
        raise Refusal(f"pads the axis of the samples by {[*margins[0]]}")
    margins = margins[n.lead :]
    known = {"constant": "constant", "reflect": "reflect", "edge": "replicate", "wrap": "circular"}
    if mode not in known:
        raise Refusal(f"pads with mode={mode!r:.40}, which is none")
    return b.pad_by(x, margins, known[mode], 0.0 if fill is None else n.single(fill))


def _spread(axes: Sequence[int], pads: Sequence[int], count: int) -> list[int]:
    """Pads of some axes as pads of all."""
    found = [0] * (2 * count)
    if len(pads) != 2 * len(axes):
        raise Refusal(f"pads {len(axes)} axes by {len(pads)} numbers")
    for place, axis in enumerate(axes):
        if not -count <= axis < count:
            raise Refusal(f"pads axis {axis}, which samples do not have")
        found[axis % count] = pads[place]
        found[axis % count + count] = pads[place + len(axes)]
    return found


def _concat(b: Builder, n: View) -> Any:
    values = [n.given(place) for place in range(n.count)]
    first = next(x for x in values if isinstance(x, Value))
    return b.concat(values, n.axis(_concat_axis(n), b.shape(first)))


def _concat_axis(n: View) -> int:
    """Until version 4 it had a default."""
    return n.whole_number("axis", 1 if n.opset < 4 else None, least=None)


def _reshape(b: Builder, n: View) -> Any:
    x = n.value(0)
    target = n.axes("shape", 1) if "shape" in n.attributes else n.integers(1)
    sizes = n.sizes_of(b.shape(x))
    copies = not n.flag("allowzero", False)
    filled = [
        sizes[place] if size == 0 and copies and place < len(sizes) else size
        for place, size in enumerate(target)
    ]
    return b.reshape(x, filled if n.lead else [BATCH, *filled], n.declared_batch)


def _identity(b: Builder, n: View) -> Any:
    """The same; an array is called as its new name says, if that is a layer's.

    Exporters write equal arrays once, and hand the others on: `norm_b.weight` is `norm_a.weight`.
    """
    x, name = n.given(0), n.operation.outputs[0]
    renamed = isinstance(x, Weights) and name.endswith(".weight")
    return Weights(name, x.values) if renamed else x


def _squeeze(b: Builder, n: View) -> Any:
    axes, x = n.axes("axes", 1), n.value(0)
    sizes = b.shape(x)
    if not axes and n.lead and n.declared_batch in (None, 1):
        raise Refusal("squeezes every axis of size 1, and the batch may be one; name the axes")
    if not axes:
        return b.squeeze(x, [place for place, size in enumerate(sizes, 1) if size == 1])
    return b.squeeze(x, [n.axis(axis, sizes) for axis in axes])


def _unsqueeze(b: Builder, n: View) -> Any:
    x, axes = n.value(0), n.axes("axes", 1)
    sizes = (*b.shape(x), *(1 for _ in axes))
    return b.unsqueeze(x, [n.axis(axis, sizes) for axis in axes])


def _transpose(b: Builder, n: View) -> Any:
    n.asked.add("perm")
    sizes = b.shape(n.value(0))
    order = n.attributes.get("perm", list(range(len(sizes) + n.lead))[::-1])
    if not isinstance(order, list) or not all(isinstance(axis, int) for axis in order):
        raise Refusal(f"has perm={order!r:.60}, which is no order of axes")
    inner = [n.axis(axis, sizes) for axis in order]
    if not n.lead:
        return b.permute(n.value(0), [0, *inner])
    if sorted(inner) != list(range(len(inner))):
        raise Refusal(f"puts axes in the order {order}, of which a sample has {len(sizes)}")
    place = inner.index(0)
    turned = b.permute(n.value(0), [0, *(axis for axis in inner if axis)])
    return SamplesBehind(turned, place) if place else turned


def _slice(b: Builder, n: View) -> Any:
    x = n.value(0)
    sizes = n.sizes_of(b.shape(x))
    for start, end, axis, step in n.slices(len(sizes)):
        if axis == n.place and n.lead and start == 0 and end >= _FAR and step == 1:
            continue  # all of the samples
        x = b.take(x, n.axis(axis, b.shape(x)), start, end, step)
    return x


_FAR = 1 << 31


def _gather(b: Builder, n: View) -> Any:
    """Some places of an axis; one that is no list takes the axis away."""
    x = n.value(0)
    places, axis = n.sizes(1), n.axis(n.whole_number("axis", 0, least=None), b.shape(x))
    size = b.shape(x)[b.axis(x, axis) - 1]
    listed = places.reshape(-1).tolist()
    if places.ndim > 1:
        raise Refusal(
            f"takes places by an array of {places.shape}, while one row of them is a layer"
        )
    if not all(isinstance(p, int) and -size <= p < size for p in listed):
        raise Refusal(f"takes the places {listed!r:.60} of {size}")
    found = b.select(x, axis, listed)
    return b.squeeze(found, [axis]) if places.ndim == 0 else found


def _tile(b: Builder, n: View) -> Any:
    x, times = n.value(0), n.axes("repeats", 1)
    sizes = b.shape(x)
    if len(times) != len(sizes) + n.lead or any(count < 1 for count in times):
        raise Refusal(f"repeats samples of {sizes} by {times}")
    if n.lead and times[0] != 1:
        raise Refusal("repeats the samples")
    for axis, count in enumerate(times[n.lead :], 1):
        x = x if count == 1 else b.concat([x] * count, axis)
    return x


def _split(b: Builder, n: View) -> Any:
    x = n.value(0)
    axis = n.axis(n.whole_number("axis", 0, least=None), b.shape(x))
    return b.split(x, n.parts(b.shape(x)[b.axis(x, axis) - 1]), axis)


def _depth_to_space(b: Builder, n: View) -> Any:
    size, mode = n.whole_number("blocksize", None, least=1), n.word("mode", "DCR")
    x = n.value(0)
    channels, height, width = _three(b, x)
    inner = (
        (size, size, channels // size**2) if mode == "DCR" else (channels // size**2, size, size)
    )
    if channels % size**2:
        raise Refusal(f"spreads {channels} channels over blocks of {size} × {size}")
    seen = b.view_as(x, (*inner, height, width))
    order = (0, 3, 4, 1, 5, 2) if mode == "DCR" else (0, 1, 4, 2, 5, 3)
    shape = (channels // size**2, height * size, width * size)
    return b.view_as(b.permute(seen, order), shape)


def _space_to_depth(b: Builder, n: View) -> Any:
    size, mode = n.whole_number("blocksize", None, least=1), n.word("mode", "DCR")
    x = n.value(0)
    channels, height, width = _three(b, x)
    if height % size or width % size:
        raise Refusal(f"gathers maps of {height} × {width} in blocks of {size} × {size}")
    seen = b.view_as(x, (channels, height // size, size, width // size, size))
    order = (0, 3, 5, 1, 2, 4) if mode == "DCR" else (0, 1, 3, 5, 2, 4)
    shape = (channels * size**2, height // size, width // size)
    return b.view_as(b.permute(seen, order), shape)


def _three(b: Builder, x: Any) -> tuple[int, int, int]:
    shape = b.shape(x)
    if len(shape) != 3:
        raise Refusal(f"needs samples of (channels, height, width), got {shape}")
    return shape[0], shape[1], shape[2]


SHAPES: Mapping[str, Converter] = {
    **RESIZING,
    **SIZES,
    "Concat": _concat,
    "DepthToSpace": _depth_to_space,
    "Flatten": _flatten,
    "Gather": _gather,
    "Identity": _identity,
    "Pad": _pad,
    "Reshape": _reshape,
    "Slice": _slice,
    "SpaceToDepth": _space_to_depth,
    "Split": _split,
    "Squeeze": _squeeze,
    "Tile": _tile,
    "Transpose": _transpose,
    "Unsqueeze": _unsqueeze,
}
"""By name."""
