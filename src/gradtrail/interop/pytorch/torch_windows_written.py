"""Windows in settings that PyTorch's modules do not have, whose padding is done apart."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any

from ...equation import Margin
from ...layers.pooling import AvgPool, MaxPool
from ...layers.steps import Step
from .torch_calls import ForwardCall

_PAD = "torch.nn.functional.pad"


def is_apart(layer: Any) -> bool:
    """Whether a module slides windows without padding, and calls around it pad or crop.

    Padding that differs before and behind is none that a module could be told; and `AvgPool1d`
    has no divisor.
    """
    padding = getattr(layer, "padding", 0)
    uneven = isinstance(padding, tuple) and any(isinstance(p, tuple) for p in padding)
    if hasattr(layer, "windows") and uneven:
        return any(before != behind for before, behind in layer.windows.margins)
    return isinstance(layer, AvgPool) and layer.rank == 1 and layer.divisor_override is not None


def without_padding(layer: Any, keywords: dict[str, Any]) -> dict[str, Any]:
    """The arguments by name of a module whose padding is done apart."""
    gone = {"padding", "output_padding"}
    if isinstance(layer, AvgPool | MaxPool):
        gone |= {"ceil_mode", "count_include_pad"}
    if isinstance(layer, AvgPool) and layer.rank == 1:
        gone |= {"divisor_override"}
    return {name: value for name, value in keywords.items() if name not in gone}


def windows_apart(step: Step, sources: list[Any], shape: tuple[int, ...]) -> ForwardCall:
    """A module without padding: its input is padded before, or its output cropped behind it."""
    layer: Any = step.layer
    if type(layer).__name__.startswith("ConvTranspose"):
        return _cropped(step, sources, shape)
    if isinstance(layer, AvgPool):
        return _average(step, sources, shape)
    margins = layer.reached((1, *shape)) if isinstance(layer, MaxPool) else layer.windows.margins
    fill = ("constant", float("-inf")) if isinstance(layer, MaxPool) else ()
    return ForwardCall("call_module", step.owner, (_padded(sources[0], margins, *fill),), step.name)


def _padded(source: Any, margins: Sequence[Margin], *fill: Any) -> ForwardCall:
    sides = [side for margin in reversed(margins) for side in margin]
    return ForwardCall("call_function", _PAD, (source, sides, *fill))


def _cropped(step: Step, sources: list[Any], shape: tuple[int, ...]) -> ForwardCall:
    layer: Any = step.layer
    found = ForwardCall("call_module", step.owner, tuple(sources))
    sizes = layer.declare((1, *shape), training=False).equation.shape_of["Z"][2:]
    for axis, ((before, _), size) in enumerate(zip(layer.windows.margins, sizes, strict=True), 2):
        name = step.name if axis == len(sizes) + 1 else None
        found = ForwardCall("call_method", "narrow", (found, axis, before, size), name)
    return found


def _average(step: Step, sources: list[Any], shape: tuple[int, ...]) -> ForwardCall:
    """The mean over whole windows; where not all of one counts, over the mean of what counts."""
    layer: Any = step.layer
    asked, reached = layer.windows.margins, layer.reached((1, *shape))
    divisor, counts = layer.divisor_override, layer.count_include_pad

    def pooled(source: Any, name: str | None = None) -> ForwardCall:
        return ForwardCall("call_module", step.owner, (source,), name)

    whole = _padded(sources[0], reached)
    if divisor is not None and layer.rank > 1:
        return pooled(whole, step.name)
    if divisor is not None:
        factor = prod(layer.windows.kernel) / divisor
        return ForwardCall("call_function", "operator.mul", (pooled(whole), factor), step.name)
    if counts and asked == reached:
        return pooled(whole, step.name)
    ones = ForwardCall("call_function", "torch.ones_like", tuple(sources))
    if counts:
        beyond = [(0, more - own) for (_, own), (_, more) in zip(asked, reached, strict=True)]
        counted = _padded(_padded(ones, asked, "constant", 1.0), beyond)
    else:
        counted = _padded(ones, reached)
    parts = (pooled(whole), pooled(counted))
    return ForwardCall("call_function", "operator.truediv", parts, step.name)
