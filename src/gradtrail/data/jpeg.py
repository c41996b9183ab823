"""JPEG, decoded no larger than it is wanted."""

from __future__ import annotations

import re
from typing import IO

from .image_format import Format, Header, StoredImage
from .image_spec import ImageSpec, draft
from .pillow import exif_turn, header_of, open_picture
from .unreadable import UnreadableError


def _header(file: IO[bytes]) -> Header:
    picture = open_picture(file, "JPEG")
    return header_of(picture, grey=picture.mode == "L", turn=exif_turn(picture))


def _read(content: bytes, spec: ImageSpec) -> StoredImage:
    picture = open_picture(content, "JPEG")
    if picture.mode == "CMYK" and "adobe" not in picture.info:
        raise UnreadableError(
            "its inks (CMYK) come without Adobe's mark, so that nobody can know whether 0 is all "
            "of an ink or none; save it in RGB"
        )
    turn = exif_turn(picture)
    draft(picture, turn, spec)
    picture.load()
    return StoredImage(picture, turn)


JPEG = Format(re.compile(rb"\xff\xd8\xff"), _header, _read)
