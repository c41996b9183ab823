"""From a folder of pictures, as people have them, to a trained network and its answers."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result
from PIL import Image

import gradtrail as gt
from gradtrail.cli import main
from gradtrail.data import read_image
from gradtrail.data.levels import unit
from gradtrail.runs import Run

NAMES = ("zero", "one", "two")


def run(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(a) for a in arguments])


def save(kind: int, image: Image.Image, path: Path) -> None:
    """One digit in one of the ways that pictures come in."""
    match kind:
        case 0:
            image.save(path.with_suffix(".png"))
        case 1:
            image.save(path.with_suffix(".jpg"), quality=90)
        case 2:
            dim = image.point(lambda v: v // 2)
            Image.merge("RGB", [image, dim, image]).save(path.with_suffix(".PNG"))
        case 3:
            image.convert("RGB").quantize(16).save(path.with_suffix(".png"))
        case 4:
            deep = np.asarray(image).astype(np.uint16) * 257
            Image.fromarray(deep).save(path.with_suffix(".png"))
        case 5:
            turned = Image.Exif()
            turned[0x0112] = 6  # lies on its side, and says so
            lying = image.rotate(90, expand=True)
            lying.save(path.with_suffix(".jpeg"), exif=turned, quality=95)
        case 6:
            image.convert("RGBA").save(path.with_suffix(".png"))
        case 7:
            image.convert("1").save(path.with_suffix(".tiff"))
        case _:
            image.convert("RGB").save(path.with_suffix(".webp"), quality=95)


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """320 pictures of three digits, of many kinds and sizes; one is cut off, one is none."""
    root, draw = tmp_path_factory.mktemp("pictures"), np.random.default_rng(0)
    (x, y), _ = gt.data.digits()
    for number, n in enumerate(np.flatnonzero(y < len(NAMES))[:320]):
        folder = root / NAMES[y[n]]
        folder.mkdir(exist_ok=True)
        size = int(draw.integers(20, 40)), int(draw.integers(20, 40))
        image = Image.fromarray(np.uint8(255 * x[n, 0])).resize(size)
        save(number % 9, image, folder / f"{number:03d}")
    whole = next((root / "one").glob("*.jpg")).read_bytes()
    (root / "one" / "cut.jpg").write_bytes(whole[: len(whole) // 2])
    (root / "two" / "none.png").write_text("a letter that somebody renamed")
    return root


@pytest.fixture(scope="module")
def trained(pictures: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("runs") / "digits"
    command = ("train", "--data", pictures, "--size", "16,16", "--bad", "skip", "--epochs", 8)
    result = run(*command, "--model", "digits-cnn", "--out", out)  # is compiled sooner
    assert result.exit_code == 0, result.output
    assert "cut.jpg" in result.output
    assert "none.png" in result.output
    return out


def test_bad_files_are_refused_before_anything_runs(pictures: Path, tmp_path: Path) -> None:
    result = run("train", "--data", pictures, "--size", "16,16", "--out", tmp_path / "run")
    assert result.exit_code == 2
    assert "2 of 322 images" in result.output
    assert "cut.jpg" in result.output
    assert "none.png" in result.output
    assert not (tmp_path / "run").exists()


def test_it_learns_and_keeps_what_it_found(trained: Path) -> None:
    kept = Run(trained)
    assert kept.recipe.data.classes == tuple(sorted(NAMES)) == kept.network.classes
    assert kept.network.input_shape == (3, 16, 16)
    assert kept.recipe.data.size == (16, 16)
    assert json.loads((trained / "metrics.json").read_text())["accuracy"] > 0.9
    assert sum(json.loads((trained / "metrics.json").read_text())["support"]) == 65


def test_a_folder_trains_like_its_arrays(pictures: Path, trained: Path) -> None:
    """Reading a batch at a time changes nothing."""
    with pytest.warns(gt.GradtrailWarning, match="2 of 322 images in .* are left out"):
        folder = gt.data.ImageFolder(pictures, size=(16, 16), bad="skip")
    results = []
    for data in (folder, folder.arrays()):
        network = gt.architecture("digits-cnn").network((3, 16, 16), classes=3)
        history = gt.train(network, data, epochs=2, batch_size=50, seed=1, progress=False)
        results.append((history.step_losses, network.parameters["conv1.weight"].tobytes()))
    assert results[0] == results[1]


def test_a_run_on_a_folder_is_repeated_from_its_recipe(trained: Path, tmp_path: Path) -> None:
    again = run("train", trained / "recipe.toml", "--out", tmp_path / "again", "--quiet")
    assert again.exit_code == 0, again.output
    weights = [(p / "weights.safetensors").read_bytes() for p in (trained, tmp_path / "again")]
    assert weights[0] == weights[1]


def test_predict_answers_as_a_table_as_csv_and_as_json(pictures: Path, trained: Path) -> None:
    files = sorted((pictures / "zero").iterdir())[:5]
    network = gt.load(trained)
    x = np.stack([read_image(path, (3, 16, 16)) for path in files])
    outputs = network.predict(x).astype(np.float64)
    shares = np.exp(outputs) / np.exp(outputs).sum(1, keepdims=True)
    told = json.loads(run("predict", trained, *files, "--format", "json", "--top", 2).output)
    for entry, path, share in zip(told, files, shares, strict=True):
        assert entry["image"] == str(path)
        assert entry["class"] == network.classes[share.argmax()]
        assert [e["probability"] for e in entry["top"]] == pytest.approx(sorted(share)[:0:-1])
    written = run("predict", trained, *files, "--format", "csv").output
    rows = list(csv.DictReader(io.StringIO(written)))
    assert [row["image"] for row in rows] == [str(path) for path in files]
    assert [row["class"] for row in rows] == [entry["class"] for entry in told]
    table = run("predict", trained, *files).output
    assert all(str(path) in table for path in files)


def test_predict_opens_folders_and_names_what_it_cannot_read(pictures: Path, trained: Path) -> None:
    result = run("predict", trained, pictures / "one", "--format", "csv")
    assert result.exit_code == 1
    assert "cut.jpg" in result.stderr
    count = len(list((pictures / "one").iterdir())) - 1
    assert len(result.stdout.splitlines()) == 1 + count
    nothing = run("predict", trained, trained)
    assert nothing.exit_code == 2
    assert "there are no images" in nothing.output


def test_a_number_for_white_is_kept_with_the_run(tmp_path: Path) -> None:
    """Pictures of 12 bits in files of 16: trained with, and predicted with, 4095 for white."""
    draw = np.random.default_rng(0)
    for name, lowest in (("dim", 0), ("lit", 2000)):
        (tmp_path / "d" / name).mkdir(parents=True)
        for k in range(4):
            pixels = draw.integers(lowest, lowest + 2000, (8, 8)).astype(np.uint16)
            Image.fromarray(pixels).save(tmp_path / "d" / name / f"{k}.png")
    command = ("train", "--data", tmp_path / "d", "--epochs", 1, "--batch-size", 4)
    command += ("--engine", "reference")
    said = run(*command, "--out", tmp_path / "plain")
    assert "--white 4095" in said.stderr
    done = run(*command, "--white", 4095, "--out", tmp_path / "run")
    assert done.exit_code == 0, done.output
    assert "--white" not in done.stderr
    assert Run(tmp_path / "run").recipe.data.white == 4095
    path = tmp_path / "d" / "lit" / "0.png"
    answer = run("predict", tmp_path / "run", path, "--format", "json", "--top", 2)
    (told,) = json.loads(answer.output)
    x = read_image(path, (1, 8, 8), white=4095)[None]
    outputs = gt.load(tmp_path / "run").predict(x).astype(np.float64)[0]
    shares = np.exp(outputs) / np.exp(outputs).sum()
    assert [e["probability"] for e in told["top"]] == pytest.approx(sorted(shares)[::-1], abs=1e-6)


def test_evaluate_takes_the_run_s_images_or_others(pictures: Path, trained: Path) -> None:
    own = json.loads(run("evaluate", trained, "--json").output)
    assert own == json.loads((trained / "metrics.json").read_text())
    assert own["images"] == "validation"
    assert "on the validation images" in run("evaluate", trained).output
    said = run("evaluate", trained, "--data", pictures, "--json")
    assert said.stderr.count("2 of 322 images") == 1
    other = json.loads(said.stdout)
    assert sum(other["support"]) == 320
    shown = run("evaluate", trained, "--data", pictures, "--split", "train").output
    assert f"accuracy {other['accuracy']:.2%}" in shown
    assert "there are no test images" in run("evaluate", trained, "--split", "test").output


def test_evaluate_lists_the_files_that_are_wrong(trained: Path, tmp_path: Path) -> None:
    listed = tmp_path / "wrong.csv"
    done = run("evaluate", trained, "--split", "train", "--wrong", listed)
    assert done.exit_code == 0, done.output
    part, classes = Run(trained).data.train, Run(trained).network.classes
    taken = Run(trained).network.predict(unit(part.read(np.arange(len(part))))).argmax(1)
    wrong = np.flatnonzero(taken != part.y)
    rows = list(csv.DictReader(listed.read_text(encoding="utf-8").splitlines()))
    assert len(rows) == len(wrong) > 0
    assert f"{len(wrong)} mistakes listed in {listed}" in done.output
    found = {(r["sample"], r["file"], r["label"], r["taken_for"]) for r in rows}
    assert found == {
        (str(n), str(part.paths[n]), classes[part.y[n]], classes[taken[n]]) for n in wrong
    }
    shares = [float(row["probability"]) for row in rows]
    assert shares == sorted(shares, reverse=True)


def test_questions_to_a_run_read_its_pictures(trained: Path) -> None:
    shown = run("why", trained, "dconv1.weight[2,0,1,1]")
    assert shown.exit_code == 0, shown.output
    ranked = run("influence", trained, "--split", "validation", "--top", 3)
    assert "the first 3 of 65 samples by surprise" in ranked.output
    folder = Run(trained).data.validation
    first = int(ranked.output.splitlines()[3].split()[0])
    assert "".join(str(folder.paths[first]).split()) in "".join(ranked.output.split())
    told = json.loads(run("influence", trained, "--split", "validation", "--json").output)
    best = told["ranking"][0]
    assert (best["sample"], best["file"]) == (first, str(folder.paths[first]))
    assert best["label_name"] == folder.classes[folder.y[first]] == folder.paths[first].parent.name


def test_a_report_shows_pictures(trained: Path) -> None:
    assert run("report", trained).exit_code == 0
    page = (trained / "report.html").read_text(encoding="utf-8")
    part, y = Run(trained).data.train, Run(trained).data.train.y
    seen = Run(trained).network.predict(unit(part.read(np.arange(len(part))))).argmax(1)
    wrong = [part.paths[place] for place in np.flatnonzero(seen != y)]
    galleries = page.partition("Filters of the first")[2].partition("The plan")[0]
    filters = len(Run(trained).network.parameters["conv1.weight"])
    assert galleries.count("data:image/png;base64,") == filters + min(30, len(wrong))
    assert f"{wrong[0].parent.name}/{wrong[0].name}" in galleries
