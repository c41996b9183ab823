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

from ..data.image_spec import FITS
from ..data.known import NAMES
from ..data.task_progress import silent
from ..errors import ArgumentError, FileError, typed
from ..network.architecture import ARCHITECTURES
from ..runs import (
    Outcome,
    RunInputs,
    read_recipe,
    resume,
    shipped_names,
    shipped_tables,
    start,
    tables_of,
)
from ..runs.run_folder import RECIPE
from ..training import Observer
from ..training.progress_line import ProgressLine
from ..training.training import Training
from .data_options import reading_options
from .explore import Following
from .messages import STOPPED, one_error, said
from .path_types import PATH, WORD, is_path
from .word_meanings import is_data_name, is_model_file, size_from, words

Changes = dict[tuple[str | int, ...], tuple[str, Any]]

_RATES = {
    **{"sgd": 0.05, "adam": 2e-3, "adamw": 2e-3, "nadam": 2e-3, "radam": 2e-3},
    **{"rmsprop": 1e-3, "adagrad": 0.01, "lion": 2e-4},
}
_SCHEDULES = {
    "constant": "Constant",
    "step": "StepDecay",
    "one-cycle": "OneCycle",
    "cosine": "Cosine",
    "cosine-restarts": "CosineWarmRestarts",
    "polynomial": "Polynomial",
    "plateau": "ReduceLROnPlateau",
}
_LOGS = ("csv", "jsonl", "tensorboard")


_FOUND = {
    "data": ("test", "classes", "size", "channels", "channels_last"),
    "model": ("mean", "std"),
}


def _usually(table: str, key: str) -> str:
    """What the data's recipes say, for the help: `12 for digits, 2 for mnist and fashion-mnist`."""
    found: dict[str, list[str]] = {}
    for name in (*NAMES, "images"):
        value = shipped_tables(name).get(table, {}).get(key, "constant")
        found.setdefault(str(value), []).append(name)
    return ", ".join(f"{value} for {' and '.join(names)}" for value, names in found.items())


@click.command("train")
@click.argument("recipe", required=False, type=WORD, shell_complete=words(shipped_names))
@click.option(
    "--model",
    type=WORD,
    shell_complete=words(lambda: ARCHITECTURES),
    show_default=_usually("model", "architecture"),
    help=f"{', '.join(ARCHITECTURES)}, an architecture as JSON, a saved network, or an ONNX file.",
)
@click.option(
    "--weights",
    type=PATH,
    help="A safetensors file that the model starts from, such as torchvision's or timm's.",
)
@click.option(
    "--freeze",
    multiple=True,
    help='Layers or arrays that stay as they are, such as "features*"; several may be given.',
)
@click.option(
    "--replace-head",
    is_flag=True,
    default=None,
    help="Begin the last layer anew, with an output for each class of the data.",
)
@click.option(
    "--data",
    type=WORD,
    shell_complete=words(lambda: NAMES),
    show_default="digits",
    help=f"{', '.join(NAMES)}, or a path: a folder of images with a folder per class, or an .npz.",
)
@click.option(
    "--data-path",
    type=PATH,
    help="The folder that a named data set's files are in; by default GRADTRAIL_DATA and the usual "
    "places, or else they are downloaded.",
)
@click.option(
    "--size",
    show_default="their own, and 64 where they differ",
    help="Rows and columns that images in a folder are brought to, such as 64 or 48,64.",
)
@click.option("--fit", type=click.Choice(FITS), help="How they are brought to it.")
@reading_options
@click.option("--validation", type=float, help="The share of the training images that is held out.")
@click.option("--epochs", type=click.IntRange(1), show_default=_usually("training", "epochs"))
@click.option(
    "--batch-size", type=click.IntRange(1), show_default=_usually("training", "batch_size")
)
@click.option(
    "--accumulate",
    type=click.IntRange(1),
    show_default="1",
    help="How many batches make one step.",
)
@click.option(
    "--optimizer", type=click.Choice(list(_RATES)), show_default=_usually("optimizer", "type")
)
@click.option(
    "--lr",
    type=float,
    show_default=_usually("optimizer", "lr"),
    help="Learning rate; with another optimizer than the recipe's 0.05 for sgd, 0.002 for adam and "
    "its kin, 0.001 for rmsprop, 0.01 for adagrad and 0.0002 for lion.",
)
@click.option(
    "--schedule",
    type=click.Choice(list(_SCHEDULES)),
    show_default=_usually("schedule", "type"),
    help="How the learning rate changes in the course of the training.",
)
@click.option("--seed", type=click.IntRange(0), show_default="0")
@click.option("--engine", help="What computes: cpu or reference; by default the library's choice.")
@click.option(
    "--threads",
    type=click.IntRange(1),
    help="How many the engine may use; no result depends on it.",
)
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
            chosen = _recipe(recipe, given)
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


def _recipe(recipe: str | None, given: dict[str, Any]) -> Any:
    """The recipe with what options say instead."""
    data = given.pop("data", None)
    is_file = recipe is not None and (Path(recipe).is_file() or recipe.endswith(".toml"))
    if is_file:
        assert recipe is not None
        return read_recipe(recipe, _changes(given, data, tables_of(recipe)))
    if recipe is not None and recipe not in shipped_names() and is_path(recipe):
        if not Path(recipe).exists():
            raise FileError(f"cannot read {recipe}: there is no such file")
        raise ArgumentError(
            f"{recipe} is no recipe, which is a .toml file; --data {typed(recipe)} trains on what "
            "it holds"
        )
    usual = "digits" if data is None else data if is_data_name(data) else "images"
    base = shipped_tables(recipe or usual)
    return read_recipe(None, _changes(given, data, base), base)


def _changes(given: dict[str, Any], data: str | None, base: dict[str, Any]) -> Changes:
    """What options put in the place of a recipe's values."""
    found: Changes = {}
    if data is not None:
        is_path = not is_data_name(data)
        found["data", "name"] = "--data", None if is_path else data
        found["data", "path"] = "--data", data if is_path else None
        for table, keys in _FOUND.items():  # what a resolved recipe has found in other data
            found |= {(table, key): ("--data", None) for key in keys}
    if "data_path" in given:
        found["data", "path"] = "--data-path", str(given["data_path"])
    if "model" in given:
        model = given["model"]
        file = is_model_file(model)
        for key in ("architecture", "file", "layers", "weights", "mean", "std"):
            found["model", key] = "--model", None
        if "weights" in base.get("model", {}):  # whose own network normalised by itself
            found["model", "normalize"] = "--model", None
        found["model", "file" if file else "architecture"] = "--model", model
    for name in ("weights", "freeze", "replace_head"):
        if name in given:
            value = list(given[name]) if name == "freeze" else given[name]
            value = str(value) if name == "weights" else value
            found["fine_tuning", name] = f"--{name.replace('_', '-')}", value
    if "size" in given:
        found["data", "size"] = "--size", size_from(given.pop("size"))
    tables = {
        "data": ("fit", "white", "bad", "validation", "channels_last", "classes"),
        "training": ("epochs", "batch_size", "accumulate", "seed", "engine", "threads", "watch"),
    }
    for table, keys in tables.items():
        for name in keys:
            if name in given:
                value = given[name]
                value = list(value) if isinstance(value, tuple) else value
                found[table, name] = f"--{name.replace('_', '-')}", value
    if "seed" in given:
        found["model", "seed"] = "--seed", given["seed"]
    for name in given.get("log", ()):
        found["log", name] = "--log", True
    if "schedule" in given:
        found["schedule",] = "--schedule", {"type": _SCHEDULES[given["schedule"]]}
    return found | _optimizer_changes(given, base)


def _optimizer_changes(given: dict[str, Any], base: dict[str, Any]) -> Changes:
    """What --optimizer and --lr put in the place of a recipe's values."""
    found: Changes = {}
    table = base.get("optimizer", {})
    before = str(table.get("type")).lower() if isinstance(table, dict) else ""
    kind = given.get("optimizer", before)
    if kind != before:
        moving = {"momentum": 0.9, "nesterov": True} if kind == "sgd" else {}
        usual = {"type": kind, "lr": _RATES[kind], **moving}
        found["optimizer",] = "--optimizer", usual
    if "lr" in given:
        if "optimizer" not in base and "optimizer" not in given:
            found["optimizer", "type"] = "--lr", "Adam"
        found["optimizer", "lr"] = "--lr", given["lr"]
    return found


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
