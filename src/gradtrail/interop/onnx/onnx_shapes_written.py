"""Layers that compute nothing, and maps of another size, as ONNX's operators."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from ... import layers as available
from ...equation import Margin
from ...equation.access import Row, sparse_of
from ...layers import Flatten, Layer
from ...layers.joins import Join
from ...layers.steps import Step
from ..shuffling import Laid, channel_shuffle, pixel_shuffle, pixel_unshuffle
from .onnx_formulas_written import write_equation
from .onnx_writing import Writer, Writing, one_operator


def _slice(w: Writing, step: Step) -> None:
    """Before version 10 there are no steps."""
    layer: Any = step.layer
    taken = layer.taken(w.shape(step))
    if any(places.step != 1 for _, places in taken):
        w.needs(10, step)
    settings = {
        "starts": [places.start for _, places in taken],
        "ends": [places.stop if places.stop >= 0 else -_END for _, places in taken],
        "axes": [axis for axis, _ in taken],
    }
    if any(places.step != 1 for _, places in taken):
        settings["steps"] = [places.step for _, places in taken]
    w.told("Slice", step, step.sources, settings)


def _select(w: Writing, step: Step) -> None:
    layer: Any = step.layer
    places = w.integers(step, "positions", layer.positions)
    w.node("Gather", step, [*step.sources, places], axis=layer.axis % len(w.shape(step)))


def _permute(w: Writing, step: Step) -> None:
    layer: Any = step.layer
    count = len(layer.dims)
    w.ordered(step, step.sources[0], [axis % count for axis in layer.dims])


def _reshape(w: Writing, step: Step) -> None:
    layer: Any = step.layer
    w.reshaped(step, step.sources[0], layer.sizes(w.shape(step)))


def _shuffle(laid: Callable[..., Laid], setting: str) -> Writer:
    """A shuffle as views; ONNX's SpaceToDepth has the channels in another order than PyTorch."""

    def write(w: Writing, step: Step) -> None:
        seen, order, sizes = laid(getattr(step.layer, setting), w.shape(step)[1:])
        apart = w.reshaped(step, step.sources[0], seen, part="apart")
        w.reshaped(step, w.ordered(step, apart, order, part="turned"), sizes)

    return write


def _pixel_shuffle(w: Writing, step: Step) -> None:
    """Version 11 has the order of PyTorch's channels as a mode of its own, for pictures."""
    layer: Any = step.layer
    if len(w.shape(step)) == 4 and w.opset >= 11:
        w.node("DepthToSpace", step, step.sources, blocksize=layer.upscale_factor, mode="CRD")
    else:
        _shuffle(pixel_shuffle, "upscale_factor")(w, step)


# -- padding --------------------------------------------------------------------------------------


def _pad(w: Writing, step: Step) -> None:
    """Where positions are repeated and others taken away, one is done after the other."""
    layer: Any = step.layer
    margins = layer.margins(w.shape(step))
    if layer.mode == "constant":
        settings = {"pads": _both(margins), "value": layer.value}
        w.told("Pad", step, step.sources, settings, mode="constant")
        return
    (source,) = step.sources
    wider = [(max(before, 0), max(behind, 0)) for before, behind in margins]
    cropped = [axis for axis, margin in enumerate(margins) if min(margin) < 0]
    part = "wide" if cropped else ""
    if layer.mode == "circular" and w.opset < 19:
        source = _circular(w, step, wider, part)
    elif any(map(any, wider)):
        mode = {"reflect": "reflect", "replicate": "edge", "circular": "wrap"}[layer.mode]
        source = w.told("Pad", step, [source], {"pads": _both(wider)}, part=part, mode=mode)
    if cropped:
        sides = [(axis, *margins[axis]) for axis in cropped]
        settings = {
            "starts": [max(-before, 0) for _, before, _ in sides],
            "ends": [min(behind, 0) or _END for _, _, behind in sides],
            "axes": cropped,
        }
        w.told("Slice", step, [source], settings)


_END = (1 << 31) - 1
"""As an end of a slice, behind any last position; −_END is before any first one."""


def _both(margins: Sequence[Margin]) -> list[int]:
    """How much lies before each axis, that of the samples first, then how much behind."""
    before, behind = zip(*margins, strict=True)
    return [*before, *behind]


def _circular(w: Writing, step: Step, margins: Sequence[Margin], part: str) -> str:
    """The last positions of an axis before it, and its first ones behind it."""
    (source,), shape = step.sources, w.shape(step)
    padded = [axis for axis, margin in enumerate(margins) if any(margin)]
    for axis in padded:
        (before, behind), size = margins[axis], shape[axis]
        parts = [source]
        for width, start, place in ((before, size - before, 0), (behind, 0, len(parts) + 1)):
            if width:
                settings = {"starts": [start], "ends": [start + width], "axes": [axis]}
                found = w.told("Slice", step, [source], settings, part="side")
                parts.insert(place, found)
        last = axis == padded[-1]
        source = w.node("Concat", step, parts, part=part if last else "axis", axis=axis)
    return source


# -- maps of another size -------------------------------------------------------------------------


def _upsample(w: Writing, step: Step) -> None:
    """By whole multiples in any version; else as Resize has it from version 11 on.

    ONNX Runtime computes positions in float32, which may fall on the other side of a whole number:
    where the nearest one would be another, each axis is gathered.
    """
    layer: Any = step.layer
    shape, sizes = w.shape(step), w.shapes[step.output]
    multiples = [there // here for here, there in zip(shape, sizes, strict=True)]
    whole = all(m * here == there for m, here, there in zip(multiples, shape, sizes, strict=True))
    if layer.mode == "nearest" and whole and w.opset < 11:
        operator = "Upsample" if w.opset < 10 else "Resize"
        scales = w.array(f"{step.name}.scales", np.array(multiples, np.float32))
        w.node(operator, step, [*step.sources, scales], mode="nearest")
        return
    if layer.mode.startswith("nearest") and not whole and not _safe(layer, shape, sizes):
        _gathered(w, step)
        return
    w.needs(11, step)
    settings = _RESIZED[layer.mode] | _POSITIONS.get(layer.mode, {})
    factors = layer.scale_factor
    if layer.align_corners:  # whose sizes tell all, and factors differ by who reads them
        settings["coordinate_transformation_mode"], factors = "align_corners", None
    w.node("Resize", step, [*step.sources, *_target(w, step, factors, sizes)], **settings)


def _resize(w: Writing, step: Step) -> None:
    """In ONNX's own words; a factor with another size than it gives has none, but an equation.

    Nor have factors that make no whole size where corners lie on each other: programs differ.
    """
    layer: Any = step.layer
    symmetric = layer.positions == "half_pixel_symmetric"
    w.needs(19 if symmetric else 18 if layer.antialias else 11, step)
    shape, sizes = w.shape(step), w.shapes[step.output]
    if layer.scale is not None:
        each = layer.scale if isinstance(layer.scale, tuple) else (layer.scale,) * (len(shape) - 2)
        triples = [*zip(shape[2:], each, sizes[2:], strict=True)]
        corners = layer.positions == "align_corners" and any(h * s != t for h, s, t in triples)
        if corners or any(int(h * s) != t for h, s, t in triples):
            write_equation(w, step)
            return
    settings = {"mode": layer.mode, "coordinate_transformation_mode": layer.positions}
    if layer.mode == "nearest":
        settings["nearest_mode"] = layer.rounding
    elif layer.mode == "cubic":
        settings["cubic_coeff_a"] = layer.cubic
    settings |= {name: 1 for name in ("antialias", "exclude_outside") if getattr(layer, name)}
    w.node("Resize", step, [*step.sources, *_target(w, step, layer.scale, sizes)], **settings)


_RESIZED: Mapping[str, dict[str, Any]] = {
    "nearest": {"mode": "nearest", "nearest_mode": "floor"},
    "nearest-exact": {"mode": "nearest", "nearest_mode": "round_prefer_ceil"},
    **{name: {"mode": "linear"} for name in ("linear", "bilinear", "trilinear")},
    "bicubic": {"mode": "cubic"},
}
_POSITIONS: Mapping[str, dict[str, Any]] = {
    "nearest": {"coordinate_transformation_mode": "asymmetric"}
}


def _target(w: Writing, step: Step, given: Any, sizes: Sequence[int]) -> list[str]:
    """Resize's factors, or its sizes: those of samples and channels are what they were.

    Before version 13 what is left out is an empty array.
    """
    none = "" if w.opset >= 13 else w.array(f"{step.name}.none", np.zeros(0, np.float32))
    if given is not None:
        each = given if isinstance(given, tuple) else (given,) * (len(sizes) - 2)
        return [none, w.array(f"{step.name}.scales", np.array([1, 1, *each], np.float32))]
    shape = w.node("Shape", step, step.sources, part="shape")
    bounds = {"starts": [0], "ends": [2], "axes": [0]}
    kept = w.told("Slice", step, [shape], bounds, part="kept")
    wanted = w.integers(step, "places", sizes[2:])
    return [none, none, w.node("Concat", step, [kept, wanted], part="sizes", axis=0)]


def _rows(layer: Layer, shape: tuple[int, ...]) -> dict[int, tuple[Row, ...]]:
    """For each axis of places that changes, what each position takes."""
    equation = layer.declare(shape, training=False).equation
    (term,) = equation.terms  # type: ignore[attr-defined]
    inside = [position.plain for position in term.factors[-1].access.positions]
    return {inside.index(sparse.names[1]): sparse.rows for sparse in sparse_of(term.factors)}


def _safe(layer: Any, shape: tuple[int, ...], sizes: Sequence[int]) -> bool:
    """Whether no nearest position lies so close to a border that float32 may take its neighbour."""
    half = 0.0 if layer.mode == "nearest" else 0.5
    for axis, rows in _rows(layer, shape).items():
        given = layer.scale_factor
        each = given[axis - 2] if isinstance(given, tuple) else given
        factor = np.float32(sizes[axis] / shape[axis] if each is None else each)
        places = (np.arange(len(rows), dtype=np.float32) + np.float32(half)) / factor
        taken = [start for start, _ in rows]
        for nudged in (places, places * (1 - 1e-6), places * (1 + 1e-6)):
            if np.minimum(np.floor(nudged), shape[axis] - 1).astype(int).tolist() != taken:
                return False
    return True


def _gathered(w: Writing, step: Step) -> None:
    """Each axis by a list of the positions that are taken."""
    layer: Any = step.layer
    (source,), rows = step.sources, _rows(layer, w.shape(step))
    for axis, taken in rows.items():
        places = w.integers(step, "places", [start for start, _ in taken])
        part = "" if axis == max(rows) else "axis"
        source = w.node("Gather", step, [source, places], part=part, axis=axis)


SHAPE_WRITERS: Mapping[type[Layer], Writer] = {
    Flatten: one_operator("Flatten", lambda layer: {"axis": 1}),
    Join: one_operator("Concat", lambda layer: {"axis": 1}),
    available.ChannelShuffle: _shuffle(channel_shuffle, "groups"),
    available.IndexSelect: _select,
    available.Pad: _pad,
    available.Permute: _permute,
    available.PixelShuffle: _pixel_shuffle,
    available.PixelUnshuffle: _shuffle(pixel_unshuffle, "downscale_factor"),
    available.Reshape: _reshape,
    available.Resize: _resize,
    available.Slice: _slice,
    available.Upsample: _upsample,
}
"""By layer."""
