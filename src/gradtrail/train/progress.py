"""Progress of a training: a live view in a terminal, one line per epoch elsewhere."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Any, final

from .observers import Observer, Seen

if TYPE_CHECKING:
    from .history import History

__all__ = ["Progress"]

_EVERY = 0.1
"""Seconds between two changes of what is shown."""


@final
class Progress(Observer):
    """Shows on standard error how far a training is.

    Args:
        shown: False to stay silent.
    """

    def __init__(self, shown: bool = True) -> None:
        self.shown = shown
        self._bar: Any = None
        self._task: Any = None
        self._since = self._last = 0.0
        self._epochs = self._steps = self._first = 0

    def begin(self, history: History, epochs: int, steps: int) -> None:
        """See `Observer.begin`."""
        self._epochs, self._steps = epochs, steps
        if not self.shown or not sys.stderr.isatty():
            return
        from rich.console import Console
        from rich.progress import BarColumn, TextColumn, TimeRemainingColumn
        from rich.progress import Progress as Bar

        columns = (
            TextColumn("epoch {task.fields[epoch]}/{task.fields[epochs]}"),
            BarColumn(bar_width=24),
            TextColumn("{task.percentage:3.0f} %"),
            TimeRemainingColumn(elapsed_when_finished=True),
            TextColumn("left  {task.fields[state]}"),
        )
        self._bar = Bar(*columns, console=Console(stderr=True), transient=True)
        shown = {"epoch": history.epochs + 1, "epochs": epochs, "state": ""}
        self._task = self._bar.add_task("", total=epochs * steps, completed=history.steps, **shown)
        self._bar.start()

    def step(self, seen: Seen) -> None:
        """See `Observer.step`."""
        if self._bar is None:
            return
        now = time.perf_counter()
        if seen.place == 1:
            self._since, self._first = now, seen.samples
        elif now - self._last < _EVERY and seen.place < self._steps:
            return
        self._last = now
        parts = [f"loss {seen.loss:.4f}"]
        if seen.accuracy is not None:
            parts.append(f"accuracy {seen.accuracy:.2%}")
        parts.append(f"rate {seen.rate:.3g}")
        if seen.place > 1:
            parts.append(f"{(seen.samples - self._first) / (now - self._since):,.0f} images/s")
        self._bar.update(self._task, completed=seen.step, epoch=seen.epoch, state="  ".join(parts))

    def epoch(self, history: History) -> None:
        """See `Observer.epoch`: a line of figures."""
        if not self.shown:
            return
        parts = [f"epoch {history.epochs}/{self._epochs}", f"loss {history.loss[-1]:.4f}"]
        for name, values in (
            ("accuracy", history.accuracy),
            ("validation loss", history.validation_loss),
            ("validation accuracy", history.validation_accuracy),
        ):
            if values:
                figure = f"{values[-1]:.2%}" if "accuracy" in name else f"{values[-1]:.4f}"
                parts.append(f"{name} {figure}")
        text = "  ".join([*parts, f"{history.seconds[-1]:.1f} s"])
        if self._bar is not None:
            self._bar.console.print(text, highlight=False)
        else:
            print(text, file=sys.stderr, flush=True)

    def end(self, history: History) -> None:
        """See `Observer.end`."""
        if self._bar is not None:
            self._bar.stop()
