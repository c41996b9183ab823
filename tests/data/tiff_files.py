"""TIFF by hand: any tags over any pixels."""

from __future__ import annotations

import struct
from collections.abc import Sequence

Tags = dict[int, Sequence[int]]


def tiff(tags: Tags, pixels: bytes, order: str = "<") -> bytes:
    """A file of tags with whole numbers; the pixels are one strip, unless the tags say where."""
    size = 8 + 2 + 12 * (len(tags) + 1) + 4
    longer = {tag: 4 * len(numbers) for tag, numbers in tags.items() if len(numbers) > 1}
    at = size + sum(longer.values())
    entries, values = b"", b""
    for tag, numbers in sorted({273: [at], **tags}.items()):
        raw = struct.pack(f"{order}{len(numbers)}I", *numbers)
        place = struct.pack(order + "I", size + len(values)) if tag in longer else raw
        values += raw if tag in longer else b""
        entries += struct.pack(order + "HHI", tag, 4, len(numbers)) + place
    mark = b"II*\0" if order == "<" else b"MM\0*"
    count = len({273: 0, **tags})
    head = mark + struct.pack(order + "I", 8) + struct.pack(order + "H", count)
    # where the tags bring 273 themselves, one entry less is written than was made room for
    return (head + entries + bytes(size - 10 - len(entries)) + values) + pixels


def plain(
    height: int,
    width: int,
    bits: Sequence[int],
    photometric: int,
    pixels: bytes,
    **more: Sequence[int],
) -> Tags:
    """The tags of an image without compression, in one strip; `t284=[2]` adds or changes one."""
    tags: Tags = {
        256: [width], 257: [height], 258: bits, 259: [1], 262: [photometric],
        277: [len(bits)], 278: [height], 279: [len(pixels)],
    }  # fmt: skip
    return tags | {int(name[1:]): numbers for name, numbers in more.items()}
