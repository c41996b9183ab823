"""Which files of a folder are its images, class by class, in an order that no system changes."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ..errors import DataError, FileError

__all__ = ["ENDINGS", "Listing", "folders_in", "has_images", "images_below", "listed"]

ENDINGS = frozenset((".png", ".jpg", ".jpeg", ".jpe", ".jfif", ".bmp", ".tif", ".tiff", ".webp"))
"""Of the files that are read, in small letters."""

# Pictures all the same: to pass over them in silence would lose a part of the data.
_FOREIGN = frozenset(
    (".gif", ".avif", ".heic", ".heif", ".jp2", ".jxl", ".ppm", ".pgm", ".pbm", ".pnm")
)


@dataclass(frozen=True)
class Listing:
    """The images of a folder.

    Args:
        classes: the names, in the order of their labels.
        files: all images, by class and then by path.
        labels: each one's class, a position in `classes`.
        bad: files that cannot be used, each with the reason.
    """

    classes: tuple[str, ...]
    files: tuple[Path, ...]
    labels: tuple[int, ...]
    bad: tuple[tuple[Path, str], ...]


def listed(root: Path, classes: Sequence[str] | None) -> Listing:
    """The images in the folders of a folder, one folder per class.

    Args:
        root: the folder.
        classes: the classes in the order of their labels, of which some may have no folder here;
            None for the folders' names in the order of their letters.

    Raises:
        FileError: a folder is not there, or cannot be read.
        DataError: no class, a class without images, or a folder that is not among the classes.
    """
    folders = folders_in(root)
    names = tuple(folder.name for folder in folders) if classes is None else tuple(classes)
    for folder in folders:
        if folder.name not in names:
            raise DataError(
                f"{root} has a folder {folder.name!r}, which is none of the classes "
                f"{', '.join(names)}; add it to classes, or move it away"
            )
    if not folders:
        loose = "its images lie in no folder; " if has_images(root) else ""
        raise DataError(
            f"{root} has no folders of images: {loose}put the images of each class into a folder "
            "with the class's name"
        )
    files: list[Path] = []
    labels: list[int] = []
    bad = [(path, _why(path) or "it lies beside the classes' folders") for path in _images(root)]
    for folder in sorted(folders, key=lambda folder: names.index(folder.name)):
        found = images_below(folder, root)
        usable = [path for path in found if _why(path) is None]
        bad += [(path, reason) for path in found if (reason := _why(path)) is not None]
        if not found:
            raise DataError(
                f"{folder} has no images ({', '.join(sorted(ENDINGS))}); fill or remove it"
            )
        files += usable
        labels += [names.index(folder.name)] * len(usable)
    return Listing(names, tuple(files), tuple(labels), tuple(bad))


def folders_in(root: Path) -> list[Path]:
    """The folders in a folder by name, without hidden ones.

    Raises:
        FileError: it is no folder, or cannot be read.
    """
    return [root / entry.name for entry in _entries(root) if os.path.isdir(root / entry.name)]


def has_images(folder: Path) -> bool:
    """Whether images lie in a folder itself."""
    return bool(_images(folder))


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    """What is in a folder by name, without what is hidden."""
    try:
        with os.scandir(folder) as entries:
            seen = [entry for entry in entries if not entry.name.startswith(".")]
    except OSError as cause:
        raise FileError(f"cannot read the folder {folder}: {cause.strerror or cause}") from cause
    return sorted(seen, key=lambda entry: entry.name)


def _images(folder: Path) -> list[Path]:
    """The pictures that lie in a folder itself, those that cannot be read as well."""
    return [
        folder / entry.name
        for entry in _entries(folder)
        if os.path.splitext(entry.name)[1].lower() in ENDINGS | _FOREIGN
        and not os.path.isdir(folder / entry.name)
    ]


def images_below(folder: Path, root: Path | None = None) -> list[Path]:
    """The pictures in a folder and the folders in it, by path, those that cannot be read as well.

    Links to folders are followed, but into each folder once, and not up to one that holds the link.

    Args:
        folder: where they are.
        root: a folder above, into which no link is followed.
    """
    found: list[Path] = []
    seen = {_identity(root or folder), _identity(folder)}
    waiting = [folder]
    while waiting:
        current = waiting.pop()
        found += _images(current)
        for inner in folders_in(current):
            if _identity(inner) not in seen:
                seen.add(_identity(inner))
                waiting.append(inner)
    return sorted(found, key=lambda path: path.relative_to(folder).parts)


def _identity(folder: Path) -> tuple[int, int]:
    """The same for two paths to one folder."""
    try:
        status = folder.stat()
    except OSError as cause:
        raise FileError(f"cannot read the folder {folder}: {cause.strerror or cause}") from cause
    return status.st_dev, status.st_ino


def _why(path: Path) -> str | None:
    """Why a picture cannot be used, judged by its name."""
    ending = path.suffix.lower()
    return f"{ending} files are not read; save it as PNG" if ending in _FOREIGN else None
