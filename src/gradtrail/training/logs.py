"""Logs of a training in files: CSV and JSON lines; TensorBoard's are in `tensorboard.py`.

Each has a row for every so-manieth step and one for every epoch. Where a training is resumed, what
is ahead of its checkpoint is cut off first, so that its log is that of a training which nothing
stopped, times apart.
"""

from __future__ import annotations

import json
import os
from abc import abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, final

from ..checking.arguments import positive
from ..errors import ArgumentError, FileError
from ..storage.files import file_errors, write_bytes
from ..storage.row_file import RowFile
from .observers import Observer, Seen

if TYPE_CHECKING:
    from .history import History

EVERY = 10
"""By default a row for every tenth step: a step of LeNet-5 takes 0.8 ms, a row some µs."""

_COLUMNS = (
    *("kind", "step", "epoch", "loss", "accuracy", "rate"),
    *("validation_loss", "validation_accuracy", "seconds", "images_per_second"),
)

Row = Mapping[str, Any]
"""What is known of a step or an epoch, by column: `kind` is "step" or "epoch"."""


class Log(Observer):
    """The base of the logs: which rows there are, and when they are written.

    Args:
        path: where it is written.
        every: a row for each so-manieth step, at least 1.

    Raises:
        ArgumentError: an argument out of its range.
    """

    def __init__(self, path: str | os.PathLike[str], *, every: int = EVERY) -> None:
        kind = type(self).__name__
        if not isinstance(path, str | os.PathLike):
            raise ArgumentError(f"{kind}: where it is written must be a path, got {path!r}")
        positive(kind, every=every)
        self.path, self.every = Path(path), int(every)
        self._file: RowFile | None = None

    @abstractmethod
    def _opened(self, history: History) -> RowFile:
        """The file, without what is ahead of the history.

        Raises:
            FileError: it cannot be written, or is no such log.
        """

    @abstractmethod
    def _written(self, row: Row) -> bytes:
        """A row as it stands in the file."""

    def begin(self, history: History, epochs: int, steps: int) -> None:
        """See `Observer.begin`."""
        self._step, self._epoch = history.steps, history.epochs
        self._samples = 0
        self._file = None
        self._file = self._opened(history)

    def step(self, seen: Seen) -> None:
        """See `Observer.step`; the same one twice is written once."""
        assert self._file is not None
        self._samples = seen.samples
        if seen.step % self.every == 0 and seen.step > self._step:
            row = {"kind": "step", "step": seen.step, "epoch": seen.epoch, "loss": seen.loss}
            row |= {"accuracy": seen.accuracy, "rate": float(seen.rate)}
            self._file.add(("step", seen.step), self._written(row))
            self._step = seen.step
        self._file.tick()

    def epoch(self, history: History) -> None:
        """See `Observer.epoch`; the same one twice is written once."""
        assert self._file is not None
        if history.epochs > self._epoch:
            row: dict[str, Any] = {"kind": "epoch", "step": history.steps, "epoch": history.epochs}
            for name in ("loss", "accuracy", "validation_loss", "validation_accuracy", "seconds"):
                values = getattr(history, name)
                row[name] = values[-1] if values else None
            row |= {name: values[-1] for name, values in history.by_output.items()}
            if self._samples and row["seconds"]:
                row["images_per_second"] = self._samples / row["seconds"]
            self._file.add(("epoch", history.epochs), self._written(row))
            self._epoch = history.epochs
        self._file.flush()

    def flush(self) -> None:
        """See `Observer.flush`."""
        if self._file is not None:
            self._file.flush(sync=True)

    def end(self, history: History) -> None:
        """See `Observer.end`."""
        if self._file is not None:
            self._file.close()


class _Lines(Log):
    """The base of the logs in lines: what is ahead is cut out of the file."""

    head = b""
    """The first line."""

    first = b""
    """What every such file begins with."""

    @abstractmethod
    def _read(self, line: bytes) -> tuple[str, int, int]:
        """Kind, step and epoch of a row.

        Raises:
            ValueError: it is none.
        """

    def _opened(self, history: History) -> RowFile:
        """See `Log._opened`; the file is written anew under another name, and renamed."""
        kept = [self.head]
        for line in self._lines():
            try:
                kind, step, epoch = self._read(line)
            except (ValueError, KeyError, TypeError, OverflowError, RecursionError):
                continue  # half a row, where a machine stopped, or what somebody wrote
            if epoch <= history.epochs if kind == "epoch" else step <= history.steps:
                kept.append(line)
        content = b"".join(kept)
        write_bytes(self.path, content)
        return RowFile(self.path, len(content))

    def _lines(self) -> list[bytes]:
        """What is in the file, line by line.

        Raises:
            FileError: it cannot be read, or another program wrote it.
        """
        with file_errors("read", self.path):
            content = self.path.read_bytes() if self.path.exists() else b""
        if content and not content.startswith(self.first):
            raise FileError(
                f"{self.path} is no log that {type(self).__name__} wrote, and is left as it is; "
                "give another path"
            )
        return [line for line in content.splitlines(keepends=True) if line.endswith(b"\n")]


@final
class CSVLog(_Lines):
    """A table with a header: `kind` is step or epoch, and what a row does not have stays empty.

    Args:
        path: of the file; one that is there is written over, or gone on with after a resume.
        every: a row for each so-manieth step, at least 1.

    Raises:
        ArgumentError: an argument out of its range.
    """

    head = ",".join(_COLUMNS).encode() + b"\n"
    first = b"kind,step,epoch,"

    def _written(self, row: Row) -> bytes:
        """See `Log._written`; numbers as Python prints them, which reads back the same."""
        values = (row.get(name) for name in _COLUMNS)
        return (",".join("" if v is None else str(v) for v in values) + "\n").encode()

    def _read(self, line: bytes) -> tuple[str, int, int]:
        """See `_Lines._read`."""
        kind, step, epoch, *_ = line.decode().split(",")
        return kind, int(step), int(epoch)


@final
class JSONLinesLog(_Lines):
    """An object in each line, with what there is of the names of `CSVLog`.

    Args:
        path: of the file; one that is there is written over, or gone on with after a resume.
        every: a row for each so-manieth step, at least 1.

    Raises:
        ArgumentError: an argument out of its range.
    """

    first = b'{"kind": "'

    def _written(self, row: Row) -> bytes:
        """See `Log._written`."""
        known = {name: value for name, value in row.items() if value is not None}
        return (json.dumps(known, allow_nan=False) + "\n").encode()

    def _read(self, line: bytes) -> tuple[str, int, int]:
        """See `_Lines._read`."""
        row = json.loads(line)
        return str(row["kind"]), int(row["step"]), int(row["epoch"])
