"""What is no module in PyTorch: the lines of `forward` that such layers are.

A line takes the step, the calls that give what it reads, and the shape of one sample of each. To
add one, add it to the table at the end.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ..errors import ArgumentError
from ..layers import Normalize, Pointwise
from ..layers.steps import Step
from .torch_calls import ForwardCall
from .torch_expressions import expression_call

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


def _slice(step: Step, sources: list[Any], shapes: Shapes) -> ForwardCall:
    """One axis after the other by `narrow`; steps by what `index_select` would take."""
    layer: Any = step.layer
    (found,) = sources
    taken = layer.taken((1, *shapes[0]))
    for place, (axis, positions) in enumerate(taken):
        name = step.name if place == len(taken) - 1 else None
        if positions.step == 1:
            arguments = (found, axis, positions.start, len(positions))
            found = ForwardCall("call_method", "narrow", arguments, name)
        else:
            places = [slice(None)] * axis
            if positions.step < 0:
                raise ArgumentError(
                    f"PyTorch has no slice that goes backwards, and layer {step.name!r} is one"
                )
            part = slice(positions.start, positions.stop, positions.step)
            found = ForwardCall("call_function", "operator.getitem", (found, (*places, part)), name)
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
    """PyTorch's own way of resizing, where it places positions as the layer does."""
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
    if not fits or mode is None:
        raise ArgumentError(
            f"PyTorch does not resize as layer {step.name!r} does, with "
            f"positions={layer.positions!r}"
        )
    arguments = (*sources, layer.size, None, mode, corners, None, layer.antialias)
    return ForwardCall("call_function", "torch.nn.functional.interpolate", arguments, step.name)


def _equation(step: Step, sources: list[Any], shapes: Shapes) -> ForwardCall:
    raise ArgumentError(
        f"PyTorch has no module for layer {step.name!r}, which is an Equation of its own"
    )


LINES: Mapping[str, Line] = {
    "Add": _add,
    "EquationLayer": _equation,
    "Join": _join,
    "MatMul": _matmul,
    "Max": _method("amax", lambda layer, shape: (layer.axes, layer.keepdim)),
    "Mean": _method("mean", lambda layer, shape: (layer.axes, layer.keepdim)),
    "Multiply": _multiply,
    "Normalize": _normalize,
    "Pad": _pad,
    "Pointwise": _expression,
    "Permute": _method("permute", lambda layer, shape: layer.dims),
    "Reshape": _method("reshape", lambda layer, shape: (-1, *layer.sizes((1, *shape)))),
    "IndexSelect": _index_select,
    "Resize": _resize,
    "Slice": _slice,
    "Sum": _method("sum", lambda layer, shape: (layer.axes, layer.keepdim)),
}
"""The layers that are no module in PyTorch, by name."""


def _constant(source: ForwardCall, numbers: Any, rank: int) -> Any:
    """A number, or numbers by channel as a tensor like `source`; no state of the module."""
    if isinstance(numbers, float):
        return numbers
    tensor = ForwardCall("call_method", "new_tensor", (source, list(numbers)))
    return ForwardCall("call_method", "reshape", (tensor, -1, *[1] * (rank - 1)))
