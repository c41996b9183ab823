"""What reading an image's file is, whatever its format: its header, and the image in it."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, final

from .image_spec import ImageSpec

if TYPE_CHECKING:
    from PIL.Image import Image as Picture


@final
@dataclass(frozen=True)
class Header:
    """What a file says of itself, as the image is seen: turned as EXIF asks.

    Args:
        size: rows and columns, (H, W).
        grey: it has no colour: grey levels, or a palette of such.
    """

    size: tuple[int, int]
    grey: bool


@final
@dataclass(frozen=True)
class StoredImage:
    """An image as it lies in its file.

    Args:
        picture: Pillow's, with 8 bits or fewer in a band.
        turn: how it is to be turned, as EXIF counts it, 1 to 8.
        highest: in a file of 16 bits, the largest number for a colour; None in others.
        several: the file holds more pictures than this first one.
    """

    picture: Picture
    turn: int = 1
    highest: int | None = None
    several: bool = False


@final
@dataclass(frozen=True)
class Format:
    """How files of one format are read; what cannot be read raises an `UnreadableError`.

    Args:
        beginning: what their first bytes are.
        header: what a file says of itself, with its pixels only where they are needed.
        read: the image in a file's bytes, of which the spec may ask for less than all.
    """

    beginning: re.Pattern[bytes]
    header: Callable[[IO[bytes]], Header]
    read: Callable[[bytes, ImageSpec], StoredImage]
