"""Files decoded in parallel, and kept as bytes as far as memory allows.

F files, C channels, H, W sizes, n how many are wanted at once.
"""

from __future__ import annotations

import os
import threading
import zlib
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed, wait
from pathlib import Path
from typing import Any, TypeVar, final

import numpy as np

from ..errors import DataError
from ..machine.forking import renew_in_forks
from .decode import decode_image, examine_image, read_header
from .folder_notes import NO_DEPTH
from .image_format import Header
from .image_spec import ImageSpec
from .pillow import quiet
from .task_progress import TaskProgress
from .unreadable import UnreadableError

_PATIENCE = 2.0  # seconds of work before progress is shown
_TASK = 64  # files for one thread at a time, at most

T = TypeVar("T")


@final
class FileThreads:
    """Threads that work on files; they start with the first work, and end with the pool.

    Args:
        threads: how many; None for as many as there are cores for this process.
    """

    def __init__(self, threads: int | None) -> None:
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
        self.threads = threads or cores or 1
        renew_in_forks(self._begin)

    def _begin(self) -> None:
        self._lock = threading.Lock()
        self._executor: ThreadPoolExecutor | None = None

    def over(
        self, count: int, work: Callable[[Sequence[int]], T], counted: Callable[[int], Any]
    ) -> Iterator[T]:
        """What `work` gives for each stretch of the numbers from 0 to `count` − 1, as it comes.

        Args:
            count: of all numbers.
            work: called on a thread with some of the numbers.
            counted: called after each with how many numbers are done.
        """
        step = max(1, min(_TASK, -(-count // self.threads)))
        stretches = [range(at, min(at + step, count)) for at in range(0, count, step)]
        with quiet():
            futures = self._submitted(work, stretches)
            if not futures:
                for stretch in stretches:
                    yield work(stretch)
                    counted(stretch.stop)
                return
            done = 0
            try:
                for future in as_completed(futures):
                    done += len(futures[future])
                    yield future.result()
                    counted(done)
            finally:  # Ctrl-C, or an error: nothing begins any more, or works on
                for future in futures:
                    future.cancel()
                wait(futures)

    def _submitted(
        self, work: Callable[[Sequence[int]], T], stretches: Sequence[range]
    ) -> dict[Future[T], range]:
        """What the threads were given to do; nothing where the caller is to do it alone.

        Where the system starts no more threads, half as many are tried.
        """
        if len(stretches) < 2:
            return {}
        with self._lock:
            while self.threads > 1:
                if self._executor is None:
                    self._executor = ThreadPoolExecutor(self.threads, "gradtrail-images")
                try:
                    return {self._executor.submit(work, stretch): stretch for stretch in stretches}
                except RuntimeError:  # what was submitted is done, or is not begun any more
                    self._executor.shutdown(cancel_futures=True)
                    self._executor, self.threads = None, self.threads // 2
            return {}


@final
class Store:
    """Files as images of one shape, each decoded when it is wanted, the first ones kept.

    `checksums`, uint32 (F,), holds the CRC-32 of each image's pixels as `verify` found them; a file
    that gives others later has been changed, and is refused. `highest`, int64 (F,), and `several`,
    bool (F,), hold what `verify` found of each file that `folder_notes` speaks of.

    A training reads every image once in an epoch, in another order each time. Then it does not
    matter which images are kept, and to keep the same ones is better than any rule of replacement.

    Args:
        paths: the files, F of them.
        target: what each becomes.
        memory: bytes to keep images in.
        pool: who decodes.
    """

    def __init__(
        self, paths: Sequence[Path], target: ImageSpec, memory: int, pool: FileThreads
    ) -> None:
        self._paths, self._target, self._pool = paths, target, pool
        rows = min(len(paths), memory // int(np.prod(target.shape)))
        # no page of this is taken before an image is put there
        self._kept = np.empty((rows, *target.shape), dtype=np.uint8)
        self._filled = np.zeros(rows, dtype=bool)
        self.checksums = np.zeros(len(paths), np.uint32)
        self.highest = np.full(len(paths), NO_DEPTH, np.int64)
        self.several = np.zeros(len(paths), bool)

    def cached_among(self, files: np.ndarray) -> int:
        """How many of these files, int64 (n,), are kept."""
        return int(self._filled[files[files < len(self._filled)]].sum())

    def take(self, files: np.ndarray, out: np.ndarray) -> None:
        """Put images into an array.

        Args:
            files: int64 (n,), each from 0 to F − 1.
            out: uint8 (n, C, H, W).

        Raises:
            DataError: a file has become unreadable.
        """
        kept = files < len(self._filled)
        if kept.all() and self._filled[files].all():
            np.take(self._kept, files, axis=0, out=out, mode="clip")
            return
        kept[kept] = self._filled[files[kept]]
        out[kept] = self._kept[files[kept]]
        missing = np.flatnonzero(~kept)

        def work(numbers: Sequence[int]) -> None:
            for at in missing[numbers[0] : numbers[-1] + 1]:
                out[at] = self._decoded(int(files[at]))

        for _ in self._pool.over(len(missing), work, lambda done: None):
            pass

    def _decoded(self, file: int) -> np.ndarray:
        """One image, kept if there is room."""
        path = self._paths[file]
        try:
            image = np.ascontiguousarray(decode_image(path, self._target))
        except UnreadableError as reason:
            raise DataError(
                f"{path} cannot be read any more: {reason}; restore it, or open the folder again"
            ) from reason
        if zlib.crc32(image.data) != self.checksums[file]:
            raise DataError(
                f"{path} has been changed since it was opened: its pixels are others; restore it, "
                "or open the folder again"
            )
        self._keep(file, image)
        return image

    def _keep(self, file: int, image: np.ndarray) -> None:
        if file < len(self._filled):
            self._kept[file] = image
            self._filled[file] = True  # last: another thread may look at any moment

    def verify(self, text: str) -> dict[Path, str]:
        """Decode every file once, which fills the memory too.

        Args:
            text: what to say is being done, if it takes long.

        Returns:
            the files that cannot be decoded, each with the reason.
        """

        def look(file: int) -> None:
            found = examine_image(self._paths[file], self._target)
            image = np.ascontiguousarray(found.pixels)
            self.checksums[file] = zlib.crc32(image.data)
            self.highest[file] = NO_DEPTH if found.highest is None else found.highest
            self.several[file] = found.several
            self._keep(file, image)

        every = _each(self._pool, self._paths, look, text)
        return {path: reason for path, reason in every.items() if reason is not None}


def read_headers(paths: Sequence[Path], pool: FileThreads, text: str) -> dict[Path, Header | str]:
    """Each file's header, or the reason that it has none.

    Args:
        paths: the files.
        pool: who reads them.
        text: what to say is being done, if it takes long.
    """
    return _each(pool, paths, lambda file: read_header(paths[file]), text)


def _each(
    pool: FileThreads, paths: Sequence[Path], look: Callable[[int], T], text: str
) -> dict[Path, T | str]:
    """What all threads found of each file, in order; the reason where it cannot be read."""

    def work(files: Sequence[int]) -> dict[int, T | str]:
        some: dict[int, T | str] = {}
        for file in files:
            try:
                some[file] = look(file)
            except UnreadableError as reason:
                some[file] = str(reason)
        return some

    found: dict[int, T | str] = {}
    with TaskProgress(text, len(paths), "images", _PATIENCE) as progress:
        for some in pool.over(len(paths), work, progress.to):
            found |= some
    return {path: found[file] for file, path in enumerate(paths)}
