"""IDX, MNIST's file format: a magic number, a size per axis, then a byte per number.

All header fields are 4 bytes, the highest first. A file comes from outside, so what its header
claims is never trusted: memory grows with the bytes that really come, up to a limit.
"""

from __future__ import annotations

import gzip
import os
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from math import prod
from pathlib import Path
from typing import IO

import numpy as np

from ..errors import FileError
from ..layers.layer import times
from ..storage.files import file_errors
from .sets import IDX_FILES

_LIMIT = 1 << 28  # numbers in one file; MNIST has 47 million
_CHUNK = 1 << 20
_UNSIGNED_BYTES = 0x0800  # the magic number is this plus the number of axes


def find_file(folder: Path, file: str) -> Path | None:
    """The file in the folder under the first of its usual names that is there."""
    dotted = file.replace("-idx", ".idx")
    names = (file, dotted, f"{file}.gz", f"{dotted}.gz")
    return next((folder / name for name in names if os.path.isfile(folder / name)), None)


def find_idx(folder: Path) -> tuple[Path, ...]:
    """MNIST's four files in a folder: training images and labels, test images and labels.

    Returns:
        four paths, or none if none of the files is there.

    Raises:
        FileError: some are there, and some are not.
    """
    found = {file: find_file(folder, file) for file in IDX_FILES}
    paths = tuple(path for path in found.values() if path is not None)
    if 0 < len(paths) < len(found):
        missing = next(file for file, path in found.items() if path is None)
        there = next(file for file, path in found.items() if path is not None)
        raise FileError(
            f"{folder} has {there} but no {missing}; all four files must be in one folder"
        )
    return paths


def read_pair(images: Path, labels: Path, size: int | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Images and their labels.

    Args:
        images: a file of images.
        labels: a file of labels.
        size: rows and columns that the images must have; None for any.

    Returns:
        pixels uint8 (N, 1, H, W), y int64 (N,).

    Raises:
        FileError: see `read_idx`; or there are more of one than of the other.
    """
    y = read_idx(labels, {"labels": None})
    pixels = read_idx(images, {"images": None, "rows": size, "columns": size})
    if len(pixels) != len(y):
        raise FileError(f"{labels}: labels: {len(y)} for the {len(pixels)} images in {images}")
    return pixels[:, None], y.astype(np.int64)


def read_idx(path: Path, axes: Mapping[str, int | None]) -> np.ndarray:
    """The array in an IDX file of unsigned bytes.

    Args:
        path: the file, raw or gzipped; its first bytes say which.
        axes: what each axis counts, with the size it must have or None for any above 0:
            `{"images": None, "rows": 28, "columns": 28}`.

    Returns:
        uint8, with an axis for each of `axes`.

    Raises:
        FileError: missing, damaged, of another format or size, or above 2²⁸ numbers; the message
            names the file and the field.
    """
    with _opened(path) as file:
        shape = _shape(path, file.read(4 + 4 * len(axes)), axes)
        wanted, data = prod(shape), bytearray()
        while chunk := file.read(min(_CHUNK, wanted + 1 - len(data))):
            data += chunk
    if len(data) != wanted:
        follow = "more follow" if len(data) > wanted else f"only {len(data):,} follow"
        raise FileError(
            f"{path}: data: the header announces {times(shape)} = {wanted:,} bytes, but "
            f"{follow}; fetch the file again"
        )
    return np.frombuffer(data, dtype=np.uint8).reshape(shape)


@contextmanager
def _opened(path: Path) -> Iterator[IO[bytes]]:
    """The file's content, unpacked if it is gzipped; errors name the file."""
    if not os.path.isfile(path):
        raise FileError(f"cannot read {path}: there is no such file")
    with file_errors("read", path), path.open("rb") as file:
        gzipped = file.read(2) == b"\x1f\x8b"
        file.seek(0)
        if not gzipped:
            yield file
            return
        try:
            with gzip.GzipFile(fileobj=file) as unpacked:
                yield unpacked  # type: ignore[misc]
        except (EOFError, zlib.error, gzip.BadGzipFile) as cause:
            damage = f"its gzip stream is damaged: {cause}; fetch it again"
            raise FileError(f"{path}: {damage}") from cause


def _shape(path: Path, header: bytes, axes: Mapping[str, int | None]) -> tuple[int, ...]:
    """The sizes in a header, checked against what is wanted."""
    if len(header) < 4 + 4 * len(axes):
        raise FileError(
            f"{path}: header: it takes {4 + 4 * len(axes)} bytes, but the file has {len(header)}"
        )
    magic, *sizes = (int.from_bytes(header[at : at + 4]) for at in range(0, len(header), 4))
    expected = _UNSIGNED_BYTES + len(axes)
    if magic != expected:
        plural = "axis" if len(axes) == 1 else "axes"
        raise FileError(
            f"{path}: magic number: expected 0x{expected:08x} (unsigned bytes with {len(axes)} "
            f"{plural}: {', '.join(axes)}), got 0x{magic:08x}"
        )
    for (axis, wanted), size in zip(axes.items(), sizes, strict=True):
        if size == 0 or wanted not in (None, size):
            raise FileError(f"{path}: {axis}: expected {wanted or 'at least 1'}, got {size}")
    if prod(sizes) > _LIMIT:
        raise FileError(
            f"{path}: {' × '.join(axes)}: {times(tuple(sizes))} is above the limit of 2^28 numbers"
        )
    return tuple(sizes)
