"""Labelled images of one size, read a few at a time: what a training on images stands on.

M images, C channels, H, W sizes, n how many are read at once.
"""

from __future__ import annotations

import zlib
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

import numpy as np
from numpy.typing import ArrayLike

from ..checking.calls import call_example
from ..checking.input_samples import warn_if_last
from ..errors import ArgumentError, DataError
from ..layers.layer import times
from .levels import unit
from .splitting import Pair, held_out_mask, labels_from

_BLOCK = 1024
"""How many images are read at once where all are."""


@dataclass(frozen=True, eq=False, repr=False)
class Images(ABC):
    """M images with a class each, as bytes, in an order that never changes.

    Args:
        shape: of one image, (C, H, W).
        y: each image's class, int64 (M,), read-only; `classes` has the names.
        classes: the classes' names, in the order of their labels.
        paths: each image's file; empty where they come from no files.
        skipped: files that were left out, each with the reason.
        notes: what a person should be told before a training, a sentence each; mostly none.
        memory: bytes that `arrays` may take; None for any number.
    """

    shape: tuple[int, int, int]
    y: np.ndarray
    classes: tuple[str, ...]
    paths: tuple[Path, ...] = ()
    skipped: tuple[tuple[Path, str], ...] = ()
    notes: tuple[str, ...] = ()
    memory: int | None = None

    @abstractmethod
    def cached_among(self, places: np.ndarray) -> int:
        """How many of these places (n,) are in memory, and need no decoding."""

    @abstractmethod
    def take(self, places: np.ndarray, out: np.ndarray) -> None:
        """Put images into an array; `read` is the same with its arguments checked.

        Args:
            places: int64 (n,), each from 0 to M − 1.
            out: uint8 (n, C, H, W).

        Raises:
            DataError: a file has become unreadable.
        """

    def checksums_at(self, places: np.ndarray) -> np.ndarray:
        """CRC-32 of each of these images' pixels, uint32 (n,); see `checksums`.

        Args:
            places: int64 (n,), each from 0 to M − 1.

        Raises:
            DataError: a file has become unreadable.
        """
        found = np.empty(len(places), np.uint32)
        for begin in range(0, len(places), _BLOCK):
            part = places[begin : begin + _BLOCK]
            found[begin : begin + _BLOCK] = [zlib.crc32(image) for image in self.read(part)]
        return found

    @final
    def checksums(self) -> np.ndarray:
        """CRC-32 of each image's pixels, uint32 (M,): whether these are the same images.

        Images in files have theirs from the time when they were opened; others are read.

        Raises:
            DataError: a file has become unreadable.
        """
        return self.checksums_at(np.arange(len(self), dtype=np.int64))

    @final
    @property
    def cached(self) -> int:
        """How many of the images are in memory, and need no decoding."""
        return self.cached_among(np.arange(len(self)))

    @final
    def __len__(self) -> int:
        return len(self.y)

    @final
    def read(self, places: ArrayLike, out: np.ndarray | None = None) -> np.ndarray:
        """Some of the images; several threads may read at once.

        Args:
            places: whole numbers (n,), each from 0 to M − 1, in any order and repeated or not.
            out: where to put them, uint8 (n, C, H, W); a new array by default.

        Returns:
            `out`, uint8 (n, C, H, W).

        Raises:
            ArgumentError: places or `out` are of another shape or type, or beyond the images.
            DataError: a file has become unreadable since it was opened; the message names it.
        """
        checked = self._checked(places)
        wanted = (len(checked), *self.shape)
        if out is None:
            out = np.empty(wanted, dtype=np.uint8)
        elif out.dtype != np.uint8 or out.shape != wanted or not out.flags.writeable:
            raise ArgumentError(
                f"read: out must be a writeable array of uint8 {wanted}, got {out.dtype} "
                f"{out.shape}"
            )
        self.take(checked, out)
        return out

    @final
    def arrays(self) -> Pair:
        """All images at once, as a network takes them.

        Returns:
            x float32 (M, C, H, W) from 0 to 1, y int64 (M,).

        Raises:
            DataError: they would take more memory than they may, or a file has become unreadable.
        """
        needed = 4 * len(self) * int(np.prod(self.shape))
        if self.memory is not None and needed > self.memory:
            raise DataError(
                f"{len(self):,} images of {times(self.shape)} take {needed:,} bytes as float32, "
                f"more than memory={self.memory:,}; read them a few at a time, or pass a larger "
                "memory"
            )
        x = np.empty((len(self), *self.shape), dtype=np.float32)
        for begin in range(0, len(self), _BLOCK):
            x[begin : begin + _BLOCK] = self.numbers(begin, min(begin + _BLOCK, len(self)))
        return x, self.y.copy()

    @final
    def numbers(self, begin: int, end: int) -> np.ndarray:
        """Some images in their order, as a network takes them.

        Args:
            begin: the first, from 0.
            end: behind the last, at most M.

        Returns:
            float32 (end − begin, C, H, W) from 0 to 1.

        Raises:
            ArgumentError: places beyond the images.
            DataError: a file has become unreadable.
        """
        return unit(self.read(np.arange(begin, end)))

    @final
    def check_shape(self, wanted: tuple[int, ...], name: str) -> None:
        """Check that there are images, and that a network takes them.

        Args:
            wanted: what the network takes, (C, H, W).
            name: what the caller calls the images.

        Raises:
            DataError: there are none, or others.
        """
        if self.shape != wanted:
            raise DataError(
                f"{name}: the images have shape {self.shape}, but the network takes {wanted}; open "
                "the folder with size= and channels= of the network"
            )
        if not len(self):
            raise DataError(f"{name} is empty: there is no image")

    @final
    def subset(self, places: ArrayLike) -> Images:
        """These of the images, in this order; they share the memory of all.

        Args:
            places: whole numbers (n,), each from 0 to M − 1.

        Raises:
            ArgumentError: places are of another shape or type, none, or beyond the images.
        """
        checked = self._checked(places)
        if not len(checked):
            raise ArgumentError("subset: places are empty; a subset has one image at least")
        return _Subset(self, checked.copy())

    @final
    def split(self, share: float, seed: int = 0) -> tuple[Images, Images]:
        """Two subsets with every class in both alike.

        Args:
            share: of the images that are held out, between 0 and 1; see `gradtrail.data.split`.
            seed: which ones; the same for the same seed.

        Returns:
            the images to train with and those held out, each in the order of all.

        Raises:
            ArgumentError: no share between 0 and 1, or a negative seed.
            DataError: every class has one image only, so that none can be held out.
        """
        out = held_out_mask(self.y, share, seed)
        return self.subset(np.flatnonzero(~out)), self.subset(np.flatnonzero(out))

    @final
    def _checked(self, places: ArrayLike) -> np.ndarray:
        """Places as int64, within the images."""
        array = np.asarray(places)
        if array.size == 0 and array.ndim == 1:
            return np.empty(0, dtype=np.int64)
        if array.ndim != 1 or array.dtype.kind not in "iu":
            raise ArgumentError(
                f"places must be whole numbers with one axis, got {array.dtype} {array.shape}"
            )
        if array.min() < 0 or array.max() >= len(self):
            wrong = int(array[(array < 0) | (array >= len(self))][0])
            raise ArgumentError(f"places has {wrong}, but they go from 0 to {len(self) - 1}")
        return array.astype(np.int64, copy=False)


@final
class _Subset(Images):
    """Some images of others; a label and a class mean the same in every part.

    Args:
        whole: the others.
        places: in them, int64 (n,), already checked.
    """

    def __init__(self, whole: Images, places: np.ndarray) -> None:
        paths = tuple(whole.paths[place] for place in places) if whole.paths else ()
        y = whole.y[places]
        y.flags.writeable = False
        super().__init__(
            whole.shape,
            y,
            whole.classes,
            paths,
            skipped=whole.skipped,
            notes=whole.notes,
            memory=whole.memory,
        )
        self._whole, self._places = whole, places

    def __repr__(self) -> str:
        return f"{len(self):,} images of {self._whole!r}"

    def cached_among(self, places: np.ndarray) -> int:
        return self._whole.cached_among(self._places[places])

    def checksums_at(self, places: np.ndarray) -> np.ndarray:
        return self._whole.checksums_at(self._places[places])

    def take(self, places: np.ndarray, out: np.ndarray) -> None:
        self._whole.take(self._places[places], out)


@final
@call_example("gt.data.ArrayImages(x, y)")
class ArrayImages(Images):
    """Images that are in memory already.

    Args:
        x: uint8 (M, C, H, W); not copied.
        y: each image's class, whole numbers (M,) from 0.
        classes: their names, in the order of the labels; by default the numbers.

    Raises:
        DataError: arrays of another shape or type, or that do not fit together.
    """

    def __init__(self, x: np.ndarray, y: ArrayLike, classes: Sequence[str] | None = None) -> None:
        if not isinstance(x, np.ndarray) or x.dtype != np.uint8 or x.ndim != 4 or not x.size:
            got = f"{x.dtype} {x.shape}" if isinstance(x, np.ndarray) else type(x).__name__
            raise DataError(
                f"ArrayImages: x must be uint8 (M, C, H, W) with one image at least, got {got}; "
                "samples of floats are arrays already, and can be passed on as (x, y)"
            )
        warn_if_last(x.shape, "ArrayImages: x")
        labels = labels_from(y, len(x), "ArrayImages")
        labels.flags.writeable = False
        super().__init__(x.shape[1:], labels, classes_of(labels, classes, "ArrayImages"))
        self._x = x

    def __repr__(self) -> str:
        return f"ArrayImages({len(self):,} images of {times(self.shape)})"

    def cached_among(self, places: np.ndarray) -> int:
        """All of them."""
        return len(places)

    def take(self, places: np.ndarray, out: np.ndarray) -> None:
        """See `Images`."""
        np.take(self._x, places, axis=0, out=out, mode="clip")


def classes_of(y: np.ndarray, classes: Sequence[str] | None, who: str) -> tuple[str, ...]:
    """The classes' names: those given, or the labels as numbers.

    Args:
        y: labels (M,), from 0.
        classes: the names, or None.
        who: what to call the caller.

    Raises:
        DataError: not different names, or fewer than the labels need.
    """
    highest = int(y.max())
    if classes is None:
        return tuple(str(label) for label in range(highest + 1))
    names: tuple[Any, ...] = tuple(classes)
    if isinstance(classes, str) or not all(isinstance(name, str) for name in names):
        raise DataError(f"{who}: classes must be names, got {classes!r}")
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise DataError(f"{who}: classes has {twice!r} twice; each class needs a name of its own")
    if highest >= len(names):
        raise DataError(
            f"{who}: y has label {highest}, but classes has {len(names)} names, for labels 0 to "
            f"{len(names) - 1}"
        )
    return names
