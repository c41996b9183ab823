"""A run's folder: what is in it, and how it comes to be.

recipe.toml            resolved: the run can be repeated from it
start.safetensors      the weights it began with, where they came from a file
checkpoints/           the training's state, the last ones
weights.safetensors    the trained network
history.safetensors    every step's loss, every epoch's figures, eight bytes for each number
metrics.json           the confusion matrix at the end, precision and recall
failed.safetensors     the batch of a step that was not finite; the weights are those before it
log.csv, log.jsonl, tensorboard/, watch.safetensors     where asked for
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import count
from pathlib import Path

from ..data.folder_options import Bad
from ..errors import DataError, FileError, typed, warn
from ..network import Network
from ..network.saving import WEIGHTS, load
from ..storage.arrays import read_arrays
from ..storage.files import check_writable, file_errors, open_file, read_at_most, write_bytes
from ..training import History
from .recipe import Recipe, read_recipe
from .recipe_data import RecipeData, read_data

RECIPE, START, CHECKPOINTS = "recipe.toml", "start.safetensors", "checkpoints"
METRICS, FAILED = "metrics.json", "failed.safetensors"
LOGS = ("log.csv", "log.jsonl", "tensorboard")

HISTORY, _EARLIER = "history.safetensors", "history.json"

_MOST = 64 << 20
"""Bytes of an earlier history: some 2.8 million steps."""


@dataclass(frozen=True)
class Run:
    """A run that there is.

    Args:
        folder: where it is.
        bad: what is done about images that cannot be read any more; None for what the recipe says.
    """

    folder: Path
    bad: Bad | None = None

    @classmethod
    def at(cls, path: Path, bad: Bad | None = None) -> Run:
        """The run in a folder, or whose weights a file holds.

        Args:
            path: the folder or the file.
            bad: see `Run`.

        Raises:
            FileError: there is none.
        """
        folder = path if path.is_dir() else path.parent
        if not path.exists():
            raise FileError(f"there is no run {path}")
        if not (folder / RECIPE).is_file():
            raise FileError(f"{folder} is no run: it has no {RECIPE}")
        return cls(folder, bad)

    @cached_property
    def recipe(self) -> Recipe:
        """The recipe, resolved.

        Raises:
            FileError: it is damaged.
        """
        return read_recipe(self.folder / RECIPE)

    @cached_property
    def network(self) -> Network:
        """The trained network.

        Raises:
            FileError: there is none yet, or it is damaged.
        """
        if not (self.folder / WEIGHTS).exists():
            raise FileError(
                f"{self.folder} has no {WEIGHTS}: its training has not ended; go on with "
                f"gradtrail train --resume {typed(self.folder)}"
            )
        return load(self.folder)

    @cached_property
    def data(self) -> RecipeData:
        """The data that it was trained on.

        Raises:
            FileError: they are not there any more.

        Warns:
            GradtrailWarning: each of the notes, where they are read otherwise than for the run.
        """
        if self.bad is None:
            return read_data(self.recipe.data)
        found = read_data(replace(self.recipe.data, bad=self.bad))
        for note in found.notes:
            warn(note)
        return found

    @cached_property
    def history(self) -> History:
        """What the training left behind.

        Raises:
            FileError: it is missing or damaged.
        """
        return load_history(self.folder)


def check_vacant(out: Path | None) -> None:
    """See whether a run can be kept in a folder, before any images are read.

    Args:
        out: the folder; None for a numbered one under `runs`.

    Raises:
        FileError: it holds something already, or nothing can be written there.
    """
    folder = out or Path("runs")
    if out is not None and folder.is_dir() and any(folder.iterdir()):
        free = next(f for n in count(2) if not (f := out.with_name(f"{out.name}-{n}")).exists())
        hint = f"; gradtrail train --resume {typed(folder)} goes on with its run"
        raise FileError(
            f"{folder} is not empty; give --out a new folder, such as {free}, so that no run is "
            "lost" + (hint if (folder / RECIPE).exists() else "")
        )
    check_writable(folder / RECIPE)


@contextmanager
def run_folder(out: Path | None, title: str) -> Iterator[Path]:
    """A folder that is there, writable and empty, before any time is spent on training.

    Where nothing is trained, it goes again if it was made here.

    Args:
        out: the folder; None for a numbered one under `runs`.
        title: what numbered ones are called.

    Raises:
        FileError: it holds something already, or cannot be made.
    """
    numbered = (Path("runs") / f"{title}-{number}" for number in count(1))
    with file_errors("make the folder", out or Path("runs")):
        folder = out or next(path for path in numbered if not path.exists())
        ours = not folder.exists()
        folder.mkdir(parents=True, exist_ok=True)
        check_vacant(folder)
    try:
        yield folder
    except BaseException:
        _forget(folder, ours)
        raise


def _forget(folder: Path, ours: bool) -> None:
    """Take away what a training left that did not get anywhere; the folder too, if it is ours."""
    kept = list((folder / CHECKPOINTS).glob("*.safetensors")) if folder.is_dir() else []
    left = {path.name for path in folder.iterdir()} if folder.is_dir() else set()
    if kept or not left <= {RECIPE, START, CHECKPOINTS, *LOGS}:
        return
    for name in left:
        path = folder / name
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)
    if ours:
        folder.rmdir()


def save_history(folder: Path, history: History) -> None:
    """Write a run's history; one that an earlier version left goes.

    Raises:
        FileError: it cannot be written.
    """
    from safetensors.numpy import save

    metadata = {"history": json.dumps(history.facts())}
    write_bytes(folder / HISTORY, save(history.arrays(), metadata))
    (folder / _EARLIER).unlink(missing_ok=True)


def load_history(folder: Path) -> History:
    """A run's history.

    Raises:
        FileError: it is missing or damaged.
    """
    path = folder / HISTORY
    if not path.exists() and (folder / _EARLIER).exists():
        return _earlier(folder / _EARLIER)
    arrays, metadata = read_arrays(path)
    try:
        return History.from_arrays(arrays, json.loads(metadata["history"]))
    except (KeyError, RecursionError, ValueError) as cause:
        raise FileError(f"{path} is no history: {cause}") from None


def _earlier(path: Path) -> History:
    """What a version that wrote JSON left.

    Raises:
        FileError: it is too large, or no history.
    """
    with open_file(path) as file:
        content = read_at_most(file, _MOST)
    if content is None:
        raise FileError(
            f"{path} is larger than {_MOST >> 20} MiB; gradtrail train --resume "
            f"{typed(path.parent)} writes {HISTORY} anew from the checkpoints"
        )
    try:
        if content.count(b"[") + content.count(b"{") > 16:  # lists within lists grow in memory
            raise DataError("it has other entries than a history")
        return History.from_dict(json.loads(content))
    except (RecursionError, ValueError) as cause:
        raise FileError(f"{path} is no history: {cause}") from None
