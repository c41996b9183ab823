"""Arrays in files beside a model: read where they lie, and nowhere else, and no more of them."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import gradtrail as gt

onnx = pytest.importorskip("onnx")
from onnx_models import model, node, written  # noqa: E402, it needs onnx
from onnx_spellings import B, W  # noqa: E402

CONTENT = b"in front" + W.tobytes() + B.tobytes()


def beside(array: Any, **told: object) -> None:
    """Say that an array lies in another file."""
    array.ClearField("raw_data")
    array.data_location = onnx.TensorProto.EXTERNAL
    for key, value in told.items():
        entry = array.external_data.add()
        entry.key, entry.value = key, str(value)


def conv(**told: object) -> Any:
    """A convolution whose weight and bias lie in w.bin, the weight where it is told."""
    made = model([node("Conv", "x w b", "y")], {"w": W, "b": B})
    weight, bias = made.graph.initializer
    beside(weight, **{"location": "w.bin", "offset": 8, "length": W.nbytes} | told)
    beside(bias, location="w.bin", offset=8 + W.nbytes)
    return made


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with the arrays, below one with a file that is none of the model's business."""
    (tmp_path / "secret.bin").write_bytes(CONTENT)
    inner = tmp_path / "model"
    inner.mkdir()
    (inner / "w.bin").write_bytes(CONTENT)
    return inner


def right(path: Path) -> None:
    network = gt.from_onnx(path)
    np.testing.assert_array_equal(network.parameters["conv1.weight"], W)
    np.testing.assert_array_equal(network.parameters["conv1.bias"], B)


def test_arrays_beside_the_model_are_read(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = written(conv(), folder / "model.onnx")
    right(path)
    monkeypatch.chdir(folder)
    right(Path("model.onnx"))


def test_subfolders_and_links_within_the_folder(folder: Path) -> None:
    (folder / "parts").mkdir()
    (folder / "w.bin").rename(folder / "parts" / "all.bin")
    (folder / "w.bin").symlink_to("parts/all.bin")
    right(written(conv(location="./parts/all.bin"), folder / "model.onnx"))


def test_onnx_writes_what_is_read(folder: Path) -> None:
    made = model([node("Conv", "x w b", "y")], {"w": W, "b": B})
    path = folder / "model.onnx"
    onnx.save(made, path, save_as_external_data=True, location="x.data", size_threshold=0)
    assert (folder / "x.data").stat().st_size >= W.nbytes + B.nbytes
    right(path)


FOREIGN = "and only files in the model's own folder are opened"
REFUSED = {
    "absolute": ({"location": "/etc/passwd"}, f"array 'w' lies in '/etc/passwd', {FOREIGN}"),
    "above": ({"location": "../secret.bin"}, f"array 'w' lies in '../secret.bin', {FOREIGN}"),
    "above within": ({"location": "model/../w.bin"}, FOREIGN),
    "backslash": ({"location": "..\\secret.bin"}, FOREIGN),
    "drive": ({"location": "C:secret.bin"}, FOREIGN),
    "nothing": ({"location": ""}, FOREIGN),
    "itself": ({"location": "."}, FOREIGN),
    "NUL": ({"location": "w.bin\0"}, FOREIGN),
    "long": ({"location": "a/" * 600}, FOREIGN),
    "link out": (
        {"location": "out.bin"}, "lies in 'out.bin', a link that leads out of the model's folder",
    ),
    "folder out": ({"location": "up/secret.bin"}, "a link that leads out of the model's folder"),
    "loop": ({"location": "loop.bin"}, "(which leads nowhere|Too many levels of symbolic links)"),
    "missing": (
        {"location": "v.bin"},
        "array 'w' lies in another file: cannot read .*v.bin: there is no such file; keep it in "
        "the model's folder, or write the model with external_data=False",
    ),
    "pipe": ({"location": "pipe"}, "it is a pipe, a device or the like"),
    "folder": ({"location": "sub"}, "it is a folder, not a file"),
    "name too long": ({"location": "n" * 300}, "cannot read .*: File name too long"),
    "negative": ({"offset": -8}, "array 'w' has offset='-8', which is no number of bytes"),
    "words": ({"length": "4e2"}, "array 'w' has length='4e2', which is no number of bytes"),
    "other digits": ({"length": "٤٣٢"}, "which is no number of bytes"),
    "behind": (
        {"offset": 457},
        "array 'w' lies at byte 457 of 'w.bin' and behind, up to byte 889, and there are 456; copy "
        "both files anew, or export the model again",
    ),
    "far": ({"offset": 10**17}, "lies at byte 100,000,000,000,000,000 of 'w.bin'"),
    "beyond": ({"offset": 40}, "lies at byte 40 of 'w.bin' and behind, up to byte 472"),
    "huge": ({"length": 10**18 - 1}, "up to byte 1,000,000,000,000,000,007, and there are 456"),
    "short": ({"length": 428}, "array 'w' needs 432 bytes, but has 428 of 'w.bin'"),
    "long by length": ({"length": 440}, "array 'w' needs 432 bytes, but has 440 of 'w.bin'"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_places_that_are_refused(name: str, folder: Path) -> None:
    told, sentence = REFUSED[name]
    (folder / "out.bin").symlink_to(folder.parent / "secret.bin")
    (folder / "up").symlink_to(folder.parent)
    (folder / "loop.bin").symlink_to("loop.bin")
    (folder / "sub").mkdir()
    os.mkfifo(folder / "pipe")
    path = written(conv(**told), folder / "model.onnx")
    with pytest.raises(gt.FileError, match=f"model.onnx: .*{sentence}"):
        gt.from_onnx(path)


def test_two_words_on_where_an_array_lies(folder: Path) -> None:
    made, path = conv(), folder / "model.onnx"
    weight = made.graph.initializer[0]
    entry = weight.external_data.add()
    entry.key, entry.value = "offset", "8"
    with pytest.raises(gt.FileError, match="array 'w' names its 'offset' twice"):
        gt.from_onnx(written(made, path))
    del weight.external_data[:]
    with pytest.raises(gt.FileError, match="lies in another file, but does not say in which"):
        gt.from_onnx(written(made, path))
    weight.raw_data = W.tobytes()
    with pytest.raises(gt.FileError, match="array 'w' holds its numbers twice"):
        gt.from_onnx(written(made, path))
    made = conv()
    made.graph.initializer[0].data_location = onnx.TensorProto.DEFAULT
    with pytest.raises(gt.FileError, match="does not say whether it lies in the file or beside it"):
        gt.from_onnx(written(made, path))


def test_the_same_bytes_again_and_again_are_counted(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gradtrail.interop.onnx.onnx_arrays.MOST_BYTES", 3 * W.nbytes)
    made = model([node("Relu", "x", "y")], dict.fromkeys("abcd", W))
    for array in made.graph.initializer:
        beside(array, location="w.bin", offset=8, length=W.nbytes)
    with pytest.raises(gt.FileError, match="array 'd' exceeds the 1 GiB that is taken of arrays"):
        gt.from_onnx(written(made, folder / "model.onnx"))
    del made.graph.initializer[-1]
    assert gt.from_onnx(written(made, folder / "model.onnx")).layers == (gt.ReLU(),)


def test_every_array_that_is_missing_is_told_in_one_line(folder: Path) -> None:
    (folder / "w.bin").unlink()
    path = written(conv(), folder / "model.onnx")
    with pytest.raises(
        gt.FileError, match=r"array 'w' lies in another file: .* \(1 more like it\)$"
    ):
        gt.from_onnx(path)


def test_a_hundred_drawn_places(folder: Path) -> None:
    """Whatever a file says about where its array lies, those bytes are read, or none."""
    draw = np.random.Generator(np.random.PCG64(5))
    words = ["w.bin", "./w.bin", "sub//w.bin", "..", "/w.bin", "", "é", "-1", "0", "8", "+8", "1e3"]
    numbers = [str(2**n + d) for n in (0, 3, 8, 31, 32, 63, 64) for d in (-1, 0, 1)]
    taken, refused = [], list[str]()
    for _ in range(100):
        told: dict[str, object] = {"offset": 8, "length": W.nbytes, "location": "w.bin"}
        for key in draw.choice([*told, "checksum", "other"], size=draw.integers(1, 3)):
            told[str(key)] = draw.choice(words if draw.random() < 0.6 else numbers)
        path = written(conv(**told), folder / "model.onnx")
        try:
            network = gt.from_onnx(path)
        except gt.FileError as error:
            refused.append(str(error))
        else:
            taken.append(told)
            begin = int(str(told["offset"]))
            there = CONTENT[begin : begin + W.nbytes]
            assert network.parameters["conv1.weight"].tobytes() == there
    assert len(taken) > 5
    assert len(refused) > 30
    assert all(message.startswith(f"{path}: array 'w' ") for message in refused)
