"""Pixels read ahead: while a step computes, a thread reads the next batches' images."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from queue import Full, Queue
from typing import NamedTuple

import numpy as np

from ..data.images import Images
from ..machine.forking import renew_in_forks

_AHEAD = 3
"""How many batches are ready at most."""

_PATIENCE = 0.05
"""Seconds after which a reader that has no room looks whether it is still wanted."""


class Pixels(NamedTuple):
    """Where a batch's images are.

    Args:
        pixels: (M, C, H, W), all of them or those of the batch.
        chosen: (n,) int64, the places among them.
    """

    pixels: np.ndarray
    chosen: np.ndarray


@contextmanager
def pixels_ahead(
    source: np.ndarray | Images, parts: Sequence[np.ndarray]
) -> Iterator[Iterator[Pixels]]:
    """The pixels of one batch after another; one is used up before the next is asked for.

    Args:
        source: arrays, or images to be read.
        parts: the places of each batch's samples.
    """
    if not isinstance(source, Images):
        yield (Pixels(source, places) for places in parts)
    elif source.cached == len(source):
        yield (_read(source, places) for places in parts)
    else:
        reader = _Reader(source, parts)
        try:
            reader.start()
            yield reader.batches()
        finally:
            reader.close()


def _read(source: Images, places: np.ndarray) -> Pixels:
    read = np.ascontiguousarray(source.read(places))  # which engines go through by address
    return Pixels(read, np.arange(len(places), dtype=np.int64))


class _Reader:
    """A thread that reads ahead.

    Args:
        source: the images.
        parts: the places of each batch's samples.
    """

    def __init__(self, source: Images, parts: Sequence[np.ndarray]) -> None:
        self.source, self.parts = source, parts
        renew_in_forks(self._begin)
        self._thread = threading.Thread(target=self._run, name="gradtrail-reader", daemon=True)

    def _begin(self) -> None:
        """As with nothing read; in a forked process the thread stayed behind, and its locks."""
        self._ready: Queue[Pixels | BaseException] = Queue(_AHEAD)
        self._closed = threading.Event()

    def start(self) -> None:
        """Begin to read; where the system starts no more threads, nothing is read ahead."""
        with suppress(RuntimeError):
            self._thread.start()

    def _run(self) -> None:
        try:
            for places in self.parts:
                if self._closed.is_set():
                    return
                self._hand_over(_read(self.source, places))
        except BaseException as failure:
            self._hand_over(failure)

    def _hand_over(self, found: Pixels | BaseException) -> None:
        """Wait for room, but for no one who has left: `close` itself may have been interrupted."""
        while not self._closed.is_set():
            with suppress(Full):
                self._ready.put(found, timeout=_PATIENCE)
                return

    def batches(self) -> Iterator[Pixels]:
        """What was read, in order; what a reading failed with is raised where it is met."""
        for places in self.parts:
            if self._ready.empty() and not self._thread.is_alive():
                yield _read(self.source, places)
                continue
            found = self._ready.get()
            if isinstance(found, BaseException):
                raise found
            yield found

    def close(self) -> None:
        """Let the thread end, wherever it is."""
        self._closed.set()
        if self._thread.is_alive():
            self._thread.join()
