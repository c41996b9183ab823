"""Which files of a folder are its images, class by class, in an order that no system changes."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..errors import DataError, typed
from ..storage.files import file_errors

ENDINGS = frozenset((".png", ".jpg", ".jpeg", ".jpe", ".jfif", ".bmp", ".tif", ".tiff", ".webp"))
"""Of the files that are read, in small letters."""

# Pictures all the same: to pass over them in silence would lose a part of the data.
_FOREIGN = frozenset(
    (
        *(".gif", ".avif", ".heic", ".heif", ".jp2", ".j2k", ".jxl", ".jxr", ".qoi", ".tga"),
        *(".ppm", ".pgm", ".pbm", ".pnm", ".psd", ".exr", ".dcm"),
        *(".dng", ".cr2", ".cr3", ".nef", ".arw"),
    )
)

_LEFT_BEHIND = frozenset(("__MACOSX", "@eaDir", "$RECYCLE.BIN", "System Volume Information"))
"""Folders that archives, servers and systems put beside one's own: as good as hidden."""

_INPUTS = frozenset(("image", "images", "img", "imgs", "input", "inputs"))
_ANSWERS = frozenset(
    (
        *("mask", "masks", "label", "labels", "annotation", "annotations", "segmentation"),
        *("segmentations", "gt", "ground_truth", "groundtruth", "target", "targets"),
    )
)
"""What stands beside images where each has a map or boxes of its own."""

_NAMED = 3  # folders in a message


@dataclass(frozen=True)
class ImageFiles:
    """The images of a folder.

    Args:
        classes: the names, in the order of their labels.
        labels: each image's class, a position in `classes`; by class and then by path.
        bad: files that cannot be used, each with the reason.
        notes: what a person should be told, a sentence each.
    """

    classes: tuple[str, ...]
    labels: Mapping[Path, int]
    bad: tuple[tuple[Path, str], ...]
    notes: tuple[str, ...] = ()


def list_images(root: Path, classes: Sequence[str] | None) -> ImageFiles:
    """The images in the folders of a folder, one folder per class.

    Args:
        root: the folder.
        classes: the classes in the order of their labels, of which some may have no folder here;
            None for the folders' names in the order of their letters.

    Raises:
        FileError: a folder is not there, or cannot be read.
        DataError: no class, a class without images, a folder that is not among the classes, or one
            folder alone that holds folders of images, or folders that are hardly classes.
    """
    folders = folders_in(root)
    notes = _looked_at(root, folders) if classes is None else ()
    names = tuple(folder.name for folder in folders) if classes is None else tuple(classes)
    for folder in folders:
        if folder.name not in names:
            raise DataError(
                f"{root} has a folder {folder.name!r}, which is none of the classes "
                f"{', '.join(names)}; move it away, or add it where they are given (classes=, "
                "--classes)"
            )
    if not folders:
        loose = "its images lie in no folder; " if pictures(root) else ""
        raise DataError(
            f"{root} has no folders of images: {loose}put the images of each class into a folder "
            "with the class's name"
        )
    labels: dict[Path, int] = {}
    bad = [(path, "it lies beside the classes' folders") for path in pictures(root)]
    for folder in sorted(folders, key=lambda folder: names.index(folder.name)):
        found = images_below(folder, root)
        if not found:
            raise DataError(
                f"{folder} has no images ({', '.join(sorted(ENDINGS))}); fill or remove it"
            )
        labels |= dict.fromkeys(found, names.index(folder.name))
    return ImageFiles(names, labels, tuple(bad), notes)


def _looked_at(root: Path, folders: Sequence[Path]) -> tuple[str, ...]:
    """Whether the classes lie a level deeper, as far as one can see, or are none.

    Raises:
        DataError: there is one folder alone, and folders of images in it; or one of images and one
            of maps.
    """
    lower = {folder.name.lower() for folder in folders}
    if lower & _INPUTS and lower & _ANSWERS and lower <= _INPUTS | _ANSWERS:
        raise DataError(
            f"{root} has {' and '.join(folder.name for folder in folders)}, which are hardly "
            "classes: images with a map or boxes for each are for segmentation or detection, for "
            "which there is no loss yet; pass classes= (--classes) if they are classes"
        )
    inner = innermost(root)
    if inner != root:
        told = ", ".join(folder.name for folder in folders_in(inner)[:_NAMED])
        raise DataError(
            f"{root} has one folder alone, and the folders in {inner} ({told}) are probably the "
            f"classes: open {inner} (--data {typed(inner)}), or pass "
            f"classes={[folders[0].name]!r} (--classes {typed(folders[0].name)}) if it is one class"
        )
    inside = [tuple(folder.name for folder in folders_in(outer)) for outer in folders]
    if (
        len(folders) < 2
        or len(inside[0]) < 2
        or len(set(inside)) > 1
        or any(map(pictures, folders))
    ):
        return ()
    outer, deeper = (", ".join(names[:_NAMED]) for names in ([f.name for f in folders], inside[0]))
    return (
        f"the classes are taken to be the folders of {root} ({outer}), not those in each of them "
        f"({deeper}); if these are, put the images of each into one folder",
    )


def innermost(root: Path, known: Sequence[str] = ()) -> Path:
    """Where the folders begin that may be classes: further in, where one folder holds all others.

    Args:
        root: where to begin.
        known: names that are classes for sure.

    Returns:
        `root`, or a folder in it that holds several folders, while everything above holds nothing
        but it.
    """
    seen, place = {_identity(root)}, root
    while True:
        inside = folders_in(place)
        if len(inside) != 1 or inside[0].name in known or pictures(place) or pictures(inside[0]):
            return place if len(inside) > 1 else root
        if _identity(inside[0]) in seen:
            return root
        place = inside[0]
        seen.add(_identity(place))


def folders_in(root: Path) -> list[Path]:
    """The folders in a folder by name, without hidden ones.

    Raises:
        FileError: it is no folder, or cannot be read.
    """
    return [root / entry.name for entry in _entries(root) if os.path.isdir(root / entry.name)]


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    """What is in a folder by name, without what is hidden."""
    with file_errors("read the folder", folder), os.scandir(folder) as entries:
        seen = [
            entry
            for entry in entries
            if not entry.name.startswith(".") and entry.name not in _LEFT_BEHIND
        ]
    return sorted(seen, key=lambda entry: entry.name)


def pictures(folder: Path) -> list[Path]:
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
        found += pictures(current)
        for inner in folders_in(current):
            if _identity(inner) not in seen:
                seen.add(_identity(inner))
                waiting.append(inner)
    return sorted(found, key=lambda path: path.relative_to(folder).parts)


def _identity(folder: Path) -> tuple[int, int]:
    """The same for two paths to one folder."""
    with file_errors("read the folder", folder):
        status = folder.stat()
    return status.st_dev, status.st_ino
