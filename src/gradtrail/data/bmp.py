"""BMP, where Pillow would read something else than the file holds."""

from __future__ import annotations

import re
import struct
from typing import IO, TYPE_CHECKING

import numpy as np

from .image_format import Format, Header, StoredImage
from .image_spec import ImageSpec
from .pillow import has_grey_palette, header_of, open_picture
from .unreadable import UnreadableError

if TYPE_CHECKING:
    from PIL.Image import Image as Picture

_START = 54  # bytes of the file's header and of the image's, as of Windows 3
_USED = 46  # where the number of a palette's colours lies


def _header(file: IO[bytes]) -> Header:
    file.seek(0)
    start = file.read(_START)
    colours = _misread(start)
    if not colours:
        picture = open_picture(file, "BMP")
        return header_of(picture, grey=picture.mode in ("1", "L") or has_grey_palette(picture))
    picture = open_picture(_mended(start + file.read()), "BMP")
    # the palette that Pillow is told of goes on behind the true one
    (size,) = struct.unpack_from("<I", start, 14)
    file.seek(14 + size)
    palette = file.read(4 * colours)
    return header_of(picture, grey=palette[::4] == palette[1::4] == palette[2::4])


def _read(content: bytes, spec: ImageSpec) -> StoredImage:
    misread = _misread(content[:_START])
    picture: Picture = open_picture(_mended(content) if misread else content, "BMP")
    if misread and picture.mode != "P":
        raise UnreadableError("its palette cannot be told from grey levels; save it as PNG")
    picture.load()
    if picture.mode == "RGBA" and not np.asarray(picture.getchannel("A")).any():
        # many programs leave the fourth byte 0 and mean nothing by it
        picture = picture.convert("RGB")
    return StoredImage(picture)


def _mended(content: bytes) -> bytes:
    """The file with 256 for the number of colours: then Pillow takes the palette for one."""
    return content[:_USED] + struct.pack("<I", 256) + content[_USED + 4 :]


def _misread(start: bytes) -> int:
    """The number of a palette's colours, if Pillow may misread the pixels for it; else 0.

    It takes a palette of black and white for an image of 1 bit, and one whose colours are their own
    numbers for an image of 8 bits, whatever the bits are.
    """
    if len(start) < _START:
        return 0
    (size,), (bits,) = struct.unpack_from("<I", start, 14), struct.unpack_from("<H", start, 28)
    (used,) = struct.unpack_from("<I", start, _USED)
    if size < 40 or not ((bits == 4 and used <= 16) or (bits == 8 and used == 2)):
        return 0
    return used or 16


BMP = Format(re.compile(b"BM"), _header, _read)
