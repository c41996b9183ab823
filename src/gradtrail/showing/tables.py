"""Tables for a terminal and for a notebook, and how numbers stand in them."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

from ..errors import escaped, visible
from .table_text import page_width, table_lines

__all__ = ["Shown", "Table", "number_text", "percent_text", "ranges_text"]

_NO_TERMINAL = 160


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
    below: Sequence[str] = ()

    def text(self, width: int | None = None) -> str:
        """As text, as wide as the terminal, or as it needs where there is none."""
        columns = page_width(_NO_TERMINAL) if width is None else width
        body = table_lines(self.heads, self.rows, columns) if self.rows else []
        return "\n".join([*map(visible, self.above), *body, *map(visible, self.below)])

    def html(self) -> str:
        """As HTML without scripts or styles from elsewhere."""
        head = "".join(_cell(h, h.lstrip(">"), "th") for h in self.heads)
        rows = "".join(
            "<tr>" + "".join(_cell(h, c) for h, c in zip(self.heads, row, strict=True)) + "</tr>"
            for row in self.rows
        )
        above = "".join(f"<p>{escaped(line)}</p>" for line in self.above)
        below = "".join(f"<p>{escaped(line)}</p>" for line in self.below)
        table = f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"
        return f"<div>{above}{table if self.rows else ''}{below}</div>"


class Shown(ABC):
    """What prints as a table, and is one in a notebook.

    A dataclass that is `Shown` takes `repr=False`, or it would print its fields.
    """

    @abstractmethod
    def _table(self) -> Table:
        """What is printed."""

    def __str__(self) -> str:
        return self._table().text()

    def __repr__(self) -> str:
        return str(self)

    def _repr_html_(self) -> str:
        return self._table().html()


def _cell(head: str, text: str, tag: str = "td") -> str:
    style = ' style="text-align:right"' if head.startswith(">") else ""
    return f"<{tag}{style}>{escaped(text)}</{tag}>"


def number_text(value: float, digits: int = 4) -> str:
    """A number as it stands in tables and sentences."""
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "∞" if value > 0 else "−∞"
    return f"{value:.{digits}g}".replace("-", "−")


def percent_text(share: float) -> str:
    """A share as it stands in tables: two digits where it is small."""
    if not math.isfinite(share):
        return number_text(share)
    return f"{100 * share:.{1 if abs(share) < 0.0995 else 0}f} %".replace("-", "−")


def ranges_text(positions: Sequence[int]) -> str:
    """`27`, `3–5` or `1, 3, 5 … (13 in all)`."""
    runs: list[list[int]] = []
    for position in positions:
        if runs and position == runs[-1][-1] + 1:
            runs[-1].append(position)
        else:
            runs.append([position])
    texts = [str(run[0]) if len(run) == 1 else f"{run[0]}–{run[-1]}" for run in runs]
    if len(texts) > 4:
        return f"{', '.join(texts[:3])} … ({len(positions)} in all)"
    return ", ".join(texts)
