"""`gradtrail explore` as a person uses it."""

from __future__ import annotations

import os
import re
import signal
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from commands import run
from exploring.asking import Client, packed_in, unpacked
from processes import started

import gradtrail as gt
from gradtrail.exploring.explorer import Explorer


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run on the digits whose loss and optimiser are no defaults."""
    folder = tmp_path_factory.mktemp("runs")
    recipe = folder / "recipe.toml"
    recipe.write_text(
        '[data]\nname = "digits"\n[model]\narchitecture = "digits-cnn"\n[training]\nepochs = 1\n'
        '[loss]\nlabel_smoothing = 0.1\n[optimizer]\ntype = "SGD"\nlr = 0.03\nmomentum = 0.9\n'
    )
    result = run("train", recipe, "--quiet", "--out", folder / "digits one")
    assert result.exit_code == 0, result.output
    return folder / "digits one"


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch) -> list[Explorer]:
    """The pages that would have waited for Ctrl-C."""
    found: list[Explorer] = []
    monkeypatch.setattr(Explorer, "wait", lambda explorer: found.append(explorer))
    monkeypatch.setattr("webbrowser.open", lambda url: True)
    return found


def description_in(path: Path) -> Any:
    return unpacked(packed_in(path.read_text(encoding="utf-8")))[0]["description"]


def test_it_shows_the_runs_test_images_by_its_own_loss(
    finished: Path, shown: list[Explorer]
) -> None:
    result = run("explore", finished)
    assert result.exit_code == 0, result.output
    assert re.fullmatch(
        r"exploring at http://127.0.0.1:\d+/\?token=[\w-]+\nCtrl-C ends it\n", result.output
    )
    (explorer,) = shown
    _, (x, y) = gt.data.digits()
    loss = gt.CrossEntropy(label_smoothing=0.1)
    expected = gt.trace(gt.load(finished), x[:16], y[:16], loss=loss)
    session = explorer.session
    assert session.trace.loss == expected.loss
    np.testing.assert_array_equal(session.trace.grad["fc1.weight"], expected.grad["fc1.weight"])
    assert session.numbers == tuple(range(16))
    assert session.title == "digits one"
    assert repr(session.optimizer) == repr(gt.SGD(0.03, momentum=0.9))


def test_it_takes_other_samples_and_evaluation(finished: Path, shown: list[Explorer]) -> None:
    chosen = ("--split", "train", "--samples", "3,40-42", "--evaluation", "--engine", "reference")
    assert run("explore", finished / "weights.safetensors", *chosen, "--no-browser").exit_code == 0
    (x, y), _ = gt.data.digits()
    places = [3, 40, 41, 42]
    expected = gt.trace(
        gt.load(finished), x[places], y[places], loss=gt.CrossEntropy(label_smoothing=0.1),
        training=False, engine="reference",
    )  # fmt: skip
    session = shown[0].session
    assert session.trace.loss == expected.loss
    assert session.numbers == tuple(places)
    assert session.title == "digits one"


def test_it_writes_a_file(finished: Path, tmp_path: Path) -> None:
    path = tmp_path / "step.html"
    result = run("explore", finished, "--save", path, "--samples", "0-3")
    assert result.exit_code == 0, result.output
    size = path.stat().st_size
    assert result.output == f"page of {size / 1e6:.1f} MB written to {path}\n"
    description = description_in(path)
    assert (description["title"], len(description["numbers"])) == ("digits one", 4)
    assert description["classes"] == [*map(str, range(10))]
    before = path.read_bytes()
    again = run("explore", finished, "--save", path, "--samples", "0-4")
    assert again.exit_code == 2
    assert f"{path} is there already; give --save another name or --overwrite" in again.output
    assert path.read_bytes() == before
    assert (
        run("explore", finished, "--save", path, "--samples", "0-4", "--overwrite").exit_code == 0
    )
    assert len(description_in(path)["numbers"]) == 5


def test_a_network_of_no_run_gets_the_digits_if_it_takes_them(
    tmp_path: Path, shown: list[Explorer]
) -> None:
    layers = [gt.Flatten(), gt.Linear(10)]
    net = gt.Network((1, 12, 12), layers, seed=1)
    net.save(tmp_path / "plain.safetensors")
    assert run("explore", tmp_path / "plain.safetensors").exit_code == 0
    _, (x, y) = gt.data.digits()
    expected = gt.trace(net, gt.data.enlarged(x[:16], 12, 12), y[:16])
    assert shown[0].session.trace.loss == expected.loss
    assert shown[0].session.title == "plain"
    assert repr(shown[0].session.optimizer) == repr(gt.SGD(0.05))
    gt.Network((3, 8, 8), layers, seed=1).save(tmp_path / "colour.safetensors")
    result = run("explore", tmp_path / "colour.safetensors")
    assert result.exit_code == 2
    assert "has no recipe.toml that names its data; name them with --data" in result.output


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--samples", "400"), "400 is not among the 355 samples"),
        (("--samples", "0,5-2"), "--samples: 5-2 runs backwards; write 2-5"),
        (("--samples", "x"), "--samples is a list of numbers and ranges"),
        (("--engine", "gpu"), "engine must be"),
        (("--data", "mnist2"), "gradtrail: --data: no data set is called 'mnist2'; did you mean"),
        (("--split", "all"), "'all' is not one of"),
        (("--port", "65536"), "65536 is not in the range"),
        (("--save", "."), "is there already"),
    ],
)
def test_mistakes_are_one_message(finished: Path, arguments: Any, message: str) -> None:
    result = run("explore", finished, *arguments)
    assert result.exit_code == 2
    assert message in " ".join(result.output.split())


def test_what_is_no_run(tmp_path: Path) -> None:
    result = run("explore", tmp_path / "none")
    assert result.exit_code == 2
    assert "Traceback" not in result.output


def test_ctrl_c_ends_it_cleanly(finished: Path) -> None:
    command = [sys.executable, "-m", "gradtrail", "explore", str(finished), "--no-browser"]
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    with started(command, env=environment) as process:
        assert process.stdout is not None
        url = process.stdout.readline().removeprefix("exploring at ").strip()
        assert process.stdout.readline() == "Ctrl-C ends it\n"
        description = Client(url).get("/api/description").json
        assert description["title"] == "digits one"
        time.sleep(0.1)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=30)
    assert (process.returncode, out, err) == (0, "", "")
