"""One build of gradtrail that waits for its turns: `python -m benchmarks.one_build`.

Two builds of one package do not fit into one process, so each has its own. It is told what to do on
standard input, a line of JSON at a time: `{"measure": …}` with settings makes something ready and
is answered with a number that it computed; then `{"seconds": …, "pace": …}` asks for a turn, and is
answered with the seconds of its counted runs; `null` ends the measurement.

Only the surface that all builds share is used; where a name has moved, both places are tried.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from importlib import import_module
from typing import Any

import numpy as np

import gradtrail as gt

from .child import check_home
from .settings import TRAINING
from .turns import Pace, runs, without_collection

__all__ = ["main", "random_samples", "trained"]

CLASSES = 10
"""Of the networks that are measured."""

ENDLESS = 1_000_000_000
"""Epochs; a training that is measured ends when it is told to."""

_OVER = object()

Data = tuple[np.ndarray, np.ndarray]
Turns = Callable[[float], Iterator[None]]


def random_samples(shape: tuple[int, ...], count: int) -> Data:
    """Normal noise (count, *shape) float32 and labels (count,)."""
    draw = np.random.default_rng(TRAINING.seed + 1)
    x = draw.standard_normal((count, *shape), dtype=np.float32)
    return x, draw.integers(0, CLASSES, count)


def trained(net: gt.Network, data: Data, batch_size: int, threads: int, **settings: Any) -> None:
    """Train with what all benchmarks train with, for one epoch if nothing else is said."""
    optimizer = gt.SGD(TRAINING.lr, momentum=TRAINING.momentum)
    gt.train(
        net, data, optimizer=optimizer, batch_size=batch_size, threads=threads, progress=False,
        **settings,
    )  # fmt: skip


def _observer() -> type[Any]:
    """The class whose objects are told of every step."""
    for home in ("gradtrail.training", "gradtrail.train"):
        try:
            return import_module(home).Observer  # type: ignore[no-any-return]
        except ImportError:
            continue
    raise ImportError("this build has no Observer where one is looked for")


def _train(network: str, batch_size: int, threads: int, turns: Turns) -> None:
    """Steps as `gt.train` makes them: what is timed goes from the end of one to that of the next.

    The training itself is inside a run, so it waits for the next one where a step is told.
    """

    class Waiting(_observer()):  # type: ignore[misc]
        """Lets the training go on for as long as the turns do."""

        turns: Iterator[None] | None = None

        def step(self, seen: Any) -> None:
            if self.turns is None:
                self.turns = turns(seen.loss)
            if next(self.turns, _OVER) is _OVER:
                raise KeyboardInterrupt  # which is how a training is ended from outside

    net = gt.architecture(network).network(seed=TRAINING.seed)
    data = random_samples(net.input_shape, TRAINING.batches * batch_size)
    trained(net, data, batch_size, threads, epochs=ENDLESS, log=[Waiting()])


def _predict(network: str, batch_size: int, threads: int, turns: Turns) -> None:
    """Outputs in evaluation."""
    net = gt.architecture(network).network(seed=TRAINING.seed)
    x, _ = random_samples(net.input_shape, batch_size)
    engine = gt.CPU(threads)
    for _ in turns(float(net.predict(x, batch_size=batch_size, engine=engine).sum())):
        net.predict(x, batch_size=batch_size, engine=engine)


def _trace(network: str, batch_size: int, threads: int, turns: Turns) -> None:
    """One step with everything kept."""
    net = gt.architecture(network).network(seed=TRAINING.seed)
    x, y = random_samples(net.input_shape, batch_size)
    engine = gt.CPU(threads, winograd="off")  # as a trace without an engine computes
    for _ in turns(float(gt.trace(net, x, y, engine=engine).loss)):
        gt.trace(net, x, y, engine=engine)


_MEASURES: dict[str, Any] = {"train": _train, "predict": _predict, "trace": _trace}


def main() -> None:
    """See the file; the one argument is the build's folder."""
    check_home(sys.argv[1])
    said, sys.stdout = sys.stdout, sys.stderr  # what anybody else prints is no answer

    def answer(value: Any) -> None:
        print(json.dumps(value), file=said, flush=True)

    def turns(first: float) -> Iterator[None]:
        """Makes one run due with each of its items, and answers what is asked for."""
        answer(first)
        for line in sys.stdin:
            asked = json.loads(line)
            if asked is None:
                return
            found: list[float] = []
            with without_collection():
                yield from runs(found, asked["seconds"], Pace(**asked["pace"]))
            answer(found)

    for line in sys.stdin:
        settings = json.loads(line)
        _MEASURES[settings.pop("measure")](**settings, turns=turns)


if __name__ == "__main__":
    main()
