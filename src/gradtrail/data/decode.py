"""One image file as bytes (C, H, W): PNG, JPEG, BMP, TIFF and WebP, through Pillow.

A file comes from outside: its header is checked before its pixels are decoded, only the decoder of
the format that it begins as is ever tried, and whatever that says or raises becomes one reason in
words. C channels, H, W sizes.
"""

from __future__ import annotations

import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from .bmp import BMP
from .image_format import Format, Header
from .image_spec import ImageSpec, fit_to
from .jpeg import JPEG
from .pillow import turn_picture
from .png import PNG
from .tiff import TIFF
from .unreadable import ACCEPTED, START, UnreadableError, foreign_format
from .webp import WEBP

if TYPE_CHECKING:
    from PIL.Image import Image as Picture

_MAX_BYTES = 1 << 29  # of one file: 2²⁶ pixels of four channels in 16 bits


@dataclass(frozen=True, eq=False)
class DecodedImage:
    """An image as it is wanted, and what its file was found to hold.

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
    with _one_reason():
        _check_length(path)
        with path.open("rb") as file:
            return _format(file.read(START)).header(file)


def decode_image(path: Path, spec: ImageSpec) -> np.ndarray:
    """A file's image as it is wanted.

    Returns:
        uint8 (C, H, W).

    Raises:
        UnreadableError: it is no image, damaged, too large, or of another size without a fit.
    """
    return examine_image(path, spec).pixels


def examine_image(path: Path, spec: ImageSpec) -> DecodedImage:
    """`decode_image`, with what the file was found to hold.

    Raises:
        UnreadableError: see `decode_image`.
    """
    with _one_reason():
        _check_length(path)
        content = path.read_bytes()
        found = _format(content[:START]).read(content, spec)
        picture = turn_picture(_channels(found.picture, spec.shape[0]), found.turn)
        pixels = np.asarray(fit_to(picture, spec))
        pixels = pixels[None] if pixels.ndim == 2 else pixels.transpose(2, 0, 1)
        return DecodedImage(pixels, found.highest, found.several)


_FORMATS = (PNG, JPEG, BMP, TIFF, WEBP)


def _format(start: bytes) -> Format:
    """The format that a file begins as; one that is not read is refused."""
    what = foreign_format(start)
    if what is not None:
        raise UnreadableError(what)
    found = next((known for known in _FORMATS if known.beginning.match(start)), None)
    if found is None:
        raise UnreadableError(f"it is no {ACCEPTED} image, or its beginning is damaged")
    return found


@contextmanager
def _one_reason() -> Iterator[None]:
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


def _check_length(path: Path) -> None:
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
