"""What a path holds, recognised by its content: folders of images, IDX, CIFAR-10, or arrays."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..checking.calls import call_example, checked_path, unknown_argument
from ..errors import ArgumentError, FileError, warn
from ..layers.layer import times
from ..machine.folders import locate
from ..storage.foreign_files import reader_of
from .cifar import find_cifar, is_archive, read_cifar
from .dataset import DataSet
from .folder_options import FolderOptions, names_of
from .folder_parts import Parts, classes_within, parts_of
from .idx import find_idx, read_pair
from .image_files import folders_in, pictures
from .label_order import name_labels, order_labels
from .levels import unit
from .sets import CIFAR_CLASSES

if TYPE_CHECKING:
    from .image_folder import ImageFolder


@call_example("gt.data.read(path)")
def read(
    path: str | os.PathLike[str],
    *,
    channels_last: bool | None = None,
    classes: Sequence[str] | None = None,
    **images: Any,
) -> DataSet:
    """The data at a path, whatever of these it holds:

    - a folder of images, one folder per class (see `ImageFolder`);
    - a folder with `train` and perhaps `val` and `test` of such folders, also under names such as
      validation, dev, training_set or test_images. The classes are those of `train`;
    - a folder with one of these in it and nothing else;
    - MNIST's four IDX files, of any image size, raw or gzipped;
    - CIFAR-10's binary files, or the archive of them;
    - a `.npz` file with arrays x and y, and perhaps x_val, y_val, x_test and y_test; or x_train,
      y_train; images, labels; train_images, train_labels, val_images, …; and perhaps classes.

    Arrays of uint8 are divided by 255, floats are taken as they are. (N, H, W) are N grey images.
    Of four axes the second counts the channels, unless it is neither 1 nor 3 and the last one is:
    then the images are channels last, which is said in the notes. Where both could be, or nothing
    tells channels from rows and columns, as in volumes, nothing is guessed: `channels_last` must
    say it. Labels 1 … K without 0 and without names count from 1.

    Args:
        path: a folder, a `.npz` file or CIFAR-10's archive.
        channels_last: whether images in a `.npz` are (N, H, W, C); None to follow the rule above.
        classes: the classes in the order of their labels, such as another set's; None for those
            that are found.
        images: arguments for `ImageFolder`: size, channels, fit, bad, memory, threads, white.

    Raises:
        ArgumentError: arguments for images where there are none, or channels_last without arrays.
        FileError: nothing of this is there, or a file is damaged.
        DataError: images or labels that cannot be learned from, or that could be meant in several
            ways.

    Warns:
        GradtrailWarning: each of the notes.
    """
    found = recognise(path, channels_last=channels_last, classes=classes, **images)
    for note in found.notes:
        warn(note)
    return found


def recognise(
    path: str | os.PathLike[str],
    *,
    channels_last: bool | None = None,
    classes: Sequence[str] | None = None,
    **images: Any,
) -> DataSet:
    """See `read`; the notes are for the caller to say."""
    classes = names_of(classes)
    arrays = isinstance(path, tuple) or hasattr(path, "shape")
    hint = "; samples and labels that are arrays are passed on as they are, as (x, y)"
    source = locate(checked_path("read", path, hint if arrays else ""))
    known = [f.name for f in fields(FolderOptions)]
    for argument in images.keys() - known:
        raise ArgumentError(unknown_argument("read", argument, ["channels_last", *known]))
    if os.path.isfile(source):
        _only(source, "arrays", images)
        return _classed(_from_file(source, channels_last), classes, source)
    if channels_last is not None:
        raise ArgumentError(f"read: {source} is no .npz file, so channels_last says nothing")
    if not os.path.isdir(source):
        raise FileError(f"cannot read {source}: there is no such file or folder")
    if find_idx(source):
        _only(source, "IDX files", images)
        return _classed(_from_idx(source), classes, source)
    if find_cifar(source):
        _only(source, "CIFAR-10", images)
        return _classed(_from_cifar(source), classes, source)
    if folders_in(source) or pictures(source):
        return _from_folder(source, FolderOptions(classes=classes, **images))
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


def _classed(found: DataSet, classes: Sequence[str] | None, source: Path) -> DataSet:
    """Arrays with their labels understood, or in the order of given classes."""
    return name_labels(found, source) if classes is None else order_labels(found, classes, source)


def _from_file(source: Path, channels_last: bool | None) -> DataSet:
    """A `.npz` or an archive."""
    with source.open("rb") as file:
        begin = file.read(4)
    what = reader_of(source)
    if begin[:2] == b"PK" and (what is None or "gt.data.read(" in what):
        from .array_sets import read_array_set

        return read_array_set(source, channels_last)
    if is_archive(source):
        return _from_cifar(source)
    ended = f": {what}" if what else ""
    raise FileError(f"{source} is neither a .npz file nor CIFAR-10's archive{ended}")


def _from_folder(source: Path, asked: FolderOptions) -> DataSet:
    """Folders of images: parts of a data set, classes, or one folder that holds either."""
    from .image_folder import ImageFolder

    known = asked.classes or ()
    folders = folders_in(source)
    parts = Parts({}) if all(f.name in known for f in folders) else parts_of(source)
    if parts.folders:
        return _from_parts(parts, asked)
    inner, notes = classes_within(source, known)
    if inner != source:
        found = _from_folder(inner, asked)
        return replace(found, notes=(*notes, *found.notes))
    folder = ImageFolder.open_silently(source, asked)
    return DataSet("a folder of images", folder, classes=folder.classes, notes=folder.notes)


def _from_parts(parts: Parts, asked: FolderOptions) -> DataSet:
    """Each part as images; what is not given follows from the training part."""
    from .image_folder import ImageFolder

    notes = list(parts.notes)
    opened: dict[str, ImageFolder] = {}
    usual: tuple[int, int, int] | None = None
    for part, path in parts.folders.items():
        inner, told = classes_within(path, asked.classes or ())
        folder = opened[part] = ImageFolder.open_silently(inner, asked, usual)
        if part == "train":
            usual = folder.shape
            asked = replace(asked, classes=folder.classes)
            asked = replace(asked, size=usual[1:]) if folder.fitted else asked
        notes += (*told, *folder.notes)
    train = opened["train"]
    kind = f"folders of images: {', '.join(path.name for path in parts.folders.values())}"
    return DataSet(kind, **opened, classes=train.classes, notes=tuple(notes))


def _from_idx(source: Path) -> DataSet:
    files = find_idx(source)
    (pixels, y), (test_pixels, y_test) = (read_pair(files[at], files[at + 1]) for at in (0, 2))
    if pixels.shape[1:] != test_pixels.shape[1:]:
        ours, theirs = (times(p.shape[2:]) for p in (pixels, test_pixels))
        raise FileError(f"{files[2]}: its images have {theirs} pixels, those in {files[0]} {ours}")
    return DataSet("IDX files", (unit(pixels), y), test=(unit(test_pixels), y_test))


def _from_cifar(source: Path) -> DataSet:
    train, test = read_cifar(source)
    return DataSet("CIFAR-10", train, test=test, classes=CIFAR_CLASSES)
