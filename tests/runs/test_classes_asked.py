"""`--classes` says what the images are called, where a message advises it and for bare networks."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
from commands import run
from PIL import Image

import gradtrail as gt
from gradtrail.runs import RecipeData, Run, read_data
from gradtrail.runs.recipe_tables import DataTable

RECIPE = """[model]
layers = [{type = "GlobalAvgPool2d"}, {type = "Flatten"}, {type = "Linear", out_features = 2}]
[training]
epochs = 1
engine = "reference"
"""


def pictures(*folders: Path) -> None:
    """Four images in each: in the first they are darkest, in the last brightest."""
    draw = np.random.default_rng(0)
    for shade, folder in enumerate(folders):
        folder.mkdir(parents=True)
        for number in range(4):
            pixels = draw.integers(60 * shade, 60 * shade + 20, (8, 8))
            Image.fromarray(pixels.astype(np.uint8)).save(folder / f"{number}.png")


def said_of(result) -> str:
    """What a command that was refused says, in one line."""
    assert result.exit_code == 2, result.output
    return " ".join(result.stderr.split())


LAYOUTS = {
    "parts without classes": (("train", "test"), "hardly classes themselves", "test,train"),
    "no train": (("test", "val"), "open the one that is meant", "test,val"),
    "images and masks": (("images", "masks"), "there is no loss yet", "images,masks"),
    "beside train": (("train/x", "train/y", "other"), "which would be lost", "other,train"),
    "data sets": (
        ("p/train/x", "p/train/y", "p/test/x", "q/train/x", "q/train/y", "q/test/x"),
        "would mix what is for training with what is not",
        "p,q",
    ),
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_message_that_advises_it_is_followed(layout: str, tmp_path: Path) -> None:
    folders, sentence, classes = LAYOUTS[layout]
    pictures(*(tmp_path / "photos" / folder for folder in folders))
    (tmp_path / "recipe.toml").write_text(RECIPE)
    train = ("train", tmp_path / "recipe.toml", "--data", tmp_path / "photos", "--quiet")
    told = said_of(run(*train, "--out", tmp_path / "run"))
    assert sentence in told
    assert "pass classes= (--classes) if " in told
    done = run(*train, "--out", tmp_path / "run", "--classes", classes)
    assert done.exit_code == 0, done.output
    assert Run(tmp_path / "run").network.classes == tuple(classes.split(","))


def test_labels_from_1_with_an_output_for_0(tmp_path: Path) -> None:
    draw = np.random.default_rng(0)
    np.savez(tmp_path / "a.npz", x=draw.integers(0, 256, (12, 8, 8), np.uint8), y=[1, 2, 3] * 4)
    for outputs in (3, 4):
        text = RECIPE.replace("out_features = 2", f"out_features = {outputs}")
        (tmp_path / f"{outputs}.toml").write_text(text)
    told = run("train", tmp_path / "3.toml", "--data", tmp_path / "a.npz", "--out", tmp_path / "3")
    assert "pass classes= with '0' in front (--classes, in a recipe [data] classes)" in told.stderr
    done = run(
        *("train", tmp_path / "4.toml", "--data", tmp_path / "a.npz", "--out", tmp_path / "4"),
        *("--classes", "0, 1, 2, 3"),
    )
    assert "classes=" not in done.stderr
    assert Run(tmp_path / "4").network.classes == ("0", "1", "2", "3")


@pytest.fixture
def bare(tmp_path: Path) -> Path:
    """A network without names that takes dark images for 0 and bright ones for 1, and images."""
    net = gt.Network((1, 8, 8), [gt.GlobalAvgPool2d(), gt.Flatten(), gt.Linear(2)], seed=0)
    net.parameters["fc1.weight"] = np.array([[-10.0], [10.0]], np.float32)
    net.parameters["fc1.bias"] = np.array([2.0, -2.0], np.float32)
    net.save(tmp_path / "bare.safetensors")
    pictures(tmp_path / "photos" / "night", tmp_path / "photos" / "day")
    return tmp_path


def test_a_bare_network_s_outputs_are_named_in_their_order(bare: Path) -> None:
    """By their letters `day` would be output 0, and every image wrong."""
    asked = ("evaluate", bare / "bare.safetensors", "--data", bare / "photos", "--json")
    assert json.loads(run(*asked).stdout)["accuracy"] == 0
    told = json.loads(run(*asked, "--classes", "night,day").stdout)
    assert (told["accuracy"], told["classes"]) == (1, ["night", "day"])
    told = said_of(run(*asked, "--classes", "night,day,dusk"))
    assert "--classes: a name for each output is due; " in told
    assert "bare.safetensors has 2, got 3: night, day, dusk" in told


def test_outputs_that_no_image_has_are_told_how_they_are_named(bare: Path) -> None:
    net = gt.Network((1, 8, 8), [gt.GlobalAvgPool2d(), gt.Flatten(), gt.Linear(3)], seed=0)
    net.save(bare / "three.safetensors")
    asked = ("evaluate", bare / "three.safetensors", "--data", bare / "photos")
    told = " ".join(run(*asked).stderr.split())
    assert "so that their numbers are shown; pass classes= (--classes) with a name for each" in told
    done = run(*asked, "--classes", "night,day,dusk")
    assert (done.exit_code, done.stderr) == (0, "")
    assert "dusk" in done.stdout


def test_a_network_that_has_names_keeps_them(bare: Path) -> None:
    net = gt.load(bare / "bare.safetensors")
    net.classes = ("night", "day")
    net.save(bare / "named.safetensors")
    asked = ("evaluate", bare / "named.safetensors", "--data", bare / "photos", "--json")
    same = run(*asked, "--classes", "night,day")
    assert same.stdout == run(*asked).stdout
    told = said_of(run(*asked, "--classes", "day,night"))
    assert re.search(r"--classes: .*named.safetensors calls its outputs night, day and", told)


def test_numbers_are_no_names_of_its_own(bare: Path) -> None:
    """As of a network that was trained on arrays; but their order is not to be changed."""
    net = gt.load(bare / "bare.safetensors")
    net.classes = ("0", "1")
    net.save(bare / "numbered.safetensors")
    asked = ("evaluate", bare / "numbered.safetensors", "--data", bare / "photos", "--json")
    told = json.loads(run(*asked, "--classes", "night,day").stdout)
    assert (told["accuracy"], told["classes"]) == (1, ["night", "day"])
    assert "calls its outputs 0, 1 and" in said_of(run(*asked, "--classes", "1,0"))


def test_a_network_with_names_is_trained_on_in_its_order(bare: Path) -> None:
    """By their letters `day` would be output 0, and what it learned would be wrong."""
    net = gt.load(bare / "bare.safetensors")
    net.classes = ("night", "day")
    net.save(bare / "named.safetensors")
    train = ("train", "--model", bare / "named.safetensors", "--epochs", 1)
    done = run(*train, "--data", bare / "photos", "--out", bare / "run")
    assert done.exit_code == 0, done.output
    assert "outputs" not in done.stderr
    trained = Run(bare / "run")
    assert trained.network.classes == trained.recipe.data.classes == ("night", "day")
    told = json.loads(run("evaluate", bare / "run", "--json").stdout)
    assert told["matrix"] == [[1, 0], [0, 1]]

    pictures(bare / "pets" / "cat", bare / "pets" / "dog")
    done = run(*train, "--data", bare / "pets", "--out", bare / "other")
    said = " ".join(done.stderr.split())
    assert "named.safetensors called its outputs night, day: now cat, dog" in said
    assert Run(bare / "other").network.classes == ("cat", "dog")


def test_the_names_of_a_known_set_in_another_order_or_others() -> None:
    def opened(*classes: str) -> RecipeData:
        return read_data(DataTable("digits", classes=classes or None))

    y = opened().train[1]
    backwards = opened(*"9876543210")
    assert backwards.classes == tuple("9876543210")
    np.testing.assert_array_equal(backwards.train[1], 9 - y)
    np.testing.assert_array_equal(backwards.test[1], 9 - opened().test[1])
    letters = opened(*"abcdefghij")
    assert letters.classes == tuple("abcdefghij")
    np.testing.assert_array_equal(letters.train[1], y)
    told = r"^classes \(1, 2, 3, 4, 5, …\): digits has '1' as label 1, not 0; name all of its own"
    with pytest.raises(gt.DataError, match=told):
        opened(*map(str, range(1, 11)))


def test_names_that_are_none() -> None:
    told = said_of(run("train", "--classes", "cat,,dog"))
    assert "names with a comma between them are due, such as cat,dog; got 'cat,,dog'" in told
    told = said_of(run("train", "--classes", "cat,cat", "--quiet"))
    assert "classes has 'cat' twice" in told
    told = said_of(run("train", "--classes", "cat,dog", "--quiet"))
    assert "classes (cat, dog): digits has 10 classes; name all of them in the order" in told
