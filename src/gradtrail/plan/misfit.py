"""What is said of a layer that does not fit: the plan down to it, then one sentence."""

from __future__ import annotations

from collections.abc import Mapping

from ..checking.input_samples import shape_meant
from ..equation import Equation, explain_size
from ..errors import ShapeError
from ..layers import Declaration, Flatten
from ..layers.layer import Layer
from ..layers.steps import INPUT, Step
from ..showing.axis_names import name_axis, size_names
from .plan import Outline, Shape, make_plan


def misfit_error(
    outline: Outline, declared: Mapping[str, Declaration], cause: ShapeError, batch_size: int
) -> ShapeError:
    """The error for a layer that does not fit: the plan down to it, then one sentence.

    Args:
        outline: of the network; the first step without a declaration is the layer.
        declared: the declarations of the layers before it.
        cause: why it does not fit, in its own words.
        batch_size: N.
    """
    numbers = {s.output: (place, s) for place, s in enumerate(outline.steps, 1)}
    place, step = numbers[outline.steps[len(declared)].output]
    source = step.sources[0]
    axes = len(outline.inputs.get(source, ()))
    if source in numbers:
        axes = len(declared[numbers[source][1].name].equation.target.positions) - 1
    because = name_axis(cause.cause, cause.axis, axes + 1)
    remedy = cause.remedy
    if len(step.sources) > 1:
        because = _each_named(because, step, numbers)
    elif source in numbers:
        at, before = numbers[source]
        equation = declared[before.name].equation
        if isinstance(before.layer, Flatten):
            because += _layout(equation.shape_of[equation.operands[0]][1:])
        because += f" from layer {at} '{before.name}'"
        if not isinstance(before.layer, Flatten):
            asked = declared[before.name].asked
            sizes = dict.fromkeys(
                explain_size(equation, a, asked) for a in range(len(equation.target.positions))
            )
            arose = ", ".join(size for size in sizes if size)
            because += f", where {arose}" if arose else ""
        else:
            remedy += _other_way(numbers, step, before, equation)
    else:
        because += f" from {_input(source)}"
        remedy = shape_meant(outline.inputs[source], getattr(step.layer, "rank", 2)) or remedy
    if len(step.sources) == 1 and (sibling := _of_other_rank(step.layer, axes)):
        remedy = f"{remedy}; {sibling}" if remedy else sibling
    ended = f". {remedy}." if remedy else "."
    sentence = f"layer {place} '{step.name}' ({step.layer.kind}): {because}{ended}"
    table = str(make_plan(outline, declared, batch_size)) + "\n\n" if declared else ""
    return ShapeError(f"{table}{sentence}")


def _of_other_rank(layer: Layer, axes: int) -> str:
    """`Conv1d takes (channels, length)`, where samples of `axes` axes are for such a layer."""
    rank, places = getattr(layer, "rank", None), axes - 1
    if rank in (None, places) or places not in (1, 2, 3) or not layer.kind.endswith(f"{rank}d"):
        return ""
    sizes = ", ".join(size_names(places + 2)[1:])
    return f"{layer.kind.removesuffix(f'{rank}d')}{places}d takes ({sizes})"


def _each_named(because: str, step: Step, numbers: Mapping[str, tuple[int, Step]]) -> str:
    """A join's clause with its inputs called by the layers that they are from."""
    for place, source in enumerate(step.sources, 1):
        at, before = numbers.get(source, (0, None))
        told = f"what layer {at} '{before.name}' gives" if before else _input(source)
        because = because.replace(f"input {place} is", f"{told} is")
    return because


def _input(name: str) -> str:
    """An input in words."""
    return "the input" if name == INPUT else f"the input {name!r}"


def _layout(shape: Shape) -> str:
    """` = 20 channels × 8 × 8`; nothing for what was a row already."""
    if len(shape) == 1:
        return ""
    channels = f"{shape[0]} channel{'s' if shape[0] > 1 else ''}"
    return " = " + " × ".join([channels, *map(str, shape[1:])])


def _other_way(
    numbers: Mapping[str, tuple[int, Step]],
    step: Step,
    flatten: Step,
    equation: Equation,
) -> str:
    """`, or make layer 6 'pool2' give 4 × 8`, where some map size makes up the expected number."""
    expected = getattr(step.layer, "in_features", None)
    shape = equation.shape_of[equation.operands[0]][1:]
    before = numbers.get(flatten.sources[0])
    if expected is None or before is None or len(shape) != 3 or expected % shape[0]:
        return ""
    area = expected // shape[0]
    if area > shape[1] * shape[2] * 64:
        return ""
    fitting = [(h, area // h) for h in range(1, area + 1) if area % h == 0]
    height, width = min(fitting, key=lambda hw: abs(hw[0] * shape[2] - hw[1] * shape[1]))
    return f", or make layer {before[0]} '{before[1].name}' give {height} × {width}"
