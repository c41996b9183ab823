"""WebP, whose size is checked before its decoder takes memory for it.

Source: RFC 9649, WebP Image Format (2024).
"""

from __future__ import annotations

import re
from typing import IO

from .image_format import Format, Header, StoredImage
from .image_limits import check_size
from .image_spec import ImageSpec
from .pillow import exif_turn, header_of, open_picture

_START = 30


def _header(file: IO[bytes]) -> Header:
    """Without a look at the pixels: WebP knows colours only."""
    file.seek(0)
    _check_claim(file.read(_START))
    picture = open_picture(file, "WEBP")
    return header_of(picture, grey=False, turn=exif_turn(picture))


def _read(content: bytes, spec: ImageSpec) -> StoredImage:
    """Of an animation the first image."""
    _check_claim(content[:_START])
    picture = open_picture(content, "WEBP")
    several = getattr(picture, "n_frames", 1) > 1
    picture.load()
    return StoredImage(picture, exif_turn(picture), None, several)


def _check_claim(start: bytes) -> None:
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


WEBP = Format(re.compile(b"RIFF.{4}WEBP", re.DOTALL), _header, _read)
