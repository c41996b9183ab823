"""A folder of images, one folder per class, checked as a whole when it is opened."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, final

import numpy as np

from ..errors import ArgumentError, DataError, FileError
from ..layers.base import positive
from .decode import FITS, Fit, Header, Target, UnreadableError, decoded, quiet
from .images import About, Images
from .listing import Listing, listed
from .pixels import unit
from .store import Pool, Store, headers

__all__ = ["ImageFolder", "read_image"]

_NAMED = 3  # bad files in a message
_MAX = 1 << 26  # bytes of one decoded image


@final
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
        size: rows and columns (H, W) of every image, or one number for both; None if all have one
            size.
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

    Raises:
        ArgumentError: an argument outside what is said above.
        FileError: the folder is not there, or cannot be read.
        DataError: no class, a class without images, bad files, or several sizes with `size=None`;
            the message names the first ones.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        size: int | tuple[int, int] | None = None,
        channels: int | None = None,
        fit: Fit = "resize",
        bad: Literal["refuse", "skip"] = "refuse",
        memory: int = 1 << 30,
        threads: int | None = None,
        classes: Sequence[str] | None = None,
    ) -> None:
        wanted = _checked(size, channels, fit, bad)
        positive("ImageFolder", memory=memory, **({} if threads is None else {"threads": threads}))
        self._root = Path(path).expanduser()
        found = listed(self._root, _names(classes))
        judge, pool = _Judge(self._root, found, bad), Pool(threads)
        if wanted is None or channels is None:
            shape = _shape(judge, wanted, channels, pool)
        else:
            shape = (channels, *wanted)
        files = judge.good()
        target = Target(shape, None if wanted is None else fit)
        self._store = Store([found.files[f] for f in files], target, memory, pool)
        wrong = self._store.verify(f"reading {len(files):,} images in {self._root}")
        judge.drop({files[file]: reason for file, reason in wrong.items()})
        self._files = np.array([f for f in range(len(files)) if f not in wrong], dtype=np.int64)
        self._about = judge.about(shape, memory)

    def __repr__(self) -> str:
        size = " × ".join(map(str, self.shape))
        return (
            f"ImageFolder({str(self._root)!r}: {len(self):,} images of {size} in "
            f"{len(self.classes)} classes)"
        )

    @property
    def about(self) -> About:
        """See `Images`."""
        return self._about

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


class _Judge:
    """Keeps what is wrong with which file, and refuses the folder where it is to be refused.

    Args:
        root: the folder.
        found: what is in it.
        bad: "refuse" or "skip".

    Raises:
        DataError: nothing of a class is left.
    """

    def __init__(self, root: Path, found: Listing, bad: Literal["refuse", "skip"]) -> None:
        self.root, self.found, self.bad = root, found, bad
        self.reasons: dict[int, str] = {}
        self.drop({})

    def good(self) -> list[int]:
        """The files that nothing is wrong with so far, as positions in `found.files`."""
        return [file for file in range(len(self.found.files)) if file not in self.reasons]

    def skipped(self) -> tuple[tuple[Path, str], ...]:
        """All bad files by path, each with the reason."""
        ours = [(self.found.files[file], reason) for file, reason in self.reasons.items()]
        return tuple(sorted([*self.found.bad, *ours]))

    def drop(self, reasons: Mapping[int, str]) -> None:
        """Say what else is wrong.

        Raises:
            DataError: nothing of a class is left.
        """
        self.reasons |= reasons
        skipped = self.skipped()
        left = {self.found.labels[file] for file in self.good()}
        for path, _ in skipped:
            inside = path.relative_to(self.root).parts
            if len(inside) > 1 and self.found.classes.index(inside[0]) not in left:
                raise DataError(
                    f"class {inside[0]!r} in {self.root} has no image that can be used: "
                    f"{_first(skipped)}; mend them, or remove the class"
                )

    def about(self, shape: tuple[int, int, int], memory: int) -> About:
        """What is known of the images that are left, when all have been decoded.

        Raises:
            DataError: there are bad ones, and they are to be refused.
        """
        files, skipped, classes = self.good(), self.skipped(), self.found.classes
        if skipped and self.bad == "refuse":
            raise DataError(
                f"{self._counted(skipped)} cannot be used: {_first(skipped)}; mend or remove them, "
                "or pass bad='skip' (--bad skip) to leave them out"
            )
        y = np.array([self.found.labels[file] for file in files], dtype=np.int64)
        y.flags.writeable = False
        notes = []
        if skipped:
            notes.append(f"{self._counted(skipped)} are left out: {_first(skipped)}")
        if len(classes) == 1:
            notes.append(f"{self.root} has one class only, {classes[0]!r}: nothing to tell apart")
        paths = tuple(self.found.files[file] for file in files)
        return About(shape, y, classes, paths, skipped, tuple(notes), memory)

    def _counted(self, skipped: Sequence[object]) -> str:
        total = len(self.found.files) + len(self.found.bad)
        return f"{len(skipped):,} of {total:,} images in {self.root}"


def _first(skipped: Sequence[tuple[Path, str]]) -> str:
    """The first few bad files with their reasons, and how many more there are."""
    told = [f"{path}: {reason}" for path, reason in skipped[:_NAMED]]
    more = len(skipped) - len(told)
    return "; ".join([*told, f"and {more:,} more"] if more else told)


def _shape(
    judge: _Judge, size: tuple[int, int] | None, channels: int | None, pool: Pool
) -> tuple[int, int, int]:
    """What the headers say, where it is not given.

    Raises:
        DataError: nothing of a class is left, or several sizes.
    """
    files = judge.found.files
    left = judge.good()
    text = f"looking at {len(left):,} images in {judge.root}"
    read = headers([files[file] for file in left], pool, text)
    judge.drop({left[at]: found for at, found in read.items() if isinstance(found, str)})
    known = {left[at]: found for at, found in read.items() if isinstance(found, Header)}
    if channels is None:
        channels = 1 if all(found.grey for found in known.values()) else 3
    if size is None:
        first, *others = known
        size = known[first].size
        for other in others:
            if known[other].size != size:
                a, b = (" × ".join(map(str, known[f].size)) for f in (first, other))
                raise DataError(
                    f"the images in {judge.root} differ in size: {files[first]} has {a} pixels and "
                    f"{files[other]} {b}; pass size=(H, W), and fit= for how to come to it (on the "
                    "command line --size H,W and --fit)"
                )
    return (channels, *size)


def read_image(
    path: str | os.PathLike[str], shape: tuple[int, int, int], fit: Fit = "resize"
) -> np.ndarray:
    """One image as a network takes it, made like those of an `ImageFolder`.

    Args:
        path: a PNG, JPEG, BMP, TIFF or WebP file.
        shape: (C, H, W) with C 1 or 3, such as `network.input_shape`.
        fit: see `ImageFolder`.

    Returns:
        float32 (C, H, W) from 0 to 1.

    Raises:
        ArgumentError: another shape or fit.
        FileError: it cannot be read; the message says why.
    """
    if not isinstance(shape, tuple) or len(shape) != 3:
        raise ArgumentError(f"read_image: shape must be (C, H, W), got {shape!r}")
    size = _checked(shape[1:], shape[0], fit, "refuse")
    assert size is not None
    try:
        with quiet():
            return unit(decoded(Path(path).expanduser(), Target((shape[0], *size), fit)))
    except UnreadableError as reason:
        raise FileError(f"cannot read {path}: {reason}") from reason


def _checked(size: object, channels: object, fit: object, bad: object) -> tuple[int, int] | None:
    """The size as (H, W), with the other arguments looked at."""
    if channels not in (None, 1, 3) or isinstance(channels, bool):
        raise ArgumentError(
            f"channels must be 1 for grey, 3 for red, green and blue, or None, got {channels!r}"
        )
    if fit not in FITS:
        raise ArgumentError(f"fit must be one of {', '.join(FITS)}, got {fit!r}")
    if bad not in ("refuse", "skip"):
        raise ArgumentError(f"bad must be 'refuse' or 'skip', got {bad!r}")
    if size is None:
        return None
    both: list[Any] = list(size) if isinstance(size, tuple | list) else [size, size]
    if (
        len(both) != 2
        or not all(isinstance(s, int | np.integer) for s in both)
        or bool in map(type, both)
    ):
        raise ArgumentError(f"size must be a whole number or (H, W), got {size!r}")
    height, width = int(both[0]), int(both[1])
    if min(height, width) < 1 or 3 * height * width > _MAX:
        raise ArgumentError(
            f"size must be from 1 × 1 to {_MAX:,} bytes in three channels, got {height} × {width}"
        )
    return height, width


def _names(classes: Sequence[str] | None) -> tuple[str, ...] | None:
    """The classes as given, looked at."""
    if classes is None:
        return None
    names = () if isinstance(classes, str) else tuple(classes)
    if not names or not all(isinstance(name, str) for name in names):
        raise ArgumentError(f"classes must be a list of names, got {classes!r}")
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise ArgumentError(f"classes has {twice!r} twice; each class needs a name of its own")
    return names
