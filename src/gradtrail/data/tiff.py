"""TIFF as its tags say: each kind of pixels is read right, or refused with the reason.

Pillow unpacks and decompresses. Where it would read something else than the file holds, it gets
the same pixels under a directory that it reads right: planes one by one, as grey images; grey
levels always with 0 for black, and turned around here.

H, W rows and columns of the image as it is stored.

Source: TIFF, Revision 6.0 (Adobe, 1992).
"""

from __future__ import annotations

import io
import re
from collections.abc import Mapping
from typing import IO, TYPE_CHECKING

import numpy as np

from .image_format import Format, Header, StoredImage
from .image_spec import ImageSpec
from .levels import highest_number, merge_bands, numbers_of_16_bits, to_levels
from .pillow import open_picture
from .tiff_directory import Changes, Directory, Tag, read_directory, with_directory
from .tiff_layout import JPEGS, Photometric, TiffLayout, layout_of
from .unreadable import UnreadableError

if TYPE_CHECKING:
    from PIL.Image import Image as Picture

_REVERSED = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))
# seen to here, so that Pillow need not know
_LEFT_OUT = (
    Tag.NEW_SUBFILE_TYPE, Tag.ORIENTATION, Tag.PLANAR_CONFIGURATION, Tag.SAMPLE_FORMAT
)  # fmt: skip

_OTHER_NAMES: Mapping[str, Changes] = {
    "YCbCr": {Tag.PHOTOMETRIC_INTERPRETATION: (int(Photometric.RGB),)},
    "La": {Tag.EXTRA_SAMPLES: (2,)},
}


def _header(file: IO[bytes]) -> Header:
    found = layout_of(read_directory(file))
    height, width = found.size
    return Header((width, height) if found.turn >= 5 else (height, width), found.grey)


def _read(content: bytes, spec: ImageSpec) -> StoredImage:
    """The first image."""
    white = spec.white
    file = io.BytesIO(content)
    tags = read_directory(file)
    found = layout_of(tags)
    several = _several(file, tags)
    if found.reversed:
        content = content.translate(_REVERSED)
    if white is not None and found.bits == 16 and found.mode not in ("L", "LA", "RGB", "RGBA"):
        raise UnreadableError("a number for white says nothing of inks and weighted colours")
    deep = found.bits > 8 and (found.mode == "L" or white is not None)
    if found.planar or deep:
        picture, top = _merged(_bands(content, tags, found), found, white)
    else:
        readable = _as_pillow_reads(content, tags, found, {})
        picture = _in_its_mode(open_picture(readable, "TIFF"), found)
        top = highest_number(np.asarray(picture)[..., :3]) if found.bits == 16 else None
    if found.photometric == Photometric.WHITE_IS_ZERO:
        picture = _turned_around(picture)
    return StoredImage(picture, found.turn, top, several)


def _bands(content: bytes, tags: Directory, found: TiffLayout) -> list[np.ndarray]:
    """The numbers of each band, uint8 or uint16 (H, W), where Pillow needs help with them."""
    if found.planar:
        return [_plane(content, tags, found, band) for band in range(len(found.mode))]
    if found.mode == "L":
        return [_band(content, tags, found, {})]
    readable = _as_pillow_reads(content, tags, found, {})
    return list(np.moveaxis(numbers_of_16_bits(lambda: open_picture(readable, "TIFF")), -1, 0))


def _merged(
    bands: list[np.ndarray], found: TiffLayout, white: int | None
) -> tuple[Picture, int | None]:
    """An image of 8 bits of its bands, and of 16 bits the largest number for a colour."""
    if found.bits <= 8:
        return merge_bands(found.mode, bands), None
    colours = len(found.mode.rstrip("Aa"))
    whites = [white if found.bits == 16 else None] * colours + [None] * (len(bands) - colours)
    levels = [to_levels(band, found.bits, w) for band, w in zip(bands, whites, strict=True)]
    top = max(highest_number(band) for band in bands[:colours])
    return merge_bands(found.mode, levels), top if found.bits == 16 else None


def _plane(content: bytes, tags: Directory, found: TiffLayout, band: int) -> np.ndarray:
    """One band (H, W) of an image whose bands lie one behind the other."""
    begin, end = band * found.pieces, (band + 1) * found.pieces
    changes = {tag: tags.whole(tag)[begin:end] for tag in found.places}
    return _band(content, tags, found, changes)


def _band(content: bytes, tags: Directory, found: TiffLayout, changes: Changes) -> np.ndarray:
    """The numbers (H, W) of one band, uint8 or uint16, read as an image of grey levels."""
    alone = {
        Tag.BITS_PER_SAMPLE: (found.bits,),
        Tag.SAMPLES_PER_PIXEL: (1,),
        Tag.PHOTOMETRIC_INTERPRETATION: (int(Photometric.BLACK_IS_ZERO),),
        **dict.fromkeys((Tag.EXTRA_SAMPLES, Tag.INK_SET), ()),
    }
    picture = open_picture(_as_pillow_reads(content, tags, found, alone | dict(changes)), "TIFF")
    return np.asarray(picture.convert("L") if found.bits < 8 else picture)


def _as_pillow_reads(content: bytes, tags: Directory, found: TiffLayout, changes: Changes) -> bytes:
    """The file with the same pixels under a directory that Pillow reads right."""
    told: dict[Tag, tuple[int, ...]] = dict.fromkeys(_LEFT_OUT, ())
    if _by_another_name(found):
        told |= _OTHER_NAMES[found.mode]
    if found.photometric == Photometric.WHITE_IS_ZERO:
        told[Tag.PHOTOMETRIC_INTERPRETATION] = (int(Photometric.BLACK_IS_ZERO),)
    if found.reversed:
        told[Tag.FILL_ORDER] = ()
    if found.palette is not None:
        told[Tag.COLOR_MAP] = found.palette
    # 12 bits are packed alike in both orders, and Pillow knows but this one
    order = "<" if found.bits == 12 else tags.order
    return with_directory(content, tags, told | dict(changes), order)


def _by_another_name(found: TiffLayout) -> bool:
    """Whether Pillow gets the bands as those of another mode: not each version knows theirs."""
    return found.mode in _OTHER_NAMES and found.compression not in JPEGS and not found.planar


def _in_its_mode(picture: Picture, found: TiffLayout) -> Picture:
    """An image decoded, whose bands mean what they mean in the file."""
    from PIL import Image

    picture.load()
    return Image.merge(found.mode, picture.split()) if _by_another_name(found) else picture


def _turned_around(picture: Picture) -> Picture:
    """Grey levels, with transparency or without, black for white."""
    from PIL import Image, ImageChops

    if picture.mode == "La":
        picture = picture.convert("LA")
    if picture.mode != "LA":
        return ImageChops.invert(picture.convert("L"))
    grey, alpha = picture.split()
    return Image.merge("LA", [ImageChops.invert(grey), alpha])


def _several(file: IO[bytes], tags: Directory) -> bool:
    """Whether another picture follows that is not the same one made smaller, or a mask of it."""
    if not tags.following:
        return False
    try:
        return read_directory(file, tags.following).one(Tag.NEW_SUBFILE_TYPE, 0) & 0b101 == 0
    except UnreadableError:
        return False


TIFF = Format(re.compile(rb"II[*+]\0|MM\0[*+]"), _header, _read)
