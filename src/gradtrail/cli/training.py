"""`gradtrail train`: a network trained on a data set, kept in a folder."""

from __future__ import annotations

import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any, NamedTuple

import click

from .. import __version__
from ..architecture import ARCHITECTURES, architecture
from ..data import enlarged
from ..data import load as load_data
from ..data.load import NAMES, folder_of
from ..engines import engine_for
from ..errors import FileError, ShapeError
from ..files import WEIGHTS, save_network, write_json
from ..network import Network
from ..train import SGD, Adam, AdamW, Cosine, OneCycle, Optimizer, Schedule, train
from ..train.watch import FILE as WATCH
from ..train.watch import save_watched
from .common import SETTINGS, STOPPED, network_of, one_error

__all__ = ["train_command"]

_OPTIMIZERS: dict[str, Callable[[float], Optimizer]] = {
    "sgd": lambda lr: SGD(lr, momentum=0.9, nesterov=True),
    "adam": Adam,
    "adamw": AdamW,
}
_RATES = {"sgd": 0.05, "adam": 2e-3, "adamw": 2e-3}
_SCHEDULES: dict[str, Schedule | None] = {
    "constant": None,
    "one-cycle": OneCycle(),
    "cosine": Cosine(),
}


class _Usual(NamedTuple):
    """What a data set is trained with, where nothing else is asked for."""

    model: str
    epochs: int
    batch_size: int
    optimizer: str
    lr: float
    schedule: str


_USUAL: Mapping[str, _Usual] = {
    name: _Usual("digits-cnn", 12, 32, "adam", 2e-3, "constant")
    if name == "digits"
    else _Usual("lenet-short", 2, 64, "sgd", 0.1, "one-cycle")
    for name in NAMES
}


def _usually(field: str) -> str:
    """The defaults of an option, for its help: `12 for digits, else 2`."""
    digits, other = (getattr(_USUAL[name], field) for name in NAMES[:2])
    return f"{digits} for digits, else {other}"


@click.command("train")
@click.option(
    "--model",
    show_default=_usually("model"),
    help=f"{', '.join(ARCHITECTURES)}, an architecture as JSON, a saved network, or an ONNX file.",
)
@click.option("--data", type=click.Choice(NAMES), default="digits", show_default=True)
@click.option(
    "--data-path",
    type=click.Path(path_type=Path),
    help="The folder with the four IDX files of mnist or fashion-mnist; by default GRADTRAIL_DATA "
    "and the usual places.",
)
@click.option("--epochs", type=click.IntRange(1), show_default=_usually("epochs"))
@click.option("--batch-size", type=click.IntRange(1), show_default=_usually("batch_size"))
@click.option(
    "--optimizer", type=click.Choice(list(_OPTIMIZERS)), show_default=_usually("optimizer")
)
@click.option(
    "--lr",
    type=float,
    help="Learning rate; by default 0.1 for mnist and fashion-mnist with sgd, else 0.05 for sgd "
    "and 0.002 for adam and adamw.",
)
@click.option(
    "--schedule",
    type=click.Choice(list(_SCHEDULES)),
    show_default=_usually("schedule"),
    help="How the learning rate changes in the course of the training.",
)
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True)
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
@click.option("--out", type=click.Path(path_type=Path), help="The run's folder, new or empty.")
@click.option("--quiet", is_flag=True, help="Print nothing but errors.")
@one_error
def train_command(
    model: str | None,
    data: str,
    data_path: Path | None,
    epochs: int | None,
    batch_size: int | None,
    optimizer: str | None,
    lr: float | None,
    schedule: str | None,
    seed: int,
    engine: str | None,
    threads: int | None,
    watch: tuple[str, ...],
    out: Path | None,
    quiet: bool,
) -> None:
    """Train a network on images and keep the run in a folder.

    The digits are inside the package; mnist and fashion-mnist are read from files.

    Example: gradtrail train --model lenet5 --epochs 5 --out runs/lenet

    Example: gradtrail train --data fashion-mnist --data-path ~/fashion --out runs/fashion
    """
    since = time.perf_counter()
    say = (lambda text: None) if quiet else click.echo
    usual = _USUAL[data]
    model, epochs = model or usual.model, epochs or usual.epochs
    batch_size = batch_size or usual.batch_size
    optimizer, schedule = optimizer or usual.optimizer, schedule or usual.schedule
    rate = usual.lr if optimizer == usual.optimizer else _RATES[optimizer]
    chosen = _OPTIMIZERS[optimizer](rate if lr is None else lr)
    course = _SCHEDULES[schedule]
    engine_for(engine)  # what there is not, says so before a folder is made
    folder_read = folder_of(data, data_path)
    (x, y), (x_test, y_test) = load_data(data, folder_read)
    network, shape = _network_for(model, x.shape[1:], seed, say)
    if shape != x.shape[1:]:
        x, x_test = enlarged(x, *shape[1:]), enlarged(x_test, *shape[1:])
    settings = {
        "gradtrail": __version__,
        "model": model,
        "data": data,
        "data_path": None if folder_read is None else str(folder_read.absolute()),
        "input_shape": list(shape),
        "epochs": epochs,
        "batch_size": batch_size,
        "optimizer": chosen.settings(),
        "schedule": None if course is None else course.settings(),
        "seed": seed,
        "engine": engine,
        "architecture": network.architecture(),
    }
    with _interrupted_once() as ends, _run_folder(out, model) as folder:
        say(str(network.plan(batch_size)))
        say("")
        write_json(folder / SETTINGS, settings)
        history = train(
            network,
            (x, y),
            validation=(x_test, y_test),
            optimizer=chosen,
            schedule=course,
            epochs=epochs,
            batch_size=batch_size,
            threads=threads,
            seed=seed,
            engine=engine,
            progress=not quiet,
            watch=watch,
        )
        ends()
        seconds = time.perf_counter() - since
        if history.interrupted and not history.steps:
            raise KeyboardInterrupt
        save_network(network, folder / WEIGHTS)
        write_json(folder / "history.json", history.to_dict())
        if history.watched:
            save_watched(folder / WATCH, history.watched)
    if history.validation_accuracy:
        say(f"test accuracy {history.validation_accuracy[-1]:.2%} after {seconds:.1f} s")
    say(f"run kept in {folder}" + (" (stopped early)" if history.interrupted else ""))
    if history.interrupted:
        sys.exit(STOPPED)


@contextmanager
def _interrupted_once() -> Iterator[Callable[[], None]]:
    """The first Ctrl-C ends the training; every later one does nothing, for the command ends.

    Yields:
        What to call when the training is over: then the first does nothing either.
    """
    if threading.current_thread() is not threading.main_thread():
        yield lambda: None  # signals come to the main thread alone
        return

    def ends() -> None:
        signal.signal(signal.SIGINT, signal.SIG_IGN)

    def first(number: int, frame: object) -> None:
        ends()
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGINT, first)
    try:
        yield ends
    except BaseException:
        signal.signal(signal.SIGINT, before)
        raise
    if signal.getsignal(signal.SIGINT) is first:
        signal.signal(signal.SIGINT, before)


def _network_for(
    model: str, sample: tuple[int, ...], seed: int, say: Callable[[str], Any]
) -> tuple[Network, tuple[int, ...]]:
    """The network for these samples, and the shape that they must be enlarged to."""
    if model in ARCHITECTURES or not Path(model).exists():
        named = architecture(model)
        try:
            return named.network(sample, seed=seed), sample
        except ShapeError:
            wanted = (sample[0], *named.input_shape[1:])
            say(f"{model} is too deep for {sample[1]} × {sample[2]} pixels:")
            network = named.network(wanted, seed=seed)
    else:
        network = network_of(model, None, seed)
        wanted = network.input_shape
    if wanted != sample:
        if (
            len(wanted) != 3
            or wanted[0] != sample[0]
            or any(w < s for w, s in zip(wanted[1:], sample[1:], strict=True))
        ):
            raise ShapeError(f"{model} takes samples of {wanted}, but the data have {sample}")
        say(f"the images are enlarged from {sample[1]} × {sample[2]} to {wanted[1]} × {wanted[2]}")
    return network, wanted


@contextmanager
def _run_folder(out: Path | None, model: str) -> Iterator[Path]:
    """A folder that is there, writable and empty, before any time is spent on training.

    Where nothing is trained, it goes again if it was made here.

    Raises:
        FileError: it holds something already, or cannot be made.
    """
    numbered = (Path("runs") / f"{Path(model).stem}-{number}" for number in count(1))
    folder = out or next(path for path in numbered if not path.exists())
    ours = not folder.exists()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if any(folder.iterdir()):
            raise FileError(
                f"{folder} is not empty; give --out a new folder, so that no run is lost"
            )
    except OSError as cause:
        raise FileError(f"cannot make the folder {folder}: {cause.strerror}") from cause
    try:
        yield folder
    except BaseException:
        if {path.name for path in folder.iterdir()} <= {SETTINGS}:
            (folder / SETTINGS).unlink(missing_ok=True)
            if ours:
                folder.rmdir()
        raise
