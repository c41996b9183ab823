"""Progress on stderr: a bar in a terminal, one line elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from types import TracebackType
from typing import Any, Literal

__all__ = ["Progress", "silent"]


_clock = time.monotonic

_SHOWN: ContextVar[bool] = ContextVar("shown", default=True)


@contextmanager
def silent() -> Iterator[None]:
    """Show nothing meanwhile."""
    before = _SHOWN.set(False)
    try:
        yield
    finally:
        _SHOWN.reset(before)


class Progress:
    """Shows how far a download, a folder's first reading or a report is; a context manager.

    Args:
        text: what is being done.
        total: how much there is to do, in `unit`; None where nobody knows.
        unit: what is counted.
        patience: seconds before anything is shown; what is over by then stays silent.
        shown: False to stay silent.
    """

    def __init__(
        self,
        text: str,
        total: int | None,
        unit: Literal["bytes", "images", "parts"],
        patience: float = 0.0,
        *,
        shown: bool = True,
    ) -> None:
        self.text, self.total, self.unit, self.patience = text, total, unit, patience
        self._shown = shown
        self._since = _clock()
        self._done, self._said = 0, False
        self._bar: Any = None
        self._task: Any = None

    def __enter__(self) -> Progress:
        self.to(0)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._bar is not None:
            self._bar.stop()

    def to(self, done: int, total: int | None = None) -> None:
        """So much is done, of so much."""
        self._done, self.total = done, self.total if total is None else total
        if _clock() - self._since < self.patience:
            return
        if not self._said:
            self._said = True
            self._begin()
        if self._bar is not None:
            self._bar.update(self._task, completed=done, total=self.total)

    def _begin(self) -> None:
        if not (self._shown and _SHOWN.get()):
            return
        if not sys.stderr.isatty():
            print(self.text, file=sys.stderr, flush=True)
            return
        from rich.console import Console
        from rich.progress import (
            BarColumn,
            DownloadColumn,
            MofNCompleteColumn,
            TextColumn,
            TimeRemainingColumn,
        )
        from rich.progress import Progress as Bar

        count = DownloadColumn() if self.unit == "bytes" else MofNCompleteColumn()
        columns = TextColumn("{task.description}"), BarColumn(), count, TimeRemainingColumn()
        self._bar = Bar(*columns, console=Console(stderr=True), transient=True)
        self._bar.start()
        self._task = self._bar.add_task(self.text, total=self.total)
