"""A log of a training that TensorBoard shows.

TensorBoard reads all event files of a folder as one run. The server that it starts by default
passes over a later file's word on forgetting steps: a point takes away those of its own tag at its
step and beyond, and no others. So a training that begins removes the files that an earlier one left
in its folder, and one that goes on writes what holds of them anew.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path
from struct import unpack
from typing import TYPE_CHECKING, Any, final

from ..errors import FileError, warn
from ..machine.packages import optional_package
from ..storage.files import file_errors
from ..storage.row_file import RowFile
from .logs import EVERY, Log, Row

if TYPE_CHECKING:
    from .history import History

_TAGS = {
    "step": {"loss": "loss/step", "accuracy": "accuracy/step", "rate": "rate"},
    "epoch": {
        "loss": "loss/train",
        "validation_loss": "loss/validation",
        "accuracy": "accuracy/train",
        "validation_accuracy": "accuracy/validation",
        "seconds": "seconds",
        "images_per_second": "images_per_second",
    },
}
"""By kind of row and column: the name of TensorBoard's scalar."""

_OURS = ".gradtrail"
"""How the names of our files end."""

_HEAD, _TAIL = 12, 4
"""Bytes of a record before its content, which begin with its length, and behind it."""

_TOGETHER = 10_000
"""Records that are held in memory at once."""


@final
class TensorBoardLog(Log):
    """Scalars for TensorBoard, all over the number of steps.

    `loss/step`, `accuracy/step` and `rate` come every so many steps; `loss/train`,
    `loss/validation`, `accuracy/train`, `accuracy/validation`, `seconds` and `images_per_second` at
    the end of each epoch. A training that begins removes the files of this kind that are in the
    folder; one that goes on replaces them by one file, without the steps beyond.

    Args:
        folder: where the file is written; each training has its own.
        every: a row for each so-manieth step, at least 1.

    Raises:
        ArgumentError: an argument out of its range.
        MissingPackageError: the package tensorboard is not there.
    """

    def __init__(self, folder: str | os.PathLike[str], *, every: int = EVERY) -> None:
        super().__init__(folder, every=every)
        events, summaries, records, messages = (
            optional_package(name, "TensorBoardLog")
            for name in (
                *("tensorboard.compat.proto.event_pb2", "tensorboard.compat.proto.summary_pb2"),
                *("tensorboard.summary.writer.record_writer", "google.protobuf.message"),
            )
        )
        self._event, self._session = events.Event, events.SessionLog
        self._source: Callable[..., Any] = events.SourceMetadata
        self._summary, self._writer = summaries.Summary, records.RecordWriter
        self._damaged: type[Exception] = messages.DecodeError

    def _opened(self, history: History) -> RowFile:
        """See `Log._opened`; the files before it go once the new one is there."""
        there = self._there()
        ours = [path for path in there if path.name.endswith(_OURS)]
        if len(ours) < len(there):
            other = next(path.name for path in there if path not in ours)
            warn(
                f"{self.path} holds event files of another program, such as {other}; TensorBoard "
                "shows them mixed with this training's. Give each training a folder of its own"
            )
        file = RowFile(self.path / _next_name(there))
        self._head(file, history.steps)
        for number, record in enumerate(self._kept(ours, history)):
            file.add(number, record)
            if number % _TOGETHER == 0:
                file.flush()
        file.flush(sync=True)
        for path in ours:
            _remove(path)
        return file

    def _there(self) -> list[Path]:
        """Event files in the order in which TensorBoard reads them: that of their names.

        Raises:
            FileError: the folder cannot be read.
        """
        with file_errors("read the folder", self.path):
            files = self.path.iterdir() if self.path.exists() else ()
            return sorted(path for path in files if "tfevents" in path.name)

    def _head(self, file: RowFile, steps: int) -> None:
        """What a file begins with; a TensorBoard that is open already forgets the steps beyond."""
        source = self._source(writer="gradtrail")
        start = self._session(status=self._session.START)
        file.add("version", self._record(file_version="brain.Event:2", source_metadata=source))
        file.add("start", self._record(step=steps + 1, session_log=start))

    def _kept(self, paths: list[Path], history: History) -> Iterator[bytes]:
        """The records of scalars that the history knows of, as they are.

        An epoch's has the number of its last step, at which a checkpoint may have come before it:
        so they are counted.
        """
        epochs = 0
        for record in (r for path in paths for r in _records(path)) if history.steps else ():
            try:
                event = self._event.FromString(record[_HEAD:-_TAIL])
            except self._damaged:
                continue
            tags = {value.tag for value in event.summary.value}
            epochs += _TAGS["epoch"]["loss"] in tags
            if tags and event.step <= history.steps and epochs <= history.epochs:
                yield record

    def _written(self, row: Row) -> bytes:
        """See `Log._written`: one event with all of its scalars."""
        tags = dict(_TAGS[row["kind"]])
        for name in row:  # of one of several outputs: a.loss is a/loss/train
            output, dot, figure = name.rpartition(".")
            tags |= {name: f"{output}/{tags[figure]}"} if dot else {}
        values = [
            self._summary.Value(tag=tag, simple_value=row[name])
            for name, tag in tags.items()
            if row.get(name) is not None
        ]
        return self._record(step=row["step"], summary=self._summary(value=values))

    def _record(self, **content: Any) -> bytes:
        """An event with its length and checksums."""
        held = BytesIO()
        event = self._event(wall_time=time.time(), **content)
        self._writer(held).write(event.SerializeToString())
        return held.getvalue()


def _records(path: Path) -> Iterator[bytes]:
    """A file's whole records, checksums included; what a machine that stopped left half is not.

    TensorBoard's own reader imports TensorFlow where that is installed, and takes a second for a
    megabyte where it is not. The records are copied, so their checksums stay what they are.

    Raises:
        FileError: it cannot be read.
    """
    with file_errors("read", path), path.open("rb") as file:
        rest = path.stat().st_size
        while rest >= _HEAD + _TAIL:
            head = file.read(_HEAD)
            length = unpack("<Q", head[:8])[0] + _TAIL
            rest -= _HEAD + length
            if rest < 0:
                return
            yield head + file.read(length)


def _remove(path: Path) -> None:
    """Remove a file whose steps another one has now.

    Raises:
        FileError: it cannot be removed.
    """
    try:
        path.unlink(missing_ok=True)
    except OSError as cause:
        raise FileError(
            f"cannot remove {path}, which an earlier training left: {cause.strerror}; remove it, "
            "or give this log a folder of its own"
        ) from cause


def _next_name(there: list[Path]) -> str:
    """A name that TensorBoard, which reads a folder's files in the order of names, reads last."""
    seconds, newest = int(time.time()), max((path.name for path in there), default="")
    while (name := f"events.out.tfevents.{seconds:010d}{_OURS}") <= newest:
        seconds += 1
    return name
