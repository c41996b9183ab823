"""Runs with more epochs than at first; what their images are called; recipes that are printed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import gradtrail as gt
from gradtrail.runs import Run, prepare_run, read_recipe, shipped_tables

from .test_running import RECIPE, folder, run, weights


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    path = tmp_path / "recipe.toml"
    path.write_text(RECIPE)
    return path


def test_a_run_that_is_over_takes_more_epochs(recipe: Path, tmp_path: Path) -> None:
    """Without a schedule as if there had been so many from the start; its recipe says them."""
    plain = RECIPE[: RECIPE.index("[schedule]")] + RECIPE[RECIPE.index("[augment]") :]
    recipe.write_text(plain.replace("patience = 3", "patience = 30"))
    out, whole = tmp_path / "run", tmp_path / "whole"
    run("train", str(recipe), "--epochs", "2", "--out", str(out), "--quiet")
    before = (out / "recipe.toml").read_text()
    done = run("train", "--resume", str(out), "--epochs", "4", "--threads", "1")
    assert done.exit_code == 0, done.output
    assert (out / "recipe.toml").read_text() == before.replace("epochs = 2", "epochs = 4", 1)
    run("train", str(recipe), "--epochs", "4", "--out", str(whole), "--quiet")
    assert weights(out) == weights(whole)
    assert Run(out).history.step_losses == Run(whole).history.step_losses
    assert run("train", "--resume", str(out)).exit_code == 0
    less = run("train", "--resume", str(out), "--epochs", "3")
    assert less.exit_code == 2
    assert "is in epoch 4 already, so epochs=3 is over" in less.output
    assert (out / "recipe.toml").read_text() == before.replace("epochs = 2", "epochs = 4", 1)


def test_a_schedule_that_gets_longer_is_said_and_noted(recipe: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    run("train", str(recipe), "--epochs", "2", "--out", str(out), "--quiet")
    done = run("train", "--resume", str(out), "--epochs", "4")
    assert done.exit_code == 0, done.output
    assert "gradtrail: the schedule OneCycle runs over the whole training, which has" in done.output
    assert (
        "epochs = 4 # 2 at first: until then the schedule was" in (out / "recipe.toml").read_text()
    )
    assert Run(out).recipe.training.epochs == 4
    history = Run(out).history
    assert history.epochs == 4
    assert history.ends == [19, 38, 57, 76]
    # the first two epochs keep the rates of their own course: OneCycle over 38 steps, then over 76
    first, longer = (
        [0.01 * gt.schedules.OneCycle().factor((step + 0.5) / steps) for step in range(76)]
        for steps in (38, 76)
    )
    assert history.rates == [*first[:38], *longer[38:]]
    assert history.rates[37:39] == pytest.approx([0.01 / 57, 0.25 / 38])


def test_the_test_images_are_not_called_validation(recipe: Path, tmp_path: Path) -> None:
    text = RECIPE.replace("validation = 0.2", "").replace("validation_accuracy", "accuracy")
    recipe.write_text(text)
    done = run("train", str(recipe), "--epochs", "1", "--out", str(tmp_path / "run"))
    assert "test loss" in done.output
    assert "validation" not in done.output
    judged = run("evaluate", str(tmp_path / "run"), "--split", "validation")
    assert judged.output.endswith("on the test images\n")


def test_other_data_without_parts_are_all_images(tmp_path: Path) -> None:
    root, out = folder(tmp_path / "data", 8), tmp_path / "run"
    soon = ("--epochs", "1", "--engine", "reference", "--quiet")
    run("train", "--data", str(root), *soon, "--out", str(out))
    other = folder(tmp_path / "val", 5)
    assert run("evaluate", str(out), "--data", str(other)).output.endswith(
        f"on all images of {other}\n"
    )
    told = json.loads(run("evaluate", str(out), "--data", str(other), "--json").output)
    assert told["images"] == "all"
    assert run("evaluate", str(out)).output.endswith("on the validation images\n")
    trained = run("evaluate", str(out), "--data", str(other), "--split", "train")
    assert trained.output.endswith("on the train images\n")


def test_a_recipe_that_comes_along_is_printed(tmp_path: Path) -> None:
    listed = run("recipe").output
    assert "mnist-best" in listed
    assert "ResNet-20 on CIFAR-10" in listed
    path = tmp_path / "mine.toml"
    path.write_text(run("recipe", "digits").output)
    assert read_recipe(path).to_dict() == read_recipe(None, base=shipped_tables("digits")).to_dict()
    done = run("recipe", "mnist-bst")
    assert done.exit_code == 2
    assert "no recipe is called 'mnist-bst'; did you mean: mnist-best" in done.output


def test_outputs_beyond_counting_are_no_classes(recipe: Path) -> None:
    recipe.write_text(RECIPE.replace("out_features = 10", f"out_features = {1 << 24}"))
    with pytest.raises(gt.ShapeError, match="gives 16777216 outputs, but the data have 10"):
        prepare_run(read_recipe(recipe))


def test_a_rate_that_no_float_holds_is_refused() -> None:
    with pytest.raises(gt.ArgumentError, match="lr must be a finite number above 0"):
        gt.SGD(10**400)
