"""What a message advises is an option that the command has, and it works."""

from __future__ import annotations

import re
import shlex
import shutil
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result
from PIL import Image

import gradtrail as gt
from gradtrail.cli import main

RECIPE = """[data]
path = "photos"
[model]
layers = [{type = "GlobalAvgPool2d"}, {type = "Flatten"}, {type = "Linear", out_features = 2}]
[training]
epochs = 2
engine = "reference"
"""


def run(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(a) for a in arguments])


def pictures(root: Path, count: int, seed: int) -> Path:
    """So many grey images of 8 × 8 of each of two kinds; those of a kind differ."""
    draw = np.random.default_rng(seed)
    for kind, shade in (("cat", 40), ("dog", 160)):
        (root / kind).mkdir(parents=True)
        for number in range(count):
            pixels = draw.integers(shade, shade + 60, (8, 8))
            Image.fromarray(pixels.astype(np.uint8)).save(root / kind / f"{number}.png")
    return root


def damage(root: Path) -> None:
    """Cut one image off in the middle."""
    whole = (root / "cat" / "1.png").read_bytes()
    (root / "cat" / "1.png").write_bytes(whole[: len(whole) // 2])


def trained(root: Path, *options: object) -> Path:
    """A run on the pictures in a folder of it."""
    (root / "recipe.toml").write_text(RECIPE)
    done = run("train", root / "recipe.toml", "--out", root / "run", "--quiet", *options)
    assert done.exit_code == 0, done.output
    return root / "run"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with pictures and a run that was trained on them, of which one is damaged then."""
    place = tmp_path / "my runs"  # with a space, as people have it
    pictures(place / "photos", 6, 0)
    trained(place, "--validation", 0.34)
    damage(place / "photos")
    return place


ELEMENT = "dfc1.weight[1,0]"
COMMANDS = {
    "evaluate": (),
    "influence": (),
    "trace": (ELEMENT,),
    "why": (ELEMENT,),
    "follow": (ELEMENT,),
    "explore": ("--save", "step.html"),
    "report": (),
}


@pytest.mark.parametrize("command", COMMANDS)
def test_a_damaged_image_and_what_the_message_says(
    command: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    told = run(command, "run", *COMMANDS[command])
    assert told.exit_code == 2
    assert "1 of 12 images in " in told.output
    advised = re.search(r"\((--\w+ \w+)\)", told.output)
    assert advised is not None, told.output
    done = run(command, "run", *COMMANDS[command], *advised[1].split())
    assert done.exit_code == 0, done.output
    said = "1 of 12 images in .*photos are left out: .*cat/1.png: "
    assert re.search(said, done.stderr)


def test_other_data_are_read_as_the_run_s_own_or_as_one_says(folder: Path) -> None:
    other = pictures(folder / "other", 3, 1)
    damage(other)
    refused = run("evaluate", folder / "run", "--data", other)
    assert refused.exit_code == 2
    assert "1 of 6 images in" in refused.output
    skipped = run("evaluate", folder / "run", "--data", other, "--bad", "skip", "--json")
    assert '"images": "all"' in skipped.stdout
    assert "1 of 6 images in" in skipped.stderr
    lenient = folder / "lenient"
    lenient.mkdir()
    shutil.copytree(folder / "photos", lenient / "photos")
    kept = trained(lenient, "--bad", "skip")
    assert 'bad = "skip"' in (kept / "recipe.toml").read_text()
    assert run("evaluate", kept).exit_code == 0
    assert run("evaluate", kept, "--data", other).exit_code == 0
    assert run("evaluate", kept, "--data", other, "--bad", "refuse").exit_code == 2


def test_a_run_goes_on_with_all_of_its_images_or_begins_anew(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    going_on = ("train", "--resume", folder / "run", "--epochs", 3, "--quiet")
    told = run(*going_on)
    assert told.exit_code == 2
    assert "(--bad skip)" not in told.output
    advised = re.search(r"a training begins: gradtrail (.*)$", told.output.strip())
    assert advised is not None, told.output
    begun = run(*shlex.split(advised[1]), "--quiet")
    assert begun.exit_code == 0, begun.output
    pixels = np.random.default_rng(0).integers(40, 100, (6, 8, 8))[1]
    Image.fromarray(pixels.astype(np.uint8)).save(folder / "photos" / "cat" / "1.png")
    (folder / "photos" / "dog" / "added.png").write_text("nothing")
    assert "move away what was added" in run(*going_on).output
    (folder / "photos" / "dog" / "added.png").unlink()
    assert run(*going_on).exit_code == 0


def test_a_word_on_white_is_an_option_everywhere(tmp_path: Path) -> None:
    """Of 12 bits in files of 16, which would be 16 times too dark."""
    draw, root = np.random.default_rng(0), tmp_path / "deep"
    for kind, shade in (("cat", 400), ("dog", 3000)):
        (root / kind).mkdir(parents=True)
        for number in range(4):
            pixels = draw.integers(shade, shade + 1000, (8, 8)).astype(np.uint16)
            Image.fromarray(pixels).save(root / kind / f"{number}.png")
    pictures(tmp_path / "photos", 4, 0)
    kept = trained(tmp_path)
    told = run("evaluate", kept, "--data", root)
    advised = re.search(r"\((--white \d+)\)", " ".join(told.stderr.split()))
    assert advised is not None, told.output
    done = run("evaluate", kept, "--data", root, *advised[1].split())
    assert done.exit_code == 0, done.output
    assert "--white" not in done.stderr


def test_paths_in_advice_are_typed_as_a_shell_takes_them() -> None:
    """Every command and every --data in a message, wherever it stands in the package."""
    raw = re.compile(r"(?:gradtrail \w+(?: --resume| RUN)?|\(--data) \{(?!typed\()[^}]*\}")
    for source in Path(gt.__file__).parent.rglob("*.py"):
        assert not raw.findall(source.read_text(encoding="utf-8")), source


UNNAMED = {"--size", "--fit"}  # a network has its size, so that no message names them


def test_options_that_messages_about_images_name_are_there() -> None:
    sources = (Path(gt.__file__).parent / "data").glob("*.py")
    named = {o for s in sources for o in re.findall(r"--[a-z]+(?:-[a-z]+)*", s.read_text())}
    assert {"--bad", "--white", "--channels-last", "--classes", "--data"} <= named
    reading = [
        (name, {*command.params[n].opts, *command.params[n].secondary_opts})
        for name, command in main.commands.items()
        for n in range(len(command.params))
        if "--data" in {o for p in command.params for o in p.opts}
    ]
    for command in {name for name, _ in reading}:
        there = set().union(*(opts for name, opts in reading if name == command))
        missing = named - there - (set() if command == "train" else UNNAMED)
        assert not missing, f"gradtrail {command} lacks {missing}"


def test_images_that_were_trained_on_are_no_trial(folder: Path) -> None:
    own, photos = folder / "run", folder / "photos"
    asked = ("evaluate", own, "--bad", "skip")
    told = run(*asked, "--data", photos)
    assert told.output.strip().endswith(
        f"on all images of {photos}; the network was trained on 7 of these 11, so that this says "
        "little about others"
    )
    assert '"trained_on": 7' in run(*asked, "--data", photos, "--json").stdout
    other = pictures(folder / "elsewhere" / "photos", 2, 3)
    assert run(*asked, "--data", other).output.strip().endswith(f"on all images of {other}")
    assert "trained_on" not in run(*asked, "--data", other, "--json").stdout
    assert run(*asked).output.strip().endswith("on the validation images")


def test_arrays_that_were_trained_on_are_no_trial(tmp_path: Path) -> None:
    x = np.linspace(0, 1, 12 * 64, dtype=np.float32).reshape(12, 1, 8, 8)
    np.savez(tmp_path / "data.npz", x=x, y=np.arange(12) % 2)
    (tmp_path / "recipe.toml").write_text(RECIPE.replace("photos", "data.npz"))
    out = tmp_path / "run"
    command = ("train", tmp_path / "recipe.toml", "--out", out, "--quiet", "--validation")
    assert run(*command, 0.34).exit_code == 0
    told = run("evaluate", out, "--data", tmp_path / "data.npz")
    assert "the network was trained on 8 of these 12" in told.output


def test_a_run_that_is_over_says_so_and_how_it_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = tmp_path / "my runs"
    pictures(place / "photos", 6, 0)
    out = trained(place, "--validation", 0.34)
    before = (out / "weights.safetensors").read_bytes()
    told = run("train", "--resume", out)
    assert told.exit_code == 0
    assert f"{out} was over already, after 2 epochs: nothing was trained. gradtrail train" in (
        told.stdout
    )
    assert "per batch" not in told.stdout  # no plan
    assert re.search(r"validation accuracy [\d.]+%$", told.stdout, re.M)  # after no time
    assert (out / "weights.safetensors").read_bytes() == before
    advised = re.search(r"gradtrail (train --resume .*) goes on until then", told.stdout)
    assert advised is not None
    done = run(*shlex.split(advised[1]))
    assert done.exit_code == 0
    assert "over already" not in done.stdout
    assert '"epochs"' not in done.stdout


def test_a_run_that_stopped_early_says_how_another_begins(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    pictures(tmp_path / "photos", 6, 0)
    stopping = '[stopping]\nmeasure = "validation_loss"\npatience = 1\nleast = 9.0\n'
    (tmp_path / "early.toml").write_text(RECIPE.replace("epochs = 2", "epochs = 9") + stopping)
    command = ("train", tmp_path / "early.toml", "--validation", 0.34, "--out", "run", "--quiet")
    assert run(*command).exit_code == 0
    told = run("train", "--resume", "run")
    assert "run was over already: it stopped early, after 2 epochs. Another" in told.stdout
    advised = re.search(r"its weights: gradtrail (.*)", told.stdout)
    assert advised is not None
    assert run(*shlex.split(advised[1]), "--quiet").exit_code == 0
