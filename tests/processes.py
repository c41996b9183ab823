"""Processes of their own that tests start, interrupt and end."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

__all__ = ["started"]


@contextmanager
def started(command: Sequence[str], **settings: Any) -> Iterator[subprocess.Popen[str]]:
    """A process with pipes of text, which Ctrl-C reaches; it is gone when the test is.

    A shell starts what it puts into the background with Ctrl-C ignored, and that is handed on.
    """
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}

    def heard() -> None:
        signal.signal(signal.SIGINT, signal.SIG_DFL)

    with subprocess.Popen(command, preexec_fn=heard, **(pipes | settings)) as process:
        try:
            yield process
        finally:
            process.kill()
