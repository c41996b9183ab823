"""Pillow, held to the decoders that are wanted, to bounded sizes, and to its true reasons."""

from __future__ import annotations

import io
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from types import ModuleType
from typing import IO, TYPE_CHECKING

import numpy as np

from ..machine.forking import renew_in_forks
from .image_format import Header
from .image_limits import MAX_PIXELS, check_size
from .unreadable import UnreadableError

if TYPE_CHECKING:
    from PIL.Image import Image as Picture
    from PIL.ImageFile import ImageFile

_ORIENTATION = 0x0112  # EXIF's tag


def open_picture(source: IO[bytes] | bytes, kind: str) -> ImageFile:
    """An image with its header read, and its size checked.

    Args:
        source: a file, with its place anywhere, or its content.
        kind: Pillow's name of the format that it begins as.

    Raises:
        UnreadableError: Pillow does not take it, or it is too large.
    """
    pillow = _pillow()
    file = io.BytesIO(source) if isinstance(source, bytes) else source
    file.seek(0)
    try:
        picture: ImageFile = pillow.open(file, formats=(kind,))
    except pillow.DecompressionBombError:
        raise UnreadableError(f"it claims more than {MAX_PIXELS:,} pixels") from None
    except OSError as cause:  # Pillow's own for what it cannot identify is one
        if cause.errno is not None:
            raise
        raise UnreadableError(_why(file, kind)) from None
    check_size(picture.size[1], picture.size[0])
    return picture


def _why(file: IO[bytes], kind: str) -> str:
    """Why Pillow does not take a file that begins as one of a kind that it knows.

    `open` keeps the reason for itself; the format's own class says it.
    """
    factory, accept = _pillow().OPEN[kind]
    file.seek(0)
    if accept is not None and isinstance(accept(file.read(16)), str):
        return (
            f"it is a {kind} image, which this installation of Pillow cannot read; save it as PNG"
        )
    file.seek(0)
    reason = ""
    try:
        factory(file, "")
    except (SyntaxError, OSError) as cause:
        said = cause.args[0] if cause.args else ""
        reason = said if isinstance(said, str) else ""  # else it is what struct or the like raised
    except Exception:  # on damaged files decoders raise most of what Python has, in no words of use
        pass
    return f"it is a {kind} image that cannot be read ({reason or 'its beginning is damaged'})"


@cache
def _pillow() -> ModuleType:
    """PIL.Image, with the decoders of the five formats registered, and no other sought."""
    from PIL import (  # noqa: F401
        BmpImagePlugin,
        Image,
        JpegImagePlugin,
        PngImagePlugin,
        TiffImagePlugin,
        WebPImagePlugin,
    )

    return Image


def exif_turn(picture: Picture) -> int:
    """EXIF's orientation, 1 to 8; 1 where it says nothing that makes sense."""
    try:
        turn = picture.getexif().get(_ORIENTATION, 1)
    except Exception:  # damaged EXIF beside good pixels is common, and no reason to refuse them
        return 1
    return turn if isinstance(turn, int) and 1 <= turn <= 8 else 1


def header_of(picture: Picture, *, grey: bool, turn: int = 1) -> Header:
    """What an opened picture says of itself, when EXIF's orientation is `turn`."""
    columns, rows = picture.size
    return Header((columns, rows) if turn >= 5 else (rows, columns), grey)


def has_grey_palette(picture: Picture) -> bool:
    """Whether an image has a palette, and all its colours are grey."""
    if picture.mode not in ("P", "PA"):
        return False
    picture.load()  # each format keeps a palette in its own order until then
    levels = np.array(picture.getpalette("RGB")).reshape(-1, 3)
    return bool((levels == levels[:, :1]).all())


def turn_picture(picture: Picture, turn: int) -> Picture:
    """An image as it is seen, when EXIF's orientation is `turn`."""
    if turn == 1:
        return picture
    from PIL.Image import Transpose

    ways = {
        **{2: Transpose.FLIP_LEFT_RIGHT, 3: Transpose.ROTATE_180, 4: Transpose.FLIP_TOP_BOTTOM},
        **{5: Transpose.TRANSPOSE, 6: Transpose.ROTATE_270},
        **{7: Transpose.TRANSVERSE, 8: Transpose.ROTATE_90},
    }
    return picture.transpose(ways[turn])


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


renew_in_forks(_alone)
