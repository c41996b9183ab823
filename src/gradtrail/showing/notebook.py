"""Where words for a person go: a notebook, whose outputs change in their place, or a terminal.

A notebook shows standard error in red, as what went wrong; what is merely told goes to standard
output there.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any, TextIO, final

from ..errors import visible


def shell() -> Any:
    """IPython's shell, where it is running; or None."""
    found: Callable[[], Any] | None = getattr(sys.modules.get("IPython"), "get_ipython", None)
    return None if found is None else found()


def in_notebook() -> bool:
    """Whether a Jupyter kernel runs this, which shows what an object looks like."""
    return getattr(shell(), "kernel", None) is not None


def is_terminal(stream: TextIO | None) -> bool:
    """Whether somebody reads it as it comes.

    A program without a console has no such stream (None), and one may be closed.
    """
    try:
        return stream is not None and stream.isatty()
    except ValueError:
        return False


def tell(line: str) -> None:
    """A line for the person who waits, apart from what a program writes."""
    print(visible(line), file=sys.stdout if in_notebook() else sys.stderr, flush=True)


def after_cell(call: Callable[[], None]) -> None:
    """Call it once, when the cell that runs now is over."""
    events = shell().events

    def over(result: Any) -> None:
        events.unregister("post_run_cell", over)
        call()

    events.register("post_run_cell", over)


def display(forms: Mapping[str, str], **place: Any) -> None:
    """Show something in the forms that a notebook can choose from, by their MIME types.

    Args:
        forms: such as `text/plain` and `image/png`.
        place: `display_id`, and `update` whether what was shown there is replaced.
    """
    import_module("IPython.display").display(dict(forms), raw=True, **place)


@final
class CellOutput:
    """An output of the cell that runs now, which can be changed."""

    def __init__(self) -> None:
        self._name = f"gradtrail-{time.time_ns()}"
        self._shown = False

    def show(self, text: str, html: str) -> None:
        """This, instead of what was shown before.

        Args:
            text: for what shows no HTML.
            html: the same.
        """
        display({"text/plain": text, "text/html": html}, display_id=self._name, update=self._shown)
        self._shown = True
