"""Tables for a terminal and for a notebook."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..errors import escaped, visible
from .table_text import page_width, table_lines

_NO_TERMINAL = 160


@dataclass(frozen=True)
class Table:
    """A table with lines above and below it.

    Args:
        above: lines.
        heads: one per column; those that begin with > are set to the right.
        rows: the cells.
        below: lines.
        foot: the last row, of totals; empty for none.
    """

    above: Sequence[str]
    heads: Sequence[str] = ()
    rows: Sequence[Sequence[str]] = ()
    below: Sequence[str] = ()
    foot: Sequence[str] = ()

    def text(self, width: int | None = None) -> str:
        """As text, as wide as the terminal, or as it needs where there is none."""
        columns = page_width(_NO_TERMINAL) if width is None else width
        body = table_lines(self.heads, self.rows, columns, self.foot) if self.rows else []
        return "\n".join([*map(visible, self.above), *body, *map(visible, self.below)])

    def html(self) -> str:
        """As HTML without scripts or styles from elsewhere."""
        heads = [head.removeprefix(">") for head in self.heads]
        body = "".join(self._row(row) for row in self.rows)
        foot = f"<tfoot>{self._row(self.foot, 'th')}</tfoot>" if self.foot else ""
        table = f"<table><thead>{self._row(heads, 'th')}</thead><tbody>{body}</tbody>{foot}</table>"
        above, below = (
            "".join(f"<p>{escaped(line)}</p>" for line in lines)
            for lines in (self.above, self.below)
        )
        return f"<div>{above}{table if self.rows else ''}{below}</div>"

    def _row(self, cells: Sequence[str], tag: str = "td") -> str:
        """A row as HTML, each cell to the side that its head says."""
        styles = (' style="text-align:right"' * head.startswith(">") for head in self.heads)
        pairs = zip(styles, cells, strict=True)
        return f"<tr>{''.join(f'<{tag}{s}>{escaped(cell)}</{tag}>' for s, cell in pairs)}</tr>"
