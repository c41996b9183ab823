"""One image file as bytes (C, H, W): PNG, JPEG, BMP, TIFF and WebP, through Pillow.

A file comes from outside: its header is checked before its pixels are decoded, only the decoder of
the format that it begins as is ever tried, and whatever that says or raises becomes one reason in
words. C channels, H, W sizes.
"""

from __future__ import annotations

import io
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING

import numpy as np

from . import bmp, png, tiff, webp
from .image_spec import FITS, Fit, ImageSpec, draft, fit_to
from .levels import Header, StoredImage
from .pillow import exif_turn, open_picture, quiet, turn_picture
from .unreadable import ACCEPTED, START, UnreadableError, foreign_format

if TYPE_CHECKING:
    from PIL.Image import Image as Picture

__all__ = [
    "DecodedImage",
    "FITS",
    "Fit",
    "Header",
    "ImageSpec",
    "UnreadableError",
    "decode_image",
    "examine_image",
    "read_header",
    "quiet",
]

_MAX_BYTES = 1 << 29  # of one file: 2²⁶ pixels of four channels in 16 bits
_JPEG = b"\xff\xd8\xff"


@dataclass(frozen=True, eq=False)
class DecodedImage:
    """An image as the target wants it, and what its file was found to hold.

    Args:
        pixels: uint8 (C, H, W).
        highest: in a file of 16 bits, a number that no colour of a pixel exceeds; None in others.
        several: the file holds more pictures than this first one.
    """

    pixels: np.ndarray
    highest: int | None
    several: bool


def read_header(path: Path) -> Header:
    """A file's size and whether it is grey, with its pixels only where they are needed.

    Raises:
        UnreadableError: it is no image, or too large a one.
    """
    with _told():
        _measured(path)
        with path.open("rb") as file:
            return _format(file.read(START)).header(file)


def decode_image(path: Path, target: ImageSpec) -> np.ndarray:
    """A file's image as the target wants it.

    Returns:
        uint8 (C, H, W).

    Raises:
        UnreadableError: it is no image, damaged, too large, or of another size without a fit.
    """
    return examine_image(path, target).pixels


def examine_image(path: Path, target: ImageSpec) -> DecodedImage:
    """`decode_image`, with what the file was found to hold.

    Raises:
        UnreadableError: see `decode_image`.
    """
    with _told():
        _measured(path)
        content = path.read_bytes()
        found = _format(content[:START]).read(content, target)
        picture = turn_picture(_channels(found.picture, target.shape[0]), found.turn)
        pixels = np.asarray(fit_to(picture, target))
        pixels = pixels[None] if pixels.ndim == 2 else pixels.transpose(2, 0, 1)
        return DecodedImage(pixels, found.highest, found.several)


@dataclass(frozen=True)
class _Format:
    """How one format's files are read."""

    header: Callable[[IO[bytes]], Header]
    read: Callable[[bytes, ImageSpec], StoredImage]


def _jpeg_header(file: IO[bytes]) -> Header:
    picture = open_picture(file, "JPEG")
    width, height = picture.size
    if exif_turn(picture) >= 5:
        width, height = height, width
    return Header((height, width), picture.mode == "L")


def _jpeg(content: bytes, target: ImageSpec) -> StoredImage:
    picture = open_picture(io.BytesIO(content), "JPEG")
    if picture.mode == "CMYK" and "adobe" not in picture.info:
        raise UnreadableError(
            "its inks (CMYK) come without Adobe's mark, so that nobody can know whether 0 is all "
            "of an ink or none; save it in RGB"
        )
    turn = exif_turn(picture)
    draft(picture, turn, target)
    picture.load()
    return StoredImage(picture, turn)


_PNG = _Format(png.header, lambda content, target: png.read(content, target.white))
_JPG = _Format(_jpeg_header, _jpeg)
_BMP = _Format(bmp.header, lambda content, target: bmp.read(content))
_TIFF = _Format(tiff.header, lambda content, target: tiff.read(content, target.white))
_WEBP = _Format(webp.header, lambda content, target: webp.read(content))


def _format(start: bytes) -> _Format:
    """The format that a file begins as.

    Raises:
        UnreadableError: none that is read.
    """
    what = foreign_format(start)
    if what is not None:
        raise UnreadableError(what)
    if webp.is_webp(start):
        return _WEBP
    known = {png.SIGNATURE: _PNG, _JPEG: _JPG, bmp.SIGNATURE: _BMP}
    known |= dict.fromkeys(tiff.SIGNATURES, _TIFF)
    for signature, found in known.items():
        if start.startswith(signature):
            return found
    raise UnreadableError(f"it is no {ACCEPTED} image, or its beginning is damaged")


@contextmanager
def _told() -> Iterator[None]:
    """Whatever goes wrong in a decoder becomes one reason."""
    try:
        yield
    except UnreadableError:
        raise
    except OSError as cause:
        reason = cause.strerror or str(cause) or "it cannot be read"
        if reason.startswith("decoder error"):  # Pillow's number for whatever libtiff found
            reason = "it is damaged, or packed in a way that is not read"
        if reason.startswith("image file is truncated"):  # with a count of bytes that helps nobody
            reason = "it is cut off"
        raise UnreadableError(_short(reason)) from cause
    except MemoryError as cause:
        raise UnreadableError("it takes more memory than there is") from cause
    except Exception as cause:  # on damaged files decoders raise most of what Python has
        raise UnreadableError(_short(f"it is damaged ({cause or type(cause).__name__})")) from cause


def _short(reason: str) -> str:
    """One line."""
    return " ".join(reason.split())[:200]


def _measured(path: Path) -> None:
    """Only a file of reasonable length is opened: a pipe or a device would not end."""
    status = path.stat()
    if not stat.S_ISREG(status.st_mode):
        raise UnreadableError("it is no regular file")
    size = status.st_size
    if size > _MAX_BYTES:
        raise UnreadableError(f"its {size:,} bytes are above the limit of {_MAX_BYTES:,}")
    if size == 0:
        raise UnreadableError("it is empty")


def _channels(picture: Picture, channels: int) -> Picture:
    """The image in grey (mode L) or in red, green and blue, over white where it is transparent."""
    from PIL import Image

    if picture.mode == "La":
        picture = picture.convert("LA")
    if picture.has_transparency_data:
        picture = picture.convert("RGBA")
        white = Image.new("RGBA", picture.size, "white")
        picture = Image.alpha_composite(white, picture)
    mode = "L" if channels == 1 else "RGB"
    if picture.mode in ("1", "L") and mode == "L":
        return picture.convert("L")
    if picture.mode != mode and picture.mode not in ("L", "RGB"):
        picture = picture.convert("RGB")  # from CMYK, a palette, YCbCr
    return picture if picture.mode == mode else picture.convert(mode)
