"""Former names give the very same, and say what they are called now, once for each use."""

from __future__ import annotations

import importlib
import pickle

import pytest

import gradtrail as gt
from gradtrail import exploring, schedules
from gradtrail.layers import layer


def test_a_history_has_its_losses_under_their_former_name() -> None:
    history = gt.History([0.5, 0.25])
    with pytest.warns(
        gt.GradtrailWarning, match=r"History\.losses is History\.step_losses"
    ) as said:
        assert history.losses is history.step_losses
    assert len(said) == 1
    assert said[0].filename == __file__


def test_a_history_takes_its_losses_under_their_former_name() -> None:
    with pytest.warns(
        gt.GradtrailWarning, match="History: losses= is called step_losses= now"
    ) as said:
        history = gt.History(losses=[0.5], loss=[0.5])
    assert (history.step_losses, len(said)) == ([0.5], 1)
    assert history.to_dict()["losses"] == [0.5]  # files keep their columns
    assert gt.History.from_dict(history.to_dict()) == history


def test_a_history_that_an_earlier_version_pickled_is_whole() -> None:
    """As an estimator of scikit-learn holds one."""
    history = gt.History([0.5], [0.5], seconds=[1.0])
    former = {("losses" if k == "step_losses" else k): v for k, v in vars(history).items()}
    back = gt.History.__new__(gt.History)
    back.__setstate__(former)
    assert back == history == pickle.loads(pickle.dumps(history))
    assert back.step_losses == [0.5]


FORMER = {
    "Constant": schedules.Constant,
    "Cosine": schedules.Cosine,
    "OneCycle": schedules.OneCycle,
    "Step": schedules.StepDecay,
}


@pytest.mark.parametrize("name", FORMER)
def test_a_schedule_has_its_former_name(name: str) -> None:
    present = rf"gradtrail\.schedules\.{FORMER[name].__name__}"
    with pytest.warns(gt.GradtrailWarning, match=f"gradtrail.{name} is {present} now") as said:
        assert getattr(gt, name) is FORMER[name]
    assert len(said) == 1
    assert said[0].filename == __file__
    train = importlib.import_module("gradtrail.train")
    with pytest.warns(
        gt.GradtrailWarning, match=f"from gradtrail.*schedules import {FORMER[name].__name__}"
    ) as said:
        assert getattr(train, name) is FORMER[name]
    assert len(said) == 1


def test_the_equation_of_a_loss_has_its_former_name() -> None:
    present = r"gradtrail\.equation\.LossEquation"
    with pytest.warns(gt.GradtrailWarning, match=f"equation.Loss is {present} now") as said:
        assert gt.equation.Loss is gt.equation.LossEquation
    assert len(said) == 1
    assert said[0].filename == __file__
    equation = gt.MeanSquaredError().declare((2, 3)).equation
    assert (equation.kind, gt.equation.to_data(equation)["type"]) == ("loss", "Loss")


@pytest.mark.parametrize("name", ["trace", "influence"])
def test_a_former_module_gives_the_function_and_not_the_file_of_its_name(name: str) -> None:
    importlib.import_module(f"gradtrail.tracing.{name}")  # as the first use of the function does
    with pytest.warns(gt.GradtrailWarning, match=f"write from gradtrail import {name}$"):
        assert getattr(importlib.import_module("gradtrail.trace"), name) is getattr(gt, name)


def test_former_places_of_layers_and_optimizers_are_known() -> None:
    base = importlib.import_module("gradtrail.layers.base")
    with pytest.warns(gt.GradtrailWarning, match="write from gradtrail.layers import Layer"):
        assert base.Layer is gt.layers.Layer
    with pytest.warns(gt.GradtrailWarning, match="write from gradtrail.layers.layer import elem"):
        assert base.elementwise is layer.elementwise
    with pytest.warns(gt.GradtrailWarning, match="write from gradtrail.optimizers import Optim"):
        assert importlib.import_module("gradtrail.train").Optimizer is gt.optimizers.Optimizer


def test_former_modules_are_attributes_and_can_be_imported_whole() -> None:
    with pytest.warns(gt.GradtrailWarning, match="write from gradtrail import load_weights$"):
        assert gt.files.load_weights is gt.load_weights
    with pytest.warns(gt.GradtrailWarning, match="write from gradtrail.exploring import Expl"):
        assert importlib.import_module("gradtrail.explore").Explorer is exploring.Explorer
    assert {"CSVLog", "Optimizer"} <= set(importlib.import_module("gradtrail.train").__all__)


def test_a_former_argument_is_not_printed_at_length_nor_given_twice() -> None:
    with pytest.warns(gt.GradtrailWarning, match=r"losses= .* write step_losses=\[0, 1, .{,30}\]$"):
        gt.History(losses=[*range(20_000)], loss=[])
    with pytest.raises(gt.ArgumentError, match="losses= is the former name of step_losses=; give"):
        gt.History(losses=[1.0], step_losses=[1.0])


def test_present_names_say_nothing() -> None:
    assert gt.schedules is schedules
    assert not hasattr(gt, "Steps")
    assert {"Step", "Cosine"}.isdisjoint(gt.__all__)
