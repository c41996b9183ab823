"""What a path holds, recognised by its content: folders of images, IDX, CIFAR-10, or arrays."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..errors import ArgumentError, DataError, FileError
from .cifar import CIFAR_CLASSES, find_cifar, is_archive, read_cifar
from .dataset import DataSet
from .idx import find_idx, read_pair
from .listing import folders_in, has_images
from .pixels import unit

__all__ = ["read"]

_PARTS: Mapping[str, tuple[str, ...]] = {
    "train": ("train", "training"),
    "validation": ("val", "valid", "validation"),
    "test": ("test", "testing"),
}


def read(
    path: str | os.PathLike[str], *, channels_last: bool | None = None, **images: Any
) -> DataSet:
    """The data at a path, whatever of these it holds:

    - a folder of images, one folder per class (see `ImageFolder`);
    - a folder with `train` and perhaps `val` and `test` of such folders; also under the names
      training, valid, validation and testing. The classes are those of `train`;
    - MNIST's four IDX files, of any image size, raw or gzipped;
    - CIFAR-10's binary files, or the archive of them;
    - a `.npz` file with arrays x and y, and perhaps x_val, y_val, x_test and y_test; or x_train,
      y_train; images, labels; train_images, train_labels, val_images, …; and perhaps classes.

    Arrays of uint8 are divided by 255, floats are taken as they are. (N, H, W) are N grey images.
    Of four axes the second counts the channels, unless it is neither 1 nor 3 and the last one is:
    then the images are channels last, which is said in the notes. Where both could be, nothing is
    guessed: `channels_last` must say it.

    Args:
        path: a folder, a `.npz` file or CIFAR-10's archive.
        channels_last: whether images in a `.npz` are (N, H, W, C); None to follow the rule above.
        images: arguments for `ImageFolder`: size, channels, fit, bad, memory, threads, classes.

    Raises:
        ArgumentError: arguments for images where there are none, or channels_last without arrays.
        FileError: nothing of this is there, or a file is damaged.
        DataError: images or labels that cannot be learned from.
    """
    source = Path(path).expanduser()
    if os.path.isfile(source):
        _only(source, "arrays", images)
        with source.open("rb") as file:
            begin = file.read(4)
        if begin[:2] == b"PK":
            from .arrays import read_arrays

            return read_arrays(source, channels_last)
        if is_archive(source):
            return _from_cifar(source)
        raise FileError(f"{source} is neither a .npz file nor CIFAR-10's archive")
    if channels_last is not None:
        raise ArgumentError(f"read: {source} is no .npz file, so channels_last says nothing")
    if not os.path.isdir(source):
        raise FileError(f"cannot read {source}: there is no such file or folder")
    if find_idx(source):
        _only(source, "IDX files", images)
        return _from_idx(source)
    if find_cifar(source):
        _only(source, "CIFAR-10", images)
        return _from_cifar(source)
    parts = _parts(source)
    if parts:
        return _from_folders(parts, images)
    if folders_in(source) or has_images(source):
        from .folder import ImageFolder

        folder = ImageFolder(source, **images)
        return DataSet("a folder of images", folder, classes=folder.classes, notes=folder.notes)
    raise FileError(
        f"{source} holds nothing that is known: expected a folder of images for each class, train "
        "and test with such folders, four IDX files, CIFAR-10's files, or the path of a .npz file"
    )


def _only(source: Path, what: str, images: Mapping[str, Any]) -> None:
    """Arguments that would be without effect are refused."""
    if images:
        raise ArgumentError(
            f"read: {next(iter(images))} is for folders of images, but {source} holds {what}"
        )


def _parts(source: Path) -> dict[str, Path]:
    """The folders for training, validation and testing; none where a class may be called so."""
    found: dict[str, Path] = {}
    for folder in folders_in(source):
        for part, names in _PARTS.items():
            if folder.name.lower() in names and folders_in(folder):
                if part in found:
                    raise FileError(
                        f"{source} has both {found[part].name} and {folder.name}; which is for "
                        f"{part}? Rename the other"
                    )
                found[part] = folder
    if "train" in found and not has_images(found["train"]):
        return {part: found[part] for part in _PARTS if part in found}
    return {}


def _from_folders(parts: Mapping[str, Path], images: Mapping[str, Any]) -> DataSet:
    """Each part as images; what is not given follows from the training part."""
    from .folder import ImageFolder

    given = dict(images)
    opened = {"train": ImageFolder(parts["train"], **given)}
    train = opened["train"]
    given |= {"classes": train.classes, "channels": train.shape[0]}
    for part, path in parts.items():
        if part == "train":
            continue
        opened[part] = ImageFolder(path, **given)
        if opened[part].shape != train.shape:
            ours, theirs = (" × ".join(map(str, f.shape[1:])) for f in (train, opened[part]))
            raise DataError(
                f"the images in {path} have {theirs} pixels and those in {parts['train']} {ours}; "
                "pass size=(H, W)"
            )
    notes = tuple(note for folder in opened.values() for note in folder.notes)
    kind = f"folders of images: {', '.join(path.name for path in parts.values())}"
    return DataSet(kind, **opened, classes=train.classes, notes=notes)


def _from_idx(source: Path) -> DataSet:
    files = find_idx(source)
    (pixels, y), (test_pixels, y_test) = (read_pair(files[at], files[at + 1]) for at in (0, 2))
    if pixels.shape[1:] != test_pixels.shape[1:]:
        ours, theirs = (" × ".join(map(str, p.shape[2:])) for p in (pixels, test_pixels))
        raise FileError(f"{files[2]}: its images have {theirs} pixels, those in {files[0]} {ours}")
    return DataSet("IDX files", (unit(pixels), y), test=(unit(test_pixels), y_test))


def _from_cifar(source: Path) -> DataSet:
    train, test = read_cifar(source)
    return DataSet("CIFAR-10", train, test=test, classes=CIFAR_CLASSES)
