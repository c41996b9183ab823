"""A folder of images, one folder per class, checked as a whole when it is opened."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import final

import numpy as np

from ..checking.calls import call_example, checked_path
from ..errors import ArgumentError, FileError, warn
from ..layers.layer import times
from ..machine.folders import locate
from .bad_files import Judge
from .decode import decode_image
from .folder_notes import folder_notes
from .folder_options import Bad, FolderOptions
from .folder_parts import refuse_parts
from .image_files import list_images
from .image_format import Header
from .image_spec import Fit, ImageSpec
from .images import Images
from .levels import unit
from .pillow import quiet
from .store import FileThreads, Store, read_headers
from .unreadable import UnreadableError

_USUAL = (64, 64)
"""Rows and columns of images that differ in size, where nobody says any."""


@final
@call_example("gt.data.ImageFolder(path, size=64)")
class ImageFolder(Images):
    """Images in a folder with a folder for each class: PNG, JPEG, BMP, TIFF and WebP.

    Every file is decoded once when the folder is opened, so that a training does not meet a bad
    one. What is decoded is kept in memory as far as `memory` goes, and the rest is decoded each
    time.

    The images of a class are all in its folder and in the folders inside it, by path; classes and
    paths are in the order of their letters. Hidden files, and files without a picture's ending, are
    no images. Pictures of other kinds (GIF, HEIC, …), and pictures beside the classes' folders, are
    bad. Of a file with several pictures the first counts.

    Each image is turned as EXIF asks. Transparent ones lie on white. Of 16 bits the higher 8 count.
    A palette and CMYK become red, green and blue; colours become grey as ITU-R 601 weighs them.

    Args:
        path: the folder.
        size: rows and columns (H, W) of every image, or one number for both. None for the size that
            all have, and for 64 × 64 where they differ, which is said.
        channels: 1 for grey, 3 for red, green and blue; None for 1 if all images are grey by their
            headers, else 3.
        fit: how to come to `size`: "resize" to exactly it, "letterbox" to keep the proportions and
            pad with 0, "crop" to fill it and cut what stands out at both ends. Images that shrink
            are averaged (a bilinear filter), JPEGs far above the size after decoding at a half, a
            quarter or an eighth.
        bad: what to do about files that cannot be read: "refuse" the folder, or "skip" and list
            them in `skipped` and `notes`.
        memory: bytes for decoded images, and for `arrays`.
        threads: that decode; by default one for each core.
        classes: the classes in the order of their labels, such as another folder's; some may have
            no folder here. By default the folders' names.
        white: in files of 16 bits, the number that is white, such as 4095 for a camera of 12 bits;
            by default 65,535, with a note where no number comes near it.

    Raises:
        ArgumentError: an argument outside what is said above.
        FileError: the folder is not there, or cannot be read.
        DataError: no class, a class without images, or bad files, of which the message names the
            first ones; or folders that are hardly classes.

    Warns:
        GradtrailWarning: each of the `notes`.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        size: int | tuple[int, int] | None = None,
        channels: int | None = None,
        fit: Fit = "resize",
        bad: Bad = "refuse",
        memory: int = 1 << 30,
        threads: int | None = None,
        classes: Sequence[str] | None = None,
        white: int | None = None,
    ) -> None:
        asked = FolderOptions(size, channels, fit, bad, memory, threads, classes, white)
        if asked.classes is None:
            refuse_parts(locate(checked_path("ImageFolder", path)))
        self._open(checked_path("ImageFolder", path), asked, None)
        for note in self.notes:
            warn(note)

    @classmethod
    def open_silently(
        cls, path: Path, asked: FolderOptions, usual: tuple[int, int, int] | None = None
    ) -> ImageFolder:
        """The folder for those who say its notes themselves, or not.

        Args:
            path: the folder.
            asked: how it is to be read.
            usual: (C, H, W) of the training images, for what is not asked for.
        """
        folder = cls.__new__(cls)
        folder._open(path, asked, usual)
        return folder

    def _open(self, path: Path, asked: FolderOptions, usual: tuple[int, int, int] | None) -> None:
        """List the files, look at their headers where they are needed, and decode all once."""
        self._root = locate(path)
        names = None if asked.classes is None else tuple(asked.classes)
        found, pool = list_images(self._root, names), FileThreads(asked.threads)
        judge = Judge(self._root, found, asked.bad)
        shape, self._fitted = _shape(judge, asked, usual, pool)
        files = list(judge.left)
        target = ImageSpec(shape, asked.fit if self._fitted else None, asked.white)
        self._store = Store(files, target, asked.memory, pool)
        wrong = self._store.verify(f"reading {len(files):,} images in {self._root}")
        judge.drop(wrong)
        left = [number for number, path in enumerate(files) if path not in wrong]
        self._files = np.array(left, dtype=np.int64)
        highest, several = (of[self._files] for of in (self._store.highest, self._store.several))
        paths = tuple(judge.left)
        judge.notes += folder_notes(self._root, paths, highest, several, asked.white)
        judge.conclude()
        y = np.array([*judge.left.values()], dtype=np.int64)
        y.flags.writeable = False
        super().__init__(
            shape,
            y,
            found.classes,
            paths,
            skipped=tuple(judge.skipped),
            notes=tuple(judge.notes),
            memory=asked.memory,
        )

    def __repr__(self) -> str:
        return (
            f"ImageFolder({str(self._root)!r}: {len(self):,} images of {times(self.shape)} in "
            f"{len(self.classes)} classes)"
        )

    @property
    def fitted(self) -> bool:
        """Whether images are brought to a size, instead of having it already."""
        return self._fitted

    def cached_among(self, places: np.ndarray) -> int:
        """See `Images`."""
        return self._store.cached_among(self._files[places])

    def checksums_at(self, places: np.ndarray) -> np.ndarray:
        """See `Images`; of what was decoded when the folder was opened."""
        found: np.ndarray = self._store.checksums[self._files[places]]
        return found

    def take(self, places: np.ndarray, out: np.ndarray) -> None:
        """See `Images`."""
        self._store.take(self._files[places], out)


def _shape(
    judge: Judge, asked: FolderOptions, usual: tuple[int, int, int] | None, pool: FileThreads
) -> tuple[tuple[int, int, int], bool]:
    """What images are to become, and whether they are to be fitted into it.

    What is not asked for follows from the headers.

    Raises:
        DataError: nothing of a class is left.
    """
    size, channels = asked.pair, asked.channels
    if size is not None and channels is not None:
        return (channels, *size), True
    left = list(judge.left)
    text = f"looking at {len(left):,} images in {judge.root}"
    read = read_headers(left, pool, text)
    judge.drop({path: found for path, found in read.items() if isinstance(found, str)})
    known = {path: found for path, found in read.items() if isinstance(found, Header)}
    if channels is None:
        coloured = next((path for path, found in known.items() if not found.grey), None)
        channels = usual[0] if usual else 1 if coloured is None else 3
        if coloured is not None and channels == 1:
            judge.notes.append(
                f"the training images are grey, and not all images in {judge.root} are, such as "
                f"{coloured}: their colours became grey levels; pass channels=3 to keep them"
            )
    if size is not None:
        return (channels, *size), True
    first = next(iter(known))
    own = usual[1:] if usual else known[first].size
    other = next((path for path in known if known[path].size != own), None)
    if other is None:
        return (channels, *own), False
    size = usual[1:] if usual else _USUAL
    theirs = f"{other} with {times(known[other].size)}"
    if usual:
        what = f"are not all of the training images' size, such as {theirs} pixels: they were"
    else:
        what = f"differ in size, such as {first} with {times(own)} pixels and {theirs}: all were"
    judge.notes.append(
        f"the images in {judge.root} {what} brought to {times(size)}; pass size= (--size) for "
        "another, and fit= (--fit) for how"
    )
    return (channels, *size), True


@call_example("gt.data.read_image(path, network.input_shape)")
def read_image(
    path: str | os.PathLike[str],
    shape: tuple[int, int, int],
    fit: Fit = "resize",
    white: int | None = None,
) -> np.ndarray:
    """One image as a network takes it, made like those of an `ImageFolder`.

    Args:
        path: a PNG, JPEG, BMP, TIFF or WebP file.
        shape: (C, H, W) with C 1 or 3, such as `network.input_shape`.
        fit: see `ImageFolder`.
        white: see `ImageFolder`.

    Returns:
        float32 (C, H, W) from 0 to 1.

    Raises:
        ArgumentError: another shape or fit.
        FileError: it cannot be read; the message says why.
    """
    source = locate(checked_path("read_image", path))
    if not isinstance(shape, tuple) or len(shape) != 3:
        raise ArgumentError(f"read_image: shape must be (C, H, W), got {shape!r}")
    size = FolderOptions(shape[1:], shape[0], fit, white=white).pair
    assert size is not None
    try:
        with quiet():
            return unit(decode_image(source, ImageSpec((shape[0], *size), fit, white)))
    except UnreadableError as reason:
        raise FileError(f"cannot read {path}: {reason}") from reason
