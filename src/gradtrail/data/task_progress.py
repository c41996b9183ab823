"""Progress: a bar in a terminal or a notebook, one line elsewhere."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Literal

from ..showing.bars import Bar, bar
from ..showing.notebook import tell

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


class TaskProgress:
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
        self._shown = shown and _SHOWN.get()
        self._since = _clock()
        self._done, self._said = 0, False
        self._bar: Bar | None = None

    def __enter__(self) -> TaskProgress:
        self.to(0)
        return self

    def __exit__(self, *raised: object) -> None:
        if self._bar is not None:
            self._bar.close()

    def to(self, done: int, total: int | None = None) -> None:
        """So much is done, of so much."""
        self._done, self.total = done, self.total if total is None else total
        if _clock() - self._since < self.patience:
            return
        if self._shown and not self._said:
            self._said, self._bar = True, bar()
            if self._bar is None:
                tell(self.text)
        if self._bar is not None and (self._bar.due() or done == self.total):
            self._bar.show(self.text, done, self.total, self._count())

    def _count(self) -> str:
        """`5 of 10 images`, `2 of 8 parts`, `3.1 MB of 9.9 MB`."""
        from rich.filesize import decimal

        def amount(number: int) -> str:
            return decimal(number) if self.unit == "bytes" else f"{number:,}"

        of = "" if self.total is None else f" of {amount(self.total)}"
        unit = "" if self.unit == "bytes" else f" {self.unit}"  # sizes have theirs
        return f"{amount(self._done)}{of}{unit}"
