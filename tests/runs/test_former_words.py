"""Recipes and runs of earlier versions: their words are read, said once, and lead to the same."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from fuzz.crafted import recrafted

import gradtrail as gt
from gradtrail.runs import read_recipe

from .test_running import run, weights

PRESENT = """[data]
name = "digits"
validation = 0.2

[model]
architecture = "digits-cnn"

[training]
epochs = 2
batch_size = 200

[loss]
weight = "balanced"

[schedule]
type = "StepDecay"
at = [0.5]

[augment]
crop = 1
"""

FORMER = (
    PRESENT.replace("weight =", "class_weights =")
    .replace("StepDecay", "Step")
    .replace("[augment]", "[augmentation]")
)

SAID = (
    "recipe.toml, line 19: [augmentation] is [augment] now; line 13: class_weights is weight now; "
    "line 16: Step is StepDecay now; the former words go with the next version"
)


def written(folder: Path, text: str) -> Path:
    path = folder / "recipe.toml"
    path.write_text(text)
    return path


def test_former_words_are_read_and_said_once(tmp_path: Path) -> None:
    expected = read_recipe(written(tmp_path, PRESENT))
    with pytest.warns(gt.GradtrailWarning, match=r"recipe.toml, line 19: \[augment") as told:
        found = read_recipe(written(tmp_path, FORMER))
    assert [str(one.message) for one in told] == [f"{tmp_path}/{SAID}"]
    assert found.course().settings() == expected.course().settings()
    assert (found.augment, found.loss) == (gt.Augment(crop=1), expected.loss)


def test_mistakes_in_former_words_have_their_lines(tmp_path: Path) -> None:
    path = written(tmp_path, FORMER.replace("crop = 1", "crop = -1"))
    with (
        pytest.warns(gt.GradtrailWarning, match="is StepDecay now"),
        pytest.raises(gt.FileError, match=r"recipe.toml, line 20, augment.crop: Augment: crop"),
    ):
        read_recipe(path)


def test_both_words_are_one_too_many(tmp_path: Path) -> None:
    path = written(tmp_path, PRESENT + "[augmentation]\ncrop = 2\n")
    with pytest.raises(gt.FileError, match="line 21, augmentation: is no table of a recipe"):
        read_recipe(path)


def test_a_run_of_an_earlier_version_goes_on_bit_by_bit(tmp_path: Path) -> None:
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    recipe = written(tmp_path, PRESENT)
    assert run("train", str(recipe), "--quiet", "--out", str(whole)).exit_code == 0
    shutil.copytree(whole, cut)
    resolved = (cut / "recipe.toml").read_text()
    former = resolved.replace("StepDecay", "Step").replace("[augment]", "[augmentation]")
    (cut / "recipe.toml").write_text(former.replace("\nweight = ", "\nclass_weights = "))
    (cut / "weights.safetensors").unlink()
    first, last = sorted((cut / "checkpoints").iterdir())
    last.unlink()
    recrafted(first, lambda about: about["course"]["schedule"].update(type="Step"))
    done = run("train", "--resume", str(cut))
    assert done.exit_code == 0, done.output
    assert done.output.count("[augmentation] is [augment] now") == 1
    assert "epoch 1/2" not in done.output
    assert weights(cut) == weights(whole)
