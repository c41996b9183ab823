"""What a trace answers, as tables: for a terminal, and as HTML for a notebook."""

from __future__ import annotations

import io
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, field
from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .shares import Shares
    from .terms import Factor, Row, Terms

__all__ = [
    "Table",
    "cancelling",
    "legend",
    "number",
    "percent",
    "rows_table",
    "shares_table",
    "terms_table",
]

_NO_TERMINAL = 160
_SHOWN = 10


@dataclass(frozen=True)
class Table:
    """A table with lines above and below it.

    Args:
        above: lines.
        heads: one per column; those that begin with > are set to the right.
        rows: the cells.
        below: lines.
    """

    above: Sequence[str]
    heads: Sequence[str] = ()
    rows: Sequence[Sequence[str]] = ()
    below: Sequence[str] = field(default=())

    def text(self, width: int | None = None) -> str:
        """As text, as wide as the terminal, or as it needs where there is none."""
        from rich.box import SIMPLE_HEAD
        from rich.console import Console
        from rich.table import Table as RichTable

        columns = width or max(shutil.get_terminal_size((_NO_TERMINAL, 24)).columns, 70)
        table = RichTable(box=SIMPLE_HEAD, pad_edge=False, padding=(0, 1))
        for head in self.heads:
            right = head.startswith(">")
            table.add_column(head.lstrip(">"), justify="right" if right else "left", no_wrap=right)
        for cells in self.rows:
            table.add_row(*cells)
        held = io.StringIO()
        page = Console(file=held, width=columns, color_system=None, highlight=False, markup=False)
        if self.rows:
            page.print(table)
        body = [line.rstrip() for line in held.getvalue().splitlines()]
        while body and not body[0]:
            body.pop(0)
        while body and not body[-1]:
            body.pop()
        return "\n".join([*self.above, *body, *self.below])

    def html(self) -> str:
        """As HTML without scripts or styles from elsewhere."""
        head = "".join(f"<th>{escape(h.lstrip('>'))}</th>" for h in self.heads)
        rows = "".join(
            "<tr>" + "".join(_cell(h, c) for h, c in zip(self.heads, row, strict=True)) + "</tr>"
            for row in self.rows
        )
        above = "".join(f"<p>{escape(line)}</p>" for line in self.above)
        below = "".join(f"<p>{escape(line)}</p>" for line in self.below)
        table = f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"
        return f"<div>{above}{table if self.rows else ''}{below}</div>"


def _cell(head: str, text: str) -> str:
    style = ' style="text-align:right"' if head.startswith(">") else ""
    return f"<td{style}>{escape(text)}</td>"


def number(value: float, digits: int = 4) -> str:
    """A number as it stands in tables and sentences."""
    if value != value:
        return "NaN"
    if value in (float("inf"), float("-inf")):
        return "∞" if value > 0 else "−∞"
    return f"{value:.{digits}g}".replace("-", "−")


def percent(share: float) -> str:
    """A share as it stands in tables: two digits where it is small."""
    return f"{100 * share:.{1 if abs(share) < 0.0995 else 0}f} %".replace("-", "−")


def factor_text(factor: Factor) -> str:
    """`dZ[17,2,5,7] −0.0123`, `relu′(X[0,2,5,7] = −0.31) 0`, `[A[0,2,2,3] = 1] 0`."""
    place = f"[{','.join(map(str, factor.index))}]" if factor.index else ""
    element = f"{factor.letter}{place}"
    if not factor.function:
        return f"{element} {number(factor.value)}"
    held = f"{element} = {number(factor.stored)}"
    if factor.function == "[·]":
        return f"[{held}] {number(factor.value)}"
    return f"{factor.function}({held}) {number(factor.value)}"


def legend(terms: Terms) -> list[str]:
    """The equations with this element's numbers, and what the letters stand for."""
    if terms.given:
        return [f"{terms.element} was given; no layer computed it"]
    lines = []
    sums = {id(part.sum): part.sum for part in terms.parts}
    for equation, one in zip(terms.equations(), sums.values(), strict=True):
        letters = dict.fromkeys(a.array for t in one.equation.terms for a in t.accesses)
        meant = (
            f"{letter} is {'d' if side == 'grad' else ''}{name}"
            for letter, (side, name) in ((a, one.arrays[a]) for a in letters)
        )
        lines += [*equation.splitlines(), f"  by {one.layer}: {', '.join(meant)}"]
    return lines


def totals(terms: Terms) -> list[str]:
    """What all products together are."""
    if terms.given:
        return [f"{terms.element} = {number(terms.value, 6)}"]
    count = f"{len(terms):,} product{'s' if len(terms) != 1 else ''}"
    lines = [f"{count}, {terms.nonzero:,} of them not 0" if len(terms) > 1 else count]
    apart = f"stored {number(terms.value, 6)} ({number(abs(terms.difference), 2)} apart)"
    line = f"Σ = {number(terms.sum(), 6)}, {apart}"
    if len(terms) > 1 and terms.magnitude > 0:
        line += f"; Σ|products| = {number(terms.magnitude)}{cancelling(terms)}"
    return [*lines, line]


def cancelling(terms: Terms) -> str:
    """`: 97 % cancel`, where products of both signs meet."""
    left = 1 - min(1.0, abs(terms.sum()) / terms.magnitude)
    return f": {percent(left)} cancel" if left > 5e-4 else ""


def rows_table(terms: Terms, rows: Sequence[Row]) -> Table:
    """Some rows of a sum."""
    shown = _moving(terms)
    several = len({part.sum.layer for part in terms.parts}) > 1
    heads = [*(["by"] if several else []), *(f">{n}" for n in shown), "factors"]
    scales = any(row.scale != 1 for row in rows)
    heads += [*([">scale"] if scales else []), ">product", ">of Σ|·|"]
    cells = []
    for row in rows:
        line = [row.layer] if several else []
        line += [str(row.indices.get(n, "")) for n in shown]
        line.append(" · ".join(map(factor_text, row.factors)))
        line += [number(row.scale)] if scales else []
        share = row.product / terms.magnitude if terms.magnitude else 0.0
        cells.append([*line, number(row.product), percent(share)])
    return Table((), heads, cells)


def _moving(terms: Terms) -> list[str]:
    """The indices that take several values."""
    return [
        name
        for name in terms.indices
        if any(
            name in group.names and len(set(group.values[:, group.names.index(name)])) > 1
            for part in terms.parts
            for group in part.points.groups
        )
    ]


def terms_table(terms: Terms, most: int = _SHOWN) -> Table:
    """A whole sum: its equations, its strongest rows, its totals."""
    rows = terms.top(most) if len(terms) and not terms.given else ()
    table = rows_table(terms, rows)
    below = totals(terms)
    if len(terms) > most:
        below[0] = f"the strongest {most} of {below[0]}"
    return Table(legend(terms), table.heads, table.rows, below)


def shares_table(shares: Shares) -> Table:
    """Partial sums, the strongest ones."""
    shown = shares if len(shares) <= 2 * _SHOWN else shares.top(2 * _SHOWN)
    whole = shares.whole
    magnitude = float(whole.magnitudes.sum())
    heads = [*(f">{n}" for n in shares.names), ">products", ">sum", ">of Σ|·|"]
    rows = [
        [
            *("" if k == -1 else str(k) for k in key),
            f"{int(count):,}",
            number(float(value)),
            percent(float(value) / magnitude if magnitude else 0.0),
        ]
        for key, value, count in zip(shown, shown.sums, shown.counts, strict=True)
    ]
    above = [f"{shares.element} by {', '.join(shares.names)}"]
    together = number(float(whole.sums.sum()), 6)
    below = [f"{len(whole):,} partial sums, together {together}"]
    if len(shown) < len(whole):
        below[0] = f"the strongest {len(shown)} of {below[0]}"
    return Table(above, heads, rows, below)
