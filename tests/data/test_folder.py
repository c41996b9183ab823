"""Folders of images: which files in which order, checked when opened, read in parallel."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import numpy as np
import pytest
from tails import beginning

import gradtrail as gt
from gradtrail.data import ImageFolder

from .pictures import folder, noise, saved


def all_of(images: gt.data.Images) -> np.ndarray:
    return images.read(np.arange(len(images)))


def expected(classes: int = 2, each: int = 4) -> np.ndarray:
    """What `folder` wrote."""
    return np.stack([noise(6, 5, seed=100 * c + k) for c in range(classes) for k in range(each)])[
        :, None
    ]


def test_a_folder_as_images(tmp_path: Path) -> None:
    images = ImageFolder(folder(tmp_path))
    assert isinstance(images, gt.data.Images)
    assert (len(images), images.shape, images.classes) == (8, (1, 6, 5), ("cat", "dog"))
    assert images.y.tolist() == [0] * 4 + [1] * 4
    assert (images.y.dtype, images.y.flags.writeable) == (np.int64, False)
    assert images.paths[5] == tmp_path / "dog" / "1.png"
    assert (images.skipped, images.notes, images.cached) == ((), (), 8)
    assert repr(images).endswith(": 8 images of 1 × 6 × 5 in 2 classes)")
    np.testing.assert_array_equal(all_of(images), expected())


def test_places_in_any_order_into_an_array(tmp_path: Path) -> None:
    images, out = ImageFolder(folder(tmp_path)), np.empty((3, 1, 6, 5), np.uint8)
    assert images.read([7, 2, 2], out) is out
    np.testing.assert_array_equal(out, expected()[[7, 2, 2]])
    assert images.read([]).shape == (0, 1, 6, 5)
    strided = np.empty((6, 1, 6, 5), np.uint8)[::2]
    np.testing.assert_array_equal(images.read([0, 5, 1], strided), expected()[[0, 5, 1]])


@pytest.mark.parametrize("kept", [0, 3, 8])
def test_the_cache_changes_nothing(tmp_path: Path, kept: int) -> None:
    """As many are kept as fit; the rest are decoded again and again."""
    images = ImageFolder(folder(tmp_path), memory=max(1, 30 * kept), threads=2)
    assert images.cached == kept
    part = images.subset([7, 1, 0, 6])
    assert part.cached == sum(place < kept for place in (7, 1, 0, 6))
    for _ in range(2):
        np.testing.assert_array_equal(all_of(images), expected())
        np.testing.assert_array_equal(part.read([3, 0, 1]), expected()[[6, 7, 1]])
    assert images.cached == kept


@pytest.mark.parametrize("kept", beginning(2, [0, 50, 300]))
def test_many_threads_read_at_once(tmp_path: Path, kept: int) -> None:
    images = ImageFolder(folder(tmp_path, each=150), memory=max(1, 30 * kept), threads=3)
    whole, wrong = expected(each=150), []

    def reads(seed: int) -> None:
        draw = np.random.Generator(np.random.PCG64(seed))
        for _ in range(4):
            places = draw.integers(0, 300, 100)
            if not np.array_equal(images.read(places), whole[places]):
                wrong.append(places)

    workers = [threading.Thread(target=reads, args=(seed,)) for seed in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert wrong == []


def test_order_is_by_class_and_path_whatever_the_system_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("b/2.png", "b/10.png", "a/z/1.png", "a/B.png", "a/a.png", "B/x.png", "a/a/0.png"):
        saved(tmp_path / name, noise(2, 2, seed=sum(name.encode())))
    plain = ImageFolder(tmp_path)
    assert plain.classes == ("B", "a", "b")
    assert [str(path.relative_to(tmp_path)) for path in plain.paths] == [
        "B/x.png", "a/B.png", "a/a/0.png", "a/a.png", "a/z/1.png", "b/10.png", "b/2.png",
    ]  # fmt: skip

    class Reversed:
        def __init__(self, entries) -> None:
            self.entries = entries

        def __enter__(self):
            return sorted(self.entries, key=lambda entry: entry.name, reverse=True)

        def __exit__(self, *_) -> None:
            self.entries.close()

    scan = os.scandir
    monkeypatch.setattr(os, "scandir", lambda path: Reversed(scan(path)))
    other = ImageFolder(tmp_path)
    assert other.paths == plain.paths
    np.testing.assert_array_equal(all_of(other), all_of(plain))


def test_what_is_ignored(tmp_path: Path) -> None:
    folder(tmp_path)
    for name in ("cat/.hidden.png", "cat/notes.txt", "labels.csv", "cat/Thumbs.db", ".git/x.png"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"no image")
    saved(tmp_path / "dog" / "LARGE.PNG", noise(6, 5))
    assert len(ImageFolder(tmp_path)) == 9


def test_links(tmp_path: Path) -> None:
    """A link to a folder is followed once; one that leads up is not, and none hangs."""
    folder(tmp_path / "data")
    saved(tmp_path / "more" / "x.png", noise(6, 5, seed=7))
    cat = tmp_path / "data" / "cat"
    os.symlink(tmp_path / "data", cat / "up")
    os.symlink(cat, cat / "self")
    os.symlink(tmp_path / "more", cat / "m1")
    os.symlink(tmp_path / "more", cat / "m2")
    os.symlink(cat / "loop", cat / "loop")
    os.symlink(cat / "0.png", cat / "link.png")
    names = [path.name for path in ImageFolder(tmp_path / "data").paths[:7]]
    assert names == ["0.png", "1.png", "2.png", "3.png", "link.png", "x.png", "0.png"]
    os.symlink(cat / "gone.png", cat / "broken.png")
    with pytest.raises(gt.DataError, match="1 of 11 images .*broken.png: No such file"):
        ImageFolder(tmp_path / "data")


def test_bad_files_are_refused_before_anything_is_read(tmp_path: Path) -> None:
    folder(tmp_path)
    content = (tmp_path / "cat" / "2.png").read_bytes()
    (tmp_path / "cat" / "2.png").write_bytes(content[:-20])
    (tmp_path / "dog" / "0.png").write_bytes(b"not an image")
    saved(tmp_path / "dog" / "a.gif", noise(6, 5))
    saved(tmp_path / "loose.png", noise(6, 5))
    os.mkfifo(tmp_path / "dog" / "pipe.png")
    with pytest.raises(
        gt.DataError,
        match=r"5 of 11 images in .* cannot be used: .*cat/2.png: it is cut off; .*dog/0.png: it "
        r"is no PNG.*; .*dog/a.gif: it is a GIF, which is not read; save it as PNG; and 2 more; "
        r"mend or remove them, or pass bad='skip' \(--bad skip\) to leave them out",
    ):
        ImageFolder(tmp_path)
    with pytest.warns(gt.GradtrailWarning, match="5 of 11 images in .* are left out: .*; and 2 m"):
        images = ImageFolder(tmp_path, bad="skip")
    reasons = {path.name: reason for path, reason in images.skipped}
    assert reasons["2.png"] == "it is cut off"
    assert reasons["0.png"].startswith("it is no PNG, JPEG, BMP, TIFF or WebP")
    assert reasons["loose.png"] == "it lies beside the classes' folders"
    assert reasons["pipe.png"] == "it is no regular file"
    assert len(reasons) == 5
    assert [path.name for path in images.paths] == ["0.png", "1.png", "3.png", "1.png"] + [
        f"{k}.png" for k in (2, 3)
    ]
    assert images.y.tolist() == [0, 0, 0, 1, 1, 1]
    np.testing.assert_array_equal(all_of(images), expected()[[0, 1, 3, 5, 6, 7]])
    assert len(images.notes) == 1
    assert images.notes[0].startswith("5 of 11 images in ")
    assert images.notes[0].endswith("; and 2 more")
    assert images.subset([0]).skipped == images.skipped


def test_a_truncated_jpeg_is_seen_whatever_is_given(tmp_path: Path) -> None:
    for name in ("a/0.jpg", "b/0.jpg", "b/1.jpg"):
        saved(tmp_path / name, noise(64, 64, 3, seed=len(name)))
    path = tmp_path / "b" / "1.jpg"
    path.write_bytes(path.read_bytes()[:1500])
    for given in ({}, {"size": 64, "channels": 3}, {"size": 8}):
        with pytest.raises(gt.DataError, match=r"1 of 3 images .*b/1.jpg: it is cut off;"):
            ImageFolder(tmp_path, **given)
        with pytest.warns(gt.GradtrailWarning, match="1 of 3 images in .* are left out"):
            assert len(ImageFolder(tmp_path, bad="skip", **given)) == 2


def test_a_class_with_no_image_that_can_be_used(tmp_path: Path) -> None:
    folder(tmp_path)
    (tmp_path / "bird").mkdir()
    with pytest.raises(gt.DataError, match=r"bird has no images \(\.bmp, .*\); fill or remove it"):
        ImageFolder(tmp_path)
    (tmp_path / "bird" / "0.png").write_bytes(b"nothing")
    with pytest.raises(gt.DataError, match="class 'bird' in .* has no image that can be used"):
        ImageFolder(tmp_path, bad="skip")


def test_folders_that_hold_no_classes(tmp_path: Path) -> None:
    with pytest.raises(gt.FileError, match="cannot read the folder .*none: No such file"):
        ImageFolder(tmp_path / "none")
    with pytest.raises(gt.DataError, match="has no folders of images: put the images of"):
        ImageFolder(tmp_path)
    file = saved(tmp_path / "a.png", noise(6, 5))
    with pytest.raises(gt.DataError, match="has no folders of images: its images lie in no folder"):
        ImageFolder(tmp_path)
    with pytest.raises(gt.FileError, match="cannot read the folder .*a.png: Not a directory"):
        ImageFolder(file)


def test_one_class_is_said(tmp_path: Path) -> None:
    with pytest.warns(gt.GradtrailWarning, match="one class only, 'cat': nothing to tell apart"):
        images = ImageFolder(folder(tmp_path, ("cat",)))
    assert images.notes == (f"{tmp_path} has one class only, 'cat': nothing to tell apart",)


def test_classes_that_are_given(tmp_path: Path) -> None:
    images = ImageFolder(folder(tmp_path), classes=["dog", "bird", "cat"])
    assert images.classes == ("dog", "bird", "cat")
    assert images.y.tolist() == [0] * 4 + [2] * 4
    assert images.paths[0].parent.name == "dog"
    with pytest.raises(
        gt.DataError, match="none of the classes cat; move it away, or add it where they are given"
    ):
        ImageFolder(tmp_path, classes=("cat",))
    for classes, message in (
        ("cat", "classes must be a list of names, got 'cat'"),
        (["cat", "cat"], "classes has 'cat' twice"),
        ([1], "classes must be a list of names"),
    ):
        with pytest.raises(gt.ArgumentError, match=message):
            ImageFolder(tmp_path, classes=classes)


def test_sizes_and_channels_that_follow_from_the_files(tmp_path: Path) -> None:
    folder(tmp_path)
    saved(tmp_path / "dog" / "9.png", noise(6, 5, 3))
    assert ImageFolder(tmp_path).shape == (3, 6, 5)
    assert ImageFolder(tmp_path, channels=1).shape == (1, 6, 5)
    saved(tmp_path / "dog" / "8.png", noise(7, 5))
    with pytest.warns(
        gt.GradtrailWarning,
        match=r"differ in size, such as .*cat/0.png with 6 × 5 pixels and .*dog/8.png with 7 × 5: "
        r"all were brought to 64 × 64; pass size= \(--size\) for another",
    ):
        images = ImageFolder(tmp_path)
    assert (images.shape, images.fitted) == ((3, 64, 64), True)
    np.testing.assert_array_equal(all_of(images), all_of(ImageFolder(tmp_path, size=64)))
    assert ImageFolder(tmp_path, size=9).shape == (3, 9, 9)
    assert ImageFolder(tmp_path, size=(4, 9), channels=1, fit="crop").shape == (1, 4, 9)


@pytest.mark.parametrize("fit", ["resize", "letterbox", "crop"])
def test_one_image_is_read_as_in_a_folder(tmp_path: Path, fit: gt.data.image_spec.Fit) -> None:
    for k in range(3):
        saved(tmp_path / f"{k % 2}" / f"{k}.jpg", noise(90, 120 + k, 3, seed=k))
    images = ImageFolder(tmp_path, size=(16, 20), fit=fit)
    x, _ = images.arrays()
    for path, image in zip(images.paths, x, strict=True):
        np.testing.assert_array_equal(gt.data.read_image(path, images.shape, fit), image)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"size": 0}, "size must be from 1 × 1 .*got 0 × 0"),
        ({"size": (3, 4, 5)}, r"size must be a whole number or \(H, W\), got \(3, 4, 5\)"),
        ({"size": True}, "size must be a whole number"),
        ({"size": "28"}, "size must be a whole number"),
        ({"size": 100_000}, "size must be from .*got 100000 × 100000"),
        ({"channels": 2}, "channels must be 1 for grey, 3 for .*got 2"),
        ({"fit": "stretch"}, "fit must be one of resize, letterbox, crop, got 'stretch'"),
        ({"bad": "ignore"}, "bad must be 'refuse' or 'skip', got 'ignore'"),
        ({"memory": -1}, "memory must be a whole number ≥ 1, got -1"),
        ({"threads": 0}, "threads must be a whole number ≥ 1, got 0"),
    ],
)
def test_arguments_that_are_wrong(tmp_path: Path, given: dict, message: str) -> None:
    with pytest.raises(gt.ArgumentError, match=message):
        ImageFolder(folder(tmp_path), **given)


def test_places_that_are_wrong(tmp_path: Path) -> None:
    images = ImageFolder(folder(tmp_path))
    for places, message in (
        ([8], "places has 8, but they go from 0 to 7"),
        ([0, -1], "places has -1, but they go from 0 to 7"),
        ([0.5], r"places must be whole numbers with one axis, got float64 \(1,\)"),
        ([True], "whole numbers with one axis, got bool"),
        ([[1]], r"got int64 \(1, 1\)"),
        (3, r"got int64 \(\)"),
    ):
        with pytest.raises(gt.ArgumentError, match=message):
            images.read(places)
    for out in (np.empty((2, 1, 6, 5), np.uint8), np.empty((1, 1, 6, 5), np.int8)):
        with pytest.raises(gt.ArgumentError, match=r"writeable array of uint8 \(1, 1, 6, 5\), got"):
            images.read([0], out)
    with pytest.raises(gt.ArgumentError, match="places are empty; a subset has one image at least"):
        images.subset([])


def test_a_file_that_goes_bad_later_is_named(tmp_path: Path) -> None:
    images = ImageFolder(folder(tmp_path), memory=60)
    (tmp_path / "dog" / "3.png").write_bytes(b"")
    assert images.read([0, 1]).any()
    with pytest.raises(gt.DataError, match="dog/3.png cannot be read any more: it is empty; rest"):
        all_of(images)
    saved(tmp_path / "dog" / "3.png", noise(7, 5))
    with pytest.raises(gt.DataError, match="any more: it has 7 × 5 pixels instead of 6 × 5"):
        images.read([7])


def test_arrays(tmp_path: Path) -> None:
    x, y = ImageFolder(folder(tmp_path), memory=960).arrays()
    assert (x.dtype, y.dtype) == (np.float32, np.int64)
    np.testing.assert_array_equal(x, expected().astype(np.float32) / 255)
    with pytest.raises(
        gt.DataError, match="8 images of 1 × 6 × 5 take 960 bytes as float32, more than memory=959"
    ):
        ImageFolder(tmp_path, memory=959).arrays()


def test_subsets_and_splits_share_one_cache(tmp_path: Path) -> None:
    images = ImageFolder(folder(tmp_path, ("a", "b", "c"), each=10))
    train, held_out = images.split(0.3, seed=1)
    assert (np.bincount(train.y).tolist(), np.bincount(held_out.y).tolist()) == ([7] * 3, [3] * 3)
    assert sorted([*train.paths, *held_out.paths]) == sorted(images.paths)
    assert (train.classes, held_out.shape) == (images.classes, images.shape)
    for path in images.paths:
        path.unlink()  # from here on all comes from memory
    places = [images.paths.index(path) for path in held_out.paths]
    np.testing.assert_array_equal(all_of(held_out), expected(3, 10)[places])
    inner = held_out.subset([4, 0])
    assert inner.paths == (held_out.paths[4], held_out.paths[0])
    np.testing.assert_array_equal(all_of(inner), all_of(held_out)[[4, 0]])
    again = images.split(0.3, seed=1)[1]
    assert again.paths == held_out.paths != images.split(0.3, seed=2)[1].paths


def test_progress_is_one_line_where_there_is_no_terminal(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from gradtrail.data import store

    ImageFolder(folder(tmp_path))
    assert capsys.readouterr().err == ""
    monkeypatch.setattr(store, "_PATIENCE", 0.0)
    ImageFolder(tmp_path)
    assert capsys.readouterr().err.splitlines() == [
        f"looking at 8 images in {tmp_path}",
        f"reading 8 images in {tmp_path}",
    ]


def test_a_bar_in_a_terminal(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    import sys

    from gradtrail.data.task_progress import TaskProgress

    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("FORCE_COLOR", "1")
    for unit in ("images", "bytes"):
        with TaskProgress("reading", 10, unit) as progress:
            progress.to(5)
            progress.to(10, 10)
    written = capsys.readouterr().err
    assert "reading" in written
    assert "10" in written
