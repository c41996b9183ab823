"""The training loop: shuffle, step, validate, remember."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from ..engines import Batch, Trainer, engine_for
from ..errors import ArgumentError, DataError, NonFiniteError
from ..layers import Loss
from ..layers.base import positive, seeded
from ..layers.losses import loss_for
from ..streams import stream
from ..trace.nonfinite import describe
from .history import History
from .optimizers import Adam, Optimizer
from .progress import Progress

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
    epochs: int = 1,
    batch_size: int = 64,
    shuffle: bool = True,
    threads: int | None = None,
    seed: int = 0,
    engine: str | Engine | None = None,
    progress: bool = True,
) -> History:
    """Train a network in place.

    Args:
        network: whose parameters and running statistics are changed.
        data: samples (N, *input_shape) and their labels.
        validation: samples and labels to evaluate on after every epoch.
        loss: by default `CrossEntropy()`.
        optimizer: by default `Adam()`.
        epochs: how often all samples are seen, at least 1.
        batch_size: samples per step; the last step of an epoch takes what is left.
        shuffle: whether each epoch has an order of its own.
        threads: how many the engine may use; None for all. It changes no result.
        seed: what order and dropout follow from. The same seed gives the same training.
        engine: None for the default, "reference", or an engine object.
        progress: a bar in a terminal, a line per epoch elsewhere; False for silence.

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
    x, y = _checked(network, data, loss, "data")
    held_out = None if validation is None else _checked(network, validation, loss, "validation")
    sizes = {min(batch_size, len(x)), len(x) % batch_size or batch_size}
    for size in sizes:
        network.system(
            min(size, len(x)), training=True, loss=loss
        )  # what does not fit, says so now
    runs = engine_for(engine)
    trainer = runs.trainer(network, loss, optimizer)
    history = History()
    steps = -(-len(x) // batch_size)
    try:
        with Progress(epochs, steps, progress) as shown:
            for epoch in range(epochs):
                order = _order(len(x), seed, epoch) if shuffle else np.arange(len(x))
                shown.epoch(epoch + 1)
                batches = _batches(network, x, y, loss, order, batch_size, seed, history)
                _epoch(network, trainer, loss, batches, history, shown)
                trainer.store()
                if held_out is not None:
                    figures = evaluate(network, held_out, loss=loss, engine=runs)
                    if not np.isfinite(figures["loss"]):
                        raise NonFiniteError(
                            f"epoch {epoch + 1}: the validation loss is {figures['loss']}; look "
                            "for NaN in the validation data, or lower the learning rate"
                        )
                    history.validation_loss.append(figures["loss"])
                    history.validation_accuracy += [
                        figures[k] for k in ("accuracy",) if k in figures
                    ]
                shown.line(history)
    except KeyboardInterrupt:
        history.interrupted = True
    finally:
        trainer.store()
    return history


def _epoch(
    network: Network,
    trainer: Trainer,
    loss: Loss,
    batches: Iterator[tuple[Batch, np.ndarray]],
    history: History,
    shown: Progress,
) -> None:
    """All steps of one epoch."""
    since = time.perf_counter()
    total, mass, correct, seen, classified = 0.0, 0.0, 0, 0, True
    for batch, chosen in batches:
        done = trainer.step(batch)
        if not done.finite:
            system = network.system(len(batch.x), training=True, loss=loss)
            where = describe(system, trainer.computed(batch), chosen)
            raise NonFiniteError(f"step {history.steps + 1}: {where}")
        history.losses.append(done.loss)
        total, mass, seen = total + done.loss * batch.mass, mass + batch.mass, seen + len(batch.x)
        classified = done.correct is not None
        correct += done.correct or 0
        shown.step(done.loss, seen)
    history.loss.append(total / mass)
    if classified:
        history.accuracy.append(correct / seen)
    history.seconds.append(time.perf_counter() - since)


def _batches(
    network: Network,
    x: np.ndarray,
    y: np.ndarray,
    loss: Loss,
    order: np.ndarray,
    batch_size: int,
    seed: int,
    history: History,
) -> Iterator[tuple[Batch, np.ndarray]]:
    """The batches of one epoch, each with the samples it was made of."""
    for at in range(0, len(x), batch_size):
        chosen = order[at : at + batch_size]
        yield Batch.of(network, x[chosen], y[chosen], loss, seed, history.steps), chosen


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
        engine: None for the default, "reference", or an engine object.

    Returns:
        `loss`, the mean over all samples, and `accuracy` where there are classes.

    Raises:
        DataError: samples or labels that do not fit.
    """
    loss = loss_for(loss)
    x, y = _checked(network, data, loss, "data")
    runs = engine_for(engine)
    total, mass, correct = 0.0, 0.0, 0
    classes = None
    for at in range(0, len(x), batch_size):
        part = slice(at, at + batch_size)
        batch = Batch.of(network, x[part], y[part], loss)
        values = runs.compute(network, batch, loss, training=False, backward=False).values
        total, mass = total + float(values["loss"]) * batch.mass, mass + batch.mass
        classes = batch.classes
        if classes is not None:
            correct += int((values[network.output_name].argmax(axis=1) == classes).sum())
    found = {"loss": total / mass}
    return found if classes is None else found | {"accuracy": correct / len(x)}


def _order(samples: int, seed: int, epoch: int) -> np.ndarray:
    """The order of one epoch, from seed and epoch alone."""
    return stream(seed, "order", epoch).permutation(samples)


def _checked(network: Network, data: Any, loss: Loss, name: str) -> tuple[np.ndarray, np.ndarray]:
    """Samples and labels as arrays, all of them checked before anything runs."""
    if not isinstance(data, tuple | list) or len(data) != 2:
        got = f"{len(data)} entries" if isinstance(data, tuple | list) else type(data).__name__
        raise DataError(f"{name} must be a pair (samples, labels), got {got}")
    try:
        x, y = network.checked(data[0]), np.asarray(data[1])
        prediction = network.system(1, loss=loss).shapes[network.output_name]
        loss.targets(y, (len(x), *prediction[1:]))
    except DataError as cause:
        raise DataError(str(cause) if name == "data" else f"{name}: {cause}") from None
    if loss.mass(y) == 0:
        raise DataError(f"the classes of all labels in {name} have weight 0; nothing would count")
    return x, y
