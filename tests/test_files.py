"""Saving and loading: what comes back, what is refused, what is left when writing fails."""

from __future__ import annotations

import errno
import json
import os
import re
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

import gradtrail as gt
from gradtrail.network.architecture import network_from
from gradtrail.network.foreign_weights import load_weights
from gradtrail.storage.arrays import read_arrays
from gradtrail.storage.files import read_at_most, read_json, write_bytes, write_json


def test_a_saved_network_comes_back(small, batch, tmp_path: Path) -> None:
    gt.train(small, batch, progress=False)
    small.save(tmp_path / "net.safetensors")
    back = gt.load(tmp_path / "net.safetensors")
    assert back.layers == small.layers
    assert back.dtype == small.dtype
    np.testing.assert_array_equal(back.predict(batch[0]), small.predict(batch[0]))
    assert os.listdir(tmp_path) == ["net.safetensors"]


@pytest.mark.parametrize("name", ["lenet5", "mnist-cnn", "resnet20", "vgg-small", "digits-cnn"])
def test_architectures_go_through_json(name: str) -> None:
    network = gt.architecture(name).network(seed=3)
    data = json.loads(json.dumps(network.architecture()))
    back = network_from(data | {"seed": 3})
    assert back.layers == network.layers
    first = next(iter(network.parameters))
    np.testing.assert_array_equal(back.parameters[first], network.parameters[first])


def test_every_layer_goes_through_json() -> None:
    from cases import CASES

    for case in CASES:
        network = case.network()
        assert network_from(json.loads(json.dumps(network.architecture()))).layers == network.layers


def test_safetensors_reads_what_we_write(small, tmp_path: Path) -> None:
    small.save(tmp_path / "net.safetensors")
    arrays = load_file(tmp_path / "net.safetensors")
    assert arrays.keys() == {*small.parameters, *small.buffers}
    assert "norm1.running_var" in arrays


def changed(path: Path, **arrays: np.ndarray | None) -> None:
    """Rewrite a saved network with some arrays replaced or left out."""
    from safetensors import safe_open

    with safe_open(str(path), framework="numpy") as file:
        metadata = file.metadata()
    held = load_file(path) | {k.replace("__", "."): v for k, v in arrays.items()}
    save_file({k: v for k, v in held.items() if v is not None}, path, metadata)


REFUSED = {
    "missing array": ({"conv1__weight": None}, "array 'conv1.weight' is missing"),
    "surplus array": ({"more": np.zeros(2)}, "array 'more' belongs to no layer"),
    "shape": (
        {"conv1__bias": np.zeros(5)},
        r"array 'conv1.bias' has shape \(5,\), but its layer needs \(4,\)",
    ),
}


def test_classes_are_names_one_for_each_output(tmp_path: Path) -> None:
    network = gt.Network((4,), [gt.Linear(2)])
    network.classes = ["cat", "dog"]
    network.save(tmp_path / "a.safetensors")
    assert gt.load(tmp_path / "a.safetensors").classes == ("cat", "dog")
    for wrong in (["cat"], "cd", [1, 2], 2, {"a": 1, "b": 2}):
        with pytest.raises(gt.ArgumentError, match=r"one for each output of the network's \(2,\)"):
            network.classes = wrong
    network.classes = None
    network.save(tmp_path / "b.safetensors")
    assert gt.load(tmp_path / "b.safetensors").classes is None


@pytest.mark.parametrize("name", REFUSED)
def test_files_that_do_not_fit(small, tmp_path: Path, name: str) -> None:
    arrays, sentence = REFUSED[name]
    path = tmp_path / "net.safetensors"
    small.save(path)
    changed(path, **arrays)
    with pytest.raises(gt.FileError, match=f"net.safetensors: {sentence}"):
        gt.load(path)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("a.onnx", "ONNX, which gt.to_onnx(network, path) writes"),
        ("a.PT", "PyTorch, which takes gt.to_torch(network)"),
        ("a.keras", "Keras, which nothing here writes"),
    ],
)
def test_the_name_of_another_format_is_refused(
    small, tmp_path: Path, name: str, words: str
) -> None:
    with pytest.raises(gt.ArgumentError, match=re.escape(f"{name} has the ending of {words}")):
        small.save(tmp_path / name)
    assert not list(tmp_path.iterdir())


def test_files_that_are_none(tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    with pytest.raises(gt.FileError, match="x.safetensors: there is no such file"):
        gt.load(path)
    with pytest.raises(gt.FileError, match="is a folder without weights.safetensors"):
        gt.load(tmp_path)
    for content in (b"n", b"no", b"\xff" * 64, (1 << 60).to_bytes(8, "little") + b"{}"):
        path.write_bytes(content)
        with pytest.raises(gt.FileError, match="x.safetensors: not a safetensors file"):
            gt.load(path)
    save_file({"a": np.zeros(3)}, path)
    with pytest.raises(
        gt.FileError, match="holds no gradtrail network: its metadata have no 'gradtrail'"
    ):
        gt.load(path)
    for header, sentence in (
        ("{", "its architecture cannot be read"),
        ('{"format": 1, "architecture": 3}', "its architecture cannot be read: an architecture is"),
        ('{"format": 2}', "its format is not 1; a later gradtrail wrote it"),
    ):
        save_file({"a": np.zeros(3)}, path, {"gradtrail": header})
        with pytest.raises(gt.FileError, match=sentence):
            gt.load(path)


def test_why_a_file_cannot_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever it would have held, "not a safetensors file" would be wrong."""
    path = tmp_path / "x.safetensors"
    path.write_bytes(b"")
    with pytest.raises(gt.FileError, match="x.safetensors: it is empty"):
        gt.load(path)
    path.unlink()
    os.mkfifo(path)  # would wait for somebody to write
    for read in (gt.load, read_json):
        with pytest.raises(gt.FileError, match="x.safetensors: it is a pipe, a device or the like"):
            read(path)
    path.unlink()
    path.mkdir()
    with pytest.raises(gt.FileError, match="x.safetensors: it is a folder, not a file"):
        read_arrays(path)
    path.rmdir()
    path.write_bytes(b"something")
    for number, words in ((errno.EACCES, "Permission denied"), (errno.EIO, "Input/output error")):

        def fails(*_: object, number: int = number) -> object:
            raise OSError(number, os.strerror(number))

        monkeypatch.setattr(Path, "open", fails)
        with pytest.raises(gt.FileError, match=f"cannot read .*x.safetensors: {words}$"):
            gt.load(path)


def with_header(**arrays: str) -> bytes:
    """A safetensors file by hand: each array has one element of 16 bits, or of 8."""
    header, at = {}, 0
    for name, dtype in arrays.items():
        end = at + (2 if dtype == "BF16" else 1)
        header[name] = {"dtype": dtype, "shape": [1], "data_offsets": [at, end]}
        at = end
    text = json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + bytes(at)


@pytest.mark.parametrize(
    ("dtype", "called"),
    [("BF16", "bfloat16"), ("F8_E4M3", "float8_e4m3"), ("F8_E5M2", "float8_e5m2"),
     ("F8_E8M0", "F8_E8M0")],
)  # fmt: skip
def test_numbers_that_numpy_does_not_have(dtype: str, called: str, small, tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    path.write_bytes(with_header(first="U8", second=dtype))
    sentence = (
        f"{path}: array 'second' holds numbers of {called}, which NumPy does not have; save it as "
        "float32 or float64"
    )
    for read in (gt.load, lambda path: load_weights(small, path)):
        with pytest.raises(gt.FileError, match=f"^{re.escape(sentence)}$"):
            read(path)


def test_numbers_that_nobody_knows(tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    path.write_bytes(with_header(first="U8", second="I4"))
    with pytest.raises(gt.FileError, match=r"^cannot read .*: it has numbers of 'I4',"):
        gt.load(path)


def test_numbers_that_are_not_real(small, tmp_path: Path) -> None:
    small.save(tmp_path / "net.safetensors")
    changed(tmp_path / "net.safetensors", conv1__bias=np.zeros(4, np.complex64))
    with pytest.raises(gt.FileError, match="array 'conv1.bias' holds complex64, not real numbers"):
        gt.load(tmp_path / "net.safetensors")


ARCHITECTURES = {
    "list": ([], 'an architecture is {"input_shape"'),
    "key": ({"input_shape": [1], "layers": [], "x": 1}, "an architecture has no key 'x'"),
    "shape": ({"input_shape": 3, "layers": []}, "input_shape must be a list, got 3"),
    "layers": ({"input_shape": [1], "layers": {}}, "layers must be a list of layers"),
    "type": (
        {"input_shape": [1], "layers": [{"type": "Conv2"}]},
        r"layers\[0\]: no layer is called 'Conv2'; did you mean: Conv2d",
    ),
    "argument": (
        {"input_shape": [1], "layers": [{"type": "Linear", "out_feature": 3}]},
        r"layers\[0\]: no argument of Linear is called 'out_feature'; did you mean: out_features",
    ),
    "missing": (
        {"input_shape": [1], "layers": [{"type": "Linear"}]},
        r"layers\[0\]: Linear needs out_features; write",
    ),
    "nested": (
        {"input_shape": [1], "layers": [{"type": "Residual", "body": [{"type": "X"}]}]},
        r"layers\[0\].body\[0\]: no layer is called 'X'",
    ),
    "branches": (
        {"input_shape": [1], "layers": [{"type": "Concat", "branches": 3}]},
        r"layers\[0\].branches must be a list of lists",
    ),
    "name": (
        {"input_shape": [1], "layers": [{"type": "ReLU", "name": 3}]},
        r"layers\[0\]: name must be a word, got 3",
    ),
    "dtype": ({"input_shape": [1], "layers": [{"type": "ReLU"}], "dtype": "int8"}, "got 'int8'"),
}


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_architectures_that_are_none(name: str) -> None:
    data, sentence = ARCHITECTURES[name]
    with pytest.raises(gt.ArgumentError, match=sentence):
        network_from(data)


def test_json_files(tmp_path: Path) -> None:
    write_json(tmp_path / "a" / "b.json", {"ε": 1})
    assert read_json(tmp_path / "a" / "b.json") == {"ε": 1}
    (tmp_path / "bad.json").write_text("{")
    with pytest.raises(gt.FileError, match="bad.json is not JSON"):
        read_json(tmp_path / "bad.json")
    with pytest.raises(gt.FileError, match="cannot read .*none.json: there is no such file"):
        read_json(tmp_path / "none.json")


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path: Path, monkeypatch) -> None:
    path = tmp_path / "file"
    write_bytes(path, b"old")

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(gt.FileError, match="cannot write .*file: No space left on device"):
        write_bytes(path, b"new")
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["file"]


def test_a_folder_in_the_way(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(gt.FileError, match="cannot write"):
        write_bytes(tmp_path / "file" / "inside", b"")


def test_a_file_beyond_the_limit_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "large"
    path.write_bytes(b"twelve bytes")
    with path.open("rb") as file:
        assert read_at_most(file, 12) == b"twelve bytes"
    with path.open("rb") as file:
        assert read_at_most(file, 11) is None
    os.truncate(path, 1 << 26)  # a hole, which takes no room on the disk
    tracemalloc.start()
    with path.open("rb") as file:
        assert read_at_most(file, 1 << 25) is None
    taken = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert taken < 1 << 20


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="there is no /proc")
def test_a_file_whose_system_knows_no_size_is_read_whole() -> None:
    with open("/proc/self/status", "rb") as file:
        assert (read_at_most(file, 1 << 20) or b"").endswith(b"\n")
    with open("/proc/self/status", "rb") as file:
        assert read_at_most(file, 20) is None
