"""What is no module in PyTorch: the lines of `forward` that such layers are.

A line takes the step, the calls that give what it reads, and the shape of one sample of each. To
add one, add it to the table at the end.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ...layers import Layer, Normalize, Pointwise
from ...layers.sample_axes import checked_axes, some_axes
from ...layers.steps import Step
from ..shuffling import channel_shuffle, pixel_shuffle, pixel_unshuffle
from .torch_calls import ForwardCall, greatest
from .torch_expressions import expression_call
from .torch_formulas import equation_call

Shapes = Sequence[tuple[int, ...]]

Line = Callable[[Step, list[Any], Shapes], ForwardCall]
"""From a step, what it reads and one sample's shapes to the line of `forward` that it is."""


def _add(step: Step, sources: list[Any], shapes: Shapes) -> ForwardCall:
    return _folded("operator.add", step, _met(sources, shapes))


def _multiply(step: Step, sources: list[Any], shapes: Shapes) -> ForwardCall:
    return _folded("operator.mul", step, _met(sources, shapes))


def _met(sources: list[Any], shapes: Shapes) -> list[Any]:
    """Those with fewer axes get further ones of one position; PyTorch would put them in front."""
    most = max(map(len, shapes))
    return [
        source
        if len(shape) == most
        else ForwardCall("call_method", "reshape", (source, -1, *shape, *[1] * (most - len(shape))))
        for source, shape in zip(sources, shapes, strict=True)
    ]


def _folded(operation: str, step: Step, sources: list[Any]) -> ForwardCall:
    """An operator over all sources, from left to right."""
    first, *others = sources
    for place, other in enumerate(others):
        last = place == len(others) - 1
        first = ForwardCall("call_function", operation, (first, other), step.name if last else None)
    return first  # type: ignore[no-any-return]


def _join(step: Step, sources: list[Any], shapes: Shapes) -> ForwardCall:
    return ForwardCall("call_function", "torch.cat", (sources, 1), step.name)


def _normalize(step: Step, sources: list[Any], shapes: Shapes) -> ForwardCall:
    (source,), layer = sources, step.layer
    assert isinstance(layer, Normalize)
    mean, std = (_constant(source, numbers, len(shapes[0])) for numbers in (layer.mean, layer.std))
    centred = ForwardCall("call_function", "operator.sub", (source, mean))
    return ForwardCall("call_function", "operator.truediv", (centred, std), step.name)


def _expression(step: Step, sources: list[Any], shapes: Shapes) -> ForwardCall:
    layer = step.layer
    assert isinstance(layer, Pointwise)
    read = _met(sources, shapes)
    return expression_call(layer.body, dict(zip(layer.inputs, read, strict=True)), step.name)


def _method(target: str, arguments: Callable[[Any, tuple[int, ...]], Sequence[Any]]) -> Line:
    """A line that calls a tensor's method, with arguments from the layer and the shape."""

    def line(step: Step, sources: list[Any], shapes: Shapes) -> ForwardCall:
        given = arguments(step.layer, shapes[0])
        return ForwardCall("call_method", target, (sources[0], *given), step.name)

    return line


def _max(step: Step, sources: list[Any], shapes: Shapes) -> ForwardCall:
    """Axis by axis, the last one first: `amax` would share the gradient among those that tie."""
    layer: Any = step.layer
    (found,) = sources
    axes = sorted(checked_axes(some_axes(layer, layer.axes), (1, *shapes[0])))
    for axis in reversed(axes):
        found = greatest(found, axis, layer.keepdim, step.name if axis == axes[0] else None)
    return found  # type: ignore[no-any-return]


def _slice(step: Step, sources: list[Any], shapes: Shapes) -> ForwardCall:
    """One axis after the other by `narrow`; steps by index, backwards position by position."""
    layer: Any = step.layer
    (found,) = sources
    taken = layer.taken((1, *shapes[0]))
    for place, (axis, positions) in enumerate(taken):
        name = step.name if place == len(taken) - 1 else None
        if positions.step == 1:
            arguments = (found, axis, positions.start, len(positions))
            found = ForwardCall("call_method", "narrow", arguments, name)
            continue
        part: Any = slice(positions.start, positions.stop, positions.step)
        if positions.step < 0:  # which PyTorch has no slices for
            part = list(positions)
        places = (*[slice(None)] * axis, part)
        found = ForwardCall("call_function", "operator.getitem", (found, places), name)
    return found  # type: ignore[no-any-return]


def _index_select(step: Step, sources: list[Any], shapes: Shapes) -> ForwardCall:
    """Positions one by one, by the indices that a part is taken by."""
    layer: Any = step.layer
    places = [slice(None)] * (layer.axis % (len(shapes[0]) + 1))
    part = (*places, list(layer.positions))
    return ForwardCall("call_function", "operator.getitem", (*sources, part), step.name)


def _pad(step: Step, sources: list[Any], shapes: Shapes) -> ForwardCall:
    layer: Any = step.layer
    given = layer.padding
    sides = given if isinstance(given, tuple) else (given,) * (2 * len(shapes[0]) - 2)
    if layer.mode != "constant":  # PyTorch asks for all axes of places
        sides = (*sides, *(0,) * (2 * len(shapes[0]) - 2 - len(sides)))
    arguments: tuple[Any, ...] = (*sources, list(sides))
    if layer.mode != "constant" or layer.value != 0:
        arguments += (layer.mode,)
        arguments += (layer.value,) if layer.mode == "constant" else ()
    return ForwardCall("call_function", "torch.nn.functional.pad", arguments, step.name)


def _matmul(step: Step, sources: list[Any], shapes: Shapes) -> ForwardCall:
    layer: Any = step.layer
    read = [
        ForwardCall("call_method", "transpose", (source, -2, -1)) if turned else source
        for source, turned in zip(sources, (layer.transpose_a, layer.transpose_b), strict=True)
    ]
    return ForwardCall("call_function", "torch.matmul", tuple(read), step.name)


def _resize(step: Step, sources: list[Any], shapes: Shapes) -> ForwardCall:
    """PyTorch's own way of resizing, where it places positions as the layer does; else a sum."""
    layer: Any = step.layer
    rank = len(shapes[0]) - 1
    smooth = {"linear": ("linear", "bilinear", "trilinear")[rank - 1], "cubic": "bicubic"}
    nearest = {"half_pixelround_prefer_ceil": "nearest-exact", "asymmetricfloor": "nearest"}
    mode, corners = nearest.get(layer.positions + layer.rounding), None
    fits = layer.scale is None
    if layer.mode != "nearest":
        mode = smooth[layer.mode]
        corners = {"half_pixel": False, "align_corners": True}.get(layer.positions)
        alike = layer.antialias == layer.exclude_outside and (not layer.antialias or rank == 2)
        a = -0.5 if layer.antialias else -0.75
        fits &= corners is not None and alike and (layer.mode == "linear" or layer.cubic == a)
        fits &= layer.mode == "linear" or rank == 2
    if not fits or mode is None:  # in a way of others: as the sum that it is
        return equation_call(step, sources, shapes)
    arguments = (*sources, layer.size, None, mode, corners, None, layer.antialias)
    return ForwardCall("call_function", "torch.nn.functional.interpolate", arguments, step.name)


def _laid(
    step: Step, source: Any, seen: Sequence[int], order: Sequence[int], sizes: Sequence[int]
) -> ForwardCall:
    """Samples seen in a shape with more axes, those in another order, and seen as others again."""
    apart = ForwardCall("call_method", "reshape", (source, -1, *seen))
    turned = ForwardCall("call_method", "permute", (apart, *order))
    return ForwardCall("call_method", "reshape", (turned, -1, *sizes), step.name)


def _shuffle(laid: Callable[..., Sequence[Sequence[int]]], setting: str) -> Line:
    def line(step: Step, sources: list[Any], shapes: Shapes) -> ForwardCall:
        (source,), (shape,) = sources, shapes
        return _laid(step, source, *laid(getattr(step.layer, setting), shape))

    return line


LINES: Mapping[str, Line] = {
    "Add": _add,
    "ChannelShuffle": _shuffle(channel_shuffle, "groups"),
    "Join": _join,
    "MatMul": _matmul,
    "Max": _max,
    "Mean": _method("mean", lambda layer, shape: (layer.axes, layer.keepdim)),
    "Multiply": _multiply,
    "Normalize": _normalize,
    "Pad": _pad,
    "PixelShuffle": _shuffle(pixel_shuffle, "upscale_factor"),
    "PixelUnshuffle": _shuffle(pixel_unshuffle, "downscale_factor"),
    "Pointwise": _expression,
    "Permute": _method("permute", lambda layer, shape: layer.dims),
    "Reshape": _method("reshape", lambda layer, shape: (-1, *layer.sizes((1, *shape)))),
    "IndexSelect": _index_select,
    "Resize": _resize,
    "Slice": _slice,
    "Sum": _method("sum", lambda layer, shape: (layer.axes, layer.keepdim)),
}
"""The layers that are no module in PyTorch, by name."""

_RANKS = {"ChannelShuffle": (1, 2, 3), "PixelShuffle": (2,), "PixelUnshuffle": (2,)}
"""Modules that PyTorch has for maps of so many axes only; of others they take another axis."""


def is_line(layer: Layer, shape: tuple[int, ...]) -> bool:
    """Whether a layer is a line of `forward` instead of a module, for samples of a shape."""
    kind = type(layer).__name__
    return kind in LINES and len(shape) - 1 not in _RANKS.get(kind, ())


def _constant(source: ForwardCall, numbers: Any, rank: int) -> Any:
    """A number, or numbers by channel as a tensor like `source`; no state of the module."""
    if isinstance(numbers, float):
        return numbers
    tensor = ForwardCall("call_method", "new_tensor", (source, list(numbers)))
    return ForwardCall("call_method", "reshape", (tensor, -1, *[1] * (rank - 1)))
