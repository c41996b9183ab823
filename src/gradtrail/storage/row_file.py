"""A file that grows by whole rows: none is lost or doubled, wherever Ctrl-C comes."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from io import FileIO
from pathlib import Path

from .files import file_errors

_EVERY = 1.0
"""Seconds after which rows are written at the latest."""


class RowFile:
    """Rows wait in memory until a second is over, and are then written behind what is there.

    Writing begins at a place that moves on only when all is written, so whatever comes in between,
    the next attempt writes the same bytes to the same place.

    Args:
        path: of the file, which is made, or emptied beyond `begin`.
        begin: how many of its bytes stay.

    Raises:
        FileError: it cannot be opened.
    """

    def __init__(self, path: Path, begin: int = 0) -> None:
        self.path, self._end = path, begin
        self._waiting: dict[object, bytes] = {}
        self._last = time.perf_counter()
        with self._writing():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
            self._file: FileIO | None = FileIO(path, "r+")
            self._file.truncate(begin)

    def add(self, key: object, row: bytes) -> None:
        """A row; the same key again, before it is written, replaces it."""
        self._waiting[key] = row

    def tick(self) -> None:
        """Write what waits if it is time.

        Raises:
            FileError: it cannot be written.
        """
        if self._waiting and time.perf_counter() - self._last > _EVERY:
            self.flush()

    def flush(self, *, sync: bool = False) -> None:
        """Write what waits.

        Args:
            sync: whether it must have reached the disk.

        Raises:
            FileError: it cannot be written; the file ends with its last whole row, and is closed.
        """
        if self._file is None:
            return
        content = memoryview(b"".join(self._waiting.values()))
        with self._writing():
            self._file.seek(self._end)
            rest = content
            while rest:
                rest = rest[self._file.write(rest) :]
            if sync:
                os.fsync(self._file.fileno())
        self._end, self._waiting = self._end + len(content), {}
        self._last = time.perf_counter()

    def close(self) -> None:
        """Write what waits, for the last time.

        Raises:
            FileError: it cannot be written.
        """
        self.flush()
        if self._file is not None:
            self._file.close()
            self._file = None

    @contextmanager
    def _writing(self) -> Iterator[None]:
        """One error that names the file, after which nothing more is written."""
        with file_errors("write", self.path):
            try:
                yield
            except OSError:
                file, self._file = getattr(self, "_file", None), None
                if file is not None:
                    with suppress(OSError):  # leave no half row, as far as that can be done
                        file.truncate(self._end)
                        file.close()
                raise
