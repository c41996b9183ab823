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
from commands import run
from tails import beginning, searched

import gradtrail as gt
from gradtrail.runs import Run, prepare_run, read_recipe, start

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
weight = "balanced"

[optimizer]
type = "AdamW"
lr = 0.01

[schedule]
type = "OneCycle"

[augment]
crop = 1
rotation = 10

[stopping]
patience = 3
measure = "validation_accuracy"

[checkpoints]
steps = 5
"""


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
    x, y = Run(first).data.train
    assert resolved.model.mean == pytest.approx([x.mean()], rel=1e-5)
    counts = np.bincount(y)
    assert resolved.loss.weight == pytest.approx(len(y) / 10 / counts)
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
    done = run("train", "--resume", str(out), "--lr", "3", "--out", str(tmp_path / "other"))
    assert "as its recipe says, without --lr, --out; it takes --epochs (how many in" in done.output
    assert f"gradtrail train {out / 'recipe.toml'}, and options" in done.output
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
        "gradtrail.runs.recipe_data.load_data", lambda name, path: gt.data.Split((x, y), test)
    )
    done = run("train", "--resume", str(out))
    assert done.exit_code == 2
    assert "is of another training: data.fingerprint" in done.output


def test_a_held_out_share_is_of_the_training_images(recipe: Path) -> None:
    work = prepare_run(read_recipe(recipe, {("data", "validation"): ("--validation", 0.25)}))
    train, held = work.data.train, work.data.validation
    x, y = gt.data.digits().train
    assert len(train[1]) + len(held[1]) == len(y)
    assert np.bincount(held[1]) == pytest.approx(np.bincount(y) * 0.25, abs=0.6)
    assert work.data.test is not None
    together = np.concatenate([train[0], held[0]])
    assert {image.tobytes() for image in together} == {image.tobytes() for image in x}
    again = prepare_run(read_recipe(recipe, {("data", "validation"): ("--validation", 0.25)}))
    np.testing.assert_array_equal(held[0], again.data.validation[0])


def test_nothing_is_kept_of_a_training_that_cannot_begin(recipe: Path, tmp_path: Path) -> None:
    changed = read_recipe(recipe, {("training", "watch"): ("--watch", ["conv9.weight[0]"])})
    with pytest.raises(gt.UnknownNameError, match="conv9"):
        start(changed, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def newest(out: Path) -> int:
    """The step of a run's newest checkpoint, −1 without any."""
    found = (out / "checkpoints").glob("checkpoint-*.safetensors")
    return max((int(path.stem.removeprefix("checkpoint-")) for path in found), default=-1)


def wait_for_step(process: subprocess.Popen[bytes], out: Path, step: int) -> None:
    """Wait until a run has a checkpoint of a step or later, or has ended."""
    while process.poll() is None and not ((out / "recipe.toml").exists() and newest(out) >= step):
        time.sleep(0.0005)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The recipe's run that nothing stops; its code is compiled then."""
    folder = tmp_path_factory.mktemp("whole")
    (folder / "recipe.toml").write_text(RECIPE)
    out = folder / "run"
    assert run("train", f"{folder}/recipe.toml", "--out", str(out), "--quiet").exit_code == 0
    return out


KILLS = searched(8)


def test_kills_come_at_many_moments(whole: Path) -> None:
    steps = Run(whole).history.steps
    assert len({random.Random(number).randrange(-1, steps) for number in range(20)}) > 4


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGKILL")
@pytest.mark.parametrize("number", beginning(1, KILLS))
def test_killed_at_any_moment_and_resumed_ends_with_the_same_bytes(
    number: int, recipe: Path, whole: Path, tmp_path: Path
) -> None:
    """Some of them again while resuming."""
    command = [sys.executable, "-m", "gradtrail", "train", "--quiet"]
    draw, out = random.Random(number), tmp_path / "run"
    process = subprocess.Popen([*command, str(recipe), "--out", str(out)])
    for _ in range(1 + (number % 4 == 0)):
        step = draw.randrange(-1, Run(whole).history.steps)
        wait_for_step(process, out, step)
        time.sleep(draw.random() * 0.01)  # somewhere between two checkpoints
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert newest(out) >= step  # or it was killed before the moment that was drawn
        process = subprocess.Popen([*command, "--resume", str(out)])
    assert process.wait(timeout=60) == 0
    assert weights(out) == weights(whole)
    assert {p.name for p in out.iterdir()} == {p.name for p in whole.iterdir()}
    assert not list((out / "checkpoints").glob(".*"))


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


def folder(
    root: Path, per_class: int, bright: int = 255, names: tuple[str, ...] = ("a", "b")
) -> Path:
    """Images of two classes: one is lit on the left, the other on the right."""
    from PIL import Image

    draw = np.random.default_rng(per_class)
    for place, name in enumerate(names):
        (root / name).mkdir(parents=True)
        for number in range(per_class):
            pixels = draw.integers(0, 40, (12, 12)).astype(np.uint8)
            pixels[:, 6 * place :][:, :6] += np.uint8(bright - 60)
            Image.fromarray(pixels).save(root / name / f"{number}.png")
    return root


def test_validation_images_of_ones_own_are_taken(tmp_path: Path) -> None:
    root = tmp_path / "data"
    folder(root / "train", 8)
    folder(root / "val", 5)
    done = run("train", "--data", str(root), "--epochs", "1", "--out", str(tmp_path / "run"))
    assert done.exit_code == 0, done.output
    assert "have validation images of their own" in done.output
    metrics = json.loads((tmp_path / "run" / "metrics.json").read_text())
    assert metrics["images"] == "validation"
    assert metrics["support"] == [5, 5]
    assert len(Run(tmp_path / "run").data.train) == 16


def test_other_images_in_the_same_folder_are_noticed(tmp_path: Path) -> None:
    root, out = folder(tmp_path / "data", 8), tmp_path / "run"
    command = ("train", "--data", str(root), "--epochs", "2", "--out", str(out), "--quiet")
    assert run(*command).exit_code == 0
    assert run("train", "--resume", str(out)).exit_code == 0
    shutil.rmtree(root)
    folder(root, 8, bright=200)
    done = run("train", "--resume", str(out))
    assert done.exit_code == 2
    assert "is of another training: data.fingerprint" in done.output


def test_as_many_outputs_as_classes(tmp_path: Path) -> None:
    root = folder(tmp_path / "data", 8)
    path = tmp_path / "recipe.toml"
    layers = '[{type = "Flatten"}, {type = "Linear", out_features = 10}]'
    path.write_text(f'[data]\npath = "data"\n[model]\nlayers = {layers}\n')
    done = run("train", str(path), "--out", str(tmp_path / "run"))
    assert done.exit_code == 2
    assert "'fc1' gives 10 outputs, but the data have 2 classes: a, b" in done.output
    assert "End the network with Linear(2)" in done.output
    path.write_text('[data]\npath = "data"\n[model]\nlayers = [{type = "ReLU"}]\n')
    done = run("train", str(path), "--out", str(tmp_path / "run"))
    assert "end the network with Flatten() and Linear(2), or train it in Python" in done.output
    assert not (tmp_path / "run").exists()
    assert root.exists()


def test_classes_in_another_order_are_told_by_their_names(tmp_path: Path) -> None:
    (x, y), (xt, yt) = gt.data.digits()
    some, other = y < 2, yt < 2
    names = np.array(["nought", "one"])
    np.savez(tmp_path / "a.npz", x=x[some], y=y[some], classes=names)
    np.savez(tmp_path / "b.npz", x=xt[other], y=1 - yt[other], classes=names[::-1])
    command = ("train", "--data", str(tmp_path / "a.npz"), "--model", "digits-cnn", "--epochs", "4")
    out = tmp_path / "run"
    assert run(*command, "--out", str(out), "--quiet").exit_code == 0
    told = json.loads(run("evaluate", str(out), "--data", str(tmp_path / "b.npz"), "--json").output)
    assert told["classes"] == ["nought", "one"]
    assert told["accuracy"] > 0.95
    np.savez(tmp_path / "c.npz", x=x[some], y=y[some], classes=np.array(["one", "many"]))
    shown = run("evaluate", str(out), "--data", str(tmp_path / "c.npz"))
    assert "has the class 'many', which is none of nought, one" in shown.output
    np.savez(tmp_path / "d.npz", x=x[some], y=1_000_000 * y[some])
    shown = run("train", "--data", str(tmp_path / "d.npz"), "--out", str(tmp_path / "d"))
    assert "has the label 1000000 but" in shown.output


def test_weights_that_a_recipe_names_are_copied(recipe: Path, tmp_path: Path) -> None:
    first = tmp_path / "first"
    run("train", str(recipe), "--epochs", "1", "--out", str(first), "--quiet")
    kept = tmp_path / "kept.safetensors"
    shutil.copy(first / "weights.safetensors", kept)
    resolved = (first / "recipe.toml").read_text()
    layers = resolved[resolved.index("[[model.layers]]") : resolved.index("[training]")]
    text = resolved.replace("[model]\n", '[model]\nweights = "kept.safetensors"\n')
    assert layers in text
    path = tmp_path / "again.toml"
    path.write_text(text)
    second, third = tmp_path / "second", tmp_path / "third"
    done = run("train", str(path), "--out", str(second))
    assert done.exit_code == 0, done.output
    kept.unlink()
    shutil.rmtree(first)
    assert run("train", str(second / "recipe.toml"), "--out", str(third)).exit_code == 0
    assert weights(second) == weights(third)


def test_options_forget_what_was_found_in_other_data(tmp_path: Path) -> None:
    bright = folder(tmp_path / "bright", 8)
    dark = folder(tmp_path / "dark", 8, bright=100, names=("c", "d"))
    command = ("train", "--data", str(bright), "--epochs", "1", "--out", str(tmp_path / "run"))
    assert run(*command).exit_code == 0
    done = run(
        "train", str(tmp_path / "run" / "recipe.toml"), "--data", str(dark),
        "--out", str(tmp_path / "other"),
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    found, before = Run(tmp_path / "other").recipe, Run(tmp_path / "run").recipe
    assert found.data.classes == ("c", "d")
    assert found.model.mean[0] < before.model.mean[0] - 0.1
    assert found.training == before.training


def test_early_stopping_does_not_look_at_the_test_images(recipe: Path, tmp_path: Path) -> None:
    recipe.write_text(RECIPE.replace("validation = 0.2", ""))
    done = run("train", str(recipe), "--out", str(tmp_path / "run"))
    assert done.exit_code == 2
    assert "early stopping would choose the best epoch by the test images" in done.output


def test_a_training_that_an_infinity_ends_can_be_asked(recipe: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    done = run("train", str(recipe), "--lr", "1e38", "--log", "csv", "--out", str(out), "--quiet")
    assert done.exit_code == 2
    assert f"gradtrail why {out} looks at that step" in done.output
    left = {"recipe.toml", "weights.safetensors", "history.safetensors", "failed.safetensors"}
    assert {path.name for path in out.iterdir()} == {*left, "log.csv"}
    told = run("why", str(out))
    assert told.exit_code == 0, told.output
    assert told.output.startswith("the training ended in epoch 1: step ")


@pytest.mark.skipif(sys.platform == "win32", reason="there are no such locks")
def test_two_processes_do_not_train_one_run(recipe: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    command = [sys.executable, "-m", "gradtrail", "train", "--quiet"]
    first = subprocess.Popen([*command, str(recipe), "--epochs", "100000", "--out", str(out)])
    try:
        while not list(out.glob("checkpoints/*.safetensors")):
            time.sleep(0.01)
        second = run("train", "--resume", str(out))
        assert second.exit_code == 2
        assert "another process is training by" in second.output
        assert first.poll() is None
    finally:
        first.kill()
        first.wait()


@pytest.mark.parametrize(
    "content", ['{"loss": 3}', "{}x", '{"losses": "abc"}', '{"loss": [null]}', "[]", "{}"]
)
def test_a_damaged_history_is_one_message(content: str, recipe: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    run("train", str(recipe), "--epochs", "1", "--out", str(out), "--quiet")
    (out / "history.safetensors").unlink()
    (out / "history.json").write_text(content)
    done = run("report", str(out))
    assert done.exit_code == 2
    assert "history" in done.output
    assert done.output.count("\n") == 1
