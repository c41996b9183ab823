"""From an image of any size to the size that is wanted.

C channels, H, W sizes.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil
from typing import TYPE_CHECKING, Literal

from .unreadable import UnreadableError

if TYPE_CHECKING:
    from PIL.Image import Image as Picture

Fit = Literal["resize", "letterbox", "crop"]
FITS: tuple[Fit, ...] = ("resize", "letterbox", "crop")


@dataclass(frozen=True)
class ImageSpec:
    """What an image is to become.

    Args:
        shape: (C, H, W), C being 1 or 3.
        fit: how to come to H and W; None where the image must have them.
        white: in files of 16 bits, the number that is white; None for 65,535.
    """

    shape: tuple[int, int, int]
    fit: Fit | None
    white: int | None = None


def draft(picture: Picture, turn: int, target: ImageSpec) -> None:
    """Let a JPEG be decoded at a half, a quarter or an eighth, where twice the target remains.

    Args:
        picture: opened, and not decoded yet.
        turn: how it will be turned, as EXIF counts it.
        target: what it is to become.
    """
    if target.fit is None:
        return
    height, width = target.shape[1:]
    if turn >= 5:
        height, width = width, height
    scales = width / picture.size[0], height / picture.size[1]
    if target.fit == "letterbox":
        scales = (min(scales),) * 2
    elif target.fit == "crop":
        scales = (max(scales),) * 2
    wanted = [max(1, ceil(2 * s * old)) for s, old in zip(scales, picture.size, strict=True)]
    picture.draft(None, (wanted[0], wanted[1]))


def fit_to(picture: Picture, target: ImageSpec) -> Picture:
    """An image in the target's size.

    Raises:
        UnreadableError: it has another size, and there is no fit.
    """
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


def _inside(size: tuple[float, float], target: ImageSpec) -> tuple[int, int]:
    """The width and height that an image (width, height) fills after it is letterboxed."""
    height, width = target.shape[1:]
    across, down = width / size[0], height / size[1]
    # the side that decides is exact, whatever the rounding
    if across <= down:
        return width, max(1, round(size[1] * across))
    return max(1, round(size[0] * down)), height


def _centre(size: tuple[int, int], target: ImageSpec) -> tuple[float, float, float, float]:
    """The box (left, top, right, bottom) that is left of an image (width, height) to be cropped."""
    height, width = target.shape[1:]
    scale = max(width / size[0], height / size[1])
    left, top = (size[0] - width / scale) / 2, (size[1] - height / scale) / 2
    return max(left, 0), max(top, 0), min(size[0] - left, size[0]), min(size[1] - top, size[1])
