"""Checkpoints that somebody crafted, with a right digest: every field is looked at before use."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fuzz.crafted import recrafted
from safetensors.numpy import save_file

import gradtrail as gt
from gradtrail.engines import Batch, Samples, engine_for
from gradtrail.engines.bilinear import WarpInput
from gradtrail.layers.cross_entropy import loss_for
from gradtrail.training import JSONLinesLog

from .common import arrays_of, assert_same_bits, data, network, plain, trained

SETTINGS: dict[str, Any] = {
    "epochs": 3,
    "average": 0.9,
    "validation": data(30, 4),
    "stopping": gt.EarlyStopping(3),
    "watch": ["fc1.bias[1]"],
}
"""Epochs of four steps: 16, 16, 16 and 2 samples."""


class Stopping(gt.Adam):
    """Ctrl-C before the seventh step."""

    def scalars(self, step: int) -> Any:
        if step == 7:
            raise KeyboardInterrupt
        return super().scalars(step)

    def settings(self) -> dict[str, Any]:
        return gt.Adam().settings()


@pytest.fixture(scope="module")
def before(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Behind step 6: in the second epoch, at its third step."""
    folder = tmp_path_factory.mktemp("kept")
    kept = gt.Checkpoints(folder, keep=1)
    trained(network(), checkpoints=kept, optimizer=Stopping(), **SETTINGS)
    (path,) = folder.iterdir()
    assert path.name == "checkpoint-00000006.safetensors"
    return path


def resumed(path: Path, **settings: Any) -> gt.History:
    kept = gt.Checkpoints(path.parent)
    return trained(network(), checkpoints=kept, resume=True, **SETTINGS | settings)


def put(*keys: str) -> Callable[[Any], Callable[[dict[str, Any]], None]]:
    """A value in the place where the keys lead."""

    def of(value: Any) -> Callable[[dict[str, Any]], None]:
        def change(about: dict[str, Any]) -> None:
            at = about
            for key in keys[:-1]:
                at = at[key]
            at[keys[-1]] = value

        return change

    return of


FIELDS: list[tuple[str, Any, str]] = [
    ("position.place", -1, "position.place is -1, but must be from 0 to 4"),
    ("position.place", 5, "position.place is 5, but must be from 0 to 4"),
    ("position.place", 1, "position.steps is 6, but must be 5"),
    ("position.place", 2.0, "position.place is 2.0, but must be from 0 to 4"),
    ("position.place", True, "position.place is True"),
    ("position.epoch", -1, "position.epoch is -1, but must be from 0 to 3"),
    ("position.epoch", 4, "position.epoch is 4, but must be from 0 to 3"),
    ("position.steps", 1 << 64, "position.steps is 18446744073709551616, but must be 6"),
    ("position.seen", 33, "position.seen is 33, but must be 32"),
    ("position.correct", 33, "position.correct is 33, but must be from 0 to 32"),
    ("position.correct", None, "position.correct is None"),
    ("position.mass", 0.0, "position.mass is 0.0, but must be a finite number from 32 to 32"),
    ("position.total", float("nan"), "position.total is nan"),
    ("position.seconds", -1.0, "position.seconds is -1.0"),
    ("position", {"epoch": 1}, "position must have the keys epoch, place, steps"),
    ("position", 3, "position must have the keys"),
    ("updates", 5, "updates is 5, but must be from 6 to"),
    ("updates", "6", "updates is '6'"),
    ("best", 1, "cannot have written: best is 1"),
    ("best", None, "best is None, but by the history it must be 0"),
    ("watched.every", 0, "watched.every is 0, but must be from 1 to"),
    ("watched.every", 4, r"the steps of 'fc1.bias\[1\]' are none that a training has watched"),
    ("watched.elements", ["a", "a"], "watched elements must be at most 64 different texts"),
    ("watched", None, "it holds what was watched, but names no element"),
    ("watched", [], "watched must have the keys every, elements"),
    ("course.epochs", 0, "course.epochs is 0, but must be from 1 to"),
    ("course.epochs", 1e400, "course.epochs is inf"),
    ("drawn", [0], "drawn must be two whole numbers from 0"),
    ("drawn", [0, 1 << 63], "drawn is 9223372036854775808, but must be from 0 to"),
    ("written", {}, "written must have the keys"),
    ("written.gradtrail", 3, "written must be texts"),
]


@pytest.mark.parametrize(("field", "value", "message"), FIELDS, ids=lambda v: f"{v!s:.30}")
def test_a_field_that_no_training_writes_is_refused(
    field: str, value: Any, message: str, before: Path, tmp_path: Path
) -> None:
    path = Path(shutil.copy(before, tmp_path))
    recrafted(path, put(*field.split("."))(value))
    with pytest.raises(gt.FileError, match=message) as caught:
        resumed(path)
    assert str(caught.value).startswith(str(path))
    assert path.exists()


@pytest.mark.parametrize("key", ["format", "position", "updates", "best", "written", "engine"])
def test_a_missing_field_is_named(key: str, before: Path, tmp_path: Path) -> None:
    path = Path(shutil.copy(before, tmp_path))
    recrafted(path, lambda about: about.pop(key))
    with pytest.raises(gt.FileError, match=f"no checkpoint|{key!r} is missing"):
        resumed(path)
    shutil.copy(before, tmp_path)
    recrafted(path, put("more")(1))
    with pytest.raises(gt.FileError, match="'more' is of no use"):
        resumed(path)


KINDS = (
    *("value/conv1.weight", "value/norm1.running_mean", "state/mean/fc1.bias"),
    *("state/average/fc1.bias", "statistics/norm1.running_var", "best/fc1.weight"),
    *("history/losses", "history/loss", "history/validation_loss", "history/seconds"),
    *("watched/0.steps", "watched/0.samples", "watched/0.shares"),
)


@pytest.mark.parametrize("name", KINDS)
def test_an_array_is_there_and_of_its_shape_and_type(
    name: str, before: Path, tmp_path: Path
) -> None:
    path = Path(shutil.copy(before, tmp_path))

    def gone(arrays: dict[str, np.ndarray]) -> None:
        del arrays[name]

    def narrow(arrays: dict[str, np.ndarray]) -> None:
        arrays[name] = arrays[name].astype(np.float16)

    def longer(arrays: dict[str, np.ndarray]) -> None:
        arrays[name] = np.concatenate([arrays[name], arrays[name]])

    def more(arrays: dict[str, np.ndarray]) -> None:
        arrays[f"{name}s"] = arrays[name]

    for change in (gone, narrow, longer, more):
        shutil.copy(before, tmp_path)
        recrafted(path, arrays=change)
        short = name.removeprefix("watched/0.").removeprefix("history/")
        named = ".*" if change is longer else f".*{re.escape(short)}"  # its fellows are too short
        with pytest.raises(gt.FileError, match=f"this training cannot have written: {named}"):
            resumed(path)


FINITE = (
    *("value/fc1.bias", "best/fc1.bias"),
    *("state/average/fc1.bias", "statistics/norm1.running_mean"),
)
"""Arrays that are float32 while a training runs, so that 1e39 is too large for them."""


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *((name, value) for name in FINITE for value in (np.nan, np.inf, 1e39)),
        *(("watched/0.weight", value) for value in (np.nan, np.inf)),
    ],
)
def test_what_is_not_finite_is_refused(
    name: str, value: float, before: Path, tmp_path: Path
) -> None:
    path = Path(shutil.copy(before, tmp_path))

    def change(arrays: dict[str, np.ndarray]) -> None:
        arrays[name] = arrays[name].astype(np.float64)
        arrays[name].flat[0] = value

    recrafted(path, arrays=change)
    with pytest.raises(gt.FileError, match="has a NaN"):
        resumed(path)


def test_crafted_anew_without_a_change_it_goes_on(before: Path, tmp_path: Path) -> None:
    path, net = Path(shutil.copy(before, tmp_path)), network()
    recrafted(path)
    kept = gt.Checkpoints(tmp_path)
    found = trained(net, checkpoints=kept, resume=True, **SETTINGS)
    alone = network()
    assert found.step_losses == trained(alone, **SETTINGS).step_losses
    assert_same_bits(arrays_of(net), arrays_of(alone))


def test_class_weights_bound_what_the_samples_count(tmp_path: Path) -> None:
    loss = gt.CrossEntropy(weight=(1.0, 2.0, 0.5))
    settings = {"loss": loss, "epochs": 3, "checkpoints": gt.Checkpoints(tmp_path, keep=1)}
    trained(network(), optimizer=Stopping(), **settings)
    (path,) = tmp_path.iterdir()
    sound = path.read_bytes()
    for mass in (-1.0, 1e6):
        path.write_bytes(sound)
        recrafted(path, put("position", "mass")(mass))
        with pytest.raises(gt.FileError, match=r"position.mass is .* from 0 to \d\d"):
            trained(network(), resume=True, **settings)
    path.write_bytes(sound)
    assert trained(network(), resume=True, **settings).steps == 12


def test_settings_deep_within_each_other_are_one_message(before: Path, tmp_path: Path) -> None:
    path = Path(shutil.copy(before, tmp_path))
    deep: Any = 1
    for _ in range(400):
        deep = [deep]
    recrafted(path, put("course", "seed")(deep))
    with pytest.raises(gt.ArgumentError, match="is of another training: seed:") as caught:
        resumed(path)
    assert len(str(caught.value)) < 500


@pytest.mark.parametrize(
    ("begin", "end", "order"),
    [(-16, 0, None), (0, 51, None), (8, 4, None), (0, 2, [0, 50]), (0, 2, [3, -1])],
)
def test_native_code_follows_no_place_that_is_not_there(
    begin: int, end: int, order: list[int] | None
) -> None:
    net, loss, engine = plain(), loss_for(None), engine_for("cpu")
    samples = Samples.of(net, data(), loss)
    places = samples.places if order is None else np.array(order)
    batch = Batch(samples, places, begin=begin, end=end)
    trainer = engine.trainer(net, loss, gt.SGD(0.1))
    with pytest.raises(gt.DataError, match=r"a batch (of -?\d+ samples )?has"):
        trainer.step(batch)
    if end > begin:
        with pytest.raises(gt.DataError, match="a batch "):
            engine.evaluate(net, batch)
    assert trainer.finished.steps == 0


def test_images_are_moved_from_places_that_are_there() -> None:
    source, out = np.zeros((5, 2, 6, 5), np.uint8), np.zeros((2, 2, 6, 5), np.float32)
    maps, boxes = gt.Augment(crop=1).drawn(0, 2, (6, 5), 0, 0)
    with pytest.raises(gt.DataError, match="a batch has place 5, but samples go from 0 to 4"):
        engine_for("cpu").warp(WarpInput(source, np.array([0, 5]), maps, boxes, 255.0), out)


@pytest.mark.parametrize(
    "line",
    [
        '{"kind": "step", "step": 1e999, "epoch": 1}',
        '{"kind": "step", "step": "' + "9" * 5000 + '", "epoch": 1}',
        "[" * 100_000,
        "[]",
        "null",
        '{"kind": "epoch"}',
    ],
    ids=lambda line: line[:40],
)
def test_a_row_that_no_log_has_is_left_out(line: str, tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    path.write_text('{"kind": "step", "step": 0, "epoch": 1}\n' + line + "\n")
    trained(plain(), epochs=1, log=[JSONLinesLog(path, every=2)])
    kept = [json.loads(row) for row in path.read_text().splitlines()]
    assert [(row["kind"], row["step"]) for row in kept] == [
        ("step", 0),
        ("step", 2),
        ("step", 4),
        ("epoch", 4),
    ]


def test_a_header_that_claims_gigabytes_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "weights.safetensors"
    for claimed in ((16 << 20) + 1, 1 << 40, (1 << 64) - 1):
        path.write_bytes(claimed.to_bytes(8, "little") + b"{}" * 100)
        with pytest.raises(gt.FileError, match="or one whose header is longer than 16 MiB"):
            gt.load(path)


@pytest.mark.parametrize("told", ["9" * 5000, "[" * 100_000, "nonsense", "NaN", "[]"])
def test_a_networks_metadata_are_looked_at(told: str, tmp_path: Path) -> None:
    path = tmp_path / "weights.safetensors"
    save_file({"a": np.zeros(1)}, path, {"gradtrail": told})
    with pytest.raises(gt.FileError, match="its architecture cannot be read|its format is not 1"):
        gt.load(path)
