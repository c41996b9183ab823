"""The interface of a peer."""

from __future__ import annotations

import signal
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from types import FrameType
from typing import Any, ClassVar

import numpy as np

from ..settings import LIMITS
from ..task import Task, UnavailableError

__all__ = ["Peer", "limited"]


class Peer(ABC):
    """A library that trains the same network.

    Weights are copied from the task's network. Samples come as NumPy arrays `(N, C, H, W)`; each
    mode brings them into the order it likes before anything is timed.
    """

    name: ClassVar[str]
    modes: ClassVar[tuple[str, ...]]
    predicting: ClassVar[tuple[str, ...]]  # the modes that predict; compiling takes minutes each
    version: str

    @abstractmethod
    def begin(self, threads: int) -> None:
        """Called before each turn.

        Args:
            threads: how many are used from now on, where the library can change that.
        """

    @abstractmethod
    def learner(self, mode: str, task: Task) -> Callable[[], float]:
        """What makes one training step per call and gives the loss before it.

        Raises:
            UnavailableError: the mode does not work here; the message says why.
        """

    @abstractmethod
    def predictor(self, mode: str, task: Task, x: np.ndarray) -> Callable[[], object]:
        """What computes the outputs for `x` in evaluation, as something NumPy takes.

        Raises:
            UnavailableError: the mode does not work here; the message says why.
        """

    def sampler(self, task: Task) -> Callable[[], Mapping[str, Any]]:
        """What computes each sample's gradients for the task's batches, one after the other.

        Returns:
            Arrays (N, *shape) by our parameters' names, as something NumPy takes.

        Raises:
            UnavailableError: the peer does not give them; the message says why.
        """
        raise UnavailableError("it is not asked for them")

    def titled(self, mode: str) -> str:
        """Such as `PyTorch eager`."""
        return f"{self.name} {mode}"


@contextmanager
def limited(what: str, seconds: float = LIMITS.compiling) -> Iterator[None]:
    """Give up what takes too long, where the system can interrupt it.

    Raises:
        UnavailableError: it took too long.
    """
    here = threading.current_thread() is threading.main_thread()
    if not (here and hasattr(signal, "setitimer")):
        yield
        return

    def stop(number: int, frame: FrameType | None) -> None:
        raise UnavailableError(f"{what} took more than {seconds:g} s")

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
