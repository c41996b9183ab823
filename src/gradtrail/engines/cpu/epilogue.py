"""What happens to an accumulator before it is stored: the steps of `nest.Epilogue` as code."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ...equation.scalar import Call, Function
from .builder import Code
from .ir_types import Value
from .nest import Epilogue, Stream
from .vector_math import compile_expression


def write_epilogue(
    code: Code, steps: Sequence[Epilogue], value: Value, place: Callable[[Stream], Value]
) -> Value:
    """The value after all steps; what they keep is stored.

    Args:
        code: being written.
        steps: in order.
        value: of an accumulator.
        place: the address in a stream of the element that the accumulator stands for.
    """
    for step in steps:
        if step.kind == "apply":
            assert step.function is not None
            value = compile_expression(code, step.function.body, {"x": value})
            continue
        assert step.stream is not None
        if step.kind == "keep":
            code.store(value, place(step.stream))
        elif step.kind == "add":
            value = code.add(value, code.load(place(step.stream)))
        else:
            value = _sloped(code, step, value, code.load(place(step.stream)))
    return value


def _sloped(code: Code, step: Epilogue, value: Value, at: Value) -> Value:
    """The value times the slope there."""
    function = step.function
    slope = at if function is None else compile_expression(code, function.body, {"x": at})
    return pass_through(code, function, slope, value)


def pass_through(code: Code, function: Function | None, slope: Value, value: Value) -> Value:
    """What a slope lets through of a value; where it is 0, even a NaN becomes 0."""
    absent = code.compare("oeq", slope, code.number(0.0))
    scaled = value if is_unit(function) else code.mul(slope, value)
    return code.select(absent, code.number(0.0), scaled)


def is_unit(function: Function | None) -> bool:
    """Whether a slope is 0 or 1 everywhere: what it lets through needs no product."""
    return (
        function is not None
        and isinstance(function.body, Call)
        and function.body.operation == "step"
    )
