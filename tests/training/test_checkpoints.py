"""Checkpoints as files: when they are written, what damages them, and whose they are."""

from __future__ import annotations

import errno
import json
import os
import re
from pathlib import Path

import numpy as np
import pytest

import gradtrail as gt
from gradtrail.errors import GradtrailWarning
from gradtrail.training.checkpoints import read_checkpoint
from gradtrail.training.history import FIGURES, in_files

from .common import Held, arrays_of, assert_same_bits, data, network, pixels, plain, trained

SETTINGS = {"epochs": 3, "augment": gt.Augment(flip=0.5), "average": 0.9}
"""Three epochs of four steps."""


def kept(folder: Path, **settings: object) -> list[int]:
    """A training that is kept; the steps of what is left in the folder."""
    checkpoints = gt.Checkpoints(folder, **settings.pop("checkpoints", {}))
    trained(network(), checkpoints=checkpoints, **SETTINGS | settings)
    return steps_in(folder)


def steps_in(folder: Path) -> list[int]:
    names = sorted(p.name for p in folder.iterdir())
    assert all(n.startswith("checkpoint-") and n.endswith(".safetensors") for n in names), names
    return [int(name[11:-12]) for name in names]


def resumed(folder: Path, **settings: object) -> tuple[gt.Network, gt.History]:
    net = network()
    checkpoints = gt.Checkpoints(folder, **settings.pop("checkpoints", {}))
    return net, trained(net, checkpoints=checkpoints, resume=True, **SETTINGS | settings)


# -- when --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "steps"),
    [
        ({"keep": 9}, [4, 8, 12]),
        ({}, [8, 12]),
        ({"keep": 1}, [12]),
        ({"epochs": 2, "keep": 9}, [8, 12]),  # and the end
        ({"epochs": 9, "keep": 9}, [12]),
        ({"epochs": 9, "steps": 5, "keep": 9}, [5, 10, 12]),
        ({"epochs": 2, "steps": 4, "keep": 9}, [4, 8, 12]),
        ({"steps": 1, "keep": 3}, [10, 11, 12]),
        ({"steps": np.int64(6), "epochs": np.int32(9), "keep": np.int8(9)}, [6, 12]),
    ],
    ids=str,
)
def test_they_are_written_when_asked_for(
    settings: dict[str, int], steps: list[int], tmp_path: Path
) -> None:
    assert kept(tmp_path / "a" / "b", checkpoints=settings) == steps


def test_an_epochs_last_step_is_kept_once_and_with_its_figures(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written: list[tuple[int, int]] = []
    write = gt.Checkpoints.write

    def noted(checkpoints: gt.Checkpoints, snapshot: object) -> Path:
        written.append((snapshot.about["position"]["steps"], len(snapshot.arrays["history/loss"])))
        return write(checkpoints, snapshot)

    monkeypatch.setattr(gt.Checkpoints, "write", noted)
    kept(tmp_path, checkpoints={"steps": 2})
    assert written == [(2, 0), (4, 1), (6, 1), (8, 2), (10, 2), (12, 3)]


def test_keeping_changes_no_bit(tmp_path: Path) -> None:
    alone, net = network(), network()
    history = trained(alone, **SETTINGS)
    found = trained(net, checkpoints=gt.Checkpoints(tmp_path, steps=1), **SETTINGS)
    assert found.step_losses == history.step_losses
    assert_same_bits(arrays_of(net), arrays_of(alone))


# -- files -------------------------------------------------------------------------------------


def test_other_tools_read_them(tmp_path: Path) -> None:
    """The library safetensors by itself: names, shapes, types, and the rest as JSON."""
    from safetensors.numpy import load_file

    kept(tmp_path, optimizer=gt.Adam(0.01))
    path = tmp_path / "checkpoint-00000012.safetensors"
    arrays = load_file(path)
    net = network()
    expected = {f"value/{n}" for n in (*net.parameters, *net.buffers)}
    expected |= {f"state/{k}/{n}" for n in net.parameters for k in ("mean", "square", "average")}
    expected |= {f"statistics/{n}" for n in net.buffers}
    expected |= {f"history/{in_files(n)}" for n in FIGURES}
    assert arrays.keys() == expected
    assert arrays["value/conv1.weight"].shape == (4, 2, 3, 3)
    assert arrays["value/conv1.weight"].dtype == np.float32
    assert arrays["statistics/norm1.running_mean"].dtype == np.float64
    assert len(arrays["history/losses"]) == 12
    about = read_checkpoint(path).about
    json.dumps(about, allow_nan=False)
    assert about["position"]["epoch"] == 3
    assert about["course"]["optimizer"]["lr"] == 0.01


DAMAGES = {
    "empty": lambda content: b"",
    "cut off": lambda content: content[: len(content) // 2],
    "without its last byte": lambda content: content[:-1],
    "zeros": lambda content: bytes(len(content)),
    "a bit of the header": lambda content: flipped(content, 30),
    "a bit of the JSON": lambda content: flipped(content, content.index(b"batch_size")),
    "a bit of an array": lambda content: flipped(content, len(content) - 17),
    "another file": lambda content: b"not a checkpoint, whatever it is called",
}


def flipped(content: bytes, place: int, bit: int = 0) -> bytes:
    return content[:place] + bytes([content[place] ^ 1 << bit]) + content[place + 1 :]


@pytest.mark.parametrize("damage", DAMAGES)
def test_the_one_before_a_damaged_one_is_taken(damage: str, tmp_path: Path) -> None:
    kept(tmp_path, checkpoints={"keep": 3})
    newest = tmp_path / "checkpoint-00000012.safetensors"
    newest.write_bytes(DAMAGES[damage](newest.read_bytes()))
    with pytest.warns(GradtrailWarning, match="a newer checkpoint was passed over: ") as said:
        net, history = resumed(tmp_path)
    (one,) = said
    assert str(newest) in str(one.message)
    assert str(one.message).endswith("checkpoint-00000008.safetensors is taken")
    alone = network()
    assert history.step_losses == trained(alone, **SETTINGS).step_losses
    assert_same_bits(arrays_of(net), arrays_of(alone))
    assert steps_in(tmp_path) == [8, 12]
    read_checkpoint(newest)  # it was written anew


def test_damaged_ones_ahead_do_not_count_as_kept(tmp_path: Path) -> None:
    """They go with the first that is written behind them, so that `keep` whole ones stay."""
    kept(tmp_path, checkpoints={"keep": 3})
    for steps in (8, 12):
        (tmp_path / f"checkpoint-{steps:08d}.safetensors").write_bytes(b"")
    (tmp_path / "checkpoint-00000099.safetensors").write_bytes(b"nor this")

    class Ending(gt.Adam):
        def scalars(self, step: int):
            if step == 8:
                raise KeyboardInterrupt
            return super().scalars(step)

    def settings(self) -> dict:
        return gt.Adam().settings()

    Ending.settings = settings
    with pytest.warns(GradtrailWarning, match="a newer checkpoint was passed over") as said:
        resumed(tmp_path, checkpoints={"steps": 1}, optimizer=Ending())
    assert len(said) == 3
    assert steps_in(tmp_path) == [6, 7]
    for path in tmp_path.iterdir():
        read_checkpoint(path)


def test_where_all_are_damaged_nothing_begins(tmp_path: Path) -> None:
    kept(tmp_path)
    for path in tmp_path.iterdir():
        path.write_bytes(path.read_bytes()[:-5])
    sentence = r"has no checkpoint that is whole: .*-00000012.*; .*-00000008"
    with pytest.raises(gt.FileError, match=sentence):
        resumed(tmp_path)
    assert steps_in(tmp_path) == [8, 12]


def test_any_flipped_bit_is_seen(tmp_path: Path) -> None:
    """All bits of the first bytes, and a sample of the others."""
    checkpoints = gt.Checkpoints(tmp_path / "kept", keep=1)
    trained(plain(), epochs=1, checkpoints=checkpoints)
    (path,) = (tmp_path / "kept").iterdir()
    content, draw = path.read_bytes(), np.random.Generator(np.random.PCG64(1))
    assert read_checkpoint(path).about["position"]["epoch"] == 1
    places = [*range(200), *draw.integers(200, len(content), 400).tolist()]
    for place in places:
        path.write_bytes(flipped(content, int(place), int(draw.integers(8))))
        with pytest.raises(gt.FileError, match=re.escape(str(path))):
            read_checkpoint(path)


def test_files_of_other_names_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    (tmp_path / "checkpoint-1.safetensors").write_bytes(b"too few digits")
    (tmp_path / "checkpoint-00000004.safetensors.bak").write_bytes(b"mine, too")
    trained(network(), checkpoints=gt.Checkpoints(tmp_path, keep=1), **SETTINGS)
    assert sorted(p.name for p in tmp_path.iterdir()) == [
        "checkpoint-00000004.safetensors.bak",
        "checkpoint-00000012.safetensors",
        "checkpoint-1.safetensors",
        "notes.txt",
    ]


def test_a_later_format_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from gradtrail.training import checkpoints as module

    with monkeypatch.context() as patch:
        patch.setattr(module, "_FORMAT", 3)
        kept(tmp_path, checkpoints={"keep": 1})
    with pytest.raises(gt.FileError, match="its format is 3, not 2; a later gradtrail wrote it"):
        resumed(tmp_path)


# -- what cannot be written --------------------------------------------------------------------


def full(*arguments: object) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@pytest.mark.parametrize("broken", ["fsync", "replace"])
def test_a_full_disk_leaves_what_was_there(
    broken: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At the third of six: the error names the file, nothing half-written stays."""
    calls: list[object] = []
    owner = os if broken == "fsync" else Path
    real = getattr(owner, broken)

    def at_the_third(*arguments: object) -> object:
        calls.append(arguments)
        return full() if len(calls) == 3 else real(*arguments)

    net = network()
    with monkeypatch.context() as patch:
        patch.setattr(owner, broken, at_the_third)
        with pytest.raises(
            gt.FileError, match="cannot write .*-00000006.* No space left on device"
        ):
            trained(net, checkpoints=gt.Checkpoints(tmp_path, steps=2), **SETTINGS)
    assert steps_in(tmp_path) == [2, 4]
    for path in tmp_path.iterdir():
        read_checkpoint(path)
    _, history = resumed(tmp_path, checkpoints={"steps": 2})
    assert history.step_losses == trained(network(), **SETTINGS).step_losses


def test_a_disk_that_takes_half_leaves_nothing_half(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The write itself fails, behind some bytes."""
    import io

    real = Path.open

    def opened(path: Path, mode: str = "r", **keywords: object) -> object:
        file = real(path, mode, **keywords)
        if "b" not in mode or "x" not in mode:
            return file

        class Filling(io.BytesIO):
            def write(self, content: bytes) -> int:
                file.write(content[: len(content) // 2])
                file.flush()
                return full()

            def close(self) -> None:
                file.close()
                super().close()

        return Filling()

    monkeypatch.setattr(Path, "open", opened)
    with pytest.raises(gt.FileError, match="cannot write .*-00000004.* No space left"):
        kept(tmp_path)
    assert [*tmp_path.iterdir()] == []


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    for folder in (tmp_path / "file", tmp_path / "file" / "inside"):
        with pytest.raises(
            gt.FileError, match=r"cannot (write|read) .*file.*(Not a dir|File exists)"
        ):
            trained(network(), checkpoints=gt.Checkpoints(folder), **SETTINGS)
    locked = tmp_path / "locked"
    locked.mkdir()
    locked.chmod(0o500)
    try:
        if os.access(locked, os.W_OK):
            return  # root writes everywhere
        with pytest.raises(gt.FileError, match="cannot write .*locked.* Permission denied"):
            trained(network(), checkpoints=gt.Checkpoints(locked), **SETTINGS)
    finally:
        locked.chmod(0o700)


def test_one_that_cannot_be_deleted_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    unlink = Path.unlink

    def refused(path: Path, missing_ok: bool = False) -> None:
        if path.name == "checkpoint-00000004.safetensors":
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        unlink(path, missing_ok)

    monkeypatch.setattr(Path, "unlink", refused)
    with pytest.raises(gt.FileError, match="cannot delete .*-00000004.safetensors: Permission den"):
        kept(tmp_path)
    monkeypatch.undo()
    assert steps_in(tmp_path) == [4, 8, 12]


# -- whose they are ----------------------------------------------------------------------------


def changed_data(what: str) -> object:
    x, y = data()
    if what == "a pixel":
        x[3, 0, 0, 0] += 1e-3
    if what == "a label":
        y[3] = (y[3] + 1) % 3
    return (x[:-1], y[:-1]) if what == "fewer" else (x, y)


OTHERS = {
    r"batch_size: 16, not 8": {"batch_size": 8},
    r"shuffle: True, not False": {"shuffle": False},
    r"seed: 5, not 6": {"seed": 6},
    r"mixup: 0.0, not 0.2": {"mixup": 0.2},
    r"clip_norm: None, not 1.0": {"clip_norm": 1.0},
    r"clip_value: None, not 1.0": {"clip_value": 1.0},
    r"average: 0.9, not 0.99": {"average": 0.99},
    r"average: 0.9, not None": {"average": None},
    r"optimizer.lr: 0.001, not 0.01": {"optimizer": gt.Adam(0.01)},
    r"optimizer.type: 'Adam', not 'SGD'": {"optimizer": gt.SGD(0.01)},
    r"optimizer.betas: \[0.9, 0.999\], not \[0.8": {"optimizer": gt.Adam(betas=(0.8, 0.999))},
    r"schedule: None, not \{'type': 'Cosine'": {"schedule": gt.schedules.Cosine()},
    r"augment.flip: 0.5, not 0.4": {"augment": gt.Augment(flip=0.4)},
    r"augment.crop: None, not 1": {"augment": gt.Augment(flip=0.5, crop=1)},
    r"augment: \{'flip': 0.5\}, not None": {"augment": None},
    r"stopping: None, not \{'patience'": {"stopping": gt.EarlyStopping(measure="loss")},
    r"loss.label_smoothing: 0.0, not 0.1": {"loss": gt.CrossEntropy(label_smoothing=0.1)},
    r"data.fingerprint: \d+, not \d+": {"data": changed_data("a pixel")},
    r"data.fingerprint: \d+, not \d{5,}": {"data": changed_data("a label")},
    r"data.samples: 50, not 49": {"data": changed_data("fewer")},
    r"data.fingerprint: .*": {"data": Held(*pixels())},
    r"engine.name: 'cpu', not 'reference'": {"engine": "reference"},
    r"engine.winograd: 'auto', not 'off'": {"engine": gt.CPU(winograd="off")},
}  # fmt: skip


@pytest.fixture(scope="module")
def before(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("kept")
    kept(folder)
    return folder


@pytest.mark.parametrize("message", OTHERS)
def test_a_checkpoint_of_another_training_is_refused(message: str, before: Path) -> None:
    settings = dict(OTHERS[message])
    net, given = network(), settings.pop("data", None)
    arrays = arrays_of(net)
    with pytest.raises(gt.ArgumentError, match=f"-00000012.* is of another training: {message}"):
        trained(net, given, checkpoints=gt.Checkpoints(before), resume=True, **SETTINGS | settings)
    assert_same_bits(arrays_of(net), arrays)
    assert steps_in(before) == [8, 12]


OTHER_LAYER = r"another training: layer 1 'conv1' \(Conv2d\) has out_channels=4, not 5$"


def test_a_checkpoint_of_another_network_is_refused(before: Path) -> None:
    wider = gt.Network((2, 6, 5), [gt.Conv2d(5, 3), gt.Flatten(), gt.Linear(3)])
    with pytest.raises(gt.ArgumentError, match=OTHER_LAYER):
        trained(wider, checkpoints=gt.Checkpoints(before), resume=True, **SETTINGS)


def test_equal_settings_of_other_types_are_the_same_training(before: Path) -> None:
    settings = {"average": np.float64(0.9), "seed": np.int64(5), "batch_size": np.int32(16)}
    augment = gt.Augment(flip=np.float64(0.5))
    resumed(before, augment=augment, optimizer=gt.Adam(betas=[0.9, 0.999]), **settings)


def test_a_training_that_begins_writes_over_no_other(before: Path) -> None:
    """Its own would be shadowed by what another one left, or the other's deleted."""
    sentence = r"-00000012.safetensors is there already; pass resume=True to go on from it"
    with pytest.raises(gt.ArgumentError, match=sentence):
        trained(network(), checkpoints=gt.Checkpoints(before), **SETTINGS)
    assert steps_in(before) == [8, 12]


def test_where_there_is_none_the_training_begins(tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "new"):
        _, history = resumed(folder)
        assert history.steps == 12
        assert steps_in(folder)[-1] == 12
        for path in folder.glob("*.safetensors"):
            path.unlink()


def test_what_is_no_checkpoints_is_refused(tmp_path: Path) -> None:
    with pytest.raises(gt.ArgumentError, match="resume=True goes on from checkpoints; say where"):
        trained(network(), resume=True)
    with pytest.raises(gt.ArgumentError, match="checkpoints must be an object such as gt.Checkp"):
        trained(network(), checkpoints=str(tmp_path))
    with pytest.raises(gt.ArgumentError, match="resume must be True or False, got 'yes'"):
        trained(network(), resume="yes")
    for name in ("epochs", "steps", "keep"):
        for value in (0, -1, 1.5, True, "1"):
            with pytest.raises(gt.ArgumentError, match=f"Checkpoints: {name} must be a whole num"):
                gt.Checkpoints(tmp_path, **{name: value})
    for folder in (None, 3, b"kept"):
        with pytest.raises(gt.ArgumentError, match="Checkpoints: folder must be a path, got"):
            gt.Checkpoints(folder)
