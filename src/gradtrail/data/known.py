"""Data sets by name: the embedded digits; MNIST, Fashion-MNIST and CIFAR-10 from files."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from ..checking.calls import call_example
from ..errors import ArgumentError, FileError, UnknownNameError, unknown
from ..machine.folders import locate, user_cache
from .cifar import find_cifar, read_cifar
from .embedded_digits import digits
from .idx import find_file, find_idx, read_pair
from .levels import unit
from .sets import CIFAR, SETS, KnownSet
from .splitting import Pair, Split

NAMES = ("digits", *SETS)
"""What `load` knows."""

_SIZE = 28  # rows and columns of MNIST and Fashion-MNIST


@call_example('gt.data.load("mnist")')
def load(name: str, path: str | os.PathLike[str] | None = None, *, download: bool = True) -> Split:
    """A data set by name, with its own split.

    MNIST and Fashion-MNIST are read from four IDX files, raw or gzipped; CIFAR-10 from the six
    files of its binary version, or from the archive that holds them. They are looked for in `path`
    alone if it is given. Else they are looked for in the folder that the environment variable
    GRADTRAIL_DATA names, where Debian's package puts Fashion-MNIST, and in `gradtrail/data/<name>`
    of the user's cache folder, and are downloaded into that if they are nowhere. `path` and
    GRADTRAIL_DATA may be the files' folder, or hold it under the set's name.

    Args:
        name: "digits", "mnist", "fashion-mnist" or "cifar10".
        path: a folder, or CIFAR-10's archive; not for the digits, which are inside the package.
        download: whether missing files may be downloaded; the environment variable
            GRADTRAIL_OFFLINE forbids it, too.

    Returns:
        `(x, y), (x_test, y_test)`: x float32 (N, C, H, W) from 0 to 1, y int64 (N,) from 0 to 9.
        C, H, W are 1, 28, 28 with N 60,000 and 10,000, for CIFAR-10 3, 32, 32 with N 50,000 and
        10,000; for the digits see `digits`.

    Raises:
        UnknownNameError: no data set is called so.
        ArgumentError: a path for the digits.
        FileError: no folder has the files and they cannot be downloaded, or one is damaged; the
            message names file and field.

    Source: Y. LeCun, C. Cortes and C. J. C. Burges, "The MNIST database of handwritten digits"
        (1998); H. Xiao, K. Rasul and R. Vollgraf, "Fashion-MNIST" (2017), MIT licence;
        A. Krizhevsky, "Learning multiple layers of features from tiny images" (2009).
    """
    place = folder_of(name, path, download=download)
    if place is None:
        return digits()
    if name == CIFAR:
        return read_cifar(place)
    files = find_idx(place)
    return Split(_pair(name, *files[:2]), _pair(name, *files[2:]))


def folder_of(
    name: str, path: str | os.PathLike[str] | None = None, *, download: bool = True
) -> Path | None:
    """The folder that `load` reads the set from, downloaded into if need be; None for the digits.

    For CIFAR-10 it may be the archive.

    Raises:
        UnknownNameError: no data set is called so.
        ArgumentError: a path for the digits.
        FileError: no folder has the files, or the first that has some has not all.
    """
    from .download import OFFLINE, forbidden

    if name not in NAMES:
        raise UnknownNameError(unknown("data set", name, NAMES))
    if name == "digits":
        if path is not None:
            raise ArgumentError(f"the digits are inside the package; leave out path={str(path)!r}")
        return None
    known, asked = SETS[name], download and path is None
    may = asked and not forbidden()
    places = list(_places(known, path))
    find = find_cifar if name == CIFAR else find_idx
    for place in places:
        try:
            if find(place):
                return place
        except FileError:  # some files only: a download that broke off goes on
            if not (may and place == _cache(name)):
                raise
    if may:
        return _downloaded(known)
    offline = f"; {OFFLINE} is set, so nothing was downloaded" if asked else ""
    raise FileError(
        f"{name} was not found in {', '.join(map(str, places))}; expected {known.expected}"
        f"{offline}; {known.by_hand}. Give their folder as path, or in the environment variable "
        "GRADTRAIL_DATA."
    )


def _places(known: KnownSet, path: str | os.PathLike[str] | None) -> Iterator[Path]:
    """Where to look, in order; the more specific folder first."""
    given = (os.environ.get("GRADTRAIL_DATA") or None) if path is None else os.fspath(path)
    if given is not None:
        folder = locate(given)
        yield from (folder / known.name, folder)
    if path is None:
        if known.system is not None:
            yield known.system
        cache = _cache(known.name)
        if cache is not None:
            yield cache


def _cache(name: str) -> Path | None:
    """The set's folder in the user's cache; None where it is not known who the user is."""
    base = user_cache()
    return None if base is None else base / "gradtrail" / "data" / name


def _downloaded(known: KnownSet) -> Path:
    """The cache folder, with every file of the set."""
    from .download import fetch

    folder = _cache(known.name)
    if folder is None:
        raise FileError(
            f"{known.name} is not on this machine, and there is no folder to download it to, since "
            "the user has no home; set XDG_CACHE_HOME to a folder's whole path, or HOME"
        )
    try:
        for remote in known.remotes:
            if known.name == CIFAR or not find_file(folder, remote.name):
                fetch(remote, folder)
    except FileError as cause:
        raise FileError(
            f"{known.name} is not on this machine, and {cause}; try again later, or put the files "
            f"into {folder} by hand: {known.by_hand}"
        ) from cause
    return folder


def _pair(name: str, images: Path, labels: Path) -> Pair:
    """One part of the split from its two files."""
    pixels, y = read_pair(images, labels, size=_SIZE)
    if y.max() > 9:
        place = int(np.argmax(y > 9))
        raise FileError(f"{labels}: label {y[place]} at position {place} is not from 0 to 9")
    for other in SETS.values():
        if other.name != name and other.first and y[: len(other.first)].tolist() == [*other.first]:
            raise FileError(f"{labels} holds the labels of {other.name}, not of {name}")
    return unit(pixels), y
