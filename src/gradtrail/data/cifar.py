"""CIFAR-10's binary version: records of a label and 3 × 32 × 32 bytes, in six files.

The archive that holds them is read as it is: nothing is unpacked to the disk, so that no name in
it matters beyond its last part, and no more is unpacked than the six files can have.
"""

from __future__ import annotations

import gzip
import io
import os
import zlib
from pathlib import Path

import numpy as np

from ..errors import FileError
from ..storage.files import open_file, read_at_most
from .levels import unit
from .sets import ARCHIVE, CIFAR_FILES
from .splitting import Pair, Split

_INSIDE = "cifar-10-batches-bin"  # the archive's folder
_SHAPE = (3, 32, 32)
_RECORD = 1 + 3 * 32 * 32
_LIMIT = 64 << 20  # bytes of one file; the published ones have 31 million
# what else tarfile may raise where a header's fields make no sense
_UNREADABLE = (ValueError, LookupError, OverflowError, RecursionError)
_ALL = 256 << 20  # bytes that an archive may unpack to; the published one has 184 million


def find_cifar(place: Path) -> tuple[Path, ...]:
    """The six files or the archive, in a folder; or the archive itself.

    Returns:
        six paths in order, one of the archive, or none if nothing of it is there.

    Raises:
        FileError: some of the six are there, and some are not.
    """
    if os.path.isfile(place):
        return (place,) if is_archive(place) else ()
    for folder in (place, place / _INSIDE):
        there = [os.path.isfile(folder / file) for file in CIFAR_FILES]
        if all(there):
            return tuple(folder / file for file in CIFAR_FILES)
        if any(there):
            raise FileError(
                f"{folder} has {CIFAR_FILES[there.index(True)]} but no "
                f"{CIFAR_FILES[there.index(False)]}; all six files must be in one folder"
            )
    return (place / ARCHIVE,) if os.path.isfile(place / ARCHIVE) else ()


def is_archive(path: Path) -> bool:
    """Whether a file is a gzipped tar archive, by its first bytes."""
    try:
        with gzip.open(path) as unpacked:
            return unpacked.read(512)[257:262] == b"ustar"
    except (OSError, EOFError, zlib.error):
        return False


def read_cifar(place: Path) -> Split:
    """CIFAR-10 from where `find_cifar` finds it.

    Args:
        place: a folder, or the archive.

    Returns:
        x float32 (N, 3, 32, 32) from 0 to 1 in the order red, green, blue; y int64 (N,), 0 to 9.

    Raises:
        FileError: missing, damaged, or of another length; the message names the file.
    """
    found = find_cifar(place)
    if not found:
        raise FileError(f"{place} holds neither {CIFAR_FILES[0]} and its like nor {ARCHIVE}")
    packed = len(found) == 1
    contents = _unpacked(found[0]) if packed else {path.name: _content(path) for path in found}
    folder = found[0] if packed else found[0].parent
    parts = [_records(folder / name, contents.pop(name)) for name in CIFAR_FILES]
    return Split(_pair(parts[:-1]), _pair(parts[-1:]))


def _content(path: Path) -> bytes:
    with open_file(path) as file:
        content = read_at_most(file, _LIMIT)
    if content is None:
        raise _no_records(path, _LIMIT + 1)  # or more, which nobody counts
    return content


class _Bounded(io.RawIOBase):
    """Reads what a gzip stream unpacks to, and fails rather than go beyond the limit."""

    def __init__(self, packed: gzip.GzipFile, path: Path) -> None:
        self._packed, self._path, self._left = packed, path, _ALL

    def read(self, size: int = -1) -> bytes:
        """At most `size` bytes."""
        chunk = self._packed.read(min(size, self._left + 1) if size >= 0 else self._left + 1)
        self._left -= len(chunk)
        if self._left < 0:
            raise FileError(f"{self._path} unpacks to more than {_ALL:,} bytes; fetch it again")
        return chunk


def _unpacked(path: Path) -> dict[str, bytes]:
    """The six files' content by name, straight from the archive."""
    import tarfile  # when an archive is read: it takes a while

    contents: dict[str, bytes] = {}
    try:
        with gzip.open(path) as packed:
            bounded = _Bounded(packed, path)
            with tarfile.open(fileobj=bounded, mode="r|") as archive:
                for member in archive:
                    name = member.name.rpartition("/")[2]
                    if name in CIFAR_FILES and member.isreg() and member.size <= _LIMIT:
                        file = archive.extractfile(member)
                        contents[name] = b"" if file is None else file.read()
            while bounded.read(1 << 20):  # to the end, where the checksum of the whole stands
                pass
    except FileError:
        raise
    except (tarfile.TarError, gzip.BadGzipFile, EOFError, zlib.error, *_UNREADABLE) as cause:
        raise FileError(f"{path}: the archive is damaged: {cause}; fetch it again") from cause
    except OSError as cause:
        raise FileError(f"cannot read {path}: {cause.strerror or cause}") from cause
    for name in CIFAR_FILES:
        if name not in contents:
            raise FileError(f"{path} holds no {name}; the binary version is wanted, {ARCHIVE}")
    return contents


def _no_records(path: Path, size: int) -> FileError:
    return FileError(
        f"{path}: expected records of {_RECORD:,} bytes, a label and 3 × 32 × 32 pixels, got "
        f"{size:,} bytes; fetch it again"
    )


def _records(path: Path, content: bytes) -> tuple[np.ndarray, np.ndarray]:
    """Pixels uint8 (N, 3, 32, 32) and labels uint8 (N,) of one file."""
    if not content or len(content) % _RECORD:
        raise _no_records(path, len(content))
    records = np.frombuffer(content, dtype=np.uint8).reshape(-1, _RECORD)
    labels = records[:, 0]
    if labels.max() > 9:
        place = int(np.argmax(labels > 9))
        raise FileError(f"{path}: label {labels[place]} in record {place} is not from 0 to 9")
    return records[:, 1:].reshape(-1, *_SHAPE), labels


def _pair(parts: list[tuple[np.ndarray, np.ndarray]]) -> Pair:
    pixels = np.concatenate([pixels for pixels, _ in parts])
    return unit(pixels), np.concatenate([labels for _, labels in parts]).astype(np.int64)
