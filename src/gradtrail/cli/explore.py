"""`gradtrail explore`: a page about a learning step of a run; and the page that follows `train`."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import numpy as np

from ..data.known import NAMES
from ..optimizers import Optimizer
from ..runs import Run
from ..runs.recipe_data import part_arrays, part_labels
from ..runs.run_folder import RECIPE
from ..showing.numbers import megabytes_text
from ..training import Observer
from .data_options import ENGINE, OF_A_STEP, DataChoice, data_arguments
from .messages import one_error, said
from .path_types import HTML
from .run_data import network_at, samples_of

if TYPE_CHECKING:
    from ..exploring.explorer import Explorer
    from ..exploring.session import Session
    from ..runs import RunInputs
    from ..training.training import Training

_SHOWN = 16
"""How many samples are shown where nobody says which."""

_LARGE = 32 << 20
"""Bytes of a page that a browser takes a while to open."""


@click.command("explore", short_help="Open a page about one learning step of a run.")
@data_arguments(None)
@click.option(
    "--samples",
    show_default=f"the first {_SHOWN}",
    help="Which samples are shown, such as 0-15 or 3,17,40.",
)
@OF_A_STEP[0]
@OF_A_STEP[1]
@ENGINE
@click.option(
    "--save",
    type=HTML,
    help="Write the page into one file that needs nothing else, instead of serving it.",
)
@click.option("--overwrite", is_flag=True, help="Replace a file of that name.")
@click.option(
    "--port", type=click.IntRange(0, 65535), default=0, help="On 127.0.0.1; 0 for any that is free."
)
@click.option("--no-browser", is_flag=True, help="Print the page's address, and open nothing.")
@one_error
def explore_command(
    choice: DataChoice,
    save: Path | None,
    overwrite: bool,
    port: int,
    no_browser: bool,
    **chosen: Any,
) -> None:
    """Open a page about one learning step of RUN: every value, every gradient, all of their sums.

    RUN is a run's folder, or a saved network: with --data, or with the digits where it takes them.
    The page is served on this machine alone; --save writes it into a file.

    Example: gradtrail explore runs/lenet5-1

    Example: gradtrail explore runs/lenet5-1 --samples 3,17,40 --save step.html
    """
    from ..exploring.explorer import Explorer

    with Explorer(_session(choice, **chosen), port=port) as explorer:
        if save is not None:
            written = explorer.save(save)
            few = "; with fewer --samples it opens sooner" if written > _LARGE else ""
            said(f"page of {megabytes_text(written)} written to {save}{few}")
            return
        _open(explorer, not no_browser)
        said("Ctrl-C ends it")
        explorer.wait()


def _session(
    choice: DataChoice,
    samples: str | None,
    evaluation: bool,
    seed: int,
    engine: str | None,
) -> Session:
    """What the page shows: a step of the run, by its own loss and optimiser.

    Raises:
        FileError: there is no network, or there are no data for it.
        ArgumentError: samples that there are not.
    """
    from ..exploring.default_samples import takes_digits
    from ..exploring.session import Session

    folder = choice.folder
    optimizer: Optimizer | None = None
    title = choice.run.resolve().stem
    if (folder / RECIPE).exists():
        optimizer, title = Run(folder).recipe.course().optimizer, folder.resolve().name
    elif choice.data is None and takes_digits(network_at(choice.run)):
        choice = replace(choice, data=NAMES[0])
    picked = samples_of(choice, samples, first=_SHOWN)
    traced = picked.traced(evaluation=evaluation, seed=seed, engine=engine)
    numbers = picked.numbers.tolist()
    return Session(traced, optimizer=optimizer, numbers=numbers, title=title)


def _open(explorer: Explorer, browser: bool) -> None:
    """Say where the page is, and open it."""
    said(f"exploring at {explorer.url}")
    if browser:
        explorer.open()


class Following:
    """A page that follows a training of the command line.

    Args:
        browser: whether it is opened.
        port: on 127.0.0.1; 0 for any that is free.
    """

    def __init__(self, browser: bool, port: int) -> None:
        from ..exploring.live import Live

        self._browser, self._port, self._live = browser, port, Live()
        self._explorer: Explorer | None = None

    @property
    def observer(self) -> Observer:
        """Who is to hear of the training."""
        return self._live

    def begin(self, work: RunInputs, training: Training, title: str) -> None:
        """Show a training that begins soon: its first samples, and how far it is.

        Args:
            work: what it works on.
            training: the training.
            title: of the page.
        """
        from ..exploring.explorer import Explorer
        from ..exploring.live import session_of

        places = np.arange(min(_SHOWN, len(part_labels(work.data.train))))
        session = session_of(training, *part_arrays(work.data.train, places), title)
        self._explorer = Explorer(session, port=self._port, live=self._live)
        self._live.watch(training, session, self._explorer.seconds)
        _open(self._explorer, self._browser)

    def stay(self) -> None:
        """Keep the page, with what the training ended with, until Ctrl-C."""
        if self._explorer is not None:
            said(f"the page stays at {self._explorer.url}\nCtrl-C ends it")
            self._explorer.wait()

    def close(self) -> None:
        """Close the page."""
        if self._explorer is not None:
            self._explorer.close()
