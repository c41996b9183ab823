"""A training that a page follows, at a cost that is kept small.

The page asks every two seconds. What it is told costs nothing: the losses are there already. Now
and then, between two steps, the weights are copied, and a thread of its own computes the session's
samples with them. That happens only while somebody looks, and only as often as all of it takes a
small part of the time; the training itself is not touched, so it comes to the same bytes.
"""

from __future__ import annotations

import copy
import logging
import threading
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import warn
from ..machine.forking import renew_in_forks
from ..tracing.trace import trace
from ..training import History, Observer, Seen
from .health import health
from .session import Session, fill_network

if TYPE_CHECKING:
    from ..training.training import Training

POINTS = 400
"""How many points of the loss are told at once at most."""

_LOOKING = 4.0
"""Seconds that somebody is taken to look after the page has asked."""

_LEAST = 1.0
"""Seconds between two looks at the weights at least."""

_LOOKS, _ALL = 0.01, 0.02
"""The part of the time that copying and computing take at most, and that together with answers."""

_ENDING = 5.0
"""Seconds that the thread is waited for at most."""

_FIGURES = ("loss", "accuracy", "validation_loss", "validation_accuracy", "seconds")
_LOG = logging.getLogger("gradtrail.exploring")


def _nothing() -> float:
    """No time is spent on answers where nobody asks."""
    return 0.0


def session_of(training: Training, x: np.ndarray, y: np.ndarray, title: str) -> Session:
    """What a page shows of a training that is about to begin, on one thread.

    Args:
        training: that nobody has run yet; it is not changed.
        x: (N, *input_shape), the samples that the page shows.
        y: their labels.
        title: of the page.
    """
    course, network = training.course, copy.deepcopy(training.network)
    fill_network(network, training.trainer.arrays())  # a resumed training's own
    engine = training.engine.on(1).direct
    traced = trace(network, x, y, loss=course.loss, seed=course.seed, engine=engine)
    session = Session(traced, optimizer=copy.copy(course.optimizer), title=title)
    session.following = True
    return session


class Live(Observer):
    """Hears of a training, and lets a session follow it.

    It is told of the training by `watch` before that begins; until then it does nothing.

    Attributes:
        seconds: processor time that copying and computing took so far.
    """

    def __init__(self) -> None:
        self.training: Training | None = None
        self.session: Session | None = None
        self.answering: Callable[[], float] = _nothing
        self.running, self.seconds = False, 0.0
        self._history = History()
        self._epochs = self._steps = 0
        self._seen: Seen | None = None
        self._since = self._ended = time.perf_counter()
        self._asked = -np.inf  # when the page asked last
        self._last, self._cost, self._answered = self._since, 0.0, 0.0  # of the last look
        self._health: list[dict[str, Any]] = []
        renew_in_forks(self._free)
        self._waiting: dict[str, np.ndarray] | None = None
        self._busy = self._closed = False
        self._thread: threading.Thread | None = None

    def _free(self) -> None:
        self._wake = threading.Condition()

    def watch(
        self, training: Training, session: Session, answering: Callable[[], float] = _nothing
    ) -> None:
        """Let a session follow a training.

        Args:
            training: that begins soon.
            session: of `session_of`.
            answering: processor time spent on the page's questions so far.
        """
        self.training, self.session, self.answering = training, session, answering
        self._health = health(session.trace)
        self._epochs, self._steps = training.course.epochs, training.steps
        self.running = True  # a page that asks before the first step is to go on asking
        self._thread = threading.Thread(target=self._work, name="gradtrail-live", daemon=True)
        try:
            self._thread.start()
        except RuntimeError as cause:  # the training goes on all the same
            self._thread, self._closed = None, True
            warn(f"the page shows the losses alone, since no thread can be started ({cause})")

    def begin(self, history: History, epochs: int, steps: int) -> None:
        """See `Observer.begin`."""
        self._history, self._epochs, self._steps = history, epochs, steps
        self._since = self._last = time.perf_counter()
        self.running = True

    def step(self, seen: Seen) -> None:
        """See `Observer.step`: the place where weights may be copied."""
        self._seen = seen
        now = time.perf_counter()
        if now - self._asked < _LOOKING and not self._busy and self._due(now):
            assert self.training is not None
            self._look(self.training.trainer.arrays)

    def end(self, history: History) -> None:
        """See `Observer.end`: the page keeps what the training ends with."""
        self._ended = time.perf_counter()
        try:
            if self.training is not None:
                network = self.training.network
                self._look(lambda: {**network.parameters, **network.buffers})
        finally:
            self.running = False  # not before: the page asks until the last look is done

    def close(self) -> None:
        """Let the thread end; twice is once."""
        with self._wake:
            self._closed = True
            self._wake.notify_all()
        if self._thread is not None:
            self._thread.join(_ENDING)

    def settle(self, seconds: float = _ENDING) -> bool:
        """Wait until what was handed over is computed; whether that came about in time."""
        with self._wake:
            return self._wake.wait_for(lambda: not self._busy, seconds)

    def _due(self, now: float) -> bool:
        """Whether the last look and what was asked about it cost little of the time since then."""
        whole = self._cost + self.answering() - self._answered
        return now - self._last > max(_LEAST, self._cost / _LOOKS, whole / _ALL)

    def _look(self, arrays: Callable[[], Mapping[str, np.ndarray]]) -> None:
        """Hand the weights over; where that fails, the page stands still, and nothing else."""
        try:
            self._hand_over(arrays())
        except Exception:  # memory for the copies, say
            _LOG.exception("the page could not follow the training")

    def _hand_over(self, arrays: Mapping[str, np.ndarray]) -> None:
        """Copy the weights and let the other thread look at them; not once it was closed."""
        begun = time.perf_counter()
        copied = {name: array.copy() for name, array in arrays.items()}
        with self._wake:
            if self._closed:
                return
            self._waiting, self._busy = copied, True
            self._last, self._answered = begun, self.answering()
            self._cost = time.perf_counter() - begun
            self._wake.notify_all()

    def _work(self) -> None:
        """The thread's life: compute the session's samples with whatever is handed over."""
        assert self.session is not None
        while True:
            with self._wake:
                self._wake.wait_for(lambda: self._closed or self._waiting is not None)
                if self._closed or self._waiting is None:
                    self._waiting, self._busy = None, False  # nobody waits for it any more
                    self._wake.notify_all()
                    return
                arrays, self._waiting = self._waiting, None
            begun = time.thread_time()
            try:
                with self.session.lock, np.errstate(all="ignore"):
                    if self.session.follow(arrays):
                        self._health = health(self.session.trace)
            except Exception:  # the training goes on all the same
                _LOG.exception("the page could not follow the training")
            with self._wake:
                self._cost += time.thread_time() - begun
                self.seconds += self._cost
                self._busy = self._waiting is not None
                self._wake.notify_all()

    def status(self, after: int = 0) -> dict[str, Any]:
        """How far the training is, as JSON.

        Args:
            after: the last step whose loss is known.

        Returns:
            `running` is true until the last look, at what the training ends with, is done.
        """
        # read first: once it is over, all that is read behind it is what the training ended with
        running = self.running or self._busy
        now = time.perf_counter()
        if now - self._asked > _LOOKING:
            self._answered = self.answering()  # that a page was opened is no part of following
        self._asked = now
        history, seen, session = self._history, self._seen, self.session
        assert session is not None
        ended = now if self.running else self._ended
        return {
            "running": running,
            "step": history.steps if seen is None else seen.step,
            "steps": self._steps,
            "epoch": min(history.epochs + 1, self._epochs) if seen is None else seen.epoch,
            "epochs": self._epochs,
            "seconds": ended - self._since,
            "rate": self._rate(),
            "losses": _thinned(history.step_losses, after),
            "history": {name: list(getattr(history, name)) for name in _FIGURES},
            "health": self._health,
            "version": session.version,
            "following": session.following,
        }

    def _rate(self) -> float | None:
        """The learning rate of the last step, or else of the first."""
        if self._seen is not None:
            return self._seen.rate
        return None if self.training is None else self.training.optimizer.lr


def _thinned(losses: list[float], after: int) -> list[tuple[int, float]]:
    """The losses of the steps behind `after`, each point the mean over as many steps.

    Args:
        losses: of every step.
        after: how many are left out.

    Returns:
        The number of the last step that a point stands for, the first being 1, and the mean.
    """
    begin = max(0, after)
    new = losses[begin:]
    stretch = max(1, -(-len(new) // POINTS))
    parts = ((at, new[at : at + stretch]) for at in range(0, len(new), stretch))
    return [(begin + at + len(part), sum(part) / len(part)) for at, part in parts]
