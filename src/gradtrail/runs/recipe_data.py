"""From a recipe to its images and their classes."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple, TypeVar

import numpy as np

from ..data import Images, enlarged, split
from ..data import load as load_data
from ..data.cifar import find_cifar
from ..data.dataset import DataSet, Part
from ..data.idx import find_idx
from ..data.label_order import rename_classes
from ..data.levels import unit
from ..data.recognition import recognise
from ..data.sets import CLASSES
from ..errors import DataError
from .recipe_tables import DataTable

T = TypeVar("T")

_CLASSES = 1000
"""So many classes may be counted by any number of samples."""


class RecipeData(NamedTuple):
    """A recipe's data.

    Args:
        train: what is learned from.
        validation: what is evaluated after every epoch; None where there is nothing.
        test: what is evaluated at the end; None where there is nothing.
        classes: their names.
        notes: what a person should be told.
    """

    train: Part
    validation: Part | None
    test: Part | None
    classes: tuple[str, ...]
    notes: tuple[str, ...] = ()

    @property
    def shape(self) -> tuple[int, ...]:
        """Of an image, (C, H, W)."""
        images = self.train.shape if isinstance(self.train, Images) else self.train[0].shape[1:]
        return tuple(images)

    @property
    def shown(self) -> str:
        """What the images are that are evaluated after every epoch: "validation" or "test"."""
        return "test" if self.validation is self.test else "validation"

    @property
    def held(self) -> Part | None:
        """What a trained network is judged by: the test images, or else those held out."""
        return self.validation if self.test is None else self.test


def part_arrays(pair: Part, places: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Samples (n, C, H, W) from 0 to 1 and their labels, all of them or those at some places."""
    if isinstance(pair, Images):
        chosen = np.arange(len(pair)) if places is None else places
        return unit(pair.read(chosen)), pair.y[chosen]
    return pair if places is None else (pair[0][places], pair[1][places])


def part_labels(pair: Part) -> np.ndarray:
    """The class numbers, (M,) int64."""
    return pair.y if isinstance(pair, Images) else pair[1]


def read_data(table: DataTable) -> RecipeData:
    """The images of a recipe.

    Args:
        table: [data].

    Returns:
        The images; their notes are for the caller to say, since a run's own were said when it was
        trained.

    Raises:
        FileError: they are not there, or damaged.
        DataError: images that cannot be read, or that have no common size.
    """
    found = _named(table) if table.path is None or table.name is not None else _read(table)
    if found.validation is not None:
        told = "the data have validation images of their own; none of the others are held out"
        return found._replace(notes=(*found.notes, *((told,) if table.validation else ())))
    if table.validation:
        whole, share = found.train, table.validation
        train, held = whole.split(share) if isinstance(whole, Images) else split(*whole, share)
        return found._replace(train=train, validation=held)
    return found._replace(validation=found.test)


def _named(table: DataTable) -> RecipeData:
    """A data set that gradtrail knows.

    Raises:
        DataError: names that are not its classes'.
    """
    assert table.name is not None
    train, test = (_sized(pair, table.pair) for pair in load_data(table.name, table.path))
    found = DataSet(table.name, train, None, test, CLASSES[table.name])
    if table.classes is not None:
        found = rename_classes(found, table.classes, table.name)
    return RecipeData(found.train, None, found.test, found.classes or (), found.notes)


def _read(table: DataTable) -> RecipeData:
    """What a path holds."""
    assert table.path is not None
    found = _at(table.path, table, table.classes)
    test, notes = found.test, found.notes
    classes = table.classes or found.classes or _numbered(found, table.path)
    if table.test is not None:
        other = _at(table.test, table, classes)
        test, notes = other.train, (*notes, *other.notes)
    parts = (found.train, found.validation, test)
    train, validation, test = (_sized(part, table.pair) for part in parts)
    assert train is not None
    return RecipeData(train, validation, test, classes, notes)


def _at(path: str, table: DataTable, classes: tuple[str, ...] | None) -> DataSet:
    """What a path holds; the table's words on images are for folders of them."""
    folder = Path(path)
    if not folder.is_dir() or find_idx(folder) or find_cifar(folder):
        return recognise(path, classes=classes, channels_last=table.channels_last)
    return recognise(
        path,
        size=table.pair,
        channels=table.channels,
        channels_last=table.channels_last,
        fit=table.fit,
        white=table.white,
        bad=table.bad,
        memory=table.memory << 20,
        classes=classes,
    )


def _numbered(found: DataSet, path: str) -> tuple[str, ...]:
    """Numbers as names, for data that have none.

    Raises:
        DataError: numbers that are hardly classes.
    """
    parts = [part_labels(p) for p in (found.train, found.validation, found.test) if p is not None]
    highest, count = max(int(y.max()) for y in parts), sum(map(len, parts))
    if highest >= max(count, _CLASSES):
        raise DataError(
            f"{path} has the label {highest} but {count} samples; classes count from 0, each with "
            "some samples"
        )
    return tuple(map(str, range(highest + 1)))


def _sized(part: T, size: tuple[int, int] | None) -> T:
    """Arrays brought to a size, which is at least theirs; images have theirs already."""
    if not isinstance(part, tuple) or size is None or part[0].shape[2:] == tuple(size):
        return part
    return enlarged(part[0], *size), part[1]  # type: ignore[return-value]
