"""The plan as a table: for a terminal, and as HTML for a notebook."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ..errors import escaped
from ..showing.table_text import page_width, table_lines, wrap
from ..showing.tables import ranges_text

if TYPE_CHECKING:
    from .plan import Plan, PlanRow

__all__ = ["plan_html", "plan_text"]

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
    rows, totals = [_cells(row) for row in plan.rows], _totals(plan)
    below = _notes(plan)
    if shown < len(_HEAD):
        heads, rows, totals = _NARROW, [_narrow(cells) for cells in rows], _narrow(totals)
    if shown < 5:
        below = [_sum(plan), *below]
    if shown < 4:
        rows = [_under(cells) for cells in rows]
    feet = totals[:shown] if shown > 4 else ()
    table = table_lines(heads[:shown], [cells[:shown] for cells in rows], columns, feet)
    told = [line for text in below for line in wrap(text, columns)]
    return "\n".join([_title(plan), "", *table, *([""] if told else []), *told])


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


def plan_html(plan: Plan) -> str:
    """The table as HTML without scripts or styles from elsewhere."""
    head = "".join(f"<th>{escaped(h.lstrip('>'))}</th>" for h in _HEAD)
    body = "".join(
        "<tr>" + "".join(f"<td>{escaped(c)}</td>" for c in _cells(row)) + "</tr>"
        for row in plan.rows
    )
    foot = "".join(f"<th>{escaped(c)}</th>" for c in _totals(plan))
    notes = "".join(f"<li>{escaped(note)}</li>" for note in _notes(plan))
    return (
        f"<table><caption>{escaped(_title(plan))}</caption><thead><tr>{head}</tr></thead>"
        f"<tbody>{body}</tbody><tfoot><tr>{foot}</tr></tfoot></table>"
        + (f"<ul>{notes}</ul>" if notes else "")
    )


def _title(plan: Plan) -> str:
    samples = f"{plan.batch_size} sample{'s' if plan.batch_size > 1 else ''}"
    return f"{_shape(plan.input_shape)} per sample, {samples} per batch"


def _cells(row: PlanRow) -> tuple[str, ...]:
    """One row's texts, one per column."""
    inputs = " and ".join(dict.fromkeys(_shape(s) for s in row.input_shapes))
    how = "\n".join(dict.fromkeys(h for h in row.how if h))
    parameters = "\n".join(f"{name} {_shape(shape)}" for name, shape in row.parameters)
    fields = "\n".join(dict.fromkeys(str(f) for f in row.receptive_field))
    return (
        str(row.number),
        row.name,
        row.kind,
        f"{inputs} → {_shape(row.output_shape)}",
        how,
        parameters,
        f"{row.parameter_count:,}" if row.parameter_count else "",
        _count(row.multiply_adds) if row.multiply_adds else "",
        _bytes(row.activation_bytes),
        _bytes(row.gradient_bytes),
        fields,
    )


def _totals(plan: Plan) -> tuple[str, ...]:
    """The last row."""
    counts = (
        f"{plan.parameter_count:,}",
        _count(plan.multiply_adds),
        _bytes(plan.activation_bytes),
        _bytes(plan.gradient_bytes),
    )
    return ("", "total", "", "", "", "", *counts, "")


def _notes(plan: Plan) -> list[str]:
    """One line per layer that leaves rows or columns unread."""
    notes = []
    for row in plan.rows:
        for source, axes in zip(row.sources, row.never_read, strict=True):
            names = (
                ("channels", "rows", "columns") if len(axes) == 3 else ("positions",) * len(axes)
            )
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


def _count(number: int) -> str:
    return _scaled(number, 1000, ("", "k", "M", "G", "T"))


def _bytes(number: int) -> str:
    return _scaled(number, 1024, ("B", "KiB", "MiB", "GiB", "TiB"))


def _scaled(number: int, base: int, units: Sequence[str]) -> str:
    value, place = float(number), 0
    while value >= base and place < len(units) - 1:
        value, place = value / base, place + 1
    digits = f"{value:.0f}" if place == 0 else f"{value:.3g}" if value < 1000 else f"{value:.0f}"
    return f"{digits} {units[place]}".strip()
