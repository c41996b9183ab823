"""How a table becomes text: the one writer, the same in a terminal, a notebook and a file.

A table fits whatever page there is. Columns of words and heads give way, the widest first: at
spaces, then inside long names at a point, an underscore or a bracket; figures are never cut.
Where that is not enough each row becomes a few lines of its own, which name every cell.
"""

from __future__ import annotations

import io
import os
import re
import shutil
import sys
from collections.abc import Iterator, Sequence

from ..errors import visible
from .notebook import is_terminal

_LEAST = 40
"""Narrower than that no page is taken to be."""

_GAP, _EDGES = 3, 2
_SOFT = re.compile(r"(?<=[_/])|(?<=\.)(?=[^\W\d])|(?=\[)")
"""Where a long name may be broken: `dconv1.`, `weight`, `[2,0,1,1]`; a number nowhere."""


def page_width(otherwise: int) -> int:
    """How many characters wide: `COLUMNS`, or the terminal that is written to, or `otherwise`."""
    if os.environ.get("COLUMNS", "").isdecimal() or is_terminal(sys.stdout):
        return max(shutil.get_terminal_size((otherwise, 24)).columns, _LEAST)
    return otherwise


def table_lines(
    heads: Sequence[str],
    rows: Sequence[Sequence[str]],
    width: int,
    feet: Sequence[str] = (),
) -> list[str]:
    """The lines of a table, none with spaces at its end.

    Args:
        heads: one per column; those that begin with > are set to the right, as figures.
        rows: the cells; a cell may have several lines.
        width: of the page, in characters.
        feet: the last row, if there is one.
    """
    lines = [[visible(cell) for cell in row] for row in (heads, *rows, *([feet] if feet else []))]
    columns = [[cells[place].removeprefix(">") for cells in lines] for place in range(len(heads))]
    figures = [head.startswith(">") for head in heads]
    widths = _widths(columns, figures, width - _EDGES - _GAP * (len(heads) - 1))
    if widths is None:
        return list(_records(columns, width))
    return _drawn(columns, figures, widths, bool(feet))


def _drawn(
    columns: Sequence[Sequence[str]], figures: Sequence[bool], widths: Sequence[int], feet: bool
) -> list[str]:
    """As a table, laid out by rich.

    Rich's console displays instead of writing where it finds a Jupyter kernel, and takes colours
    and sizes from the environment; this one does neither.
    """
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table

    table = Table(box=SIMPLE_HEAD, pad_edge=False, padding=(0, 1), show_footer=feet)
    fitted = [
        ["\n".join(wrap(cell, width)) for cell in cells]
        for cells, width in zip(columns, widths, strict=True)
    ]
    for cells, right in zip(fitted, figures, strict=True):
        foot = cells[-1] if feet else ""
        table.add_column(cells[0], foot, justify="right" if right else "left", no_wrap=True)
    for row in zip(*(cells[1 : len(cells) - feet] for cells in fitted), strict=True):
        table.add_row(*row)
    held = io.StringIO()
    page = Console(
        file=held, width=sum(widths) + _EDGES + _GAP * (len(widths) - 1),
        color_system=None, highlight=False, markup=False, emoji=False,
        force_jupyter=False, force_terminal=False, legacy_windows=False, _environ={},
    )  # fmt: skip
    page.print(table)
    lines = [line.rstrip() for line in held.getvalue().splitlines()]
    full = [place for place, line in enumerate(lines) if line]
    return lines[full[0] : full[-1] + 1]


def _widths(
    columns: Sequence[Sequence[str]], figures: Sequence[bool], room: int
) -> list[int] | None:
    """How wide each column is: what it needs, or less, the widest first; None where nothing fits.

    Args:
        columns: the cells of each, its head first.
        figures: which columns hold figures, of which only the head may give way.
        room: for all of them together.
    """
    widths = [
        max(_length(line) for cell in cells for line in cell.split("\n")) for cells in columns
    ]
    least = [
        max(
            *(max(map(_length, _soft(word)), default=0) for word in cells[0].split() or [""]),
            *(_narrowest(cell, right) for cell in cells[1:]),
            0,
        )
        for cells, right in zip(columns, figures, strict=True)
    ]
    if sum(least) > room:
        return None
    over = sum(widths) - room
    while over > 0:
        slack = [place for place in range(len(widths)) if widths[place] > least[place]]
        widest = max(slack, key=lambda place: widths[place])
        widths[widest], over = widths[widest] - 1, over - 1
    return _filled(columns, widths, room)


def _filled(columns: Sequence[Sequence[str]], widths: Sequence[int], room: int) -> list[int]:
    """What breaking at words left free goes to the columns that need fewer lines with it."""
    used = [
        max(_length(line) for cell in cells for line in wrap(cell, width))
        for cells, width in zip(columns, widths, strict=True)
    ]
    for place, cells in enumerate(columns):
        most = used[place] + room - sum(used)
        tried = range(used[place], most + 1)
        used[place] = min(tried, key=lambda w: sum(len(wrap(cell, w)) for cell in cells))
    return used


def _narrowest(cell: str, figure: bool) -> int:
    """How narrow a cell can be made."""
    if figure:
        return max(map(_length, cell.split("\n")))
    return max((_length(part) for word in cell.split() for part in _soft(word)), default=0)


def _records(columns: Sequence[Sequence[str]], width: int) -> Iterator[str]:
    """Each row as its first cell, and under it every other that is not empty behind its head."""
    heads = [" ".join(cells[0].split()) for cells in columns]
    for cells in zip(*(cells[1:] for cells in columns), strict=True):
        told = [
            f"{head} {' '.join(cell.split())}".strip()
            for head, cell in zip(heads, cells, strict=True)
            if cell.strip()
        ]
        lines = told[:1]
        for part in told[1:]:
            first, *rest = wrap(part, width - 4)
            if rest or _length(lines[-1]) + 2 + _length(first) > width:
                lines += [f"  {first}", *(f"    {more}" for more in rest)]
            else:
                lines[-1] += f"  {first}"
        yield from lines


def wrap(text: str, width: int) -> list[str]:
    """Lines of at most so many characters, broken at spaces, and inside a word where it must be."""
    lines = []
    for whole in text.split("\n"):
        if _length(whole) <= width:
            lines.append(whole)
            continue
        line = ""
        for part in re.findall(r"\S+|\s+", whole):
            pieces = [part] if _length(part) <= width else list(_soft(part))
            for piece in pieces:
                if line.strip() and _length(line) + _length(piece.rstrip()) > width:
                    lines.append(line.rstrip())
                    line = ""
                line += piece if line or piece.strip() or not lines else ""
        lines.append(line.rstrip())
    return lines


def _soft(word: str) -> list[str]:
    """The pieces that a long word may be broken into."""
    return [piece for piece in _SOFT.split(word) if piece]


def _length(text: str) -> int:
    """How many places of a terminal it takes."""
    from rich.cells import cell_len

    return cell_len(text)
