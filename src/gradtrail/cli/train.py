"""`gradtrail train`: a network trained by a recipe, kept in a folder."""

from __future__ import annotations

import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, nullcontext, suppress
from pathlib import Path
from typing import Any

import click

from ..data.task_progress import silent
from ..errors import ArgumentError, typed
from ..runs import Outcome, RunInputs, resume, start
from ..runs.run_folder import RECIPE
from ..training import Observer
from ..training.progress_line import ProgressLine
from ..training.training import Training
from .explore import Following
from .messages import STOPPED, one_error, said
from .path_types import PATH
from .recipe_options import (
    BATCH_SIZE,
    OPTIMIZER,
    RECIPE_ARGUMENT,
    SCHEDULES,
    computing_options,
    model_and_data_options,
    recipe_of,
    usual,
)

_LOGS = ("csv", "jsonl", "tensorboard")


@click.command("train")
@RECIPE_ARGUMENT
@model_and_data_options
@click.option("--validation", type=float, help="The share of the training images that is held out.")
@click.option("--epochs", type=click.IntRange(1), show_default=usual("training", "epochs"))
@BATCH_SIZE
@click.option(
    "--accumulate",
    type=click.IntRange(1),
    show_default="1",
    help="How many batches make one step.",
)
@OPTIMIZER
@click.option(
    "--lr",
    type=float,
    show_default=usual("optimizer", "lr"),
    help="Learning rate; with another optimizer than the recipe's 0.05 for sgd, 0.002 for adam and "
    "its kin, 0.001 for rmsprop, 0.01 for adagrad and 0.0002 for lion.",
)
@click.option(
    "--schedule",
    type=click.Choice(list(SCHEDULES)),
    show_default=usual("schedule", "type"),
    help="How the learning rate changes in the course of the training.",
)
@computing_options
@click.option(
    "--watch",
    multiple=True,
    help="A weight to keep for every step with what moved it, such as conv1.weight[2,0,1,1]; "
    "several may be given.",
)
@click.option(
    "--log",
    multiple=True,
    type=click.Choice(_LOGS),
    help="A log of every step and epoch in the run's folder; several may be given.",
)
@click.option("--out", type=PATH, help="The run's folder, new or empty.")
@click.option(
    "--resume",
    "resumed",
    type=PATH,
    help="Go on with this run, bit by bit as if nothing had stopped it; with --epochs until then.",
)
@click.option(
    "--explore",
    is_flag=True,
    help="Open a page that follows the training; it stays with what came of it until Ctrl-C.",
)
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    show_default="0, any that is free",
    help="That page's, on 127.0.0.1.",
)
@click.option("--no-browser", is_flag=True, help="Print that page's address, and open nothing.")
@click.option("--quiet", is_flag=True, help="Print nothing but errors, and a page's address.")
@one_error
def train_command(
    recipe: str | None,
    resumed: Path | None,
    out: Path | None,
    explore: bool,
    port: int | None,
    no_browser: bool,
    quiet: bool,
    **options: Any,
) -> None:
    """Train a network on images and keep the run in a folder.

    RECIPE is a TOML file, or the name of a recipe that comes with gradtrail; options take the place
    of what it says. The digits are inside the package; other sets are read from files, or
    downloaded.

    Example: gradtrail train --model lenet5 --epochs 5 --out runs/lenet

    Example: gradtrail train --data fashion-mnist --data-path ~/fashion --out runs/fashion

    Example: gradtrail train fashion-mnist-best --log tensorboard

    Example: gradtrail train --resume runs/lenet --epochs 20
    """
    given = {  # 0 and False are said, too
        name: value for name, value in options.items() if value is not None and value != ()
    }
    for option, asked in (("--no-browser", no_browser), ("--port", port is not None)):
        if asked and not explore:
            raise ArgumentError(f"{option} is for the page of --explore")
    following = closing(Following(not no_browser, port or 0)) if explore else nullcontext()
    with following as page:
        _train(recipe, resumed, out, given, quiet, page)
        if page is not None:
            with suppress(KeyboardInterrupt):  # the run is kept, wherever it comes
                page.stay()


def _train(
    recipe: str | None,
    resumed: Path | None,
    out: Path | None,
    given: dict[str, Any],
    quiet: bool,
    page: Following | None,
) -> None:
    """Train, and tell what came of it; see the command."""
    since = time.perf_counter()
    with _one_ctrl_c() as listener, silent() if quiet else nullcontext():

        def ready(work: RunInputs, training: Training) -> None:
            progress.held_out = work.data.shown
            if not training.over and not quiet:
                said(f"{work.network.plan(work.recipe.training.batch_size)}\n")
            if page is not None:
                place = resumed or out
                title = place.resolve().name if place else work.recipe.model.title
                page.begin(work, training, title)
            listener.training = training

        progress = ProgressLine()
        observers: list[Observer] = [] if quiet else [progress]
        if page is not None:
            observers.append(page.observer)
        if resumed is not None:
            _check_resumed(resumed, recipe, out, given)
            done = resume(resumed, **given, observers=observers, ready=ready)
        else:
            chosen = recipe_of(recipe, given)
            done = start(chosen, out, observers=observers, ready=ready)
    if not quiet:
        _tell(done, time.perf_counter() - since)
    if done.history.interrupted:
        sys.exit(STOPPED)


def _check_resumed(
    resumed: Path, recipe: str | None, out: Path | None, given: dict[str, Any]
) -> None:
    """Whether what is said beside --resume can be taken.

    Raises:
        ArgumentError: it belongs to a training that begins.
    """
    wrong = [f"--{name.replace('_', '-')}" for name in given if name not in ("epochs", "threads")]
    wrong += ["--out"] * (out is not None) + [f"the recipe {recipe}"] * (recipe is not None)
    if wrong:
        raise ArgumentError(
            f"--resume goes on with a run as its recipe says, without {', '.join(wrong)}; it takes "
            "--epochs (how many in all), --threads, --explore, --port, --no-browser and --quiet. "
            f"With other settings a training begins: gradtrail train {typed(resumed / RECIPE)}, "
            "and options"
        )


def _tell(done: Outcome, seconds: float) -> None:
    """What came of it."""
    history = done.history
    if done.over:
        said(_over(done))
    if done.confusion is not None:
        after = "" if done.over else f" after {seconds:.1f} s"
        said(f"{done.judged_by} accuracy {done.confusion.accuracy:.2%}{after}")
    if history.stopped and history.best is not None:
        said(f"nothing became better any more: kept the weights of epoch {history.best + 1}")
    said(f"run kept in {done.folder}" + (" (stopped early)" if history.interrupted else ""))
    if history.interrupted:
        said(f"gradtrail train --resume {typed(done.folder)} goes on with it")


def _over(done: Outcome) -> str:
    """That nothing was left to train, and how a training goes on all the same."""
    folder, history = done.folder, done.history
    after = f"after {history.epochs} epoch{'s' if history.epochs > 1 else ''}"
    if history.stopped:
        return (
            f"{folder} was over already: it stopped early, {after}. Another "
            f"training begins with its weights: gradtrail train {typed(folder / RECIPE)} --model "
            f"{typed(folder)}"
        )
    return (
        f"{folder} was over already, {after}: nothing was trained. "
        f"gradtrail train --resume {typed(folder)} --epochs {2 * history.epochs} goes on until then"
    )


class _Listener:
    """Who is asked to stop at the first Ctrl-C; nobody until a training is ready."""

    training: Training | None = None
    heard = False


@contextmanager
def _one_ctrl_c() -> Iterator[_Listener]:
    """The first Ctrl-C ends the training behind its present step; every later one does nothing.

    Before there is a training it ends the command at once. Nothing is raised in the middle of a
    step, so nothing can swallow it.
    """
    listener = _Listener()
    if threading.current_thread() is not threading.main_thread():
        yield listener
        return

    def first(number: int, frame: object) -> None:
        if listener.training is None:
            raise KeyboardInterrupt
        listener.heard = True  # from here on the command ends, and nothing disturbs it
        listener.training.ask_to_stop()

    before = signal.signal(signal.SIGINT, first)
    try:
        yield listener
    finally:
        signal.signal(signal.SIGINT, signal.SIG_IGN if listener.heard else before)
