"""Files, folders and arrays in the wrong place: each error names what opens or mends them."""

from __future__ import annotations

import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from safetensors.numpy import save_file

import gradtrail as gt
from gradtrail.storage.foreign_files import reader_of

NET = gt.Network((3, 6, 6), [gt.Flatten(), gt.Linear(2)], seed=0)
X = np.linspace(0, 1, 4 * 3 * 36, dtype=np.float32).reshape(4, 3, 6, 6)
Y = np.arange(4) % 2


def zipped(path: Path, name: str) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(name, "a")
    return path


def image(path: Path) -> Path:
    path.parent.mkdir(exist_ok=True)
    Image.new("RGB", (6, 6)).save(path)
    return path


def folder(path: Path, *names: str) -> Path:
    path.mkdir()
    for name in names:
        (path / name).touch()
    return path


def given(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


def arrays(path: Path) -> Path:
    save_file({"fc.weight": np.zeros((2, 2), np.float32)}, path)
    return path


FOREIGN: dict[str, tuple[Callable[[Path], Path], str]] = {
    "ONNX": (
        lambda p: given(p / "m.onnx", b"\x08\x07\x12\x07pytorch"),
        "which gt.from_onnx(path) re",
    ),
    "PyTorch": (lambda p: zipped(p / "m.pt", "m/data.pkl"), "gt.from_torch(module, input_shape)"),
    "PyTorch by another name": (lambda p: zipped(p / "m.bin", "m/data.pkl"), "a file of PyTorch"),
    "an old PyTorch": (
        lambda p: given(p / "m.pkl", b"\x80\x02}q\x00."),
        "which is never opened he",
    ),
    "Keras": (lambda p: zipped(p / "m.keras", "metadata.json"), "export the model as ONNX"),
    "HDF5": (
        lambda p: given(p / "m.h5", b"\x89HDF\r\n\x1a\n" + b"0" * 40),
        "export the model as ON",
    ),
    "an image": (
        lambda p: image(p / "x.png"),
        "which gt.data.read_image(path, network.input_shape",
    ),
    "a photo": (lambda p: image(p / "x.jpg"), "which gt.data.read_image(path, network.input_shape"),
    "arrays": (lambda p: zipped(p / "x.npz", "x.npy"), "which gt.data.read(path) opens"),
    "an array": (lambda p: given(p / "x.npy", b"\x93NUMPY"), "which numpy.load(path) opens"),
    "a recipe": (lambda p: given(p / "r.toml", b"[data]"), "`gradtrail train` takes"),
    "a run": (
        lambda p: folder(p / "run", "weights.safetensors"),
        "whose network gt.load(path) opens",
    ),
    "checkpoints": (
        lambda p: folder(p / "kept", "checkpoint-00000004.safetensors"),
        "resume=True) goes on from",
    ),
    "images": (
        lambda p: image(p / "cats" / "x.png").parent,
        "gt.data.read(path) opens one of images",
    ),
}


@pytest.mark.parametrize("kind", FOREIGN)
def test_a_file_says_what_opens_it(kind: str, tmp_path: Path) -> None:
    make, words = FOREIGN[kind]
    said = reader_of(make(tmp_path))
    assert said is not None
    assert words in said


def test_nothing_is_said_of_what_nobody_knows(tmp_path: Path) -> None:
    assert reader_of(tmp_path / "no.onnx") is None
    assert reader_of(given(tmp_path / "a.bin", b"abc")) is None
    assert reader_of(folder(tmp_path / "empty")) is None


@pytest.mark.parametrize("kind", [k for k in FOREIGN if k not in ("a run", "a recipe")])
def test_load_says_what_opens_it(kind: str, tmp_path: Path) -> None:
    make, _ = FOREIGN[kind]
    path = make(tmp_path)
    said = reader_of(path)
    assert said is not None
    with pytest.raises(
        gt.FileError, match="cannot read|is a folder without weights.safe"
    ) as caught:
        gt.load(path)
    assert said in str(caught.value)


def test_weights_of_others_are_told_from_networks(tmp_path: Path) -> None:
    with pytest.raises(gt.FileError, match="of arrays alone, such as 'fc.weight', nobody can know"):
        gt.load(arrays(tmp_path / "w.safetensors"))


@pytest.mark.parametrize("kind", ["an image", "PyTorch", "ONNX", "HDF5", "an array"])
def test_read_says_what_opens_a_file(kind: str, tmp_path: Path) -> None:
    path = FOREIGN[kind][0](tmp_path)
    said = reader_of(path)
    assert said is not None
    with pytest.raises(
        gt.FileError, match="is neither a .npz file nor CIFAR-10's archive: it "
    ) as e:
        gt.data.read(path)
    assert said in str(e.value)


def test_from_onnx_says_what_opens_a_file(tmp_path: Path) -> None:
    pytest.importorskip("onnx")
    path = FOREIGN["PyTorch"][0](tmp_path)
    with pytest.raises(gt.FileError, match="not an ONNX file; it is a file of PyTorch.*save_file"):
        gt.from_onnx(path)


# -- paths and other holders instead of arrays ----------------------------------------------------


def test_paths_are_no_samples(tmp_path: Path) -> None:
    path = image(tmp_path / "cats" / "x.png")
    read = r"gt.data.read_image\(path, \(3, 6, 6\)\)"
    for one in (path, str(path)):
        with pytest.raises(gt.DataError, match=rf"^x is a path, .* pass {read}\[None\]$"):
            NET.predict(one)
    with pytest.raises(gt.DataError, match=rf"a list of paths, .* np.stack\(\[{read} for path"):
        NET.predict([path, path])
    with pytest.raises(
        gt.DataError, match=r"gt.data.ImageFolder\(path, size=\(6, 6\), channels=3\)$"
    ):
        NET.predict(tmp_path)
    assert NET.predict(gt.data.read_image(path, (3, 6, 6))[None]).shape == (1, 2)
    with pytest.raises(
        gt.DataError, match=r"x is a path, not an array; it is one NumPy array, whi"
    ):
        NET.predict(given(tmp_path / "x.npy", b"\x93NUMPY"))


class Loader:
    """As PyTorch's DataLoader: batches of samples and labels."""

    dataset, batch_size = None, 2

    def __iter__(self) -> Any:
        return iter([(X[:2], Y[:2]), (X[2:], Y[2:])])


def found() -> Any:
    return type("DataSet", (), {"train": (X, Y), "held_out": None})()


PAIRS: dict[str, tuple[Any, str]] = {
    "a loader": (
        Loader(),
        r"got Loader; collect what it gives, tuple\(np.concatenate\(part\) for ",
    ),
    "what read found": (
        found(),
        "got DataSet; pass a part of what gt.data.read found, such as data.t",
    ),
    "three": ((X, Y, Y), r"got 3 entries; pass \(x, y\), and other arrays by name, as validation="),
    "pairs": (
        [*zip(X, Y, strict=True)],
        r"got 4 entries; make two arrays of its pairs, tuple\(map",
    ),
    "no labels": (X, r"got ndarray; the labels are missing: pass \(x, y\)"),
    "a mapping": ({"x": X, "y": Y}, "got dict; pass its two arrays, in this order"),
}


@pytest.mark.parametrize("kind", PAIRS)
def test_what_is_no_pair_is_told(kind: str) -> None:
    data, words = PAIRS[kind]
    with pytest.raises(gt.DataError, match=words):
        gt.evaluate(NET, data)


def test_what_is_advised_is_a_pair() -> None:
    right = gt.evaluate(NET, (X, Y))
    assert (
        gt.evaluate(NET, tuple(np.concatenate(part) for part in zip(*Loader(), strict=True)))
        == right
    )
    assert (
        gt.evaluate(NET, tuple(map(np.stack, zip(*zip(X, Y, strict=True), strict=True)))) == right
    )


@pytest.mark.parametrize(
    ("x", "words"),
    [
        (
            Loader(),
            r"collect what a DataLoader gives, np.concatenate\(\[batch for batch, \*_ in load",
        ),
        (found(), "pass a part of what gt.data.read found"),
        ([], r"has shape \(0,\), .*: it is empty"),
        ((X, Y), "if it is a pair"),
        (np.zeros(3), "it has 1 axis instead of 4"),
        (
            X[0].transpose(1, 2, 0),
            r"one image without the batch axis and channels last; pass x.tran",
        ),
        (X.transpose(0, 2, 3, 1), r"channels last \(N, H, W, C\); pass x.transpose\(0, 3, 1, 2\)"),
    ],
)
def test_what_is_no_array_of_samples_is_told(x: Any, words: str) -> None:
    with pytest.raises(gt.DataError, match=words):
        NET.predict(x)


@pytest.mark.torch
def test_tensors_that_numpy_cannot_read_are_told() -> None:
    torch = pytest.importorskip("torch")
    tensor, words = torch.tensor(X), r"pass x.detach\(\).cpu\(\).float\(\).numpy\(\)"
    for wrong in (tensor.clone().requires_grad_(), tensor.bfloat16(), tensor.to("meta")):
        with pytest.raises(gt.DataError, match=words):
            NET.predict(wrong)
    with pytest.raises(gt.DataError, match="y cannot be read as an array"):
        gt.evaluate(NET, (X, torch.tensor(Y).bfloat16()))
    with pytest.raises(gt.DataError, match="fc1.bias cannot be read as an array"):
        NET.parameters["fc1.bias"] = torch.zeros(2, requires_grad=True)
    expected = gt.evaluate(NET, (X, Y))
    assert gt.evaluate(NET, (tensor, torch.tensor(Y))) == expected


# -- integers, and channels that are last ---------------------------------------------------------


@pytest.mark.parametrize(("dtype", "white"), [(np.uint8, 255), (np.uint16, 65535)])
def test_integers_may_be_pixels_or_numbers(dtype: Any, white: int) -> None:
    pixels = (X * 200).astype(dtype)
    words = (
        rf"x is {np.dtype(dtype)}, which may be pixels or numbers: pass x / np.float32\({white}\)"
    )
    for call in (
        lambda: NET.predict(pixels),
        lambda: gt.train(NET, (pixels, Y)),
        lambda: gt.trace(NET, pixels, Y),
    ):
        with pytest.raises(gt.DataError, match=words):
            call()
    assert NET.predict(pixels / np.float32(white)).shape == (4, 2)
    assert NET.predict(X > 0.5).shape == (4, 2)  # true and false are 1 and 0


@pytest.mark.parametrize("dtype", [np.int16, np.int64, np.uint32])
def test_other_integers_that_look_like_pixels_are_told(dtype: Any) -> None:
    pixels = (X * 100).astype(dtype)
    pixels[0, 0, 0, 0] = 200
    words = rf"x is {np.dtype(dtype)} from 0 to 200, and taken as numbers; if these are pixels, "
    for call in (
        lambda: NET.predict(pixels),
        lambda: gt.evaluate(NET, (pixels, Y)),
        lambda: gt.trace(NET, pixels, Y),
    ):
        with pytest.warns(gt.GradtrailWarning, match=rf"{words}pass x / np.float32\(255\), else"):
            call()
    for numbers in (pixels // 2, pixels + dtype(100), pixels * dtype(2)):  # to 100, 300 and 400
        expected = NET.predict(numbers.astype(np.float32))
        np.testing.assert_array_equal(NET.predict(numbers), expected)


def test_a_network_for_channels_last_is_told() -> None:
    layers = [gt.Conv2d(2, 3), gt.Flatten(), gt.Linear(2)]
    for shape, here in (((16, 16, 3), (3, 16, 16)), ((20, 16, 4), (4, 20, 16))):
        words = f"input_shape {shape} is taken to be .*channels are last, write {here}"
        with pytest.warns(gt.GradtrailWarning, match=words.replace("(", r"\(").replace(")", r"\)")):
            net = gt.Network(shape, layers)
    with pytest.raises(
        gt.DataError, match=r"input_shape \(20, 16, 4\) is channels last; build it for"
    ):
        net.predict(np.zeros((2, 4, 20, 16), np.float32))
    with (
        pytest.raises(gt.ShapeError, match=r"may be channels last: then write \(1, 28, 28\)"),
        pytest.warns(gt.GradtrailWarning, match="28 channels of 28 × 1"),
    ):
        gt.Network((28, 28, 1), layers)


def test_other_shapes_and_saved_networks_are_told_of_nothing(tmp_path: Path) -> None:
    layers = [gt.Flatten(), gt.Linear(2)]
    with pytest.warns(gt.GradtrailWarning, match="16 channels of 16 × 3"):
        gt.Network((16, 16, 3), layers).save(tmp_path / "n.safetensors")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert gt.load(tmp_path / "n.safetensors").input_shape == (16, 16, 3)
        for shape in ((3, 16, 16), (1, 28, 1), (4, 8, 3), (16, 3, 3), (16, 16, 5), (16,)):
            gt.Network(shape, layers)


@pytest.mark.parametrize(
    ("shape", "words"),
    [
        ((1, 3, 6, 6), r"input_shape is one sample's, without the batch: write \(3, 6, 6\)"),
        ((6, 6), r"input_shape has no channels: of grey images it is \(1, 6, 6\)"),
    ],
)
def test_a_shape_with_other_axes_is_told(shape: tuple[int, ...], words: str) -> None:
    with pytest.raises(gt.ShapeError, match=words):
        gt.Network(shape, [gt.Conv2d(2, 3)])


def test_a_shape_may_be_an_array_of_numbers() -> None:
    assert gt.Network(np.array([3, 6, 6]), [gt.Flatten()]).input_shape == (3, 6, 6)  # type: ignore[arg-type]


# -- paths that name nothing ----------------------------------------------------------------------

TAKES_PATH: dict[str, Callable[[str], object]] = {
    "load": gt.load,
    "read": gt.data.read,
    "ImageFolder": gt.data.ImageFolder,
    "read_image": lambda path: gt.data.read_image(path, (1, 8, 8)),
    "load_watched": gt.load_watched,
    "save": NET.save,
    "Checkpoints": gt.Checkpoints,
}


@pytest.mark.parametrize("name", TAKES_PATH)
def test_a_path_that_names_nothing_is_refused(name: str) -> None:
    with pytest.raises(gt.ArgumentError, match=f"^{name}: the path is empty; '.' is the working"):
        TAKES_PATH[name]("")
    with pytest.raises(gt.ArgumentError, match=rf"^{name}: 'a\\x00b' holds a NUL, which no path"):
        TAKES_PATH[name]("a\0b")


@pytest.mark.parametrize("name", ["from_onnx", "to_onnx"])
def test_a_path_of_a_model_that_names_nothing_is_refused(name: str) -> None:
    pytest.importorskip("onnx")
    call = gt.from_onnx if name == "from_onnx" else lambda path: gt.to_onnx(NET, path)
    with pytest.raises(gt.ArgumentError, match=f"^{name}: the path is empty"):
        call("")
    with pytest.raises(gt.ArgumentError, match=f"^{name}: .* holds a NUL"):
        call("a\0b")
