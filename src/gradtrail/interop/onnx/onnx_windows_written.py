"""Layers that slide windows over maps, as ONNX's operators: convolutions and pools."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import prod
from typing import Any

from ... import layers as available
from ...equation import Margin
from ...layers import Layer
from ...layers.steps import Step
from ...layers.windows import Windows
from .onnx_writing import Writer, Writing, one_operator


def _sizes(window: Windows, margins: Sequence[Margin] = ()) -> dict[str, Any]:
    """A window's settings as attributes, with its own margins or with others."""
    return {
        "kernel_shape": list(window.kernel),
        "strides": list(window.stride),
        "pads": _pads(margins or window.margins),
    }


def _pads(margins: Sequence[Margin]) -> list[int]:
    """How much lies before each axis, then how much behind."""
    before, behind = zip(*margins, strict=True)
    return [*before, *behind]


def _dilated(window: Windows) -> dict[str, Any]:
    return _sizes(window) | {"dilations": list(window.dilation)}


def _conv_transpose(layer: Any) -> dict[str, Any]:
    """What the window crops behind is less by the output padding; ONNX takes the two apart.

    ONNX Runtime wants output padding below the stride, even with a dilation. Where it is not, less
    is cropped behind instead, as far as anything is cropped.
    """
    window = layer.windows
    before, extra = [p for p, _ in window.margins], layer.added
    behind = [q + e for (_, q), e in zip(window.margins, extra, strict=True)]
    less = [
        min(q, e) if e >= s else 0 for q, e, s in zip(behind, extra, window.stride, strict=True)
    ]
    return {
        **_dilated(window),
        "group": layer.groups,
        "pads": [*before, *(q - a for q, a in zip(behind, less, strict=True))],
        "output_padding": [e - a for e, a in zip(extra, less, strict=True)],
    }


def _max_pool(w: Writing, step: Step) -> None:
    """What `ceil_mode` reaches behind is padding, which never wins."""
    layer: Any = step.layer
    settings = _sizes(layer.windows, layer.reached(w.shape(step)))
    if set(layer.windows.dilation) != {1}:
        w.needs(10, step)
        settings["dilations"] = list(layer.windows.dilation)
    w.node("MaxPool", step, step.sources, **settings)


def _average_pool(w: Writing, step: Step) -> None:
    """What `ceil_mode` reaches behind is padding that does not count.

    Where some padding counts and some does not, that which counts is zeros before the pooling. With
    a divisor of its own, all of it counts, and the mean is multiplied.
    """
    layer: Any = step.layer
    window, (source,) = layer.windows, step.sources
    reached, counts = layer.reached(w.shape(step)), layer.count_include_pad
    divisor = layer.divisor_override
    if divisor is not None:
        settings = {**_sizes(window, reached), "count_include_pad": 1}
        mean = w.node("AveragePool", step, [source], part="mean", **settings)
        factor = w.constant(step, "factor", prod(window.kernel) / divisor)
        w.node("Mul", step, [mean, factor])
        return
    if counts and reached != window.margins:
        if any(map(any, window.margins)):
            pads = _pads([(0, 0), (0, 0), *window.margins])
            source = w.told("Pad", step, [source], {"pads": pads}, part="padded", mode="constant")
        more = zip(window.margins, reached, strict=True)
        reached, counts = tuple((0, wide - own) for (_, own), (_, wide) in more), False
    settings = {**_sizes(window, reached), "count_include_pad": int(counts)}
    w.node("AveragePool", step, [source], **settings)


def _global(operator: str) -> Writer:
    """A pooling of whole maps, whose axes of size 1 are left out."""

    def write(w: Writing, step: Step) -> None:
        pooled = w.node(operator, step, step.sources, part="maps")
        w.node("Flatten", step, [pooled], axis=1)

    return write


def _adaptive(pool: str, whole: str, reduction: str) -> Writer:
    """Pooling to a size: windows alike are a pooling; else, axis by axis, one part after another.

    The maximum of maxima is the maximum, and so is the mean of means over windows that are alike
    along each of the other axes.
    """

    def write(w: Writing, step: Step) -> None:
        layer: Any = step.layer
        shape, source = w.shape(step), step.sources[0]
        sizes = layer.sizes(shape)
        pairs = [*zip(shape[2:], sizes, strict=True)]
        if all(size == 1 for size in sizes):
            w.node(whole, step, [source])
            return
        if not any(size % count for size, count in pairs):
            widths = [size // count for size, count in pairs]
            w.node(pool, step, [source], kernel_shape=widths, strides=widths)
            return
        uneven = [axis for axis, (size, count) in enumerate(pairs, 2) if size != count]
        for axis in uneven:
            parts = _windows_of(w, step, source, axis, *pairs[axis - 2], reduction)
            last = axis == uneven[-1]
            source = w.node("Concat", step, parts, part="" if last else "axis", axis=axis)

    return write


def _windows_of(
    w: Writing, step: Step, source: str, axis: int, size: int, count: int, reduction: str
) -> list[str]:
    """Each window of one axis, reduced to one position."""
    found = []
    for y in range(count):
        bounds = {"starts": [y * size // count], "ends": [-(-(y + 1) * size // count)]}
        window = w.told("Slice", step, [source], {**bounds, "axes": [axis]}, part="window")
        found.append(w.told(reduction, step, [window], {"axes": [axis]}, part="pooled", keepdims=1))
    return found


def of_every_rank(kind: str, write: Writer) -> dict[type[Layer], Writer]:
    """The classes of a layer over one, two and three axes, which are written alike."""
    return {getattr(available, f"{kind}{rank}d"): write for rank in (1, 2, 3)}


WINDOW_WRITERS: Mapping[type[Layer], Writer] = {
    **of_every_rank("AdaptiveAvgPool", _adaptive("AveragePool", "GlobalAveragePool", "ReduceMean")),
    **of_every_rank("AdaptiveMaxPool", _adaptive("MaxPool", "GlobalMaxPool", "ReduceMax")),
    **of_every_rank("AvgPool", _average_pool),
    **of_every_rank(
        "Conv",
        one_operator("Conv", lambda layer: {**_dilated(layer.windows), "group": layer.groups}),
    ),
    **of_every_rank("ConvTranspose", one_operator("ConvTranspose", _conv_transpose)),
    **of_every_rank("GlobalAvgPool", _global("GlobalAveragePool")),
    **of_every_rank("GlobalMaxPool", _global("GlobalMaxPool")),
    **of_every_rank("MaxPool", _max_pool),
}
"""By layer."""
