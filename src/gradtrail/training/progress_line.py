"""Progress of a training: a live line in a terminal or a notebook, and a line per epoch."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, final

from ..showing.bars import Bar, bar
from ..showing.notebook import tell
from .observers import Observer, Seen

if TYPE_CHECKING:
    from .history import History


@final
class ProgressLine(Observer):
    """Shows on standard error, or in a notebook's output, how far a training is.

    `held_out` is what the images are called that are evaluated after every epoch.
    """

    def __init__(self) -> None:
        self.held_out = "validation"
        self._bar: Bar | None = None
        self._epochs = self._steps = 0
        self._epoch = self._first = 0
        self._since = 0.0

    def begin(self, history: History, epochs: int, steps: int) -> None:
        """See `Observer.begin`."""
        self._epochs, self._steps = epochs, steps
        self._bar = bar()
        if self._bar is not None:
            head = f"epoch {min(history.epochs + 1, epochs)}/{epochs}"
            self._bar.show(head, history.steps, epochs * steps)
            self._bar.reckon()  # the first step compiles

    def step(self, seen: Seen) -> None:
        """See `Observer.step`; speed is that of this epoch's steps since the first that came."""
        if self._bar is None:
            return
        if seen.epoch != self._epoch:
            self._epoch, self._first, self._since = seen.epoch, seen.samples, time.perf_counter()
        if not self._bar.due() and seen.place < self._steps:
            return
        parts = [f"loss {_loss(seen.loss)}"]
        if seen.accuracy is not None:
            parts.append(f"accuracy {seen.accuracy:.2%}")
        seconds = time.perf_counter() - self._since
        if seen.samples > self._first and seconds > 0:
            parts.append(f"{(seen.samples - self._first) / seconds:,.0f} images/s")
        parts.append(f"rate {seen.rate:.3g}")
        head = f"epoch {seen.epoch}/{self._epochs}"
        self._bar.show(head, seen.step, self._epochs * self._steps, *parts)

    def epoch(self, history: History) -> None:
        """See `Observer.epoch`: a line of figures."""
        parts = [f"epoch {history.epochs}/{self._epochs}", f"loss {_loss(history.loss[-1])}"]
        for name, values in (
            ("accuracy", history.accuracy),
            (f"{self.held_out} loss", history.validation_loss),
            (f"{self.held_out} accuracy", history.validation_accuracy),
        ):
            if values:
                figure = f"{values[-1]:.2%}" if "accuracy" in name else _loss(values[-1])
                parts.append(f"{name} {figure}")
        parts += _of_outputs(history)
        parts.append(f"{history.seconds[-1]:.1f} s")
        if self._bar is not None:
            self._bar.say(*parts)
        else:
            tell("  ".join(parts))

    def end(self, history: History) -> None:
        """See `Observer.end`."""
        if self._bar is not None:
            self._bar.close()
            self._bar = None


def _of_outputs(history: History) -> list[str]:
    """The figures of each of several outputs: of the validation samples, where there are any."""
    held = bool(history.validation_loss)
    found = []
    for name, values in history.by_output.items():
        output, _, figure = name.rpartition(".")
        plain = figure.removeprefix("validation_")
        if held is (plain != figure):
            text = f"{values[-1]:.2%}" if plain == "accuracy" else _loss(values[-1])
            found.append(f"{output}.{plain} {text}")
    return found


def _loss(value: float) -> str:
    """A loss with four digits behind the point, and one of a million in short."""
    return f"{value:.4f}" if value < 1e6 else f"{value:.4g}"
