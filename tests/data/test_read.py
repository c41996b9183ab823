"""What a path holds, recognised by its content."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest

import gradtrail as gt
from gradtrail.data import read

from .cifar_files import packed
from .cifar_files import written as cifar_written
from .idx_files import idx, parts, same, written
from .pictures import folder, noise, saved


def test_a_folder_of_images(tmp_path: Path) -> None:
    found = read(folder(tmp_path), size=7)
    assert isinstance(found, gt.data.DataSet)
    assert isinstance(found.train, gt.data.ImageFolder)
    assert (found.kind, found.classes) == ("a folder of images", ("cat", "dog"))
    assert (found.held_out, found.train.shape) == (None, (1, 7, 7))


@pytest.mark.parametrize(
    ("names", "held_out"),
    [
        (("train", "test"), "test"),
        (("training", "validation"), "validation"),
        (("Train", "valid", "Test"), "valid"),
        (("train", "val"), "val"),
        (("train",), None),
    ],
)
def test_folders_for_training_and_testing(
    tmp_path: Path, names: tuple[str, ...], held_out: str | None
) -> None:
    for number, name in enumerate(names):
        folder(tmp_path / name, ("cat", "dog")[: max(1, 2 - number)], each=3 + number)
    found = read(tmp_path)
    assert found.kind == f"folders of images: {', '.join(names)}"
    assert (len(found.train), found.classes) == (6, ("cat", "dog"))
    if held_out is None:
        assert found.held_out is None
        return
    assert {path.parent.parent.name for path in found.held_out.paths} == {held_out}
    assert found.held_out.classes == ("cat", "dog")
    assert (found.test is not None) == (names[-1].lower() == "test")


def test_parts_agree(tmp_path: Path) -> None:
    """The second part is made like the first, and what only looks alike is refused."""
    folder(tmp_path / "train")
    saved(folder(tmp_path / "test") / "cat" / "9.png", noise(6, 5, 3))
    with pytest.warns(
        gt.GradtrailWarning, match="test/cat/9.png: their colours became grey levels"
    ):
        assert read(tmp_path).test.shape == (1, 6, 5)
    folder(tmp_path / "validation", ("bird",))
    with pytest.raises(gt.DataError, match="has a folder 'bird', which is none of the classes cat"):
        read(tmp_path)
    folder(tmp_path / "val")
    with pytest.raises(gt.FileError, match="has both val and validation; which is for validation"):
        read(tmp_path)
    other = tmp_path / "other"
    folder(other / "train")
    saved(other / "test" / "cat" / "0.png", noise(8, 8))
    with pytest.warns(gt.GradtrailWarning, match="such as .*test/cat/0.png with 8 × 8 pixels: the"):
        found = read(other)
    assert (found.test.shape, len(found.notes)) == ((1, 6, 5), 1)
    assert read(other, size=8).test.shape == (1, 8, 8)


def test_classes_called_train_and_test(tmp_path: Path) -> None:
    found = read(folder(tmp_path, ("car", "test", "train")))
    assert found.classes == ("car", "test", "train")


def test_idx_files_of_any_size(tmp_path: Path) -> None:
    with (
        pytest.warns(gt.GradtrailWarning, match="no sample has the label 4, 6, but .* 9 outputs"),
        pytest.warns(gt.GradtrailWarning, match="no training sample has the label 7, but samples"),
    ):
        found = read(written(tmp_path / "mnist"))
    assert found.kind == "IDX files"
    assert same(gt.data.Split(found.train, found.test))
    small = tmp_path / "small"
    small.mkdir()
    for name, array in parts().items():
        cut = array[:, :9, :7] if array.ndim == 3 else array
        (small / f"{name}.gz").write_bytes(gzip.compress(idx(cut)))
    with pytest.warns(gt.GradtrailWarning, match="no (training )?sample has the label"):
        assert read(small).train[0].shape == (12, 1, 9, 7)
    cut = parts()["t10k-images-idx3-ubyte"][:, :8, :7]
    (small / "t10k-images-idx3-ubyte.gz").write_bytes(gzip.compress(idx(cut)))
    with pytest.raises(gt.FileError, match=r"t10k.*: its images have 8 × 7 pixels, .* 9 × 7"):
        read(small)


def test_cifar(tmp_path: Path) -> None:
    archive = packed(tmp_path / "any name")
    for path in (cifar_written(tmp_path / "files"), archive):
        found = read(path)
        assert (found.kind, found.train[0].shape) == ("CIFAR-10", (20, 3, 32, 32))
        assert found.test[0].shape == (7, 3, 32, 32)
        assert found.classes[3] == "cat"


def test_what_is_not_known(tmp_path: Path) -> None:
    with pytest.raises(gt.FileError, match="holds nothing that is known: expected a folder of im"):
        read(tmp_path)
    with pytest.raises(gt.FileError, match="cannot read .*none: there is no such file or folder"):
        read(tmp_path / "none")
    (tmp_path / "a.txt").write_text("hello")
    with pytest.raises(gt.FileError, match=r"a.txt is neither a .npz file nor CIFAR-10's archive"):
        read(tmp_path / "a.txt")
    saved(tmp_path / "b" / "loose.png", noise(4, 4))
    with pytest.raises(gt.DataError, match="has no folders of images: its images lie in no folder"):
        read(tmp_path / "b")


def test_arguments_without_effect_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    np.savez(path, x=noise(2, 1, 5, 4), y=[0, 1])
    with pytest.raises(gt.ArgumentError, match="size is for folders of images, but .*holds arrays"):
        read(path, size=28)
    with pytest.raises(gt.ArgumentError, match="but .*idx holds IDX files"):
        read(written(tmp_path / "idx"), bad="skip")
    with pytest.raises(gt.ArgumentError, match="but .*cifar holds CIFAR-10"):
        read(cifar_written(tmp_path / "cifar"), bad="skip")
    with pytest.raises(gt.ArgumentError, match="is no .npz file, so channels_last says nothing"):
        read(tmp_path / "idx", channels_last=True)
