"""Early stopping: when, by which measure, and with whose weights a training ends."""

from __future__ import annotations

import json

import numpy as np
import pytest

import gradtrail as gt
from gradtrail.training import Observer
from gradtrail.training.stopping import Best

from .common import ENGINES, Arrays, arrays_of, assert_same_bits, data, plain, trained

MEASURES = ("validation_loss", "validation_accuracy", "loss", "accuracy")


def judged(values: list[float], rule: gt.EarlyStopping) -> tuple[int, Best]:
    """After how many epochs a training with these figures stops, and what was best."""
    history, best = gt.History(), Best(rule)
    for epoch, value in enumerate(values):
        history.loss.append(0.0)
        if rule.measure == "loss":
            history.loss[-1] = value
        else:
            getattr(history, rule.measure).append(value)
        best = best.after(history, {"w": np.array([float(epoch)])})
        if best.over(history):
            return epoch + 1, best
    return len(values), best


@pytest.mark.parametrize("measure", MEASURES)
def test_losses_fall_and_accuracies_rise(measure: str) -> None:
    falling = [5.0, 4.0, 3.0, 3.5, 3.2, 3.1, 1.0]
    values = [-v for v in falling] if "accuracy" in measure else falling
    stopped, best = judged(values, gt.EarlyStopping(2, measure=measure))
    assert (stopped, best.epoch) == (5, 2)
    assert best.arrays["w"].tolist() == [2.0]
    stopped, best = judged(values, gt.EarlyStopping(4, measure=measure))
    assert (stopped, best.epoch) == (7, 6)


@pytest.mark.parametrize("measure", MEASURES)
def test_of_equal_epochs_the_first_is_best(measure: str) -> None:
    stopped, best = judged([1.0] * 10, gt.EarlyStopping(3, measure=measure))
    assert (stopped, best.epoch) == (4, 0)


def test_what_is_better_by_no_more_than_least_does_not_count() -> None:
    """0.75 and 0.25 are better by 0.25 than the last that counted, 0.5 and 0 by 0.5."""
    values = [1.0, 0.75, 0.5, 0.25, 0.0]
    stopped, best = judged(values, gt.EarlyStopping(2, measure="loss", least=0.25))
    assert (stopped, best.epoch) == (5, 4)
    stopped, best = judged(values, gt.EarlyStopping(2, measure="loss", least=1.0))
    assert (stopped, best.epoch) == (3, 0)


class Kept(Observer):
    """The network's arrays at the end of every epoch."""

    def __init__(self, net: gt.Network) -> None:
        self.net, self.found = net, []

    def epoch(self, history: gt.History) -> None:
        self.found.append(arrays_of(self.net))


def worsening(net: gt.Network, **settings: object) -> tuple[gt.History, list[Arrays]]:
    """A training that is judged on samples with other classes, and so becomes worse."""
    kept, (x, y) = Kept(net), data(30, 4)
    common = {"validation": (x, (y + 1) % 3), "epochs": 12, "optimizer": gt.SGD(0.05, momentum=0.9)}
    return trained(net, **common | {"log": [kept]} | settings), kept.found


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("average", [None, 0.5])
@pytest.mark.parametrize("keep_best", [True, False])
def test_a_training_that_becomes_worse_is_stopped(
    keep_best: bool, average: float | None, engine: str
) -> None:
    net = plain()
    rule = gt.EarlyStopping(3, keep_best=keep_best)
    history, kept = worsening(net, stopping=rule, engine=engine, average=average)
    best = int(np.argmin(history.validation_loss))
    assert history.stopped
    assert history.best == best
    assert history.epochs == best + 4 < 12
    assert not history.interrupted
    assert_same_bits(arrays_of(net), kept[best if keep_best else -1])
    figures = gt.evaluate(net, (data(30, 4)[0], (data(30, 4)[1] + 1) % 3), engine=engine)
    judged = history.validation_loss[best if keep_best else -1]
    assert figures["loss"] == pytest.approx(judged, rel=1e-6)


def test_a_training_that_ends_by_itself_has_its_best_weights_too() -> None:
    net = plain()
    history, kept = worsening(net, stopping=gt.EarlyStopping(11), epochs=5)
    assert not history.stopped
    assert history.epochs == 5
    assert history.best < 4
    assert_same_bits(arrays_of(net), kept[history.best])


@pytest.mark.parametrize("measure", ["loss", "accuracy"])
def test_a_measure_of_training_needs_no_validation(measure: str) -> None:
    rule = gt.EarlyStopping(1, measure=measure, least=0.9)
    history = trained(plain(), epochs=5, stopping=rule)
    assert history.stopped
    assert history.epochs == 2
    assert history.best == 0


@pytest.mark.parametrize("engine", ENGINES)
def test_an_interrupted_training_does_not_jump_back(engine: str) -> None:
    """Ctrl-C in the sixth epoch: the weights are the last step's, not those of the best epoch."""

    class Ending(gt.SGD):
        def scalars(self, step: int):
            if step == 23:
                raise KeyboardInterrupt
            return super().scalars(step)

    net, twin = plain(), plain()
    settings = {"stopping": gt.EarlyStopping(11), "engine": engine}
    history, kept = worsening(net, optimizer=Ending(0.05, momentum=0.9), **settings)
    assert history.interrupted
    assert not history.stopped
    assert history.steps == 22
    assert history.best < 4
    _, others = worsening(twin, stopping=None, engine=engine)
    for name, array in arrays_of(net).items():
        assert not np.array_equal(array, kept[history.best][name])
        between = np.abs(array - others[5][name]).max()
        assert 0 < between < np.abs(array - kept[history.best][name]).max()


def test_an_error_does_not_jump_back_either() -> None:
    class Breaking(Observer):
        def epoch(self, history: gt.History) -> None:
            if history.epochs == 5:
                raise RuntimeError("the log is full")

    net = plain()
    kept = Kept(net)
    with pytest.raises(RuntimeError, match="the log is full"):
        worsening(net, stopping=gt.EarlyStopping(11), log=[kept, Breaking()])
    assert_same_bits(arrays_of(net), kept.found[4])


def test_validation_is_asked_for_where_it_is_missing() -> None:
    for measure in ("validation_loss", "validation_accuracy"):
        sentence = f"stopping looks at the {measure.replace('_', ' ')}, but there are no validation"
        with pytest.raises(gt.ArgumentError, match=sentence):
            trained(plain(), stopping=gt.EarlyStopping(measure=measure))


def test_accuracy_is_asked_for_where_there_are_no_classes() -> None:
    x, _ = data()
    y = x.sum((1, 2, 3))
    settings = {"loss": gt.MeanSquaredError(), "optimizer": gt.SGD(1e-4)}
    for measure in ("accuracy", "validation_accuracy"):
        rule = gt.EarlyStopping(measure=measure)
        with pytest.raises(gt.ArgumentError, match="stopping looks at the .*accuracy, but .*class"):
            trained(plain(outputs=1), (x, y), validation=(x, y), stopping=rule, **settings)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"patience": 0}, "patience must be a whole number ≥ 1, got 0"),
        ({"patience": 1.5}, "patience must be a whole number"),
        ({"measure": "val_loss"}, "measure must be one of \"validation_loss\", .* got 'val_loss'"),
        ({"least": -1}, "least must be a finite number ≥ 0, got -1"),
        ({"least": float("nan")}, "least must be a finite number"),
        ({"least": float("inf")}, "least must be a finite number"),
        ({"keep_best": 1}, "keep_best must be True or False, got 1"),
    ],
)
def test_arguments_out_of_range_are_refused(arguments: dict, message: str) -> None:
    with pytest.raises(gt.ArgumentError, match=f"EarlyStopping: {message}"):
        gt.EarlyStopping(**arguments)


def test_settings_are_json() -> None:
    rule = gt.EarlyStopping(np.int64(3), least=np.float32(0.5), keep_best=np.True_)
    assert json.loads(json.dumps(rule.settings())) == {
        "patience": 3, "measure": "validation_loss", "least": 0.5, "keep_best": True,
    }  # fmt: skip
