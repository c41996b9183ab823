"""One image file as bytes (C, H, W): PNG, JPEG, BMP and TIFF, through Pillow.

A file comes from outside: its header is checked before its pixels are decoded, only these four
decoders are ever tried, and whatever they say or raise becomes one reason in words. C channels,
H, W sizes.
"""

from __future__ import annotations

import io
import stat
import threading
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from math import ceil
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Literal

import numpy as np

from ..forking import renewed

if TYPE_CHECKING:
    from PIL.Image import Image as Picture

__all__ = ["FITS", "Fit", "Header", "Target", "UnreadableError", "decoded", "header", "quiet"]

Fit = Literal["resize", "letterbox", "crop"]
FITS: tuple[Fit, ...] = ("resize", "letterbox", "crop")

_FORMATS = ("PNG", "JPEG", "BMP", "TIFF")
_MAX_PIXELS = 1 << 26  # of one image: 8,192 × 8,192
_MAX_SIDE = 1 << 15  # in between, resizing takes its rows in the new width
_MAX_BYTES = 1 << 29  # of one file: that many pixels of four channels in 16 bits
_ORIENTATION = 0x0112  # EXIF's tag
_PNG = b"\x89PNG\r\n\x1a\n"
_GREY = ("1", "L", "LA", "La", "I;16", "I;16L", "I;16B", "I;16N")


class UnreadableError(Exception):
    """Why an image cannot be read, as a clause."""


@dataclass(frozen=True)
class Header:
    """What a file says of itself, as the image is seen: turned as EXIF asks.

    Args:
        size: rows and columns, (H, W).
        grey: it has no colour: grey levels, or a palette of such.
    """

    size: tuple[int, int]
    grey: bool


@dataclass(frozen=True)
class Target:
    """What an image is to become.

    Args:
        shape: (C, H, W), C being 1 or 3.
        fit: how to come to H and W; None where the image must have them.
    """

    shape: tuple[int, int, int]
    fit: Fit | None


def header(path: Path) -> Header:
    """A file's size and whether it is grey, without its pixels unless it has a palette.

    Raises:
        UnreadableError: it is no image, or too large a one.
    """
    with _told():
        _measured(path)
        with path.open("rb") as file:
            picture = _opened(file)
            width, height = picture.size  # as Pillow turns a TIFF
            if picture.format != "TIFF" and _turn(picture) >= 5:
                width, height = height, width
            return Header((height, width), picture.mode in _GREY or _grey_palette(picture))


def decoded(path: Path, target: Target) -> np.ndarray:
    """A file's image as the target wants it.

    Returns:
        uint8 (C, H, W).

    Raises:
        UnreadableError: it is no image, damaged, too large, or of another size without a fit.
    """
    with _told():
        _measured(path)
        content = path.read_bytes()
        if content.startswith(_PNG):
            _checked_png(content)
        picture = _opened(io.BytesIO(content))
        _draft(picture, target)
        turn = 1 if picture.format == "TIFF" else _turn(picture)  # Pillow turns TIFF by itself
        picture.load()
        picture = _fitted(_turned(_channels(picture, target.shape[0]), turn), target)
        pixels = np.asarray(picture)
        return pixels[None] if pixels.ndim == 2 else pixels.transpose(2, 0, 1)


@contextmanager
def quiet() -> Iterator[None]:
    """Pillow's warnings are not shown while this lasts: each is about a file that is judged here.

    The filter is of the whole process, so it names Pillow alone. It is set when the first thread
    comes and taken away when the last one leaves; `warnings.catch_warnings` would bring back what
    another thread saw.
    """
    global _readers, _filter
    with _lock:
        if _readers == 0:
            warnings.filterwarnings("ignore", module=r"PIL\.")
            _filter = warnings.filters[0]
        _readers += 1
    try:
        yield
    finally:
        with _lock:
            _readers -= 1
            if _readers == 0:
                with suppress(ValueError):  # someone else has put other filters in place
                    warnings.filters.remove(_filter)  # type: ignore[attr-defined]
                _filter = None


_lock: threading.Lock
_readers: int
_filter: object = None


def _alone() -> None:
    """Nobody reads yet; in a forked process the readers stayed behind, and their filter with it."""
    global _lock, _readers, _filter
    _lock, _readers = threading.Lock(), 0
    if _filter is not None:
        with suppress(ValueError):
            warnings.filters.remove(_filter)  # type: ignore[attr-defined]
        _filter = None


renewed(_alone)


@contextmanager
def _told() -> Iterator[None]:
    """Whatever goes wrong in a decoder becomes one reason."""
    try:
        yield
    except UnreadableError:
        raise
    except OSError as cause:
        reason = cause.strerror or str(cause) or "it cannot be read"
        raise UnreadableError(_short(reason)) from cause
    except MemoryError as cause:
        raise UnreadableError("it takes more memory than there is") from cause
    except Exception as cause:  # on damaged files decoders raise most of what Python has
        raise UnreadableError(_short(f"it is damaged ({cause or type(cause).__name__})")) from cause


def _short(reason: str) -> str:
    """One line, without the address that Pillow prints of a nameless file."""
    if reason.startswith("cannot identify image file"):
        return "it is no PNG, JPEG, BMP or TIFF, or its beginning is damaged"
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


def _opened(file: io.BufferedIOBase | io.BufferedReader) -> Picture:
    """The image with its header read and checked."""
    pillow = _pillow()
    try:
        picture: Picture = pillow.open(file, formats=_FORMATS)
    except pillow.DecompressionBombError:
        raise UnreadableError(f"it claims more than {_MAX_PIXELS:,} pixels") from None
    width, height = picture.size
    if width * height > _MAX_PIXELS or max(width, height) > _MAX_SIDE:
        raise UnreadableError(
            f"it claims {height:,} × {width:,} pixels, above the limit of {_MAX_PIXELS:,} or of "
            f"{_MAX_SIDE:,} in one direction"
        )
    return picture


@cache
def _pillow() -> ModuleType:
    """PIL.Image, with the decoders of the four formats registered, and no other sought."""
    from PIL import (  # noqa: F401
        BmpImagePlugin,
        Image,
        JpegImagePlugin,
        PngImagePlugin,
        TiffImagePlugin,
    )

    return Image


def _grey_palette(picture: Picture) -> bool:
    """Whether an image has a palette, and all its colours are grey."""
    if picture.mode not in ("P", "PA"):
        return False
    picture.load()  # each format keeps a palette in its own order until then
    levels = np.array(picture.getpalette("RGB")).reshape(-1, 3)
    return bool((levels == levels[:, :1]).all())


def _checked_png(content: bytes) -> None:
    """Compare every piece of a PNG with its own checksum, which Pillow does not for pixels."""
    at, view = len(_PNG), memoryview(content)
    while at < len(content):
        length = int.from_bytes(view[at : at + 4])
        kind, end = bytes(view[at + 4 : at + 8]), at + 8 + length
        if end + 4 > len(content):
            raise UnreadableError("it is cut off")
        if zlib.crc32(view[at + 4 : end]) != int.from_bytes(view[end : end + 4]):
            raise UnreadableError("it is damaged: a checksum in it is wrong")
        if kind == b"IEND":
            return
        at = end + 4
    raise UnreadableError("it is cut off")


def _turn(picture: Picture) -> int:
    """EXIF's orientation, 1 to 8; 1 where it says nothing that makes sense."""
    if picture.format == "PNG" and "exif" not in picture.info:
        return 1  # Pillow would decode the pixels in search of it
    try:
        turn = picture.getexif().get(_ORIENTATION, 1)
    except Exception:  # damaged EXIF beside good pixels is common, and no reason to refuse them
        return 1
    return turn if isinstance(turn, int) and 1 <= turn <= 8 else 1


def _turned(picture: Picture, turn: int) -> Picture:
    """The image as it is seen."""
    if turn == 1:
        return picture
    from PIL.Image import Transpose

    ways = {
        **{2: Transpose.FLIP_LEFT_RIGHT, 3: Transpose.ROTATE_180, 4: Transpose.FLIP_TOP_BOTTOM},
        **{5: Transpose.TRANSPOSE, 6: Transpose.ROTATE_270},
        **{7: Transpose.TRANSVERSE, 8: Transpose.ROTATE_90},
    }
    return picture.transpose(ways[turn])


def _channels(picture: Picture, channels: int) -> Picture:
    """The image in grey (mode L) or in red, green and blue, over white where it is transparent."""
    from PIL import Image

    if picture.mode.startswith("I;16"):
        # the high byte, as Pillow takes it of colours with 16 bits
        picture = Image.fromarray((np.asarray(picture) >> 8).astype(np.uint8))
    if picture.mode in ("I", "F"):
        raise UnreadableError(
            f"its pixels are 32-bit {'floats' if picture.mode == 'F' else 'integers'}, whose range "
            "nobody can know; save it with 8 or 16 bits"
        )
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


def _inside(size: tuple[float, float], target: Target) -> tuple[int, int]:
    """The width and height that an image (width, height) fills after it is letterboxed."""
    height, width = target.shape[1:]
    across, down = width / size[0], height / size[1]
    # the side that decides is exact, whatever the rounding
    if across <= down:
        return width, max(1, round(size[1] * across))
    return max(1, round(size[0] * down)), height


def _centre(size: tuple[int, int], target: Target) -> tuple[float, float, float, float]:
    """The box (left, top, right, bottom) that is left of an image (width, height) to be cropped."""
    height, width = target.shape[1:]
    scale = max(width / size[0], height / size[1])
    left, top = (size[0] - width / scale) / 2, (size[1] - height / scale) / 2
    return max(left, 0), max(top, 0), min(size[0] - left, size[0]), min(size[1] - top, size[1])


def _draft(picture: Picture, target: Target) -> None:
    """Let a JPEG be decoded at a half, a quarter or an eighth, where twice the target remains."""
    if picture.format not in ("JPEG", "MPO") or target.fit is None:
        return
    height, width = target.shape[1:]
    if _turn(picture) >= 5:
        height, width = width, height
    scales = width / picture.size[0], height / picture.size[1]
    if target.fit == "letterbox":
        scales = (min(scales),) * 2
    elif target.fit == "crop":
        scales = (max(scales),) * 2
    wanted = [max(1, ceil(2 * s * old)) for s, old in zip(scales, picture.size, strict=True)]
    picture.draft(None, (wanted[0], wanted[1]))


def _fitted(picture: Picture, target: Target) -> Picture:
    """The image in the target's size."""
    from PIL import Image

    height, width = target.shape[1:]
    if picture.size == (width, height):
        return picture
    if target.fit is None:
        raise UnreadableError(
            f"it has {picture.size[1]} × {picture.size[0]} pixels instead of {height} × {width}"
        )
    # when it shrinks an image, this filter takes a mean over all pixels that a new one covers
    filtered = Image.Resampling.BILINEAR
    if target.fit == "crop":  # in one step: an image that is a line would grow beyond all bounds
        return picture.resize((width, height), filtered, box=_centre(picture.size, target))
    if target.fit == "resize":
        return picture.resize((width, height), filtered)
    wide, high = _inside(picture.size, target)
    canvas = Image.new(picture.mode, (width, height))
    corner = (width - wide) // 2, (height - high) // 2
    canvas.paste(picture.resize((wide, high), filtered), corner)
    return canvas
