"""Our side: the CPU engine as the training loop uses it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import fields
from itertools import cycle
from typing import Any

import numpy as np

import gradtrail as gt
from gradtrail.engines import CPU, Batch, SampleGradients, Samples

from .task import Task

__all__ = ["NAME", "Learner", "engine", "engine_options", "native_seconds", "predictor", "sampler"]

NAME = "gradtrail"


def engine_options(given: Sequence[str]) -> dict[str, Any]:
    """Arguments of `CPU` from texts such as `winograd=off`.

    Raises:
        ValueError: a text without `=`, or an argument that this version's engine does not take.
    """
    known = [f.name for f in fields(CPU) if f.name != "threads"]
    found: dict[str, Any] = {}
    for text in given:
        name, separator, value = text.partition("=")
        if not separator or not value:
            raise ValueError(f"an engine option is NAME=VALUE, such as winograd=off; got {text!r}")
        if name not in known:
            raise ValueError(
                f"this version's CPU engine has no option {name!r}; it has {', '.join(known)}"
            )
        found[name] = value
    return found


def engine(threads: int, options: Mapping[str, Any]) -> CPU:
    """The CPU engine."""
    return CPU(threads, **options)


class Learner:
    """A training in progress; each call makes one step and gives the loss before it.

    Args:
        task: what to train.
        options: further arguments of `CPU`.
    """

    def __init__(self, task: Task, options: Mapping[str, Any]) -> None:
        loss = gt.CrossEntropy()
        made = engine(task.threads, options)
        optimizer = gt.SGD(task.lr, momentum=task.momentum)
        self.trainer: Any = made.trainer(task.network, loss, optimizer)
        outputs = task.network.system(1).shapes[task.network.output_name][1:]
        samples = Samples(task.x, task.y, loss, outputs)
        self._samples, self._size = samples, task.batch_size
        self._step = self._at = 0

    def __call__(self) -> float:
        """One step on the next batch."""
        samples, begin = self._samples, self._at
        end = min(begin + self._size, len(samples))
        done = self.trainer.step(Batch(samples, samples.places, 0, self._step, begin, end))
        self._at = end % len(samples)
        if not done.finite:
            raise ArithmeticError(f"step {self._step} of gradtrail is not finite")
        self._step += 1
        return float(done.loss)


def predictor(task: Task, options: Mapping[str, Any], x: np.ndarray) -> Callable[[], np.ndarray]:
    """Computes the outputs for `x` in evaluation, (N, classes)."""
    made = engine(task.threads, options)
    return lambda: task.network.predict(x, batch_size=len(x), engine=made)


def sampler(task: Task, options: Mapping[str, Any]) -> Callable[[], SampleGradients]:
    """Computes each sample's gradients for the task's batches, one after the other."""
    loss, network = gt.CrossEntropy(), task.network
    made = engine(task.threads, options)
    turns = cycle([Batch.of(network, x, y, loss) for x, y in task.batches])
    return lambda: made.per_sample(network, next(turns), loss, training=True)


@contextmanager
def native_seconds(learner: Learner, clock: Callable[[], float]) -> Iterator[list[float]]:
    """Collects how long each step's native call takes.

    The call itself is wrapped, not `Pool.run` around it, so that what `Pool.run` does in Python
    counts as overhead.
    """
    pool, found = learner.trainer.loaded.pool, []
    call = pool._step

    def timed(*arguments: Any) -> None:
        begun = clock()
        call(*arguments)
        found.append(clock() - begun)

    pool._step = timed
    try:
        yield found
    finally:
        pool._step = call
