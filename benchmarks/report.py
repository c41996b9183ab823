"""What the benchmarks write: Markdown tables, and numbers in few digits."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

__all__ = [
    "Bar",
    "Part",
    "Table",
    "document",
    "mebibytes",
    "milliseconds",
    "number",
    "percent",
    "verdict",
    "write",
]


@dataclass
class Table:
    """A table with its heads; a head that ends in `>` is of a column of numbers.

    Args:
        heads: one per column.
        rows: texts, as many as there are heads.
    """

    heads: Sequence[str]
    rows: list[Sequence[str]] = field(default_factory=list)

    def add(self, *cells: str) -> None:
        """One more row.

        Raises:
            ValueError: as many cells as heads are needed.
        """
        if len(cells) != len(self.heads):
            raise ValueError(f"a row needs {len(self.heads)} cells, got {len(cells)}")
        self.rows.append(cells)

    def markdown(self) -> str:
        """The table as Markdown, its columns padded to one width."""
        right = [head.endswith(">") for head in self.heads]
        heads = [head.removesuffix(">").strip() for head in self.heads]
        lines = [heads, *([_cell(c) for c in row] for row in self.rows)]
        widths = [max(3, *(len(line[i]) for line in lines)) for i in range(len(heads))]
        rule = ["-" * (w - 1) + (":" if r else "-") for w, r in zip(widths, right, strict=True)]
        return "\n".join(_line(cells, widths, right) for cells in [lines[0], rule, *lines[1:]])


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def _line(cells: Sequence[str], widths: Sequence[int], right: Sequence[bool]) -> str:
    padded = (
        cell.rjust(w) if r else cell.ljust(w)
        for cell, w, r in zip(cells, widths, right, strict=True)
    )
    return f"| {' | '.join(padded)} |"


@dataclass(frozen=True)
class Bar:
    """One bar of the picture.

    Args:
        group: the network.
        name: the side.
        height: how many times longer than we it takes.
        low, high: the quartiles over the rounds.
        goal: what was set out for in this group, or None.
    """

    group: str
    name: str
    height: float
    low: float
    high: float
    goal: float | None = None


@dataclass
class Part:
    """One section of a report.

    Args:
        title: its heading.
        body: paragraphs and tables in order.
        bars: for the picture.
        failed: what was set out for and not reached, one line each.
    """

    title: str
    body: list[str | Table] = field(default_factory=list)
    bars: list[Bar] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)

    def markdown(self) -> str:
        """The section."""
        pieces = [p if isinstance(p, str) else p.markdown() for p in self.body]
        return "\n\n".join([f"## {self.title}", *pieces])


def document(title: str, preface: Iterable[str], parts: Iterable[Part]) -> str:
    """A whole Markdown document."""
    pieces = [f"# {title}", *preface, *(part.markdown() for part in parts)]
    return "\n\n".join(pieces) + "\n"


def write(path: Path, text: str) -> None:
    """Write a file whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.write_text(text, encoding="utf-8")
    temporary.replace(path)


def number(value: float) -> str:
    """Three digits: `1.68`, `31.1`, `184`, `1,230`."""
    size = abs(value)
    return f"{value:,.{0 if size >= 100 else 1 if size >= 10 else 2}f}"


def milliseconds(seconds: float) -> str:
    """Such as `1.68 ms`; below a tenth, three digits behind the point."""
    value = 1e3 * seconds
    return f"{value:.3f} ms" if value < 0.1 else f"{number(value)} ms"


def percent(part: float) -> str:
    """Such as `57 %`."""
    return f"{100 * part:.0f} %"


def mebibytes(size: float) -> str:
    """Such as `103 MiB`."""
    return f"{size / 2**20:.1f} MiB"


def verdict(good: bool) -> str:
    """PASS or FAIL."""
    return "PASS" if good else "FAIL"
