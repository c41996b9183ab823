"""Folders for training and testing, or classes: what is understood, and what is asked."""

from __future__ import annotations

import warnings
from pathlib import Path

import pytest

import gradtrail as gt
from gradtrail.data import ImageFolder, read

from .pictures import folder, noise, saved


def said(root: Path, **settings: object) -> tuple[gt.data.DataSet, list[str]]:
    """What is read, and the warnings, which are its notes."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        found = read(root, **settings)
    told = [str(one.message) for one in caught]
    assert all(one.category is gt.GradtrailWarning for one in caught)
    assert all(one.filename == __file__ for one in caught)
    assert tuple(told) == found.notes
    return found, told


@pytest.mark.parametrize(
    ("names", "told"),
    [
        ({"training_set": "train", "test_set": "test"}, "training_set (train) and test_set (test)"),
        ({"train_images": "train", "test_images": "test"}, "train_images (train) and test_im"),
        (
            {"trainset": "train", "TestSet": "test"},
            "trainset (train) and TestSet (test) were taken",
        ),
        ({"seg_train": "train", "seg_test": "test"}, "seg_train (train) and seg_test (test)"),
        ({"train2017": "train", "val2017": "validation"}, "train2017 (train) and val2017 (valid"),
        ({"images_train": "train", "data-val": "validation"}, "images_train (train) and data-val"),
        ({"train": "train", "dev": "validation", "test": "test"}, ": dev (validation) was taken"),
        ({"trainval": "train", "test": "test"}, "trainval (train) was taken to be a part"),
        ({"train": "train", "evaluation": "validation"}, "evaluation (validation) was taken"),
    ],
    ids=str,
)
def test_names_of_parts_as_people_write_them(
    tmp_path: Path, names: dict[str, str], told: str
) -> None:
    for each, name in enumerate(names, 2):
        folder(tmp_path / name, each=each)
    found, (note,) = said(tmp_path)
    assert found.classes == ("cat", "dog")
    assert told in note
    assert note.endswith("with a folder for each class, not a class; rename what is one")
    for each, part in enumerate(names.values(), 2):
        assert len(getattr(found, part)) == 2 * each


def test_classes_that_only_sound_like_parts(tmp_path: Path) -> None:
    for names in (("bullet_train", "steam_train"), ("test_tube", "train_station"), ("valid", "x")):
        for name in names:
            saved(tmp_path / names[0] / name / "more" / "0.png", noise(6, 5))
        found, told = said(tmp_path / names[0])
        assert (found.classes, told) == (names, [])


def test_classes_beside_train_are_not_passed_over(tmp_path: Path) -> None:
    """Of four classes two would be lost."""
    folder(tmp_path, ("bird", "fish"))
    folder(tmp_path / "train")
    with pytest.raises(
        gt.DataError,
        match=r"has train with folders in it, and beside it bird, fish with images, which would be "
        r"lost: put them into .*train if they are classes, open .*train \(--data .*train\) to",
    ):
        read(tmp_path)
    assert read(tmp_path / "train").classes == ("cat", "dog")
    names = ("bird", "fish", "train")
    assert len(read(tmp_path, classes=names).train) == 16
    folder(tmp_path / "test")
    found, (note,) = said(tmp_path)
    assert (len(found.train), len(found.test)) == (8, 8)
    assert "bird, fish were passed over, being neither for training nor for validation or" in note


def test_a_folder_of_parts_is_no_folder_of_classes(tmp_path: Path) -> None:
    """For ImageFolder by itself they would be two classes."""
    for name in ("train", "test"):
        folder(tmp_path / name)
    message = (
        r"in them, train, test, and no classes: open all of them with gt.data.read\('.*'\), or"
    )
    with pytest.raises(gt.DataError, match=message):
        ImageFolder(tmp_path)
    assert ImageFolder(tmp_path, classes=("test", "train")).y.tolist() == [0] * 8 + [1] * 8
    assert ImageFolder(tmp_path / "train").classes == ("cat", "dog")


def test_pictures_beside_the_parts_and_folders_without_any(tmp_path: Path) -> None:
    folder(tmp_path / "train")
    folder(tmp_path / "test")
    (tmp_path / "annotations").mkdir()
    (tmp_path / "annotations" / "a.csv").write_text("1,2")
    assert said(tmp_path)[1] == []
    saved(tmp_path / "loose.png", noise(6, 5))
    assert "1 pictures beside train were passed over" in said(tmp_path)[1][0]


def test_an_unlabelled_test_is_said(tmp_path: Path) -> None:
    folder(tmp_path / "train")
    for number in range(3):
        saved(tmp_path / "test" / f"{number}.png", noise(6, 5))
    found, (note,) = said(tmp_path)
    assert (len(found.train), found.test, found.held_out) == (8, None, None)
    assert f"{tmp_path / 'test'} holds 3 pictures in no class's folder: without labels" in note
    assert f"`gradtrail predict RUN {tmp_path / 'test'}` tells what they show" in note


def test_parts_without_classes_are_no_classes(tmp_path: Path) -> None:
    """As where the classes are in the files' names."""
    for name in ("train", "test1"):
        saved(tmp_path / name / "cat.0.png", noise(6, 5))
    message = "train has no folder for each class: test1, train are hardly classes themselves"
    with pytest.raises(gt.DataError, match=message):
        read(tmp_path)
    assert read(tmp_path, classes=("train", "test1")).train.y.tolist() == [0, 1]
    folder(tmp_path / "other" / "val")
    folder(tmp_path / "other" / "test")
    with pytest.raises(gt.DataError, match=r"has test, val but no train: .* such as .*other/test "):
        read(tmp_path / "other")


def test_a_root_one_level_too_high(tmp_path: Path) -> None:
    folder(tmp_path / "a" / "flowers")
    inner = tmp_path / "a" / "flowers"
    for root in (tmp_path / "a", tmp_path):
        found, (note,) = said(root)
        assert (found.classes, len(found.train)) == (("cat", "dog"), 8)
        assert f"{root} holds one folder alone: the classes were taken to be the fold" in note
        assert f"in {inner}; put them into several" in note
        with pytest.raises(
            gt.DataError, match=rf"the folders in {inner} \(cat, dog\) are probably"
        ):
            ImageFolder(root)
    with pytest.warns(gt.GradtrailWarning, match="one class only, 'flowers'"):
        assert len(ImageFolder(tmp_path / "a", classes=["flowers"])) == 8


def test_parts_one_level_too_high(tmp_path: Path) -> None:
    """As archives are that hold a folder of their own name, twice."""
    for part in ("seg_train", "seg_test"):
        folder(tmp_path / "archive" / part / part)
    for number in range(2):
        saved(tmp_path / "archive" / "seg_pred" / "seg_pred" / f"{number}.png", noise(6, 5))
    found, told = said(tmp_path)
    assert (found.classes, len(found.train), len(found.test)) == (("cat", "dog"), 8, 8)
    assert [note.split(" ")[0].split("/")[-1] for note in told] == [
        tmp_path.name, "archive:", "archive:", "seg_train", "seg_test",
    ]  # fmt: skip


def test_a_single_class_for_testing_is_no_level(tmp_path: Path) -> None:
    folder(tmp_path / "train")
    for name in ("left", "right"):
        saved(tmp_path / "test" / "cat" / name / "0.png", noise(6, 5))
    found, told = said(tmp_path)
    assert (found.test.y.tolist(), told) == ([0, 0], [])


def test_the_same_folders_in_every_class_are_said(tmp_path: Path) -> None:
    for year in ("2019", "2020"):
        folder(tmp_path / year)
    found, (note,) = said(tmp_path)
    assert found.classes == ("2019", "2020")
    assert "(2019, 2020), not those in each of them (cat, dog); if these are, put" in note


def test_parts_in_each_of_several_folders_are_asked(tmp_path: Path) -> None:
    """Classes with train and test in each, or several data sets: test images would be trained."""
    for name in ("bottle", "cable"):
        for part in ("train", "test"):
            folder(tmp_path / name / part)
    sentence = r"has bottle, cable and in each of them test, train: .* open one, such as .*/bottle "
    for opened in (read, ImageFolder):
        with pytest.raises(gt.DataError, match=sentence):
            opened(tmp_path)
    assert said(tmp_path / "bottle")[0].classes == ("cat", "dog")
    found = said(tmp_path, classes=["bottle", "cable"])[0]
    assert found.train.y.tolist() == [0] * 16 + [1] * 16


@pytest.mark.parametrize("names", [("images", "masks"), ("Image", "ground_truth"), ("gt", "img")])
def test_images_and_their_maps_are_no_classes(tmp_path: Path, names: tuple[str, str]) -> None:
    for name in names:
        saved(tmp_path / "one" / name / "0.png", noise(8, 9))
        saved(tmp_path / "parts" / "train" / name / "0.png", noise(8, 9))
    sentence = rf"has {names[0]} and {names[1]}, which are hardly classes: .* no loss yet"
    for root in (tmp_path / "one", tmp_path / "parts"):
        with pytest.raises(gt.DataError, match=sentence):
            read(root)
    assert said(tmp_path / "one", classes=names)[0].train.y.tolist() == [0, 1]


def test_what_an_archive_leaves_behind_is_no_folder(tmp_path: Path) -> None:
    folder(tmp_path / "pets" / "train")
    (tmp_path / "__MACOSX" / "pets").mkdir(parents=True)
    (tmp_path / "pets" / "train" / "cat" / "@eaDir").mkdir()
    saved(tmp_path / "pets" / "train" / "cat" / "@eaDir" / "thumb.png", noise(8, 9))
    found, (note,) = said(tmp_path)
    assert found.classes == ("cat", "dog")
    assert "the folders in" in note
    assert len(found.train) == 8


def test_colours_for_testing_alone_are_said(tmp_path: Path) -> None:
    for part in ("train", "test"):
        for name in ("cat", "dog"):
            saved(tmp_path / part / name / "0.png", noise(8, 9))
    saved(tmp_path / "test" / "dog" / "1.png", noise(8, 9, 3))
    found, (note,) = said(tmp_path)
    assert found.test.shape == found.train.shape == (1, 8, 9)
    assert note.startswith(f"the training images are grey, and not all images in {tmp_path}/test ")
    assert note.endswith(
        "dog/1.png: their colours became grey levels; pass channels=3 to keep them"
    )
    assert said(tmp_path, channels=3)[0].test.shape == (3, 8, 9)


def test_parts_differ_in_size_and_are_brought_to_one(tmp_path: Path) -> None:
    """Photos of the training part differ: 64; those for testing are made alike without a word."""
    for part in ("train", "test"):
        for number, name in enumerate(("cat", "dog")):
            saved(tmp_path / part / name / "0.png", noise(20, 30 + number))
    found, (note,) = said(tmp_path)
    assert found.train.shape == found.test.shape == (1, 64, 64)
    assert "train/cat/0.png with 20 × 30 pixels and " in note
