"""Labels that count from 1 or from 0, parts that count otherwise, numbers on another scale."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pytest

import gradtrail as gt
from gradtrail.data import read

X = np.linspace(0, 1, 12 * 4, dtype=np.float32).reshape(12, 1, 2, 2)
FROM_1 = np.arange(12) % 3 + 1


def said(path: Path, **settings: object) -> tuple[gt.data.DataSet, list[str]]:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        found = read(path, **settings)
    return found, [str(one.message) for one in caught]


def npz(path: Path, **arrays: np.ndarray) -> Path:
    np.savez(path / "data.npz", **arrays)
    return path / "data.npz"


def test_as_many_classes_as_the_highest_label_count_from_1(tmp_path: Path) -> None:
    path = npz(tmp_path, x=X, y=FROM_1, x_test=X[:2], y_test=np.array([3, 1]))
    found, (note,) = said(path, classes=["A", "B", "C"])
    assert found.classes == ("A", "B", "C")
    assert found.train[1].tolist() == [0, 1, 2] * 4
    assert found.test is not None
    assert found.test[1].tolist() == [2, 0]
    assert note == (
        f"{path}: its labels go from 1 to 3 and there are 3 classes: they were taken to count from "
        "1, so that 3 is 'C'"
    )


def test_one_class_more_is_said(tmp_path: Path) -> None:
    found, (note,) = said(npz(tmp_path, x=X, y=FROM_1), classes=["@", "A", "B", "C"])
    assert found.train[1].tolist() == FROM_1.tolist()
    assert note.endswith(
        "from 1 to 3 and were taken to count from 0: 1 is 'A', and no sample is '@'"
    )


def test_labels_beyond_the_classes_are_refused(tmp_path: Path) -> None:
    path = npz(tmp_path, x=X, y=np.arange(12) % 7)
    sentence = r"has the label 6, but there are 6 classes, for labels 0 to 5: A, B, C, D, E, …$"
    with pytest.raises(gt.DataError, match=sentence):
        read(path, classes=list("ABCDEF"))


@pytest.mark.parametrize("settings", [{}, {"classes": ["a", "b", "c", "d"]}])
def test_a_part_that_counts_otherwise_is_said(tmp_path: Path, settings: dict[str, object]) -> None:
    """Training counts from 1 and testing from 0: every answer would be wrong by one."""
    path = npz(tmp_path, x=X, y=FROM_1, x_test=X, y_test=FROM_1 - 1)
    found, notes = said(path, **settings)
    assert found.train[1].tolist() == FROM_1.tolist()
    assert notes[0] == (
        f"{path}: no training sample has the label 0, but samples of the other parts do: nothing "
        "can be learned about it; look whether all parts count their classes alike"
    )


def test_parts_on_another_scale_are_said(tmp_path: Path) -> None:
    _, (note,) = said(npz(tmp_path, x=X, y=FROM_1 - 1, x_test=X * 255, y_test=FROM_1 - 1))
    assert note.endswith(
        "its numbers for test go up to 255, and those for training up to 1: they were taken as "
        "they are; scale both alike"
    )
    levels = np.uint8(X * 255)
    assert said(npz(tmp_path, x=X, y=FROM_1 - 1, x_test=levels, y_test=FROM_1 - 1))[1] == []


@pytest.mark.parametrize(("highest", "told"), [(1, True), (16, True), (63, True), (64, False)])
def test_bytes_that_are_hardly_levels_are_said(tmp_path: Path, highest: int, told: bool) -> None:
    found, notes = said(npz(tmp_path, x=np.uint8(X * highest), y=FROM_1 - 1))
    assert found.train[0].max() == np.float32(highest / 255)
    expected = f"data.npz: x holds bytes up to {highest} alone: they were divided by 255, as all "
    assert [expected in note for note in notes] == ([True] if told else [])
