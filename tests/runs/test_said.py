"""What a training says of how it understood its data: once, on standard error, and by value."""

from __future__ import annotations

import gzip
import json
import re
import warnings
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result
from data.idx_files import idx
from data.pictures import folder, noise, saved
from PIL import Image

import gradtrail as gt
from gradtrail.cli import main
from gradtrail.runs import Run, prepare_run, read_recipe, shipped_tables


def run(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(a) for a in arguments])


def said(result: Result) -> list[str]:
    """What the command says of itself."""
    assert result.exit_code == 0, result.output
    return [line for line in result.stderr.splitlines() if line.startswith("gradtrail: ")]


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Layers that every size of image goes through at once."""
    path = tmp_path_factory.mktemp("recipe") / "tiny.toml"
    path.write_text(
        """[data]\npath = "photos"
        [model]
        layers = [
            {type = "GlobalAvgPool2d"}, {type = "Flatten"}, {type = "Linear", out_features = 2}
        ]
        [training]\nepochs = 1\nengine = "reference"\n"""
    )
    return path


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pictures as they come: many kinds, every one in a size of its own."""
    root = tmp_path_factory.mktemp("mixed") / "photos"
    for number, (kind, ending) in enumerate(
        [
            ("RGB", "jpg"),
            ("L", "png"),
            ("RGBA", "png"),
            ("P", "png"),
            ("CMYK", "jpg"),
            ("RGB", "bmp"),
        ]
    ):
        for shade, name in ((60, "cat"), (190, "dog")):
            pixels = np.clip(noise(30 + number, 44 - 2 * number, 3) // 4 + shade, 0, 255)
            (root / name).mkdir(parents=True, exist_ok=True)
            Image.fromarray(pixels).convert(kind).save(root / name / f"{number}.{ending}")
    return root


def test_a_folder_of_mixed_photos_trains_at_the_first_try(photos: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    result = run("train", "--data", photos, "--epochs", 1, "--engine", "reference", "--out", out)
    (note,) = said(result)
    assert f"the images in {photos} differ in size, such as " in note
    assert "all were brought to 64 × 64; pass size= (--size) for another" in note
    assert Run(out).network.input_shape == (3, 64, 64)
    assert Run(out).recipe.data.size == (64, 64)
    answer = run("predict", out, photos / "dog" / "0.jpg")
    assert answer.exit_code == 0, answer.output
    assert said(run("evaluate", out)) == []  # its own data: said when it was trained


@pytest.mark.parametrize(
    ("written", "size"),
    [("24", (24, 24)), ("24,32", (24, 32)), ("24x32", (24, 32)), ("9×8", (9, 8))],
)
def test_sizes_of_the_command_line(
    photos: Path, tiny: Path, tmp_path: Path, written: str, size: tuple[int, int]
) -> None:
    chosen = ("--data", photos, "--size", written, "--out", tmp_path / "run")
    assert said(run("train", tiny, *chosen)) == []
    assert Run(tmp_path / "run").recipe.data.size == size
    assert Run(tmp_path / "run").network.input_shape == (3, *size)


@pytest.mark.parametrize("written", ["a", "1,2,3", "", "24,"])
def test_sizes_that_are_none(photos: Path, written: str) -> None:
    result = run("train", "--data", photos, "--size", written)
    assert result.exit_code == 2
    assert f"--size is rows,columns such as 48,64, or one number, got {written!r}" in result.output


def test_a_recipe_takes_one_number_for_both(photos: Path, tiny: Path, tmp_path: Path) -> None:
    text = tiny.read_text().replace('"photos"', f'"{photos}"\nsize = 12')
    (tmp_path / "recipe.toml").write_text(text)
    assert prepare_run(read_recipe(tmp_path / "recipe.toml")).data.shape == (3, 12, 12)
    for size in ("true", '"12"', "[1, 2, 3]", "0"):
        (tmp_path / "recipe.toml").write_text(text.replace("= 12", f"= {size}"))
        with pytest.raises(gt.FileError, match=r"line 3, data.size: "):
            read_recipe(tmp_path / "recipe.toml")


def test_a_saved_network_s_size_is_taken_without_a_wrong_word(photos: Path, tmp_path: Path) -> None:
    net = gt.Network((3, 8, 9), [gt.GlobalAvgPool2d(), gt.Flatten(), gt.Linear(2)])
    net.save(tmp_path / "net.safetensors")
    model = ("--model", tmp_path / "net.safetensors", "--out", tmp_path / "run", "--epochs", 1)
    (note,) = said(run("train", "--data", photos, "--engine", "reference", *model))
    assert note.startswith("gradtrail: the images are brought to 8 × 9, which ")
    assert Run(tmp_path / "run").recipe.data.size == (8, 9)


def test_images_in_colour_for_a_network_of_grey_ones(photos: Path, tmp_path: Path) -> None:
    """What the message advises is done as it is written."""
    net = gt.Network((1, 8, 9), [gt.GlobalAvgPool2d(), gt.Flatten(), gt.Linear(2)])
    net.save(tmp_path / "net.safetensors")
    refused = run("train", "--data", photos, "--model", tmp_path / "net.safetensors")
    assert refused.exit_code == 2
    (advice,) = re.findall(r"with (channels = 1) under \[data\]", refused.output)
    written = f'[model]\nfile = "net.safetensors"\n[data]\npath = "{photos}"\n{advice}\n'
    (tmp_path / "recipe.toml").write_text(written)
    with pytest.warns(gt.GradtrailWarning, match="the images are brought to 8 × 9"):
        assert prepare_run(read_recipe(tmp_path / "recipe.toml")).data.shape == (1, 8, 9)


def test_a_size_that_a_network_is_too_deep_for_is_not_what_files_have(photos: Path) -> None:
    changes = {("data", "path"): ("--data", str(photos)), ("data", "size"): ("--size", [5, 5])}
    told = "images-cnn is too deep for 5 × 5 pixels: the images are brought to 64 × 64 instead"
    with pytest.warns(gt.GradtrailWarning, match=told):
        work = prepare_run(read_recipe(None, changes, shipped_tables("images")))
    assert work.data.shape == (3, 64, 64)


def test_notes_are_said_once_and_not_at_all_if_quiet(tiny: Path, tmp_path: Path) -> None:
    folder(tmp_path / "photos" / "training_set")
    folder(tmp_path / "photos" / "dev")
    command = ("train", tiny, "--data", tmp_path / "photos")
    (note,) = said(run(*command, "--out", tmp_path / "a"))
    assert "training_set (train) and dev (validation) were taken to be parts of the data" in note
    assert note not in run(*command, "--out", tmp_path / "b").stdout
    assert said(run(*command, "--out", tmp_path / "c", "--quiet")) == []
    assert said(run("evaluate", tmp_path / "a", "--data", tmp_path / "photos")) == [note]


def test_a_constant_channel_does_not_drown_the_others(tiny: Path, tmp_path: Path) -> None:
    """Blue is 0 in training; in the test images it is 2 of 255, and nothing must come of that."""
    photos, draw = tmp_path / "photos", np.random.Generator(np.random.PCG64(0))
    for part, blue in (("train", 0), ("test", 2)):
        for name, red in (("cat", 60), ("dog", 190)):
            for number in range(12):
                pixels = np.zeros((6, 5, 3), np.uint8)
                pixels[..., :2] = np.clip(draw.normal(red, 20, (6, 5, 2)), 0, 255)
                pixels[..., 2] = blue
                saved(photos / part / name / f"{number}.png", pixels)
    recipe = read_recipe(tiny, {("data", "path"): ("data", str(photos))})
    with pytest.warns(gt.GradtrailWarning, match=r"channel 2 \(blue\) is 0 in all images") as told:
        work = prepare_run(recipe)
    assert len(told) == 1
    assert work.recipe.model.std[2] == 1
    gt.train(work.network, work.data.train, epochs=20, batch_size=4, seed=0, progress=False,
             optimizer=gt.Adam(0.05), engine="reference")  # fmt: skip
    assert gt.evaluate(work.network, work.data.test, engine="reference")["accuracy"] == 1


def letters(path: Path) -> Path:
    """IDX files with the labels 1 … 5, as sets of letters have them."""
    path.mkdir()
    for part, count in (("train", 20), ("t10k", 5)):
        labels = np.arange(count, dtype=np.uint8) % 5 + 1
        (path / f"{part}-images-idx3-ubyte.gz").write_bytes(gzip.compress(idx(noise(count, 6, 5))))
        (path / f"{part}-labels-idx1-ubyte").write_bytes(idx(labels))
    return path


def test_labels_from_1_make_no_output_for_0(tiny: Path, tmp_path: Path) -> None:
    path = letters(tmp_path / "letters")
    with pytest.warns(gt.GradtrailWarning, match="labels are 1 to 5 and never 0: they were taken"):
        found = gt.data.read(path)
    assert found.classes == ("1", "2", "3", "4", "5")
    assert found.train[1][:6].tolist() == [*found.test[1], 0] == [0, 1, 2, 3, 4, 0]
    kept = gt.data.read(path, classes=list("012345"))
    assert (kept.classes, kept.test[1].tolist()) == (tuple("012345"), [1, 2, 3, 4, 5])
    with pytest.raises(
        gt.DataError, match="has the label 5, but there are 3 classes, for lab.*a, b"
    ):
        gt.data.read(path, classes=["a", "b", "c"])
    text = tiny.read_text().replace('"photos"', f'"{path}"').replace("features = 2", "features = 5")
    (tmp_path / "recipe.toml").write_text(text)
    out = tmp_path / "run"
    (note,) = said(run("train", tmp_path / "recipe.toml", "--out", out))
    assert "so that class '1' is output 0; pass classes= with '0' in front" in note
    assert Run(out).network.classes == ("1", "2", "3", "4", "5")
    part = path / "t10k-labels-idx1-ubyte"
    part.write_bytes(idx(np.array([3, 3, 5, 5, 1], np.uint8)))
    told = run("evaluate", out, "--json")
    assert said(told) == []
    assert json.loads(told.stdout)["support"] == [1, 0, 2, 0, 2]


def test_labels_with_gaps_are_said(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", x=noise(4, 6, 5), y=[0, 2, 5, 2])
    with pytest.warns(gt.GradtrailWarning, match="label 1, 3, 4, but labels go up to 5: a network "
                      "gets 6 outputs for the 3 that there are"):  # fmt: skip
        assert gt.data.read(tmp_path / "a.npz").train[1].tolist() == [0, 2, 5, 2]
    np.savez(tmp_path / "b.npz", x=noise(3, 6, 5), y=[1, 3, 2])
    with pytest.warns(gt.GradtrailWarning, match="labels are 1 to 3 and never 0"):
        assert gt.data.read(tmp_path / "b.npz").train[1].tolist() == [0, 2, 1]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        named = gt.data.read(tmp_path / "b.npz", classes=("3", "2", "1"))
    assert named.train[1].tolist() == [2, 0, 1]


@pytest.mark.parametrize("shape", [(6, 28, 28, 28), (6, 32, 32, 4), (6, 20, 10, 30), (6, 9, 8, 7)])
def test_volumes_and_other_axes_are_asked_about(tmp_path: Path, shape: tuple[int, ...]) -> None:
    path = tmp_path / "a.npz"
    np.savez(path, x=np.resize(noise(60), shape), y=[0, 1] * 3)
    with pytest.raises(gt.DataError, match="and no axis counts 1 or 3 channels: volumes are not"):
        gt.data.read(path)
    first = gt.data.read(path, channels_last=False)
    assert (first.train[0].shape, first.notes) == (shape, ())
    n, *sample = shape
    assert gt.data.read(path, channels_last=True).train[0].shape == (n, sample[2], *sample[:2])


@pytest.mark.parametrize("shape", [(6, 16, 8, 8), (6, 4, 32, 32), (6, 12, 20, 30)])
def test_channels_that_are_likely_are_said(tmp_path: Path, shape: tuple[int, ...]) -> None:
    np.savez(tmp_path / "a.npz", x=np.resize(noise(60), shape), y=[0, 1] * 3)
    told = rf"was taken to be {shape[1]} channels of {shape[2]} × {shape[3]} pixels; pass channels_"
    with pytest.warns(gt.GradtrailWarning, match=told):
        assert gt.data.read(tmp_path / "a.npz").train[0].shape == shape


def test_the_command_line_says_which_axis(tiny: Path, tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    np.savez(path, x=noise(6, 3, 9, 3), y=[0, 1] * 3)
    asked = run("train", tiny, "--data", path)
    assert asked.exit_code == 2
    assert "(--channels-last, --channels-first)" in asked.output
    for option, shape in (("--channels-last", (3, 3, 9)), ("--channels-first", (3, 9, 3))):
        out = tmp_path / option
        assert said(run("train", tiny, "--data", path, option, "--out", out)) == []
        assert Run(out).network.input_shape == shape
        assert said(run("evaluate", out, "--data", path)) == []


def test_arrays_that_look_channels_last_are_said() -> None:
    x = noise(5, 32, 30, 3)
    told = "was taken to be 32 channels of 30 × 3, as .N, C, H, W.; if the channels are last, pass"
    with pytest.warns(gt.GradtrailWarning, match=told):
        assert gt.data.ArrayImages(x, [0] * 5).shape == (32, 30, 3)
    with pytest.warns(gt.GradtrailWarning, match=told):
        assert gt.data.channel_statistics(x)[0].shape == (32,)
