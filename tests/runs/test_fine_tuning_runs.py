"""Recipes and commands that take a trained network to other data."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import gradtrail as gt
from gradtrail.runs import Run, read_recipe

from .test_running import run, weights

LAYERS = [gt.Conv2d(4, 3), gt.BatchNorm2d(), gt.ReLU(), gt.Flatten(), gt.Linear(2)]
RECIPE = """
[data]
path = "images.npz"
[model]
file = "trained.safetensors"
[training]
epochs = 2
batch_size = 8
[optimizer]
type = "SGD"
lr = 0.01
momentum = 0.9
[optimizer.groups]
"fc*" = {lr = 0.1}
"*.bias" = {weight_decay = 0.5}
[fine_tuning]
freeze = ["conv*", "norm*"]
replace_head = true
"""


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    """A trained network of two classes, and images of three."""
    draw = np.random.Generator(np.random.PCG64(4))
    images = draw.integers(0, 255, (24, 6, 6), np.uint8)
    labels = np.arange(24) % 3
    parts = {"x_train": images, "y_train": labels, "x_test": images[:9], "y_test": labels[:9]}
    np.savez(tmp_path / "images.npz", **parts)
    gt.Network((1, 6, 6), LAYERS, seed=5).save(tmp_path / "trained.safetensors")
    (tmp_path / "recipe.toml").write_text(RECIPE)
    return tmp_path / "recipe.toml"


def test_a_run_goes_on_with_what_is_frozen(recipe: Path, tmp_path: Path) -> None:
    out, whole = tmp_path / "run", tmp_path / "whole"
    assert run("train", str(recipe), "--epochs", "1", "--out", str(out), "--quiet").exit_code == 0
    (tmp_path / "trained.safetensors").unlink()  # the run has what it began with
    done = run("train", "--resume", str(out), "--epochs", "2")
    assert done.exit_code == 0, done.output
    kept = Run(out).recipe
    assert kept.fine_tuning is not None
    assert kept.fine_tuning.freeze == ("conv*", "norm*")
    assert not kept.fine_tuning.changes_weights
    assert kept.optimizer.groups == {"fc*": {"lr": 0.1}, "*.bias": {"weight_decay": 0.5}}
    gt.Network((1, 6, 6), LAYERS, seed=5).save(tmp_path / "trained.safetensors")
    run("train", str(recipe), "--out", str(whole), "--quiet")
    assert weights(out) == weights(whole)
    net, before = gt.load(out), gt.Network((1, 6, 6), LAYERS, seed=5)
    assert net.trained == ("fc1.weight", "fc1.bias")
    assert net.parameters.shapes["fc1.weight"] == (3, 64)
    for name in ("conv1.weight", "norm1.bias"):
        assert (net.parameters[name] == before.parameters[name]).all()
    assert not net.buffers["norm1.running_mean"].any()


def test_the_command_line_says_it_too(recipe: Path, tmp_path: Path) -> None:
    own = tmp_path / "own.toml"
    text = RECIPE[: RECIPE.index("[optimizer]")]
    layers = gt.Network((1, 6, 6), [*LAYERS[:-1], gt.Linear(3)]).architecture()["layers"]
    inline = ", ".join(
        "{" + ", ".join(f"{k} = {v!r}".replace("True", "true") for k, v in one.items()) + "}"
        for one in layers
    )
    text = text.replace('file = "trained.safetensors"', f"normalize = false\nlayers = [{inline}]")
    own.write_text(text.replace("'", '"'))
    given = ("--weights", str(tmp_path / "trained.safetensors"), "--freeze", "conv1")
    options = ("--freeze", "norm1", "--replace-head", "--epochs", "1", "--quiet")
    done = run("train", str(own), *given, *options, "--out", str(tmp_path / "run"))
    assert done.exit_code == 0, done.output
    net = gt.load(tmp_path / "run")
    before = gt.Network((1, 6, 6), LAYERS, seed=5)
    assert (net.parameters["conv1.weight"] == before.parameters["conv1.weight"]).all()
    assert net.frozen[:3] == ("conv1.weight", "conv1.bias", "norm1.weight")
    done = run("train", str(own), *given, "--quiet", "--out", str(tmp_path / "other"))
    assert done.exit_code == 2
    assert "fc1.weight has shape (2, 64), but its layer needs (3, 64)" in done.output
    assert not (tmp_path / "other").exists()


def test_mistakes_are_named(recipe: Path) -> None:
    for old, new, told in (
        ('["conv*", "norm*"]', '"conv*"', "fine_tuning.freeze: must be a list of text"),
        ("replace_head = true", 'skip = ["fc1"]', "skip leaves out some of weights"),
        ("replace_head", "new_head", "no key is called 'new_head'; did you mean: replace_head"),
        ("{lr = 0.1}", "{rate = 0.1}", "no setting is called 'rate'"),
        ("{lr = 0.1}", "0.1", "optimizer.groups: SGD: groups map patterns over names to settings"),
    ):
        recipe.write_text(RECIPE.replace(old, new))
        with pytest.raises(gt.FileError, match=told):
            read_recipe(recipe)
