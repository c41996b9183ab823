"""PNG as its chunks say, where Pillow knows less: its transparent colour, EXIF behind the pixels.

H, W rows and columns of the image, B bands of it.

Source: PNG Specification, Third Edition (W3C, 2025).
"""

from __future__ import annotations

import io
import re
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from enum import IntEnum
from typing import IO, TYPE_CHECKING

import numpy as np

from .image_format import Format, Header, StoredImage
from .image_spec import ImageSpec
from .levels import highest_number, merge_bands, numbers_of_16_bits, to_levels
from .pillow import exif_turn, has_grey_palette, header_of, open_picture
from .unreadable import UnreadableError

if TYPE_CHECKING:
    from PIL.Image import Image as Picture
    from PIL.ImageFile import ImageFile

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_START = 32  # bytes of a chunk's data that are looked at, at most
_PIXELS = (b"IDAT", b"fdAT")
_TEXTS = (b"tEXt", b"zTXt", b"iTXt")
_TURNING = (b"Raw profile type exif\0", b"Raw profile type APP1\0", b"XML:com.adobe.xmp\0")


class _Colour(IntEnum):
    """What a pixel's numbers are, by PNG's colour types."""

    GREY = 0
    RGB = 2
    PALETTE = 3
    GREY_ALPHA = 4
    RGBA = 6


@dataclass(frozen=True)
class _Chunks:
    """What the chunks beside the pixels say.

    Args:
        depth: bits of one number.
        colour: what a pixel's numbers are.
        key: the transparent colour, a number for each of a pixel's; None without one.
        turning: something in the file may say how the image is to be turned.
    """

    depth: int
    colour: int
    key: tuple[int, ...] | None
    turning: bool


def _chunks(chunks: Iterable[tuple[bytes, bytes]]) -> _Chunks:
    """What chunks say, of each its kind and the beginning of its data."""
    depth, colour, key, turning = 8, int(_Colour.RGB), None, False
    for kind, start in chunks:
        if kind == b"CgBI":
            raise UnreadableError("it is Apple's own variant of PNG (CgBI); save it as PNG anew")
        if kind == b"IHDR" and len(start) >= 10:
            depth, colour = start[8], start[9]
        elif kind == b"tRNS" and colour in (_Colour.GREY, _Colour.RGB):
            bands = 1 if colour == _Colour.GREY else 3
            if len(start) < 2 * bands:
                raise UnreadableError("it is damaged: its transparent colour is cut off")
            # a key has 16 bits in every file, of which those of the file's depth count
            key = tuple((np.frombuffer(start, ">u2", bands) & ((1 << depth) - 1)).tolist())
        elif kind == b"eXIf" or (kind in _TEXTS and start.startswith(_TURNING)):
            turning = True
    return _Chunks(depth, colour, key, turning)


def _passed(file: IO[bytes]) -> Iterator[tuple[bytes, bytes]]:
    """Each chunk, past the pixels to the end, reading what is small."""
    file.seek(len(_SIGNATURE))
    while len(head := file.read(8)) == 8 and head[4:] != b"IEND":
        length, kind = int.from_bytes(head[:4]), head[4:]
        start = file.read(min(length, _START)) if kind not in _PIXELS else b""
        yield kind, start
        file.seek(length - len(start) + 4, io.SEEK_CUR)


def _checked(content: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Each chunk, compared with its own checksum, which Pillow does not for pixels."""
    at, view = len(_SIGNATURE), memoryview(content)
    while at < len(content):
        data, end = at + 8, at + 8 + int.from_bytes(view[at : at + 4])
        if end + 4 > len(content):
            break
        if zlib.crc32(view[at + 4 : end]) != int.from_bytes(view[end : end + 4]):
            raise UnreadableError("it is damaged: a checksum in it is wrong")
        kind = content[at + 4 : data]
        if kind == b"IEND":
            return
        yield kind, content[data : min(end, data + _START)]
        at = end + 4
    raise UnreadableError("it is cut off")


def _header(file: IO[bytes]) -> Header:
    chunks = _chunks(_passed(file))
    picture = open_picture(file, "PNG")
    grey = chunks.colour in (_Colour.GREY, _Colour.GREY_ALPHA) or has_grey_palette(picture)
    return header_of(picture, grey=grey, turn=exif_turn(picture) if chunks.turning else 1)


def _read(content: bytes, spec: ImageSpec) -> StoredImage:
    chunks = _chunks(_checked(content))

    def again() -> ImageFile:
        return open_picture(content, "PNG")

    first = again()
    several = getattr(first, "n_frames", 1) > 1
    first.load()
    picture: Picture = first
    turn = exif_turn(picture) if chunks.turning else 1
    if chunks.depth == 16 and chunks.colour != _Colour.PALETTE:
        exact = spec.white is not None or chunks.key is not None
        deep = _deep(picture, again, chunks, exact)
        whole = _levels(deep, chunks, spec.white)
        colours = deep[..., : 3 if chunks.colour in (_Colour.RGB, _Colour.RGBA) else 1]
        return StoredImage(whole, turn, highest_number(colours), several)
    if chunks.key is not None:
        picture = _over_white(picture, chunks)
    return StoredImage(picture, turn, None, several)


def _deep(
    picture: Picture, again: Callable[[], ImageFile], chunks: _Chunks, exact: bool
) -> np.ndarray:
    """Numbers of 16 bits, (H, W, B): uint16, or their higher 8 bits as uint8 where these do."""
    if chunks.colour == _Colour.GREY:
        return np.asarray(picture)[..., None]
    if chunks.colour == _Colour.GREY_ALPHA:
        # Pillow takes the higher 8 of each; read as four numbers of 8 bits, all of them come
        whole = again()
        whole.tile = [tile._replace(args="RGBA") for tile in whole.tile]
        halves = np.asarray(whole).astype(np.uint16)
        return halves[..., ::2] << 8 | halves[..., 1::2]
    return numbers_of_16_bits(again) if exact else np.asarray(picture)


def _levels(deep: np.ndarray, chunks: _Chunks, white: int | None) -> Picture:
    """Numbers of 16 bits, or their higher 8, as an image of 8 bits."""
    mode = {1: "L", 2: "LA", 3: "RGB", 4: "RGBA"}[deep.shape[-1]]
    if deep.dtype == np.uint8:
        bands = list(np.moveaxis(deep, -1, 0))
    else:
        bands = [
            to_levels(deep[..., band], 16, None if letter == "A" else white)
            for band, letter in enumerate(mode)
        ]
    if chunks.key is not None:
        clear = (deep == np.array(chunks.key, deep.dtype)).all(axis=-1)
        bands = [np.where(clear, np.uint8(255), band) for band in bands]
    return merge_bands(mode, bands)


def _over_white(picture: Picture, chunks: _Chunks) -> Picture:
    """An image of 8 bits or fewer, whose transparent colour has become white."""
    assert chunks.key is not None
    grey = chunks.colour == _Colour.GREY
    levels = np.asarray(picture.convert("L") if grey else picture)
    levels = levels[..., None] if grey else levels
    # Pillow spreads the numbers of fewer bits from 0 to 255, and the key must go with them
    key = np.array(chunks.key) * (255 // ((1 << chunks.depth) - 1))
    clear = (levels == key).all(axis=-1, keepdims=True)
    bands = np.moveaxis(np.where(clear, np.uint8(255), levels), -1, 0)
    return merge_bands("L" if grey else "RGB", list(bands))


PNG = Format(re.compile(re.escape(_SIGNATURE)), _header, _read)
