"""Arrays from a `.npz` file, each header read and measured before memory is taken for it.

A `.npz` is a zip archive with an array in each file: a magic number, a header that describes the
array, then its numbers. Both the archive and the header make claims; neither is trusted.
"""

from __future__ import annotations

import io
import zipfile
import zlib
from collections.abc import Iterable
from math import prod
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.lib import format

from ..errors import FileError
from ..storage.files import file_errors

_LIMIT = 1 << 32  # bytes of all arrays together, 4 at least for each number
_MEMBERS = 64
_START = 12 + 10_000  # bytes of a member that its header may take; NumPy takes no longer one
_CHUNK = 1 << 22
_PACKINGS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)  # what NumPy writes


class _Claim(NamedTuple):
    """What a header says: the array's shape, its order in memory, its type."""

    shape: tuple[int, ...]
    fortran: bool
    dtype: np.dtype[Any]


def read_npz(path: Path, wanted: Iterable[str]) -> dict[str, np.ndarray]:
    """The arrays of these names, as far as the file has them.

    Args:
        path: the file.
        wanted: the names that are read; others are not even opened.

    Returns:
        arrays of numbers or text by name.

    Raises:
        FileError: no `.npz`, damaged, above 2³² bytes, or an array of Python's objects, which would
            have to be unpickled; the message names the file and the array.
    """
    try:
        with file_errors("read", path), zipfile.ZipFile(path) as archive:
            members = _members(path, archive, wanted)
            claims = {name: _claim(path, name, archive, info) for name, info in members.items()}
            total = sum(prod(c.shape) * max(4, c.dtype.itemsize) for c in claims.values())
            if total > _LIMIT:
                raise FileError(
                    f"{path}: its arrays would take {total:,} bytes, above the limit of "
                    f"{_LIMIT:,}; save fewer samples"
                )
            return {
                name: _array(path, name, archive, members[name], claim)
                for name, claim in claims.items()
            }
    except FileError:
        raise
    except (zipfile.BadZipFile, EOFError, zlib.error, NotImplementedError) as cause:
        raise FileError(f"{path} is no .npz, or a damaged one: {cause}") from cause
    except (ValueError, LookupError, RuntimeError) as cause:  # offsets that lead astray, encryption
        raise FileError(f"{path}: its list of arrays cannot be read: {cause}") from cause


def _members(
    path: Path, archive: zipfile.ZipFile, wanted: Iterable[str]
) -> dict[str, zipfile.ZipInfo]:
    """The wanted arrays' places in the archive."""
    infos = archive.infolist()
    if len(infos) > _MEMBERS:
        raise FileError(f"{path}: it holds {len(infos):,} arrays, above the limit of {_MEMBERS}")
    found: dict[str, zipfile.ZipInfo] = {}
    for info in infos:
        name = info.filename.removesuffix(".npy")
        if name in found:
            raise FileError(f"{path}: it holds the array {name!r} twice; save it anew")
        found[name] = info
    chosen = {name: found[name] for name in wanted if name in found}
    for name, info in chosen.items():
        if info.compress_type not in _PACKINGS or info.flag_bits & 1:
            raise FileError(
                f"{path}: array {name!r} is packed as NumPy never does; save it with np.savez"
            )
    return chosen


def _claim(path: Path, name: str, archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> _Claim:
    """An array's header, compared with what the archive says of its length."""
    with archive.open(info) as file:
        start = io.BytesIO(file.read(_START))
    try:
        first = format.read_magic(start) == (1, 0)
        read = format.read_array_header_1_0 if first else format.read_array_header_2_0
        claim = _Claim(*read(start))
        plain = all(type(size) is int and size >= 0 for size in claim.shape)
    except Exception:  # whatever a text raises that is read as Python's literals
        plain = False
    if not plain:
        raise FileError(f"{path}: array {name!r} has no header that NumPy writes for plain arrays")
    if claim.dtype.kind not in "biufU":
        descr = claim.dtype.str if claim.dtype.names is None else claim.dtype.descr
        raise FileError(
            f"{path}: array {name!r} holds {descr!r:.60}, which is neither numbers nor text; "
            "Python's objects are never read, since a pickle is a program"
        )
    follow = info.file_size - start.tell()
    if follow != _size(claim):
        raise FileError(
            f"{path}: array {name!r} claims {claim.dtype} {claim.shape}, {_size(claim):,} bytes, "
            f"but {follow:,} follow its header; save it anew"
        )
    return claim


def _size(claim: _Claim) -> int:
    return prod(claim.shape) * claim.dtype.itemsize


def _array(
    path: Path, name: str, archive: zipfile.ZipFile, info: zipfile.ZipInfo, claim: _Claim
) -> np.ndarray:
    """An array's numbers; pages of `data` that no byte reaches take no memory."""
    data = np.empty(_size(claim), dtype=np.uint8)
    with archive.open(info) as file:
        file.read(info.file_size - len(data))
        at = 0
        while chunk := file.read(_CHUNK):  # to the end, where the checksum is compared
            if at + len(chunk) > len(data):
                break
            data[at : at + len(chunk)] = np.frombuffer(chunk, dtype=np.uint8)
            at += len(chunk)
    if at != len(data):
        raise FileError(f"{path}: array {name!r} has {at:,} of its {len(data):,} bytes")
    array = data.view(claim.dtype)
    if claim.fortran:
        return array.reshape(claim.shape[::-1]).T
    return array.reshape(claim.shape)
