"""The training loop: shuffle, step, validate, remember."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..engines import Batch, Samples, Trainer, engine_for
from ..errors import ArgumentError, NonFiniteError
from ..layers import Loss
from ..layers.base import positive, seeded
from ..layers.losses import loss_for
from ..streams import stream
from ..trace.nonfinite import describe
from .history import History
from .optimizers import Adam, Optimizer
from .progress import Progress
from .schedules import Schedule

if TYPE_CHECKING:
    from ..engines import Engine
    from ..network import Network

__all__ = ["evaluate", "train"]


def train(
    network: Network,
    data: tuple[Any, Any],
    *,
    validation: tuple[Any, Any] | None = None,
    loss: Loss | None = None,
    optimizer: Optimizer | None = None,
    schedule: Schedule | None = None,
    epochs: int = 1,
    batch_size: int = 64,
    shuffle: bool = True,
    threads: int | None = None,
    seed: int = 0,
    engine: str | Engine | None = None,
    progress: bool = True,
    watch: Sequence[str] | None = None,
) -> History:
    """Train a network in place.

    Args:
        network: whose parameters and running statistics are changed.
        data: samples (N, *input_shape) and their labels.
        validation: samples and labels to evaluate on after every epoch.
        loss: by default `CrossEntropy()`.
        optimizer: by default `Adam()`.
        schedule: how its learning rate changes in the course of the training; None for not.
        epochs: how often all samples are seen, at least 1.
        batch_size: samples per step; the last step of an epoch takes what is left.
        shuffle: whether each epoch has an order of its own.
        threads: how many the engine may use; None for all. It changes no result.
        seed: what order and dropout follow from. The same seed gives the same training.
        engine: None for the default, "cpu", "reference", or an engine object.
        progress: a bar in a terminal, a line per epoch elsewhere; False for silence.
        watch: single weights such as "conv1.weight[2,0,1,1]" whose value, gradient and update are
            kept for every step, with the samples that brought most; see `History.watched`. A step
            takes several times as long then.

    Returns:
        The history. Stopped by Ctrl-C, it ends with the last finished step, and so does the
        network.

    Raises:
        DataError: samples or labels that do not fit.
        NonFiniteError: a NaN or an infinity appeared; the network is as before that step.
    """
    positive("train", epochs=epochs, batch_size=batch_size)
    if threads is not None:
        positive("train", threads=threads)
    seed = seeded("train", seed)
    loss, optimizer = loss_for(loss), optimizer or Adam()
    if not isinstance(optimizer, Optimizer):
        raise ArgumentError(
            f"train: optimizer must be an object such as gt.Adam(), got {optimizer!r}"
        )
    if schedule is not None and not isinstance(schedule, Schedule):
        raise ArgumentError(
            f"train: schedule must be an object such as gt.OneCycle(), got {schedule!r}"
        )
    samples = Samples.of(network, data, loss)
    held_out = None if validation is None else Samples.of(network, validation, loss, "validation")
    for size in {min(batch_size, len(samples)), len(samples) % batch_size or batch_size}:
        # what does not fit, says so now
        network.system(min(size, len(samples)), training=True, loss=loss)
    runs = engine_for(engine, network, threads)
    trainer = runs.trainer(network, loss, optimizer, threads)
    watched = None
    if watch:
        from .watch import watching

        watched = watching(trainer, network, loss, watch)
        trainer = watched
    history = History()
    steps = -(-len(samples) // batch_size)
    rates = _Rates(optimizer, schedule, epochs * steps)
    try:
        with Progress(epochs, steps, progress) as shown:
            for epoch in range(epochs):
                order = _order(len(samples), seed, epoch) if shuffle else samples.places
                shown.epoch(epoch + 1)
                batches = _batches(samples, order, batch_size, seed, history)
                _epoch(network, trainer, loss, rates, batches, history, shown)
                trainer.store()
                if held_out is not None:
                    figures = _evaluated(network, held_out, 256, runs)
                    if not np.isfinite(figures["loss"]):
                        raise NonFiniteError(
                            f"epoch {epoch + 1}: the validation loss is {figures['loss']}; look "
                            "for NaN in the validation data, or lower the learning rate"
                        )
                    if "accuracy" in figures:
                        history.validation_accuracy.append(figures["accuracy"])
                    history.validation_loss.append(figures["loss"])
                shown.line(history)
    except KeyboardInterrupt:
        history.interrupted = True
        finished, last = trainer.finished
        if finished > history.steps:  # it came before the loss was noted
            history.losses.append(last)
        history.drop_unfinished()
    finally:
        _put_back(rates, trainer, history)
        if watched is not None:
            history.watched = watched.watched()
    return history


def _put_back(rates: _Rates, trainer: Trainer, history: History) -> None:
    """The rate as it was, the weights as they are; Ctrl-C in the middle of it comes too late."""
    try:
        rates.restore()
        trainer.store()
    except KeyboardInterrupt:
        history.interrupted = True
        rates.restore()
        trainer.store()


class _Rates:
    """Sets an optimiser's learning rate before every step, by a schedule."""

    def __init__(self, optimizer: Optimizer, schedule: Schedule | None, steps: int) -> None:
        self.optimizer, self.schedule, self.steps = optimizer, schedule, steps
        self.rate = optimizer.lr

    def set(self, step: int) -> None:
        """The rate of a step, the first being 0; taken at the step's middle."""
        if self.schedule is not None:
            self.optimizer.lr = self.rate * self.schedule.factor((step + 0.5) / self.steps)

    def restore(self) -> None:
        """The rate as it was given."""
        if self.schedule is not None:
            self.optimizer.lr = self.rate


def _epoch(
    network: Network,
    trainer: Trainer,
    loss: Loss,
    rates: _Rates,
    batches: Iterator[Batch],
    history: History,
    shown: Progress,
) -> None:
    """All steps of one epoch."""
    since = time.perf_counter()
    total, mass, correct, seen, classified = 0.0, 0.0, 0, 0, True
    for batch in batches:
        rates.set(history.steps)
        done = trainer.step(batch)
        if not done.finite:
            system = network.system(len(batch), training=True, loss=loss)
            where = describe(system, trainer.computed(batch), batch.chosen)
            raise NonFiniteError(f"step {history.steps + 1}: {where}")
        history.losses.append(done.loss)
        counts = batch.mass
        total, mass, seen = total + done.loss * counts, mass + counts, seen + len(batch)
        classified = done.correct is not None
        correct += done.correct or 0
        shown.step(done.loss, seen)
    history.loss.append(total / mass)
    if classified:
        history.accuracy.append(correct / seen)
    history.seconds.append(time.perf_counter() - since)


def _batches(
    samples: Samples, order: np.ndarray, batch_size: int, seed: int, history: History
) -> Iterator[Batch]:
    """The batches of one epoch."""
    for at in range(0, len(samples), batch_size):
        end = min(at + batch_size, len(samples))
        yield Batch(samples, order, seed, history.steps, at, end)


def evaluate(
    network: Network,
    data: tuple[Any, Any],
    *,
    loss: Loss | None = None,
    batch_size: int = 256,
    engine: str | Engine | None = None,
) -> dict[str, float]:
    """Loss and accuracy of a network in evaluation.

    Args:
        network: is not changed.
        data: samples and labels.
        loss: by default `CrossEntropy()`.
        batch_size: how many samples are computed at once.
        engine: None for the default, "cpu", "reference", or an engine object.

    Returns:
        `loss`, the mean over all samples, and `accuracy` where there are classes.

    Raises:
        DataError: samples or labels that do not fit.
    """
    positive("evaluate", batch_size=batch_size)
    loss = loss_for(loss)
    samples = Samples.of(network, data, loss)
    return _evaluated(network, samples, batch_size, engine_for(engine, network))


def _evaluated(
    network: Network, samples: Samples, batch_size: int, runs: Engine
) -> dict[str, float]:
    """Loss and, where there are classes, accuracy over all samples."""
    total, mass, correct, classified = 0.0, 0.0, 0, False
    for at in range(0, len(samples), batch_size):
        batch = Batch(samples, samples.places[at : at + batch_size])
        found = runs.evaluate(network, batch)
        counts = batch.mass
        total, mass = total + found.loss * counts, mass + counts
        classified = found.correct is not None
        correct += found.correct or 0
    figures = {"loss": total / mass}
    return figures | {"accuracy": correct / len(samples)} if classified else figures


def _order(samples: int, seed: int, epoch: int) -> np.ndarray:
    """The order of one epoch, from seed and epoch alone."""
    return stream(seed, "order", epoch).permutation(samples).astype(np.int64, copy=False)
