"""A new user's first day, step by step: the README's own lines on a folder of mixed photos.

What comes before, a clone and `make demo`, is `.ci/run`'s; the README's first program is run by
`test_docs.py`, and a notebook by `notebook/`.
"""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result
from PIL import Image
from processes import started
from tails import beginning

import gradtrail as gt
from gradtrail.cli import main
from gradtrail.runs import Run

README = Path(__file__).parent.parent / "README.md"
LINES = re.findall(r"^    (gradtrail .*?)(?:  +#.*)?$", README.read_text(encoding="utf-8"), re.M)
"""The commands of the README, without their remarks."""

QUICK = ("--epochs", "2", "--quiet")


def run(*arguments: object) -> Result:
    done = CliRunner().invoke(main, [str(a) for a in arguments])
    assert done.exit_code == 0, done.output
    return done


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Photos of two kinds, as they come out of cameras and mails: none is like the next."""
    root, draw = tmp_path_factory.mktemp("first day") / "photos", np.random.default_rng(3)
    turned = Image.Exif()
    turned[0x0112] = 6  # a camera held upright
    for n in range(24):
        kind, warm = ("sunset", True) if n % 2 else ("forest", False)
        (root / kind).mkdir(parents=True, exist_ok=True)
        height, width = draw.integers(70, 140, 2)
        noise = draw.integers(0, 80, (height, width, 3))
        shade = np.array([150, 60, 20] if warm else [20, 110, 40])
        image = Image.fromarray(np.uint8(noise + shade))
        path = root / kind / f"IMG_{n:04}"
        match n % 5:
            case 0:
                image.save(path.with_suffix(".JPG"), quality=85, exif=turned)
            case 1:
                image.save(path.with_suffix(".jpeg"), quality=60)
            case 2:
                image.convert("RGBA").save(path.with_suffix(".png"))
            case 3:
                image.save(path.with_suffix(".webp"), quality=80)
            case _:
                image.save(path.with_suffix(".tif"), compression="tiff_lzw")
    (root / ".DS_Store").write_bytes(b"\0\0\0\1Bud1")  # a file manager's, in every such folder
    return root


@pytest.fixture(scope="module")
def trained(photos: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The README's `gradtrail train --data photos/`."""
    out = tmp_path_factory.mktemp("runs") / "photos-1"
    done = run("train", "--data", f"{photos}/", "--epochs", 4, "--out", out)
    assert "64 × 64" in done.output  # said, since nobody asked for it
    assert "--size" in done.output
    return out


def test_a_folder_of_mixed_photos_trains_at_the_first_try(trained: Path) -> None:
    kept = Run(trained)
    assert kept.network.input_shape == (3, 64, 64)
    assert kept.network.classes == ("forest", "sunset")
    assert kept.history.epochs == 4
    assert kept.history.loss[-1] < kept.history.loss[0]
    assert kept.history.validation_accuracy[-1] == 1.0


def test_the_readme_has_the_commands_that_are_tried_here() -> None:
    assert [line.split()[1] for line in LINES] == [
        *("plan", "train", "train", "explore", "report", "why"),
    ]


@pytest.mark.parametrize("line", [line for line in LINES if "--data" not in line])
def test_each_line_of_the_readme_does_what_it_says(
    line: str, trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "recipe.toml").write_text(run("recipe", "digits").output)
    words = [str(trained) if word == "RUN" else word for word in shlex.split(line)[1:]]
    more = {"train": QUICK, "explore": ("--save", "page.html"), "report": ("--overwrite",)}
    done = run(*words, *more.get(words[0], ()))
    assert done.output if words[0] != "train" else list(tmp_path.glob("runs/*/weights.safetensors"))


QUESTIONS = {
    "predict": ("scans/", "--top", "2"),
    "evaluate": ("--wrong", "wrong.csv"),
    "trace": ("dconv1.weight[2,0,1,1]", "--by", "n"),
    "follow": ("dconv1.weight[2,0,1,1]", "-k", "2"),
    "influence": ("--top", "3"),
}
"""The other commands that the README names, with what they need; more in test_cli_questions.py."""


@pytest.mark.parametrize("command", beginning(2, QUESTIONS))
def test_the_commands_it_names_in_passing(
    command: str, trained: Path, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "scans").symlink_to(photos / "sunset")
    done = run(command, trained, *QUESTIONS[command])
    said = {"predict": "sunset", "evaluate": "accuracy 100.00%", "influence": "IMG_00"}
    assert said.get(command, "conv1.weight") in done.output


@pytest.mark.long  # in runs/test_running.py one is killed always
@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGKILL")
def test_a_killed_run_goes_on_to_the_same_bytes(photos: Path, tmp_path: Path) -> None:
    """Killed behind its first checkpoint, or not where it was over before we looked."""
    common = ["train", "--data", str(photos), "--size", "16", "--epochs", "6", "--quiet"]
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    run(*common, "--out", whole)
    command = [sys.executable, "-m", "gradtrail", *common, "--out", str(killed)]
    with started(command, stdout=None, stderr=subprocess.DEVNULL) as process:
        while process.poll() is None and not list(killed.glob("checkpoints/*.safetensors")):
            time.sleep(0.001)
    run("train", "--resume", killed, "--quiet")
    weights = [(out / "weights.safetensors").read_bytes() for out in (whole, killed)]
    assert weights[0] == weights[1]
    assert Run(killed).history.step_losses == Run(whole).history.step_losses


def test_a_command_ends_without_words_of_the_interpreter(tmp_path: Path) -> None:
    """A weak method that outlived its list told a traceback behind every training of a folder."""
    for n in range(12):
        (tmp_path / "photos" / "ab"[n % 2]).mkdir(parents=True, exist_ok=True)
        Image.new("L", (8, 8), 20 * n).save(tmp_path / "photos" / "ab"[n % 2] / f"{n}.png")
    words = ["--data", tmp_path / "photos", "--model", "lenet-short", "--batch-size", "2"]
    command = [sys.executable, "-m", "gradtrail", "train", *words, "--epochs", "1", "--quiet"]
    done = subprocess.run([*command, "--out", tmp_path / "run"], capture_output=True, text=True)
    assert done.stderr == ""
    assert (tmp_path / "run" / "weights.safetensors").exists()


def test_a_model_goes_to_onnx_and_comes_back(trained: Path, tmp_path: Path) -> None:
    run("export", trained, "--to", "onnx", "--out", tmp_path / "photos.onnx")
    there, back = gt.load(trained), gt.from_onnx(tmp_path / "photos.onnx")
    x = np.random.default_rng(0).random((5, 3, 64, 64), np.float32)
    np.testing.assert_array_equal(back.predict(x), there.predict(x))
    assert back.classes == ("forest", "sunset")


@pytest.mark.torch
def test_a_model_goes_to_pytorch_and_comes_back(trained: Path) -> None:
    torch = pytest.importorskip("torch")
    there = gt.load(trained)
    module = gt.to_torch(there)
    x = np.random.default_rng(0).random((5, 3, 64, 64), np.float32)
    with torch.no_grad():
        theirs = module.eval()(torch.from_numpy(x)).numpy()
    np.testing.assert_allclose(theirs, there.predict(x), rtol=1e-4, atol=1e-5)
    np.testing.assert_array_equal(gt.from_torch(module, (3, 64, 64)).predict(x), there.predict(x))
