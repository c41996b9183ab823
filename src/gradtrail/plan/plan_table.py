"""The plan as a table: for a terminal, and as HTML for a notebook."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ..showing.axis_names import place_names
from ..showing.numbers import bytes_text, count_text, ranges_text
from ..showing.table_text import page_width, wrap
from ..showing.tables import Table

if TYPE_CHECKING:
    from .plan import Plan, PlanRow

_HEAD = (
    ">#", "layer", "kind", "input → output", "how it arose", "parameters", ">count",
    ">mult–adds", ">activations", ">gradients", "receptive field",
)  # fmt: skip
_NARROW = (
    ">#", "layer", "input → output", "parameters", ">mult–adds", ">activations\ngradients",
    "receptive field",
)  # fmt: skip
_COLUMNS = ((165, 11), (100, 7), (80, 6), (56, 4), (0, 3))
"""From which width on how many columns are shown; fewer than 11 are those of `_NARROW`."""

_NO_TERMINAL = 180


def plan_text(plan: Plan, width: int | None = None) -> str:
    """The table as text.

    Args:
        plan: any plan.
        width: in characters; by default the terminal's, and wide enough when there is none. Below
            165 several columns become one, below 100 the receptive field is left out, below 80
            work and memory stand under the table, below 56 the parameters under the shapes.
    """
    columns = page_width(_NO_TERMINAL) if width is None else width
    shown = next(count for least, count in _COLUMNS if columns >= least)
    heads: tuple[str, ...] = _HEAD
    rows, totals = _all_cells(plan), _totals(plan)
    below = _notes(plan)
    if shown < len(_HEAD):
        heads, rows, totals = _NARROW, [_narrow(cells) for cells in rows], _narrow(totals)
    if shown < 5:
        below = [_sum(plan), *below]
    if shown < 4:
        rows = [_under(cells) for cells in rows]
    foot = totals[:shown] if shown > 4 else ()
    told = [line for text in below for line in wrap(text, columns)]
    above, below = (_title(plan), ""), [""] * bool(told) + told
    return Table(above, heads[:shown], [r[:shown] for r in rows], below, foot).text(columns)


def _narrow(cells: tuple[str, ...]) -> tuple[str, ...]:
    """A wide row's eleven texts as seven."""
    number, name, kind, shapes, how, parameters, count, adds, kept, gradients, field = cells
    weights = f"{parameters}\n= {count}" if parameters else count
    return (
        number,
        f"{name}\n{kind}",
        f"{shapes}\n{how}",
        weights,
        adds,
        f"{kept}\n{gradients}",
        field,
    )


def _under(cells: tuple[str, ...]) -> tuple[str, ...]:
    """A narrow row with its parameters under its shapes."""
    number, name, shapes, weights, *rest = cells
    return (number, name, f"{shapes.rstrip()}\n{weights}".rstrip(), weights, *rest)


def _sum(plan: Plan) -> str:
    """The totals as a line."""
    _, _, _, _, _, _, count, adds, kept, gradients, _ = _totals(plan)
    return f"total: {count} parameters, {adds} mult–adds, activations {kept}, gradients {gradients}"


def plan_table(plan: Plan) -> Table:
    """The table with all its columns, as a notebook shows it."""
    rows = _all_cells(plan)
    return Table((_title(plan),), _HEAD, rows, _notes(plan), _totals(plan))


def _title(plan: Plan) -> str:
    samples = f"{plan.batch_size} sample{'s' if plan.batch_size > 1 else ''}"
    taken = _shape(plan.input_shape)
    if len(plan.inputs) > 1:
        taken = " and ".join(f"{name} {_shape(shape)}" for name, shape in plan.inputs)
    return f"{taken} per sample, {samples} per batch"


def _all_cells(plan: Plan) -> list[tuple[str, ...]]:
    """All rows' texts; each row is told what stands before it, which it need not name."""
    ahead = [plan.inputs[0][0] if len(plan.inputs) == 1 else ""]
    ahead += [f"{row.name}.output" for row in plan.rows]
    return [_cells(row, before) for row, before in zip(plan.rows, ahead, strict=False)]


def _read(row: PlanRow, before: str) -> str:
    """What a layer reads: shapes, and where they are from unless it is from the row above alone."""
    shapes = [_shape(shape) for shape in row.input_shapes]
    if row.sources == (before,):
        return shapes[0]
    of = [source.removesuffix(".output") for source in row.sources]
    if len({*shapes}) == 1:
        return f"{shapes[0]} of {' and '.join(of)}"
    return " and\n".join(f"{shape} of {name}" for shape, name in zip(shapes, of, strict=True))


def _cells(row: PlanRow, before: str) -> tuple[str, ...]:
    """One row's texts, one per column."""
    inputs = _read(row, before)
    how = "\n".join(dict.fromkeys(h for h in row.how if h))
    parameters = "\n".join(f"{name} {_shape(shape)}" for name, shape in row.parameters)
    if row.shares:
        parameters = f"those of {row.shares}"
    fields = "\n".join(dict.fromkeys(str(f) for f in row.receptive_field))
    if row.fields_by_input:
        told = [(name, f) for name, seen in row.fields_by_input for f in seen]
        fields = "\n".join(dict.fromkeys(f"{name}: {field}" for name, field in told))
    return (
        str(row.number),
        row.name,
        _kind(row),
        f"{inputs} → {_shape(row.output_shape)}",
        how,
        parameters,
        f"{row.parameter_count:,}" if row.parameter_count else "",
        count_text(row.multiply_adds) if row.multiply_adds else "",
        bytes_text(row.activation_bytes),
        bytes_text(row.gradient_bytes),
        fields,
    )


def _kind(row: PlanRow) -> str:
    """The layer's class, and what of it is frozen."""
    if not row.frozen:
        return row.kind
    whole = all(name in row.frozen for name, _ in row.parameters)
    return f"{row.kind}\nfrozen" if whole else f"{row.kind}\nfrozen: {', '.join(row.frozen)}"


def _totals(plan: Plan) -> tuple[str, ...]:
    """The last row."""
    counts = (
        f"{plan.parameter_count:,}",
        count_text(plan.multiply_adds),
        bytes_text(plan.activation_bytes),
        bytes_text(plan.gradient_bytes),
    )
    return ("", "total", "", "", "", "", *counts, "")


def _notes(plan: Plan) -> list[str]:
    """How much is trained where not all is; and each layer that leaves rows or columns unread."""
    notes = []
    if any(row.frozen for row in plan.rows):
        counts = f"{plan.trained_count:,} of {plan.parameter_count:,}"
        notes.append(f"{counts} parameters are trained, the others are frozen")
    for row in plan.rows:
        for source, axes in zip(row.sources, row.never_read, strict=True):
            names = place_names(len(axes) + 1)[1:]
            parts = [
                f"{name} {ranges_text(lost)}"
                for name, lost in zip(names, axes, strict=True)
                if lost
            ]
            if parts:
                notes.append(f"{row.name} never reads {' and '.join(parts)} of {source}")
    return notes


def _shape(shape: Sequence[int]) -> str:
    return "×".join(map(str, shape))
