"""A training that a NaN or an infinity ends leaves a folder that can be asked about that step."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result

import gradtrail as gt
from gradtrail.cli import main
from gradtrail.errors import FileError, NonFiniteError
from gradtrail.runs import Run, read_recipe, start
from gradtrail.runs.failed_step import load_failed_step
from gradtrail.streams import stream

RECIPE = """
[data]
name = "digits"

[model]
normalize = false
layers = [
    {type = "Flatten"}, {type = "Linear", out_features = 20}, {type = "ReLU"},
    {type = "Dropout", p = 0.5}, {type = "Linear", out_features = 10},
]

[training]
batch_size = 100
average = 0.9
mixup = 0.4
seed = 3

[optimizer]
type = "SGD"
lr = 1e25
"""


def run(*words: str) -> Result:
    return CliRunner().invoke(main, list(words))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("failed")
    (place / "recipe.toml").write_text(RECIPE)
    done = run("train", str(place / "recipe.toml"), "--out", str(place / "run"), "--quiet")
    assert done.exit_code == 2
    assert f"{place / 'run'} keeps the network as it was before: gradtrail why" in done.stderr
    return place / "run"


def test_the_step_is_kept_and_ends_so_again(folder: Path) -> None:
    """Mixed, and with its own masks: the weights before it, not their averages."""
    failed, network = load_failed_step(folder), Run(folder).network
    assert failed is not None
    assert (failed.epoch, failed.seed, failed.draw) == (1, 3, failed.step - 1)
    assert failed.x.shape == (100, 1, 8, 8)
    assert failed.y.shape == (100, 10)
    assert failed.y.sum(axis=1) == pytest.approx(1)
    assert len(Run(folder).history.step_losses) == failed.step - 1
    t = gt.trace(network, failed.x, failed.y, seed=3, step=failed.draw, engine="cpu")
    assert not all(np.isfinite(a).all() for a in (*t.value.values(), *t.grad.values()))
    order = stream(3, "order", 0).permutation(len(Run(folder).data.train[1]))
    begin = 100 * failed.draw
    assert failed.numbers.tolist() == order[begin : begin + 100].tolist()


def test_why_looks_at_that_step(folder: Path) -> None:
    failed = load_failed_step(folder)
    assert failed is not None
    told = run("why", str(folder))
    assert told.exit_code == 0
    assert told.stdout.startswith(f"the training ended in epoch 1: {failed.message}\n\n layer ")
    assert f"step {failed.step}: " in told.stdout
    data = json.loads(run("why", str(folder), "--json").stdout)
    assert data["failed"]["step"] == failed.step
    assert data["samples"] == failed.numbers.tolist()
    one = run("why", str(folder), "dfc1.weight[0,0]").stdout
    assert one.startswith("dfc1.weight[0,0] is ")
    assert f"samples 0, 1, … are {failed.numbers[0]}, {failed.numbers[1]}," in one


def test_other_samples_can_be_asked_instead(folder: Path) -> None:
    other = run("why", str(folder), "--samples", "0-9")
    assert other.exit_code == 0
    assert "the training ended" not in other.stdout
    assert "failed" not in json.loads(run("why", str(folder), "--split", "test", "--json").stdout)


def test_a_training_that_goes_on_forgets_it(tmp_path: Path) -> None:
    (tmp_path / "recipe.toml").write_text(RECIPE.replace("1e25", "1e-3"))
    recipe = read_recipe(tmp_path / "recipe.toml")
    start(recipe, tmp_path / "run")
    assert load_failed_step(tmp_path / "run") is None


def test_an_infinite_validation_loss_leaves_a_folder_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "recipe.toml").write_text(RECIPE.replace("1e25", "1e-3"))
    found = {"loss": float("nan"), "accuracy": 0.0}
    module = sys.modules["gradtrail.training.training"]
    monkeypatch.setattr(module, "mean_figures", lambda *_: found)
    with pytest.raises(NonFiniteError, match="epoch 1: the validation loss is nan.*gradtrail why"):
        start(read_recipe(tmp_path / "recipe.toml"), tmp_path / "run")
    assert load_failed_step(tmp_path / "run") is None
    assert run("why", str(tmp_path / "run")).exit_code == 0


def test_an_infinite_validation_loss_is_asked_where_it_arose(tmp_path: Path) -> None:
    """One finite step, and then a network that no image held out goes through."""
    (tmp_path / "recipe.toml").write_text(RECIPE.replace("size = 100", "size = 2000"))
    with pytest.raises(NonFiniteError, match=r"epoch 1: the validation loss is \w+: \S+") as told:
        start(read_recipe(tmp_path / "recipe.toml"), tmp_path / "run")
    failed = load_failed_step(tmp_path / "run")
    assert failed is not None
    assert (failed.judging, failed.step, len(failed.x)) == (True, 1, 355)
    assert str(told.value).startswith(failed.message)
    assert not np.isfinite(gt.load(tmp_path / "run").predict(failed.x)).all()
    shown = run("why", str(tmp_path / "run"))
    assert shown.stdout.startswith(f"the training ended: {failed.message}\n\n layer ")


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b'\\"format\\": 1', b'\\"format\\": 2'),
        (b'\\"step\\": ', b'\\"stop\\": '),
        (b'\\"epoch\\": 1', b'\\"epoch\\": x'),
        (b"[100,1,8,8]", b"[100,1,4,8]"),
        (b'"shape":[100],', b'"shape":[ 50],'),
    ],
    ids=["format", "name", "json", "shape", "number"],
)
def test_a_damaged_file_is_one_error(folder: Path, tmp_path: Path, old: bytes, new: bytes) -> None:
    content = (folder / "failed.safetensors").read_bytes()
    assert old in content
    (tmp_path / "failed.safetensors").write_bytes(content.replace(old, new))
    with pytest.raises(FileError, match=r"failed\.safetensors"):
        load_failed_step(tmp_path)
