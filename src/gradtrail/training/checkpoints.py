"""Checkpoints: a training's state in files, each whole or not there, the last ones kept.

A checkpoint is one safetensors file. Its metadata hold the rest of the state as JSON, and a digest
of all of it, so that damage anywhere shows; then the one before is taken.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import reprlib
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, final

import numpy as np

from ..checking.arguments import positive
from ..checking.calls import call_example, check_spelling
from ..errors import ArgumentError, DataError, FileError
from ..storage.arrays import read_arrays
from ..storage.files import file_errors, write_bytes
from .history import History
from .snapshot import UNKNOWN_PROVENANCE, Snapshot

if TYPE_CHECKING:
    from .training import Training

_KEY, _FORMAT = "gradtrail checkpoint", 2
_ABOUT = frozenset(
    (
        *("format", "position", "updates", "drawn", "best", "course", "architecture", "engine"),
        *("watched", "data", "validation", "written"),
    )
)
_LIMIT = 16 << 20
"""Bytes of the JSON: settings and an architecture; what grows with a training is in arrays."""

_NAME = re.compile(r"checkpoint-(\d{8,})\.safetensors")


@dataclass(frozen=True)
class NewestCheckpoint:
    """The newest checkpoint that is whole.

    Args:
        path: its file.
        snapshot: what it holds.
        damaged: newer ones that are not whole, each with the reason.
    """

    path: Path
    snapshot: Snapshot
    damaged: tuple[str, ...]


@final
@call_example('gt.Checkpoints("kept")')
@dataclass(frozen=True)
class Checkpoints:
    """Where and how often a training is kept.

    One is written every so many epochs, and besides every so many steps if that is asked for; and
    when Ctrl-C stops the training. Each is written under another name, flushed and renamed, and an
    older one is deleted only behind that.

    Args:
        folder: where they are kept; it is made.
        epochs: after how many epochs, at least 1.
        steps: after how many steps, at least 1; None for only after epochs.
        keep: how many of the newest stay, at least 1.

    Raises:
        ArgumentError: an argument out of its range.
    """

    folder: str | os.PathLike[str]
    epochs: int = field(default=1, kw_only=True)
    steps: int | None = field(default=None, kw_only=True)
    keep: int = field(default=2, kw_only=True)

    def __post_init__(self) -> None:
        if not isinstance(self.folder, str | os.PathLike):
            raise ArgumentError(f"Checkpoints: folder must be a path, got {self.folder!r}")
        check_spelling("Checkpoints", self.folder)
        positive("Checkpoints", epochs=self.epochs, keep=self.keep)
        if self.steps is not None:
            positive("Checkpoints", steps=self.steps)

    def due(self, epoch: int, place: int, steps: int) -> bool:
        """Whether one is to be written between two steps.

        Args:
            epoch: how many epochs are over.
            place: how many steps of the present one are done.
            steps: how many steps are done in all.
        """
        if place == 0 and epoch % self.epochs == 0:
            return True
        return self.steps is not None and steps % self.steps == 0

    def write(self, snapshot: Snapshot) -> Path:
        """Write one, and delete those that are too many, and those ahead, which were damaged.

        Raises:
            FileError: it cannot be written, and those before it stay; or one cannot be deleted.
        """
        from safetensors.numpy import save

        steps = snapshot.about["position"]["steps"]
        path = Path(self.folder) / f"checkpoint-{steps:08d}.safetensors"
        arrays = {name: np.asarray(array, order="C") for name, array in snapshot.arrays.items()}
        about = json.dumps({"format": _FORMAT, **snapshot.about}, ensure_ascii=False)
        held = json.dumps({"digest": _digest(about, arrays), "about": about}, ensure_ascii=False)
        write_bytes(path, save(arrays, {_KEY: held}))
        files = self._files()
        if path not in files:
            raise FileError(
                f"{path} was deleted as soon as it was written; is another process training there?"
            )
        here = files.index(path)
        for old in (*files[:here], *files[here + self.keep :]):
            with file_errors("delete", old):
                old.unlink(missing_ok=True)
        return path

    def newest(self) -> NewestCheckpoint | None:
        """The newest checkpoint that is whole; None where there is none at all.

        Raises:
            FileError: there are some, and all of them are damaged.
        """
        damaged: list[str] = []
        for path in self._files():
            try:
                return NewestCheckpoint(path, read_checkpoint(path), tuple(damaged))
            except FileError as cause:
                damaged.append(str(cause))
        if damaged:
            raise FileError(
                f"{os.fspath(self.folder)} has no checkpoint that is whole: {'; '.join(damaged)}"
            )
        return None

    def none_yet(self) -> None:
        """Refuse a folder with checkpoints, which a training that begins would write over.

        Raises:
            ArgumentError: there is one.
        """
        for path in self._files():
            raise ArgumentError(
                f"train: {path} is there already; pass resume=True to go on from it, or keep the "
                "checkpoints of another training in another folder"
            )

    def _files(self) -> list[Path]:
        """All of them, the newest first."""
        folder, files = Path(self.folder), list[Path]()
        with file_errors("read the folder", folder), suppress(FileNotFoundError):
            files = list(folder.iterdir())
        found = [(m, p) for p in files if (m := _NAME.fullmatch(p.name))]
        return [path for _, path in sorted(found, key=lambda f: -int(f[0][1]))]


class CheckpointWriter:
    """Writes a training's checkpoints when they are due.

    Args:
        checkpoints: where and how often.
        training: whose.
    """

    def __init__(self, checkpoints: Checkpoints, training: Training) -> None:
        self.checkpoints, self.training = checkpoints, training
        self._last = training.position if training.position.steps else None

    @cached_property
    def _data(self) -> dict[str, Any]:
        """What tells the training's data from others."""
        held_out = self.training.held_out
        return {
            "data": self.training.feed.identity(),
            "validation": None if held_out is None else held_out.identity(),
        }

    def due(self) -> None:
        """Write one if it is time.

        Raises:
            FileError: it cannot be written.
        """
        at = self.training.position
        if at.place == self.training.steps:
            return  # the epoch's figures follow, and then its checkpoint
        if self.checkpoints.due(at.epoch, at.place, at.steps) or self.training.over:
            self.now()

    def now(self) -> None:
        """Write one, unless the last one is of this very moment.

        Raises:
            FileError: it cannot be written.
        """
        at = self.training.position
        if at != self._last and at.steps:
            for observer in self.training.observers:
                observer.flush()
            self.checkpoints.write(Snapshot.of(self.training, self._data))
            self._last = at


def read_checkpoint(path: Path) -> Snapshot:
    """A checkpoint, checked.

    Raises:
        FileError: it is damaged, or of a later version.
    """
    arrays, metadata = read_arrays(path)
    try:
        if len(metadata[_KEY]) > _LIMIT:
            raise ValueError("it is too long")
        held = json.loads(metadata[_KEY])
        about = json.loads(held["about"])
        whole = held["digest"] == _digest(held["about"], arrays)
        form = about["format"]
    except (KeyError, TypeError, ValueError, RecursionError) as cause:
        raise FileError(f"{path} is no checkpoint: its metadata cannot be read") from cause
    if not whole:
        raise FileError(f"{path} is damaged: its content is not what was written")
    if form == 1 and type(form) is int:
        arrays, about = _of_the_first_form(arrays, about, path)
    elif form != _FORMAT:
        raise FileError(
            f"{path}: its format is {reprlib.repr(form)}, not {_FORMAT}; a later gradtrail wrote it"
        )
    if about.keys() != _ABOUT:
        (name, *_) = sorted(about.keys() ^ _ABOUT)
        raise FileError(f"{path}: {name!r} " + ("is missing" if name in _ABOUT else "is of no use"))
    return Snapshot(arrays, about)


def _of_the_first_form(
    arrays: Mapping[str, np.ndarray], about: Mapping[str, Any], path: Path
) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """The first format, which had the figures of epochs as JSON, as the present one has them."""
    figures = about.get("history")
    try:
        if not isinstance(figures, dict) or "losses" in figures:
            raise DataError("there is none")
        history = History.from_dict(figures)
    except DataError as cause:
        raise FileError(f"{path}: its history cannot be read: {cause}") from None
    grown = {f"history/{name}": array for name, array in history.arrays().items()}
    held = {name: value for name, value in about.items() if name != "history"}
    return {**grown, **arrays}, {"drawn": [0, 0], **held, "written": dict(UNKNOWN_PROVENANCE)}


def _digest(about: str, arrays: Mapping[str, np.ndarray]) -> str:
    """SHA-256 of the JSON and of every array with its name, type and shape."""
    found = hashlib.sha256(about.encode())
    for name in sorted(arrays):
        array = arrays[name]
        found.update(f"\n{name} {array.dtype.str} {array.shape}\n".encode())
        found.update(array.data if array.size else b"")
    return found.hexdigest()
