"""What a run of the benchmarks was asked for, and how it tells how far it is."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from .peers import Absent, Peer
from .settings import Workload

__all__ = ["Session", "shown"]


@dataclass(frozen=True)
class Session:
    """One run.

    Args:
        workloads: the networks.
        seconds: how long each side of each measurement runs, about.
        threads: how many each side uses.
        options: further arguments of our engine.
        peers: those that take part.
        absent: those that cannot, with the reason.
        skipped: modes that were asked to stay out.
        told: hears what happens now.
    """

    workloads: Sequence[Workload]
    seconds: float
    threads: int
    options: Mapping[str, Any]
    peers: Sequence[Peer] = ()
    absent: Sequence[Absent] = ()
    skipped: Sequence[str] = ()
    told: Callable[[str], None] = lambda text: None

    def modes(self, peer: Peer, *, predicting: bool = False) -> list[str]:
        """The modes of a peer that take part."""
        listed = peer.predicting if predicting else peer.modes
        return [mode for mode in listed if mode not in self.skipped]


@contextmanager
def shown(total: int) -> Iterator[tuple[Callable[[str], None], Callable[[], None]]]:
    """Progress on standard error: a bar in a terminal, a line per section elsewhere.

    Args:
        total: how many sections there are.

    Yields:
        What takes a text on the present work, and what is called when a section is done.
    """
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        SpinnerColumn,
        TextColumn,
        TimeElapsedColumn,
    )

    console = Console(stderr=True)
    quiet = not console.is_terminal
    columns = (
        SpinnerColumn(),
        BarColumn(bar_width=20),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.description}"),
    )
    before = ""
    with Progress(*columns, console=console, transient=True, disable=quiet) as bar:
        task = bar.add_task("", total=total)

        def told(text: str) -> None:
            nonlocal before
            bar.update(task, description=text)
            stem = text.partition(":")[0]
            if quiet and stem != before:
                console.print(stem, highlight=False, markup=False)
            before = stem

        yield told, lambda: bar.advance(task)
