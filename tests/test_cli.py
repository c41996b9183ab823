"""The command line as a person uses it: trainings, what they leave, and what is refused."""

from __future__ import annotations

import json
import os
import re
import signal
import sys
import time
import tomllib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from commands import run
from data.idx_files import written
from processes import started
from tails import beginning

import gradtrail as gt
from gradtrail.cli import main
from gradtrail.runs import Run
from gradtrail.streams import stream
from gradtrail.training.training import Training

WHOLE = {"recipe.toml", "weights.safetensors", "history.safetensors", "metrics.json", "checkpoints"}
"""What a finished run's folder holds."""


def recipe_of(out: Path) -> dict[str, Any]:
    return tomllib.loads((out / "recipe.toml").read_text())


@pytest.fixture
def tiny(tmp_path: Path) -> Path:
    """An architecture small enough to train in a blink."""
    layers = [{"type": "MaxPool2d", "kernel_size": 2}, {"type": "Flatten"}]
    data = {"input_shape": [1, 8, 8], "layers": [*layers, {"type": "Linear", "out_features": 10}]}
    path = tmp_path / "tiny.json"
    path.write_text(json.dumps(data))
    return path


def test_train_leaves_a_run(tiny: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    result = run("train", "--model", str(tiny), "--epochs", "2", "--seed", "4", "--out", str(out))
    assert result.exit_code == 0, result.output
    assert {p.name for p in out.iterdir()} == WHOLE | {"start.safetensors"}
    recipe = recipe_of(out)
    assert recipe["training"]["epochs"] == 2
    assert recipe["model"]["seed"] == recipe["training"]["seed"] == 4
    assert recipe["optimizer"] == {
        "type": "Adam", "lr": 0.002, "betas": [0.9, 0.999], "eps": 1e-08, "weight_decay": 0.0,
    }  # fmt: skip
    metrics = json.loads((out / "metrics.json").read_text())
    assert np.sum(metrics["matrix"]) == len(gt.data.digits().test[1])
    history = Run(out).history
    assert len(history.validation_accuracy) == 2
    network = gt.load(out)
    _, test = gt.data.digits()
    accuracy = gt.evaluate(network, test)["accuracy"]
    assert accuracy == pytest.approx(history.validation_accuracy[-1], abs=0.01)
    assert f"test accuracy {history.validation_accuracy[-1]:.2%}" in result.output
    assert "8 − 2)/2 + 1 = 4" in result.output


def test_the_same_command_gives_the_same_run(tiny: Path, tmp_path: Path) -> None:
    weights = []
    for name in ("a", "b"):
        run(
            "train", "--model", str(tiny), "--epochs", "1", "--out", str(tmp_path / name), "--quiet"
        )
        weights.append((tmp_path / name / "weights.safetensors").read_bytes())
    assert weights[0] == weights[1]


def test_a_saved_run_trains_on(tiny: Path, tmp_path: Path) -> None:
    run("train", "--model", str(tiny), "--epochs", "1", "--out", str(tmp_path / "a"), "--quiet")
    result = run(
        "train", "--model", str(tmp_path / "a"), "--epochs", "1", "--out", str(tmp_path / "b")
    )
    assert result.exit_code == 0, result.output
    (x, y), _ = gt.data.digits()
    chosen = stream(0, "order", 1).permutation(len(x))[:32]  # the second epoch of its life
    history = Run(tmp_path / "b").history
    expected = gt.trace(gt.load(tmp_path / "a"), x[chosen], y[chosen]).loss
    assert history.step_losses[0] == pytest.approx(expected, rel=1e-6)


def test_runs_are_numbered_and_never_overwritten(tiny: Path, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    for _ in range(2):
        assert run("train", "--model", str(tiny), "--epochs", "1", "--quiet").exit_code == 0
    assert {p.name for p in (tmp_path / "runs").iterdir()} == {"tiny-1", "tiny-2"}
    result = run("train", "--model", str(tiny), "--out", "runs/tiny-1")
    assert result.exit_code == 2
    assert "runs/tiny-1 is not empty; give --out a new folder" in result.output


def test_a_named_architecture_too_deep_for_the_digits_gets_larger_images(tmp_path: Path) -> None:
    result = run(
        "train", "--model", "lenet5", "--epochs", "1", "--batch-size", "240", "--lr", "0.001",
        "--out", str(tmp_path / "run"),
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    assert "the images are enlarged from 8 × 8 to 28 × 28" in result.output
    assert gt.load(tmp_path / "run").input_shape == (1, 28, 28)


@pytest.mark.parametrize("data", ["mnist", "fashion-mnist"])
def test_data_from_files(tmp_path: Path, data: str) -> None:
    files, out = written(tmp_path / "files"), tmp_path / "run"
    result = run("train", "--data", data, "--data-path", str(files), "--out", str(out))
    assert result.exit_code == 0, result.output
    recipe = recipe_of(out)
    chosen = {"name": data, "path": str(files), "size": [28, 28], "channels": 1}
    assert chosen.items() <= recipe["data"].items()
    assert recipe["model"]["architecture"] == "lenet-short"
    assert {"epochs": 2, "batch_size": 64}.items() <= recipe["training"].items()
    assert "engine" not in recipe["training"]
    history = Run(out).history
    (x, y), _ = gt.data.load(data, files)
    order = stream(0, "order", 0).permutation(len(x))
    expected = gt.trace(gt.architecture("lenet-short").network(seed=0), x[order], y[order]).loss
    assert history.step_losses[0] == pytest.approx(expected, rel=1e-4)


def test_the_folder_that_was_found_is_recorded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GRADTRAIL_DATA", "sets")
    files = written(tmp_path / "sets" / "mnist")
    result = run(
        "train", "--data", "mnist", "--model", "digits-cnn", "--epochs", "1", "--batch-size", "12",
        "--engine", "reference", "--out", "run",
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    recipe = recipe_of(Path("run"))
    chosen = {"epochs": 1, "batch_size": 12, "engine": "reference"}
    assert chosen.items() <= recipe["training"].items()
    assert recipe["model"]["architecture"] == "digits-cnn"
    assert recipe["data"]["path"] == str(files)


def test_the_digits_keep_their_defaults(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out, recipe = tmp_path / "run", {}

    def stopped(*arguments: object, **keywords: object) -> None:
        recipe.update(recipe_of(out))
        raise gt.DataError("stopped here")

    monkeypatch.setattr("gradtrail.runs.lifecycle.prepare_training", stopped)
    assert "stopped here" in run("train", "--out", str(out)).output
    assert not out.exists()  # so that the same command can be given again
    assert recipe["data"]["name"] == "digits"
    assert "path" not in recipe["data"]
    assert recipe["model"]["architecture"] == "digits-cnn"
    assert {"epochs": 12, "batch_size": 32}.items() <= recipe["training"].items()


def test_plan() -> None:
    result = run("plan", "lenet5", "--batch-size", "64")
    assert result.exit_code == 0
    assert "(28 + 2·2 − 5)/1 + 1 = 28" in result.output
    data = json.loads(run("plan", "vgg-small", "--input-shape", "1,16,16", "--json").output)
    assert data["rows"][-1]["output_shape"] == [10]
    assert data["input_shape"] == [1, 16, 16]


WRONG = {
    "name": (["plan", "lenet"], "no architecture is called 'lenet'; did you mean: lenet5"),
    "shape": (["plan", "lenet5", "--input-shape", "a"], "such as 1,28,28, got 'a'"),
    "small": (
        ["plan", "lenet5", "--input-shape", "1,8,8"],
        "layer 4 'conv2' .Conv2d.: a window of 5",
    ),
    "engine": (["train", "--engine", "gpu"], "got 'gpu'"),
    "data": (["train", "--data", "mnist", "--data-path", "no"], "mnist was not found in no/mnist"),
    "path": (["train", "--data-path", "no"], "the digits are inside the package; leave out path"),
    "rate": (["train", "--lr", "0"], "Adam: lr must be a finite number above 0, got 0"),
}


@pytest.mark.parametrize("name", WRONG)
def test_mistakes_are_one_message(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    arguments, sentence = WRONG[name]
    monkeypatch.chdir(tmp_path)
    result = run(*arguments)
    assert not list(tmp_path.iterdir())
    assert result.exit_code == 2
    assert sentence.replace(".Conv2d.", "(Conv2d)") in result.output
    assert "Traceback" not in result.output
    assert result.output.startswith("gradtrail: ")


def test_a_file_that_holds_no_network(tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    path.write_text("[1]")
    result = run("plan", str(path))
    assert "x.json: an architecture is" in result.output
    assert result.exit_code == 2


def test_samples_of_another_kind(tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    data = {"input_shape": [3, 8, 8], "layers": [{"type": "Flatten"}]}
    path.write_text(json.dumps(data))
    result = run("train", "--model", str(path))
    assert "takes samples of (3, 8, 8), but the data have (1, 8, 8)" in result.output


def test_help_has_an_example() -> None:
    for command in main.commands:
        assert "Example: gradtrail" in " ".join(run(command, "--help").output.split())
    shown = " ".join(run("train", "--help").output.split())
    assert "Example: gradtrail train --data fashion-mnist" in shown
    usual = "12 for digits, 2 for mnist and fashion-mnist, 30 for cifar10, 20 for images"
    assert usual in shown
    assert gt.__version__ in run("--version").output


def test_the_list_of_commands_says_whole_sentences() -> None:
    shown = CliRunner().invoke(main, ["--help"], terminal_width=80).output
    assert "..." not in shown.partition("Commands:")[2]
    for name in main.commands:
        assert re.search(rf"^  {name} +[A-Z].*\.$", shown, re.M), name


@pytest.mark.skipif(sys.platform == "win32", reason="signals of a process are others there")
def test_two_interrupts_keep_one_whole_run(tmp_path: Path) -> None:
    """Impatience loses nothing: the second Ctrl-C comes while the files are being kept."""
    out = tmp_path / "run"
    command = [sys.executable, "-m", "gradtrail", "train", "--epochs", "100000", "--out", str(out)]
    with started(command) as process:
        assert process.stderr is not None
        assert "epoch 1/" in process.stderr.readline()
        for _ in range(2):
            process.send_signal(signal.SIGINT)
            time.sleep(0.01)
        printed, _ = process.communicate(timeout=60)
    assert process.returncode == 128 + signal.SIGINT
    assert "stopped early" in printed
    assert {p.name for p in out.iterdir()} == WHOLE
    assert gt.load(out).input_shape == (1, 8, 8)


def test_a_training_that_fails_leaves_a_folder_that_was_there(
    tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    failing = ("train", "--model", str(tiny), "--watch", "conv9.weight[0]", "--quiet")
    there, new = tmp_path / "there", tmp_path / "new"
    there.mkdir()
    for out in (there, new):
        result = run(*failing, "--out", str(out))
        assert result.exit_code == 2, result.output
        assert "conv9.weight" in result.output, result.output
        assert out.exists() == (out is there)
    monkeypatch.chdir(there)
    assert run(*failing, "--out", ".").output == run(*failing, "--out", str(new)).output
    assert list(there.iterdir()) == []


def test_a_training_that_an_infinity_ends_keeps_its_folder(tiny: Path, tmp_path: Path) -> None:
    failing = ("train", "--model", str(tiny), "--lr", "1e38", "--optimizer", "sgd", "--quiet")
    result = run(*failing, "--out", str(tmp_path / "new"))
    assert result.exit_code == 2, result.output
    assert result.output.startswith("gradtrail: step 2: loss is inf"), result.output
    assert "gradtrail why" in result.output
    assert (tmp_path / "new" / "failed.safetensors").exists()


def test_an_interrupt_before_the_first_step_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Training, "run", interrupted)
    result = run("train", "--epochs", "9", "--out", str(tmp_path / "run"))
    assert result.exit_code == 128 + signal.SIGINT
    assert result.stderr == "gradtrail: stopped; nothing was kept\n"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(sys.platform == "win32", reason="signals of a process are others there")
@pytest.mark.parametrize("number", beginning(1, range(8)))
def test_an_interrupt_as_a_training_begins_leaves_a_whole_run_or_nothing(
    number: int, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    command = [sys.executable, "-m", "gradtrail", "train", "--epochs", "9", "--out", str(out)]
    environment = {**os.environ, "GRADTRAIL_CACHE": str(tmp_path / "cache")}
    with started(command, env=environment) as process:
        assert process.stdout is not None
        process.stdout.readline()  # the plan, behind which the training begins
        time.sleep(0.02 * number)
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=60)
    # Python may end by the signal itself, which a shell reports by the same number
    assert process.returncode in (128 + signal.SIGINT, -signal.SIGINT)
    assert "Traceback" not in said
    if out.exists():
        assert {p.name for p in out.iterdir()} == WHOLE
        assert gt.load(out).input_shape == (1, 8, 8)
    else:
        assert "nothing was kept" in said


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_shell_completes_commands_and_options(shell: str) -> None:
    script = run("completion", shell)
    assert script.exit_code == 0
    assert "_GRADTRAIL_COMPLETE" in script.output
    if shell == "bash":
        for typed, place, expected in (
            ("gradtrail ev", "1", ["plain,evaluate"]),
            ("gradtrail train mn", "2", ["plain,mnist", "plain,mnist-best", "file,mn"]),
        ):
            asked = {"_GRADTRAIL_COMPLETE": "bash_complete", "COMP_WORDS": typed}
            environment = {**asked, "COMP_CWORD": place}
            found = CliRunner().invoke(main, env=environment, prog_name="gradtrail")
            assert found.output.split() == expected


def test_a_recipe_that_comes_along_is_found_beside_a_folder_of_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "digits").mkdir()
    result = run("train", "digits", "--epochs", "1", "--out", "run", "--quiet")
    assert result.exit_code == 0, result.output
    assert "cannot read none.toml" in run("train", "none.toml").output
    assert "no recipe is called 'digit'; did you mean: digits" in run("train", "digit").output
    (tmp_path / "photos").mkdir()
    assert (
        "photos is no recipe, which is a .toml file; --data photos" in run("train", "photos").output
    )
    assert "and there is no file or folder photoz" in run("train", "--data", "photoz").output
