"""A TIFF's directory of tags: read from a file, and written anew for a decoder.

A directory is a table of tags; each has a kind (the size of its numbers), a count, and its numbers
or the place where they lie. Only the first directory's image is read, and only the tags that say
how its pixels are to be read.

Source: TIFF, Revision 6.0 (Adobe, 1992), part 1, section 2; Adobe Photoshop TIFF Technical Notes
(2002); BigTIFF's design (Aware Systems, 2007).
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import IO

from .unreadable import UnreadableError


class Tag(IntEnum):
    """The tags that are looked at or passed on, by TIFF's names for them."""

    NEW_SUBFILE_TYPE = 254
    IMAGE_WIDTH = 256
    IMAGE_LENGTH = 257
    BITS_PER_SAMPLE = 258
    COMPRESSION = 259
    PHOTOMETRIC_INTERPRETATION = 262
    FILL_ORDER = 266
    STRIP_OFFSETS = 273
    ORIENTATION = 274
    SAMPLES_PER_PIXEL = 277
    ROWS_PER_STRIP = 278
    STRIP_BYTE_COUNTS = 279
    PLANAR_CONFIGURATION = 284
    T4_OPTIONS = 292
    T6_OPTIONS = 293
    PREDICTOR = 317
    COLOR_MAP = 320
    TILE_WIDTH = 322
    TILE_LENGTH = 323
    TILE_OFFSETS = 324
    TILE_BYTE_COUNTS = 325
    INK_SET = 332
    EXTRA_SAMPLES = 338
    SAMPLE_FORMAT = 339
    JPEG_TABLES = 347
    JPEG_PROC = 512
    JPEG_INTERCHANGE_FORMAT = 513
    JPEG_INTERCHANGE_FORMAT_LENGTH = 514
    JPEG_RESTART_INTERVAL = 515
    JPEG_Q_TABLES = 519
    JPEG_DC_TABLES = 520
    JPEG_AC_TABLES = 521
    YCBCR_COEFFICIENTS = 529
    YCBCR_SUBSAMPLING = 530
    YCBCR_POSITIONING = 531
    REFERENCE_BLACK_WHITE = 532
    IMAGE_DEPTH = 32997  # of Silicon Graphics


Changes = Mapping[Tag, tuple[int, ...]]
"""Whole numbers of tags that are to be others; of none the tag goes."""

_KNOWN = {tag.value: tag for tag in Tag}
_WHOLE = {1: "B", 3: "H", 4: "I", 13: "I", 16: "Q"}  # kinds of whole numbers
_WIDTHS = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 13: 4, 16: 8}  # in bytes
_MAX_ENTRIES = 1 << 12
_MAX_BYTES = 1 << 24  # of one tag's numbers: two million strips
_ORDERS = {b"II": "<", b"MM": ">"}


@dataclass(frozen=True)
class Directory:
    """The first directory of a TIFF, as far as its tags are known here.

    Args:
        order: of the bytes in a number, "<" or ">".
        entries: of each tag that is there, its kind, and its numbers' bytes in that order.
        following: the place of the next directory; 0 if there is none.
    """

    order: str
    entries: Mapping[Tag, tuple[int, bytes]]
    following: int = 0

    def whole(self, tag: Tag) -> tuple[int, ...]:
        """A tag's whole numbers; none if it is not there, or has others."""
        kind, raw = self.entries.get(tag, (3, b""))
        if kind not in _WHOLE:
            return ()
        return struct.unpack(f"{self.order}{len(raw) // _WIDTHS[kind]}{_WHOLE[kind]}", raw)

    def one(self, tag: Tag, default: int) -> int:
        """A tag's first whole number; the default where it is not there."""
        return next(iter(self.whole(tag)), default)


def read_directory(file: IO[bytes], at: int | None = None) -> Directory:
    """Read a file's directory.

    Args:
        file: the TIFF, which has been found to begin as one.
        at: where the directory is; by default where the header says that the first one is.

    Raises:
        UnreadableError: it is cut off, or has more tags than make sense.
    """
    file.seek(0)
    header = file.read(4)
    order = _ORDERS[header[:2]]
    big = header[2:4] in (b"+\0", b"\0+")
    inside, number = (8, "Q") if big else (4, "I")  # bytes of a value that stands in the table
    place = 8 if big else 4  # where the header says at which byte the first directory begins
    if at is None:
        file.seek(place)
        (at,) = _unpacked(file, order + number)
    file.seek(at)
    (count,) = _unpacked(file, order + ("Q" if big else "H"))
    if count > _MAX_ENTRIES:
        raise UnreadableError(f"it is damaged: its directory claims {count:,} tags")
    width = 20 if big else 12
    table = _exactly(file, count * width)
    (following,) = struct.unpack(order + number, file.read(inside).ljust(inside, b"\0"))
    entries: dict[Tag, tuple[int, bytes]] = {}
    for begin in range(0, len(table), width):
        tag, kind, length = struct.unpack_from(order + "HH" + number, table, begin)
        if tag not in _KNOWN or tag in entries or kind not in _WIDTHS:
            continue
        size = length * _WIDTHS[kind]
        value = table[begin + width - inside : begin + width]
        if size > inside:
            if size > _MAX_BYTES:
                raise UnreadableError(f"it is damaged: its tag {tag} claims {size:,} bytes")
            file.seek(struct.unpack(order + number, value)[0])
            value = _exactly(file, size)
        entries[_KNOWN[tag]] = kind, value[:size]
    return Directory(order, entries, following)


def _exactly(file: IO[bytes], size: int) -> bytes:
    """So many bytes of a file; one that has fewer is refused."""
    found = file.read(size)
    if len(found) < size:
        raise UnreadableError("it is cut off, or its directory is damaged")
    return found


def _unpacked(file: IO[bytes], numbers: str) -> tuple[int, ...]:
    """The next numbers of a file, as `struct` names them."""
    return struct.unpack(numbers, _exactly(file, struct.calcsize(numbers)))


def with_directory(content: bytes, old: Directory, changes: Changes, order: str) -> bytes:
    """A file with another directory for the same pixels, as a TIFF that is no BigTIFF.

    Args:
        content: the file, below 4 GiB.
        old: its directory.
        changes: see `Changes`.
        order: of the bytes in the new directory's numbers; the pixels are not touched.

    Returns:
        the header, the pixels where they were, and the new directory behind them.
    """
    wanted = {tag: old.whole(tag) for tag in old.entries if old.entries[tag][0] in _WHOLE}
    wanted |= changes
    table: dict[int, tuple[int, int, bytes]] = {}
    for tag, (kind, raw) in old.entries.items():
        if tag not in wanted:
            table[tag] = kind, len(raw) // _WIDTHS[kind], raw
    for tag, numbers in wanted.items():
        if numbers:
            kind = 3 if max(numbers) < 1 << 16 else 4
            layout = f"{order}{len(numbers)}{_WHOLE[kind]}"
            table[tag] = kind, len(numbers), struct.pack(layout, *numbers)
    at = len(content) + len(content) % 2
    behind = at + 2 + 12 * len(table) + 4
    head, body = [struct.pack(order + "H", len(table))], bytearray()
    for key, (kind, count, raw) in sorted(table.items()):
        if len(raw) > 4:
            value = struct.pack(order + "I", behind + len(body))
            body += raw + bytes(len(raw) % 2)
        else:
            value = raw.ljust(4, b"\0")
        head.append(struct.pack(order + "HHI", key, kind, count) + value)
    mark = (b"II" if order == "<" else b"MM") + struct.pack(order + "HI", 42, at)
    pixels = memoryview(content)[8:]
    return b"".join((mark, pixels, bytes(len(content) % 2), *head, bytes(4), body))
