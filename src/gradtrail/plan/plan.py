"""The plan: what every layer does to the shape, before any data or parameter array exists."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict
from fractions import Fraction
from math import prod
from typing import TYPE_CHECKING, Any

from ..equation import Contraction, Equation, Normalisation, Selection, explain_size, unread
from ..equation.frozen import frozen
from ..errors import UnknownNameError, unknown
from ..fields.axis_field import AxisField, input_fields, next_fields
from ..layers import Declaration
from ..layers.steps import Step
from ..showing.shown import Shown

if TYPE_CHECKING:
    from ..showing.tables import Table

Shape = tuple[int, ...]


@frozen
class Outline:
    """What a plan is made of: a network's layers, before any array exists.

    Args:
        inputs: one sample's shapes, by the inputs' names.
        steps: the layers in order.
        number_bytes: what one number takes, 4 or 8.
        frozen: the names of the arrays that a training leaves as they are.
    """

    inputs: Mapping[str, Shape]
    steps: tuple[Step, ...]
    number_bytes: int
    frozen: frozenset[str] = frozenset()


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
        parameter_count: their elements; 0 where they are another layer's.
        frozen: the names of those that a training leaves as they are, running statistics included.
        multiply_adds: of the forward pass of the whole batch.
        activation_bytes: of the output and what is kept for the backward pass, whole batch.
        gradient_bytes: of the output's gradient, whole batch; 0 where a training has none, since
            nothing is trained at or before the layer.
        receptive_field: per spatial axis of the network's input.
        never_read: per source, per axis, the positions that no output reads.
        shares: the layer whose parameters it uses; None for its own.
        fields_by_input: of a network with several inputs, the receptive fields of each that the
            layer depends on; `receptive_field` is the first of them.
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
    frozen: tuple[str, ...]
    multiply_adds: int
    activation_bytes: int
    gradient_bytes: int
    receptive_field: tuple[AxisField, ...]
    never_read: tuple[tuple[tuple[int, ...], ...], ...]
    shares: str | None = None
    fields_by_input: tuple[tuple[str, tuple[AxisField, ...]], ...] = ()


@frozen
class Plan(Shown):
    """The rows and their totals. Prints as a table, in a notebook as HTML.

    Args:
        input_shape: one sample's; of several inputs all numbers in a row.
        batch_size: N.
        rows: one per layer, in forward order.
        inputs: (name, shape) of each input.
    """

    input_shape: Shape
    batch_size: int
    rows: tuple[PlanRow, ...]
    inputs: tuple[tuple[str, Shape], ...] = ()

    @property
    def parameter_count(self) -> int:
        """The elements of all parameters."""
        return sum(row.parameter_count for row in self.rows)

    @property
    def trained_count(self) -> int:
        """The elements of the parameters that a training changes."""
        return sum(
            prod(shape)
            for row in self.rows
            for name, shape in row.parameters
            if name not in row.frozen
        )

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
            told = [field for _, fields in row["fields_by_input"] for field in fields]
            for field in (*row["receptive_field"], *told):
                for key, value in field.items():
                    if isinstance(value, Fraction):
                        field[key] = float(value)
        totals = (
            "parameter_count",
            "trained_count",
            "multiply_adds",
            "activation_bytes",
            "gradient_bytes",
        )
        return data | {name: getattr(self, name) for name in totals}

    def _table(self) -> Table:
        from .plan_table import plan_table

        return plan_table(self)

    def __str__(self) -> str:
        from .plan_table import plan_text

        return plan_text(self)


def make_plan(outline: Outline, declared: Mapping[str, Declaration], batch_size: int) -> Plan:
    """The plan of a network; see `Network.plan`.

    Args:
        outline: the network's.
        declared: its layers' declarations by name; rows are made of those that are there.
        batch_size: N.
    """
    fields = {n: {n: input_fields(shape)} for n, shape in outline.inputs.items()}
    shapes = dict(outline.inputs)
    rows = []
    trained: set[str] = set() if outline.frozen else {*outline.inputs}
    for number, step in enumerate(outline.steps[: len(declared)], 1):
        declaration = declared[step.name]
        equation = declaration.equation
        output = equation.shape_of[equation.target.array]
        alone = equation  # of one sample: what is read of it does not depend on how many there are
        if batch_size > 1:
            ones = ((1, *shapes[name]) for name in step.sources)
            alone = step.layer.declare(*ones, training=True).equation
        sources = dict(zip(declaration.sources, step.sources, strict=True))
        seen = []
        for of, known in fields.items():
            here = {a: (known[n], shapes[n]) for a, n in sources.items() if n in known}
            if here:
                known[step.output] = next_fields(equation, here)
                seen.append((of, known[step.output]))
        shapes[step.output] = output[1:]
        named = [(p.name, equation.shape_of[a]) for a, p in declaration.parameters.items()]
        held = [name for name, _ in named] + [b.name for b in step.layer.running.values()]
        frozen = tuple(name for name in held if f"{step.owner}.{name}" in outline.frozen)
        if not trained.isdisjoint(step.sources) or any(name not in frozen for name, _ in named):
            trained.add(step.output)
        bytes_each = outline.number_bytes
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
                tuple(
                    explain_size(equation, axis, declaration.asked)
                    for axis in range(1, len(output))
                ),
                tuple(sorted(named, key=lambda pair: pair[0] != "weight")),
                0 if step.shares else sum(prod(shape) for _, shape in named),
                frozen,
                multiply_adds(equation),
                bytes_each * prod(output) + kept + given,
                bytes_each * prod(output) if step.output in trained else 0,
                seen[0][1],
                tuple(unread(alone, letter)[1:] for letter in declaration.sources),
                step.shares,
                tuple(seen) if len(outline.inputs) > 1 else (),
            )
        )
    inputs = tuple(outline.inputs.items())
    input_shape = inputs[0][1] if len(inputs) == 1 else (sum(prod(s) for _, s in inputs),)
    return Plan(input_shape, batch_size, tuple(rows), inputs)


def multiply_adds(equation: Equation) -> int:
    """The products of two array elements that the forward pass makes, padding's included."""
    if isinstance(equation, Normalisation):
        return 2 * prod(equation.shape_of[equation.target.array])
    if not isinstance(equation, Contraction):
        return 0
    products = (t for t in equation.terms if len(t.factors) > 1)
    return sum(t.count(equation.range_of) for t in products)


def _bytes(equation: Equation, letter: str, each: int) -> int:
    """What a saved array takes; a pool's winner fits a byte while its window has ≤ 256 points."""
    if isinstance(equation, Selection):
        window = prod(equation.range_of[n] for n in equation.over)
        each = 1 if window <= 256 else 4
    return each * prod(equation.shape_of[letter])
