"""Progress of a training: a bar in a terminal, one line per epoch elsewhere."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .history import History

__all__ = ["Progress"]


class Progress:
    """Shows how far a training is; a context manager.

    Args:
        epochs: how many there will be.
        steps: how many steps each has.
        shown: False to stay silent.
    """

    def __init__(self, epochs: int, steps: int, shown: bool) -> None:
        self.epochs, self.steps, self.shown = epochs, steps, shown
        self._bar: Any = None
        self._task: Any = None
        self._since = 0.0

    def __enter__(self) -> Progress:
        if self.shown and sys.stderr.isatty():
            from rich.console import Console
            from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
            from rich.progress import Progress as Bar

            columns = (
                TextColumn("epoch {task.fields[epoch]}"),
                BarColumn(),
                MofNCompleteColumn(),
                TimeRemainingColumn(),
                TextColumn("{task.fields[state]}"),
            )
            self._bar = Bar(*columns, console=Console(stderr=True), transient=True)
            self._bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._bar is not None:
            self._bar.stop()

    def epoch(self, number: int) -> None:
        """Begin an epoch, counted from 1."""
        self._since = time.perf_counter()
        if self._bar is None:
            return
        if self._task is not None:
            self._bar.remove_task(self._task)
        written = f"{number}/{self.epochs}"
        self._task = self._bar.add_task("", total=self.steps, epoch=written, state="")

    def step(self, loss: float, samples: int) -> None:
        """One step is done.

        Args:
            loss: of this step.
            samples: how many this epoch has seen so far.
        """
        if self._bar is not None:
            rate = samples / max(time.perf_counter() - self._since, 1e-9)
            self._bar.update(self._task, advance=1, state=f"loss {loss:.4f}  {rate:,.0f} images/s")

    def line(self, history: History) -> None:
        """An epoch is done: print its figures."""
        if not self.shown:
            return
        parts = [f"epoch {history.epochs}/{self.epochs}", f"loss {history.loss[-1]:.4f}"]
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
