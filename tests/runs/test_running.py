"""Runs: repeated from their recipe, gone on with after whatever stopped them."""

from __future__ import annotations

import csv
import json
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result

import gradtrail as gt
from gradtrail.cli import main
from gradtrail.runs import Run, prepared, read_recipe, start

RECIPE = """
[data]
name = "digits"
validation = 0.2

[model]
layers = [
    {type = "Conv2d", out_channels = 8, kernel_size = 3, padding = 1, bias = false},
    {type = "BatchNorm2d"}, {type = "ReLU"}, {type = "MaxPool2d", kernel_size = 2},
    {type = "Flatten"}, {type = "Dropout", p = 0.2}, {type = "Linear", out_features = 10},
]

[training]
epochs = 5
clip_norm = 2.0
average = 0.99
mixup = 0.2

[loss]
class_weights = "balanced"

[optimizer]
type = "AdamW"
lr = 0.01

[schedule]
type = "OneCycle"

[augmentation]
crop = 1
rotation = 10

[stopping]
patience = 3
measure = "validation_accuracy"

[checkpoints]
steps = 5
"""


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, list(arguments))


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    path = tmp_path / "recipe.toml"
    path.write_text(RECIPE)
    return path


def weights(folder: Path) -> bytes:
    return (folder / "weights.safetensors").read_bytes()


def test_a_run_is_repeated_from_its_own_recipe(recipe: Path, tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    assert run("train", str(recipe), "--out", str(first), "--quiet").exit_code == 0
    assert run("train", str(first / "recipe.toml"), "--out", str(second)).exit_code == 0
    assert weights(first) == weights(second)
    assert (first / "recipe.toml").read_text() == (second / "recipe.toml").read_text()
    resolved = Run(first).recipe
    x, y = gt.data.digits().train
    assert resolved.model.mean == pytest.approx([x.mean()], rel=1e-5)
    counts = np.bincount(y)
    assert resolved.loss.class_weights == pytest.approx(len(y) / 10 / counts)
    assert resolved.data.classes == tuple("0123456789")


def test_a_run_that_began_with_other_weights_needs_no_other_run(
    recipe: Path, tmp_path: Path
) -> None:
    first, second, third = (tmp_path / name for name in ("first", "second", "third"))
    run("train", str(recipe), "--epochs", "1", "--out", str(first), "--quiet")
    done = run("train", str(recipe), "--model", str(first), "--epochs", "1", "--out", str(second))
    assert done.exit_code == 0, done.output
    shutil.rmtree(first)
    assert run("train", str(second / "recipe.toml"), "--out", str(third)).exit_code == 0
    assert weights(second) == weights(third)


def test_the_network_knows_its_classes_and_normalises_by_itself(
    recipe: Path, tmp_path: Path
) -> None:
    run("train", str(recipe), "--epochs", "2", "--out", str(tmp_path / "run"), "--quiet")
    network = gt.load(tmp_path / "run")
    assert network.classes == tuple("0123456789")
    assert isinstance(network.layers[0], gt.Normalize)
    metrics = json.loads((tmp_path / "run" / "metrics.json").read_text())
    assert metrics["accuracy"] == gt.evaluate(network, gt.data.digits().test)["accuracy"]


def test_a_finished_run_has_nothing_left_to_do(recipe: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    run("train", str(recipe), "--out", str(out), "--quiet")
    before = weights(out)
    (out / "weights.safetensors").unlink()
    done = run("train", "--resume", str(out))
    assert done.exit_code == 0, done.output
    assert weights(out) == before


def test_resuming_takes_no_other_options(recipe: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    assert "there is no run" in run("train", "--resume", str(out)).output
    out.mkdir()
    assert "is no run: it has no recipe.toml" in run("train", "--resume", str(out)).output
    done = run("train", "--resume", str(out), "--epochs", "3")
    assert "leave out everything else" in done.output
    assert done.exit_code == 2


def test_other_data_are_not_gone_on_with(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "recipe.toml"
    path.write_text(RECIPE)
    out = tmp_path / "run"
    run("train", str(path), "--out", str(out), "--quiet")
    (x, y), test = gt.data.digits()
    x = x.copy()
    x[3, 0, 0, 0] += 0.5
    monkeypatch.setattr(
        "gradtrail.runs.opening.load_data", lambda name, path: gt.data.Split((x, y), test)
    )
    done = run("train", "--resume", str(out))
    assert done.exit_code == 2
    assert "is of another training: data.fingerprint" in done.output


def test_a_held_out_share_is_of_the_training_images(recipe: Path) -> None:
    work = prepared(read_recipe(recipe, {("data", "validation"): ("--validation", 0.25)}))
    train, held = work.data.train, work.data.validation
    x, y = gt.data.digits().train
    assert len(train[1]) + len(held[1]) == len(y)
    assert np.bincount(held[1]) == pytest.approx(np.bincount(y) * 0.25, abs=0.6)
    assert work.data.test is not None
    together = np.concatenate([train[0], held[0]])
    assert {image.tobytes() for image in together} == {image.tobytes() for image in x}
    again = prepared(read_recipe(recipe, {("data", "validation"): ("--validation", 0.25)}))
    np.testing.assert_array_equal(held[0], again.data.validation[0])


def test_nothing_is_kept_of_a_training_that_cannot_begin(recipe: Path, tmp_path: Path) -> None:
    changed = read_recipe(recipe, {("training", "watch"): ("--watch", ["conv9.weight[0]"])})
    with pytest.raises(gt.UnknownNameError, match="conv9"):
        start(changed, tmp_path / "run", "0")
    assert not (tmp_path / "run").exists()


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGKILL")
def test_killed_at_any_moment_and_resumed_ends_with_the_same_bytes(
    recipe: Path, tmp_path: Path
) -> None:
    """Twenty times, some of them again while resuming."""
    command = [sys.executable, "-m", "gradtrail", "train", "--quiet"]
    whole = tmp_path / "whole"
    since = time.perf_counter()
    subprocess.run([*command, str(recipe), "--out", str(whole)], check=True)
    seconds = time.perf_counter() - since
    draw, steps = random.Random(5), []
    for number in range(20):
        out = tmp_path / f"run{number}"
        process = subprocess.Popen([*command, str(recipe), "--out", str(out)])
        while not (out / "recipe.toml").exists():
            time.sleep(0.002)
        for _ in range(1 + (number % 4 == 0)):
            time.sleep(draw.random() * 0.7 * seconds)
            process.send_signal(signal.SIGKILL)
            process.wait()
            found = gt.Checkpoints(out / "checkpoints").newest()
            steps.append(0 if found is None else found.snapshot.about["position"]["steps"])
            process = subprocess.Popen([*command, "--resume", str(out)])
        assert process.wait(timeout=60) == 0
        assert weights(out) == weights(whole)
        assert {p.name for p in out.iterdir()} == {p.name for p in whole.iterdir()}
        assert not list((out / "checkpoints").glob(".*"))
    assert len(set(steps)) > 4  # it was at many moments


def test_a_run_writes_the_logs_that_are_asked_for(recipe: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    logs = ("--log", "csv", "--log", "jsonl", "--log", "tensorboard")
    result = run("train", str(recipe), *logs, "--out", str(out), "--quiet")
    assert result.exit_code == 0, result.output
    history = Run(out).history
    with (out / "log.csv").open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["kind"] == "epoch"]
    assert [float(row["loss"]) for row in rows] == history.loss
    lines = [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]
    accuracies = [line["validation_accuracy"] for line in lines if line["kind"] == "epoch"]
    assert accuracies == history.validation_accuracy
    accumulated = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    events = accumulated.EventAccumulator(str(out / "tensorboard"))
    events.Reload()
    scalars = [tag for tag in events.Tags()["scalars"] if "validation" in tag and "acc" in tag]
    assert len(scalars) == 1
    read = [event.value for event in events.Scalars(scalars[0])]
    assert read == pytest.approx(history.validation_accuracy)
