"""WebP, whose size is checked before its decoder takes memory for it.

Source: RFC 9649, WebP Image Format (2024).
"""

from __future__ import annotations

import io
from typing import IO

from .levels import Header, StoredImage
from .pillow import check_size, exif_turn, open_picture

__all__ = ["header", "is_webp", "read"]

_START = 30


def is_webp(start: bytes) -> bool:
    """Whether a file begins as a WebP.

    Args:
        start: its first bytes.
    """
    return start[:4] == b"RIFF" and start[8:12] == b"WEBP"


def header(file: IO[bytes]) -> Header:
    """A file's size; WebP knows colours only.

    Raises:
        UnreadableError: it is damaged, or too large.
    """
    file.seek(0)
    _measured(file.read(_START))
    picture = open_picture(file, "WEBP")
    width, height = picture.size
    return Header((width, height) if exif_turn(picture) >= 5 else (height, width), grey=False)


def read(content: bytes) -> StoredImage:
    """A file's image; of an animation the first one.

    Raises:
        UnreadableError: it is damaged, or too large.
    """
    _measured(content[:_START])
    picture = open_picture(io.BytesIO(content), "WEBP")
    several = getattr(picture, "n_frames", 1) > 1
    picture.load()
    return StoredImage(picture, exif_turn(picture), None, several)


def _measured(start: bytes) -> None:
    """Refuse what is too large; a beginning that says no size is left to the decoder."""
    kind = start[12:16]
    if kind == b"VP8X" and len(start) >= 30:
        width, height = (1 + int.from_bytes(start[at : at + 3], "little") for at in (24, 27))
    elif kind == b"VP8L" and len(start) >= 25:
        both = int.from_bytes(start[21:25], "little")
        width, height = (both & 0x3FFF) + 1, (both >> 14 & 0x3FFF) + 1
    elif kind == b"VP8 " and len(start) >= 30:
        width, height = (int.from_bytes(start[at : at + 2], "little") & 0x3FFF for at in (26, 28))
    else:
        return
    check_size(height, width)
