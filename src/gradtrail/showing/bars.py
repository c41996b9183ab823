"""How far something is, as one line that changes: in a terminal, and in a notebook.

Where there is little room, what says least about how far it is goes first: the last of the parts,
then the bar, then the time that is left. What stays is whole: no figure without its name.
"""

from __future__ import annotations

import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, final

from ..errors import escaped
from .notebook import CellOutput, in_notebook, is_terminal, tell
from .numbers import duration_text

_WIDEST, _NARROWEST = 24, 10
"""Characters of the bar."""

_TERMINAL, _NOTEBOOK = 0.1, 0.25
"""Seconds between two changes of what is shown."""

_PLAIN = 100
"""The width of a notebook's line where no HTML is shown."""


@dataclass(frozen=True)
class Line:
    """What is said.

    Args:
        head: what is being done.
        share: how much of it is done, from 0 to 1; None where nobody knows.
        time: how long it takes yet, or took; empty before that is known.
        parts: more, what matters most first.
    """

    head: str
    share: float | None
    time: str
    parts: tuple[str, ...] = ()

    def fitted(self, width: int) -> tuple[str, int, str]:
        """What stands before the bar, how wide the bar is, and what stands behind it.

        Args:
            width: of the page, in characters.
        """
        percent = "" if self.share is None else f"{_percent(self.share)} %"
        for kept in range(len(self.parts), min(1, len(self.parts)) - 1, -1):
            behind = _joined(percent, self.time, *self.parts[:kept])
            room = width - len(self.head) - len(behind) - 2
            if room >= _NARROWEST:
                return self.head, min(_WIDEST, room), behind
        for rest in ((self.time, *self.parts[:1]), self.parts[:1], ()):
            behind = _joined(percent, *rest)
            if len(self.head) + 2 + len(behind) <= width:
                return self.head, 0, behind
        room = max(1, width - len(percent) - 3)
        return f"{self.head[:room]}…", 0, percent

    def text(self, width: int) -> str:
        """Without the bar."""
        head, _, behind = self.fitted(width)
        return _joined(head, behind)


@final
class Bar:
    """Shows lines in their place, no more often than somebody can read; made by `bar`.

    Args:
        surface: where they are shown.
        clock: seconds; what is left is reckoned from the first line on, or from `reckon`.
    """

    def __init__(self, surface: _Surface, clock: Callable[[], float] = time.perf_counter) -> None:
        self._surface, self._clock = surface, clock
        self._opened: float | None = None
        self._begun: tuple[float, float] | None = None
        self._last = float("-inf")
        self._head, self._share = "", 0.0

    def due(self) -> bool:
        """Whether it is time for another line."""
        return self._clock() - self._last >= self._surface.every

    def show(self, head: str, done: float, total: float | None, *parts: str) -> None:
        """A line, whether due or not.

        Args:
            head: what is being done.
            done: how much of it.
            total: of how much; None where nobody knows.
            parts: more, what matters most first.
        """
        now = self._clock()
        self._opened = now if self._opened is None else self._opened
        since, first = self._begun = self._begun or (now, done)
        share, left = (done / total if total else None), ""
        if total and done > first:
            left = f"{duration_text((now - since) * (total - done) / (done - first))} left"
        self._last, self._head, self._share = now, head, 1.0 if share is None else share
        self._surface.show(Line(head, share, left, parts))

    def reckon(self) -> None:
        """Reckon what is left from the next line on: what came before was preparation."""
        self._begun = None

    def say(self, *parts: str) -> None:
        """A line that stays; on a narrow page it is broken between its parts."""
        self._surface.say(parts)

    def close(self) -> None:
        """The end: the bar goes; in a notebook its line says how long it took."""
        now = self._clock()
        took = now - (now if self._opened is None else self._opened)
        self._surface.close(Line(self._head, self._share, duration_text(took)))


def bar() -> Bar | None:
    """A bar where there is a notebook or a terminal to show it; else None."""
    if in_notebook():
        return Bar(_Notebook())
    return Bar(_Terminal()) if is_terminal(sys.stderr) else None


@contextmanager
def showing(wanted: bool) -> Iterator[Bar | None]:
    """A bar meanwhile, where one is wanted and there is something to show it."""
    shown = bar() if wanted else None
    try:
        yield shown
    finally:
        if shown is not None:
            shown.close()


def fold_parts(parts: Sequence[str], width: int) -> list[str]:
    """Parts as lines of at most so many characters, broken between them."""
    lines = list(parts[:1])
    for part in parts[1:]:
        if len(lines[-1]) + 2 + len(part) <= width:
            lines[-1] += f"  {part}"
        else:
            lines.append(f"  {part}")
    return lines


class _Surface(ABC):
    """Where a bar is shown."""

    every: float

    @abstractmethod
    def show(self, line: Line) -> None:
        """Instead of the line before."""

    @abstractmethod
    def say(self, parts: tuple[str, ...]) -> None:
        """A line that stays."""

    @abstractmethod
    def close(self, line: Line) -> None:
        """Nothing more will be shown; the line is the last."""


@final
class _Terminal(_Surface):
    """On standard error, by rich, without a thread of its own."""

    every = _TERMINAL

    def __init__(self) -> None:
        from rich.console import Console
        from rich.live import Live

        self._console = Console(stderr=True, force_jupyter=False, markup=False, emoji=False)
        self._live = Live(console=self._console, auto_refresh=False, transient=True)
        self._live.start()

    def show(self, line: Line) -> None:
        self._live.update(self._drawn(line), refresh=True)

    def _drawn(self, line: Line) -> Any:
        from rich.progress_bar import ProgressBar
        from rich.table import Table
        from rich.text import Text

        head, width, behind = line.fitted(self._console.width)
        cells: list[Any] = [Text(head)]
        if width:
            unknown = line.share is None
            total = None if unknown else 1.0
            cells.append(ProgressBar(total, line.share or 0.0, width=width, pulse=unknown))
        grid = Table.grid(padding=(0, 1))
        for _ in range(len(cells) + 1):
            grid.add_column(no_wrap=True)
        grid.add_row(*cells, Text(behind))
        return grid

    def say(self, parts: tuple[str, ...]) -> None:
        for line in fold_parts(parts, self._console.width):
            self._console.print(line, highlight=False, soft_wrap=True)

    def close(self, line: Line) -> None:
        self._live.stop()


@final
class _Notebook(_Surface):
    """One output of the cell; lines that stay are printed below it."""

    every = _NOTEBOOK

    def __init__(self) -> None:
        self._output = CellOutput()

    def show(self, line: Line) -> None:
        share = "" if line.share is None else f' value="{line.share:.4f}"'
        percent = "" if line.share is None else f"{_percent(line.share)} %"
        behind = _joined(percent, line.time, *line.parts)
        self._write(line, f"{escaped(line.head)} <progress{share}></progress> {escaped(behind)}")

    def say(self, parts: tuple[str, ...]) -> None:
        tell(_joined(*parts))

    def close(self, line: Line) -> None:
        self._write(line, escaped(line.text(_PLAIN)))

    def _write(self, line: Line, html: str) -> None:
        style = "font-family: monospace; white-space: pre-wrap"
        self._output.show(line.text(_PLAIN), f'<div style="{style}">{html}</div>')


def _joined(*texts: str) -> str:
    return "  ".join(text for text in texts if text)


def _percent(share: float) -> str:
    """Right-aligned, and 100 only at the end."""
    return f"{min(99, int(100 * share)) if share < 1 else 100:3d}"
