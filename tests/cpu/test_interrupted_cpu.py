"""A training that is interrupted, wherever that comes: it ends with a whole step."""

from __future__ import annotations

import signal
import threading

import numpy as np
import pytest

import gradtrail as gt
from gradtrail.engines import CPU, Batch, Samples, Stepped, Trainer, engine_for
from gradtrail.streams import stream
from gradtrail.training import Observer, Seen

from .trainings import Arrays, assert_same_bits, data, lenet


def replayed(steps: int, batch_size: int) -> Arrays:
    """The weights after so many steps, step by step."""
    net, loss, (x, y) = lenet(), gt.CrossEntropy(), data()
    trainer = CPU().trainer(net, loss, gt.Adam())
    samples = Samples(x, y, loss, (10,))
    each = len(x) // batch_size
    for step in range(steps):
        epoch, place = divmod(step, each)
        order = stream(1, "order", epoch).permutation(len(x)).astype(np.int64)
        chosen = order[batch_size * place : batch_size * (place + 1)]
        trainer.step(Batch(samples, chosen, 1, step))
    trainer.store()
    return dict(net.parameters)


class InterruptedSoon(Observer):
    """Ctrl-C from a timer that the fourth step starts, wherever it comes then."""

    def step(self, seen: Seen) -> None:
        if seen.step == 4:
            threading.Timer(0.05, signal.raise_signal, [signal.SIGINT]).start()


def test_interrupted_training_ends_with_a_whole_step() -> None:
    net = lenet()
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # which a shell may ignore
    course = {"epochs": 10**6, "batch_size": 50, "seed": 1, "progress": False}
    try:
        history = gt.train(net, data(), log=[InterruptedSoon()], **course)
    finally:
        signal.signal(signal.SIGINT, before)
    assert history.interrupted
    assert history.steps > 3
    assert_same_bits(replayed(history.steps, 50), dict(net.parameters))


def two_epochs(net: gt.Network | None = None, engine: str = "cpu") -> gt.History:
    """A training of six steps, each test's to interrupt."""
    net = net or lenet()
    return gt.train(net, data(), epochs=2, batch_size=50, seed=1, progress=False, engine=engine)


def trainer_of(engine: str) -> type[Trainer]:
    return type(engine_for(engine).trainer(lenet(), gt.CrossEntropy(), gt.Adam()))


@pytest.mark.parametrize("engine", ["cpu", "reference"])
def test_an_interruption_as_all_is_put_back_loses_nothing(
    engine: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, kind = two_epochs(), trainer_of(engine)
    store, calls = kind.store, []

    def interrupted(trainer: Trainer) -> None:
        calls.append(trainer)
        if len(calls) == 3:  # after two epochs
            raise KeyboardInterrupt
        store(trainer)

    monkeypatch.setattr(kind, "store", interrupted)
    net = lenet()
    history = two_epochs(net, engine)
    assert history.interrupted
    assert history.epochs == 2
    np.testing.assert_allclose(history.step_losses, whole.step_losses, rtol=1e-4)
    assert len(calls) == 4


def test_the_figures_of_an_interrupted_epoch_are_dropped_together() -> None:
    history = gt.History([1.0], [1.0, 0.5], [0.1, 0.2], [0.9], [0.2, 0.3], [2.0], True)
    history.keep(steps=1, epochs=1)
    assert (history.loss, history.accuracy) == ([1.0], [0.1])
    assert (history.validation_loss, history.validation_accuracy) == ([0.9], [0.2])


@pytest.mark.parametrize("engine", ["cpu", "reference"])
def test_an_interruption_as_a_step_ends_loses_no_loss(
    engine: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ctrl-C is answered where Python runs again: behind the native call."""
    whole, kind = two_epochs(), trainer_of(engine)
    step = kind.step

    def interrupted(trainer: Trainer, batch: Batch) -> Stepped:
        done = step(trainer, batch)
        if trainer.finished[0] == 4:
            raise KeyboardInterrupt
        return done

    monkeypatch.setattr(kind, "step", interrupted)
    net = lenet()
    history = two_epochs(net, engine)
    assert history.interrupted
    np.testing.assert_allclose(history.step_losses, whole.step_losses[:4], rtol=1e-4)
    monkeypatch.undo()
    if engine == "cpu":
        assert_same_bits(replayed(4, 50), dict(net.parameters))
