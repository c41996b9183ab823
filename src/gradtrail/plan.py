"""The plan: what every layer does to the shape, before any data or parameter array exists."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict
from fractions import Fraction
from math import prod
from typing import TYPE_CHECKING, Any

from .equation import Contraction, Equation, Normalisation, Selection, explain_size, unread
from .equation.frozen import frozen
from .errors import ShapeError, UnknownNameError, unknown
from .field import Field, input_fields, next_fields
from .layers import Declaration, Flatten
from .samples import shape_meant

if TYPE_CHECKING:
    from .network import Network, Step

__all__ = ["Plan", "PlanRow", "make_plan", "misfit"]

Shape = tuple[int, ...]


@frozen
class PlanRow:
    """One layer of the plan. Shapes are those of one sample, without the batch axis.

    Args:
        number: the layer's place, from 1.
        name: such as `conv1`.
        kind: the layer's class.
        sources: the arrays it reads.
        input_shapes: their shapes.
        output_shape: what it gives.
        how: per output axis how its size arose, empty where it is handed on or chosen.
        parameters: (name, shape) of each.
        parameter_count: their elements.
        multiply_adds: of the forward pass of the whole batch.
        activation_bytes: of the output and what is kept for the backward pass, whole batch.
        gradient_bytes: of the output's gradient, whole batch.
        receptive_field: per spatial axis of the network's input.
        never_read: per source, per axis, the positions that no output reads.
    """

    number: int
    name: str
    kind: str
    sources: tuple[str, ...]
    input_shapes: tuple[Shape, ...]
    output_shape: Shape
    how: tuple[str, ...]
    parameters: tuple[tuple[str, Shape], ...]
    parameter_count: int
    multiply_adds: int
    activation_bytes: int
    gradient_bytes: int
    receptive_field: tuple[Field, ...]
    never_read: tuple[tuple[tuple[int, ...], ...], ...]


@frozen
class Plan:
    """The rows and their totals. Prints as a table, in a notebook as HTML.

    Args:
        input_shape: one sample's.
        batch_size: N.
        rows: one per layer, in forward order.
    """

    input_shape: Shape
    batch_size: int
    rows: tuple[PlanRow, ...]

    @property
    def parameter_count(self) -> int:
        """The elements of all parameters."""
        return sum(row.parameter_count for row in self.rows)

    @property
    def multiply_adds(self) -> int:
        """Those of one forward pass of the batch."""
        return sum(row.multiply_adds for row in self.rows)

    @property
    def activation_bytes(self) -> int:
        """What the forward pass keeps for the batch."""
        return sum(row.activation_bytes for row in self.rows)

    @property
    def gradient_bytes(self) -> int:
        """The outputs' gradients for the batch."""
        return sum(row.gradient_bytes for row in self.rows)

    def __getitem__(self, name: str) -> PlanRow:
        """The row of the layer called `name`.

        Raises:
            UnknownNameError: there is none; the message lists near names.
        """
        rows = {row.name: row for row in self.rows}
        if name not in rows:
            raise UnknownNameError(unknown("layer", name, rows))
        return rows[name]

    def __iter__(self) -> Iterator[PlanRow]:
        return iter(self.rows)

    def __len__(self) -> int:
        return len(self.rows)

    def to_dict(self) -> dict[str, Any]:
        """The plan as dictionaries and lists, ready for JSON."""
        data = asdict(self)
        for row in data["rows"]:
            for field in row["receptive_field"]:
                for key, value in field.items():
                    if isinstance(value, Fraction):
                        field[key] = float(value)
        totals = ("parameter_count", "multiply_adds", "activation_bytes", "gradient_bytes")
        return data | {name: getattr(self, name) for name in totals}

    def __str__(self) -> str:
        from .plan_view import plan_text

        return plan_text(self)

    def __repr__(self) -> str:
        return str(self)

    def _repr_html_(self) -> str:
        from .plan_view import plan_html

        return plan_html(self)


def make_plan(network: Network, batch_size: int) -> Plan:
    """The plan of a whole network; see `Network.plan`."""
    return _plan(network, network.declarations(batch_size, training=True), batch_size)


def _plan(network: Network, declared: Mapping[str, Declaration], batch_size: int) -> Plan:
    """The rows of as many layers as are declared."""
    fields = {network.input_name: input_fields(network.input_shape)}
    shapes = {network.input_name: network.input_shape}
    rows = []
    for number, step in enumerate(network.steps[: len(declared)], 1):
        declaration = declared[step.name]
        equation = declaration.equation
        output = equation.shape_of[equation.target.array]
        alone = equation  # of one sample: what is read of it does not depend on how many there are
        if batch_size > 1:
            ones = ((1, *shapes[name]) for name in step.sources)
            alone = step.layer.declare(*ones, training=True).equation
        sources = dict(zip(declaration.sources, step.sources, strict=True))
        here = {letter: (fields[name], shapes[name]) for letter, name in sources.items()}
        fields[step.output] = next_fields(equation, here)
        shapes[step.output] = output[1:]
        named = [(p.name, equation.shape_of[a]) for a, p in declaration.parameters.items()]
        bytes_each = network.dtype.itemsize
        kept = sum(_bytes(equation, letter, bytes_each) for letter in equation.saved)
        given = sum(bytes_each * prod(equation.shape_of[a]) for a in declaration.given)
        rows.append(
            PlanRow(
                number,
                step.name,
                step.layer.kind,
                step.sources,
                tuple(shapes[name] for name in step.sources),
                output[1:],
                tuple(explain_size(equation, axis) for axis in range(1, len(output))),
                tuple(sorted(named, key=lambda pair: pair[0] != "weight")),
                sum(prod(shape) for _, shape in named),
                multiply_adds(equation),
                bytes_each * prod(output) + kept + given,
                bytes_each * prod(output),
                fields[step.output],
                tuple(unread(alone, letter)[1:] for letter in declaration.sources),
            )
        )
    return Plan(network.input_shape, batch_size, tuple(rows))


def multiply_adds(equation: Equation) -> int:
    """The products of two array elements that the forward pass makes, padding's included."""
    if isinstance(equation, Normalisation):
        return 2 * prod(equation.shape_of[equation.target.array])
    if not isinstance(equation, Contraction):
        return 0
    products = (t for t in equation.terms if len(t.factors) > 1)
    return sum(prod(equation.range_of[n] for n in t.names) for t in products)


def _bytes(equation: Equation, letter: str, each: int) -> int:
    """What a saved array takes; a pool's winner fits a byte while its window has ≤ 256 points."""
    if isinstance(equation, Selection):
        window = prod(equation.range_of[n] for n in equation.over)
        each = 1 if window <= 256 else 4
    return each * prod(equation.shape_of[letter])


def misfit(
    network: Network,
    declared: Mapping[str, Declaration],
    step: Step,
    cause: ShapeError,
    batch_size: int,
) -> ShapeError:
    """The error for a layer that does not fit: the plan down to it, then one sentence."""
    numbers = {s.output: (place, s) for place, s in enumerate(network.steps, 1)}
    place, _ = numbers[step.output]
    because = cause.cause
    if cause.axis is not None:
        axes = ("samples", "channels", "height", "width")
        because = because.replace(f"axis {cause.axis} of X", axes[cause.axis])
    source = step.sources[0]
    remedy = cause.remedy
    if len(step.sources) > 1:
        pass  # the cause speaks of each branch by itself
    elif source in numbers:
        at, before = numbers[source]
        equation = declared[before.name].equation
        if isinstance(before.layer, Flatten):
            because += _layout(equation.shape_of[equation.operands[0]][1:])
        because += f" from layer {at} '{before.name}'"
        if not isinstance(before.layer, Flatten):
            sizes = dict.fromkeys(
                explain_size(equation, a) for a in range(len(equation.target.positions))
            )
            arose = ", ".join(size for size in sizes if size)
            because += f", where {arose}" if arose else ""
        else:
            remedy += _other_way(numbers, step, before, equation)
    else:
        because += " from the input"
        remedy = shape_meant(network.input_shape) or remedy
    ended = f". {remedy}." if remedy else "."
    sentence = f"layer {place} '{step.name}' ({step.layer.kind}): {because}{ended}"
    table = str(_plan(network, declared, batch_size)) + "\n\n" if declared else ""
    return ShapeError(f"{table}{sentence}")


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
