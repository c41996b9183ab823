"""How a TIFF's pixels lie, by its tags, and which kinds of pixels are read.

H, W rows and columns of the image as it is stored.

Source: TIFF, Revision 6.0 (Adobe, 1992), sections 3 to 23.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

from .image_limits import check_size
from .tiff_directory import Directory, Tag
from .unreadable import UnreadableError


class Photometric(IntEnum):
    """What a pixel's numbers mean."""

    WHITE_IS_ZERO = 0
    BLACK_IS_ZERO = 1
    RGB = 2
    PALETTE = 3
    CMYK = 5
    YCBCR = 6
    LAB = 8


_GREYS = (Photometric.WHITE_IS_ZERO, Photometric.BLACK_IS_ZERO)
_COLOURS = {
    **dict.fromkeys(_GREYS, "L"),
    **{Photometric.RGB: "RGB", Photometric.PALETTE: "P", Photometric.CMYK: "CMYK"},
    **{Photometric.YCBCR: "YCbCr", Photometric.LAB: "LAB"},
}
_BANDS = {"L": 1, "P": 1, "RGB": 3, "YCbCr": 3, "LAB": 3, "CMYK": 4}
_DEPTHS = {
    **dict.fromkeys(_GREYS, (1, 2, 4, 8, 12, 16)),
    **{Photometric.RGB: (8, 16), Photometric.PALETTE: (1, 2, 4, 8), Photometric.CMYK: (8, 16)},
    **{Photometric.YCBCR: (8,), Photometric.LAB: (8,)},
}
_OTHERS = {
    4: "a mask of another image",
    9: "colours of ICC's Lab",
    10: "colours of ITU's Lab",
    32803: "what a camera's sensor saw through its colour filters",
    32844: "logarithms of light",
    32845: "logarithms of light",
    34892: "what a camera's sensor saw",
}
_FORMATS = {2: "signed integers", 3: "floats", 5: "complex integers", 6: "complex numbers"}

# By TIFF's numbers: what libtiff unpacks in Pillow's own builds, and names of others.
_NONE, _FAXES = 1, (2, 3, 4, 32771)
JPEGS = (6, 7)
_PACKINGS = (_NONE, *_FAXES, *JPEGS, 5, 8, 32773, 32946, 34925, 50000, 50001)
_UNREAD = {
    **dict.fromkeys((33003, 33005, 34712), "JPEG 2000"),
    **{9: "JBIG", 34661: "JBIG", 34887: "LERC", 50002: "JPEG XL", 52546: "JPEG XL"},
    **{22610: "JPEG XR", 34934: "JPEG XR", 32809: "ThunderScan", 34676: "SGI LogLuv"},
}
_TILES = (Tag.TILE_OFFSETS, Tag.TILE_BYTE_COUNTS)
_STRIPS = (Tag.STRIP_OFFSETS, Tag.STRIP_BYTE_COUNTS)
_SAVE = "save it with 8 or 16 bits"


@dataclass(frozen=True)
class TiffLayout:
    """How an image's pixels lie.

    Args:
        size: rows and columns as stored, (H, W).
        turn: how it is to be turned, as EXIF counts it, 1 to 8.
        bits: of one number.
        photometric: what the numbers mean.
        mode: Pillow's, for the bands that are read.
        compression: TIFF's number for how they are packed.
        planar: each band lies by itself.
        places: the tags for where its strips or tiles lie, and for how many bytes they have.
        pieces: strips or tiles of the image, or of one plane.
        reversed: the lowest bit of a byte is its first one, as in JPEGs it never is.
        palette: the reds, then greens, then blues of 16 bits, where numbers stand for colours.
    """

    size: tuple[int, int]
    turn: int
    bits: int
    photometric: Photometric
    mode: str
    compression: int
    planar: bool
    places: tuple[Tag, Tag]
    pieces: int
    reversed: bool
    palette: tuple[int, ...] | None

    @property
    def grey(self) -> bool:
        """Whether it has no colours: grey levels, or a palette of such."""
        if self.palette is None:
            return self.photometric in _GREYS
        third = len(self.palette) // 3
        bands = [self.palette[at : at + third] for at in (0, third, 2 * third)]
        return all([n >> 8 for n in band] == [n >> 8 for n in bands[0]] for band in bands)


def layout_of(tags: Directory) -> TiffLayout:
    """How the pixels lie that a directory tells of.

    Raises:
        UnreadableError: they are not read, or the directory contradicts itself.
    """
    size = tags.one(Tag.IMAGE_LENGTH, 0), tags.one(Tag.IMAGE_WIDTH, 0)
    check_size(*size)
    if tags.one(Tag.NEW_SUBFILE_TYPE, 0) & 1:
        raise UnreadableError(
            "its first picture is a smaller copy of another one, as in a camera's raw file; save "
            "that one as PNG"
        )
    if (depth := tags.one(Tag.IMAGE_DEPTH, 1)) != 1:
        raise UnreadableError(
            f"it holds a volume of {depth} planes in one picture; save each plane as a file"
        )
    compression = tags.one(Tag.COMPRESSION, _NONE)
    if compression not in _PACKINGS:
        name = _UNREAD.get(compression, f"a method of number {compression}")
        raise UnreadableError(
            f"its pixels are packed by {name}, which is not read; save it with LZW or Deflate"
        )
    photometric = _photometric(tags, compression)
    samples = tags.one(Tag.SAMPLES_PER_PIXEL, 3 if compression == 6 else 1)
    bits = _bits(tags, photometric)
    planar = tags.one(Tag.PLANAR_CONFIGURATION, 1) == 2 and samples > 1
    mode = _mode(tags, photometric, samples, planar)
    if mode in ("LA", "La") and bits != 8 and not planar:
        raise UnreadableError(f"its grey levels of {bits} bits have transparency; save it as PNG")
    _not_subsampled(tags, photometric, compression, planar)
    tiled = bool(tags.whole(Tag.TILE_OFFSETS)) and not tags.whole(Tag.STRIP_OFFSETS)
    turn = tags.one(Tag.ORIENTATION, 1)
    return TiffLayout(
        size=size,
        turn=turn if 1 <= turn <= 8 else 1,
        bits=bits,
        photometric=photometric,
        mode=mode,
        compression=compression,
        planar=planar,
        places=_TILES if tiled else _STRIPS,
        pieces=_pieces(tags, size, tiled, samples if planar else 1, compression),
        reversed=tags.one(Tag.FILL_ORDER, 1) == 2 and compression not in JPEGS,
        palette=_palette(tags, bits) if mode == "P" else None,
    )


def _photometric(tags: Directory, compression: int) -> Photometric:
    """What the numbers mean."""
    if compression == 6:  # JPEG of TIFF 6.0, which says it in its own way
        return Photometric.YCBCR
    numbers = tags.whole(Tag.PHOTOMETRIC_INTERPRETATION)
    if not numbers:
        if compression in _FAXES:
            return Photometric.WHITE_IS_ZERO
        raise UnreadableError(
            "it does not say what its numbers mean (PhotometricInterpretation is missing), so that "
            "black may be white; save it anew"
        )
    if numbers[0] not in _COLOURS:
        other = _OTHERS.get(numbers[0], f"of an unknown kind ({numbers[0]})")
        raise UnreadableError(f"its pixels are {other}, which is not read; save it as PNG")
    if numbers[0] == Photometric.CMYK and tags.one(Tag.INK_SET, 1) != 1:
        raise UnreadableError("its inks are others than CMYK; save it in RGB")
    return Photometric(numbers[0])


def _bits(tags: Directory, photometric: Photometric) -> int:
    """How many bits each number has, where those are read."""
    depths = set(tags.whole(Tag.BITS_PER_SAMPLE) or (1,))
    if len(depths) > 1:
        raise UnreadableError(
            f"its bands have different depths, {', '.join(map(str, sorted(depths)))} bits; {_SAVE}"
        )
    bits = depths.pop()
    formats = set(tags.whole(Tag.SAMPLE_FORMAT) or (1,))
    unsigned = formats <= {1, 4}  # 4 says that it is not said
    if not unsigned or bits > 16:
        what = next((_FORMATS[n] for n in sorted(formats) if n in _FORMATS), "integers")
        raise UnreadableError(
            f"its pixels are {bits}-bit {what}, whose range nobody can know; {_SAVE}"
            + (", without a sign" if what == "signed integers" else "")
        )
    if bits not in _DEPTHS[photometric]:
        kind = "grey levels" if photometric in _GREYS else "colours"
        raise UnreadableError(f"its {kind} have {bits} bits, which is not read; {_SAVE}")
    return bits


def _mode(tags: Directory, photometric: Photometric, samples: int, planar: bool) -> str:
    """Pillow's mode for the bands that are read: the colours, and transparency."""
    colours = _COLOURS[photometric]
    if colours == "YCbCr" and samples == 1:
        return "L"
    extras = tags.whole(Tag.EXTRA_SAMPLES)
    more = samples - _BANDS[colours]
    if colours == "RGB" and more == 1 and not extras:
        extras = (2,)  # many programs leave it out
    # of those that Pillow reads from pixels in one piece
    most = {"L": 1, "P": 1, "RGB": 3, "CMYK": 2}.get(colours, 0)
    if more != len(extras) or (more > most and not planar) or more < 0 or more > 3:
        raise UnreadableError(
            f"it has {samples} numbers for each pixel, where {colours} has {_BANDS[colours]}; "
            "save it as PNG"
        )
    if planar and colours == "P":
        raise UnreadableError("it has planes beside one of palette colours; save it as PNG")
    alpha = {1: "a", 2: "A"}.get(extras[0], "") if extras else ""
    return colours + alpha if colours in ("L", "RGB", "P") else colours


def _not_subsampled(
    tags: Directory, photometric: Photometric, compression: int, planar: bool
) -> None:
    """Refuse colours that lie at fewer places than brightness, where only JPEG's are unpacked."""
    if photometric != Photometric.YCBCR:
        return
    subsampling = tags.whole(Tag.YCBCR_SUBSAMPLING) or (2, 2)
    if planar or (compression not in JPEGS and subsampling != (1, 1)):
        raise UnreadableError(
            "its colours (YCbCr) lie at fewer places than its brightness; save it in RGB"
        )


def _pieces(
    tags: Directory, size: tuple[int, int], tiled: bool, planes: int, compression: int
) -> int:
    """Strips or tiles of the image, or of one plane."""
    height, width = size
    if tiled:
        tile = tags.one(Tag.TILE_LENGTH, 0), tags.one(Tag.TILE_WIDTH, 0)
        check_size(*tile)
        pieces = -(-height // tile[0]) * -(-width // tile[1])
    else:
        rows = tags.one(Tag.ROWS_PER_STRIP, height)
        if rows < 1:
            raise UnreadableError("it is damaged: its strips have no rows")
        pieces = -(-height // rows)
    found = len(tags.whole(Tag.TILE_OFFSETS if tiled else Tag.STRIP_OFFSETS))
    if found < pieces * planes and compression != 6:
        what = "tiles" if tiled else "strips"
        raise UnreadableError(
            f"it is damaged: it has {found:,} {what} where {pieces * planes:,} are needed"
        )
    return pieces


def _palette(tags: Directory, bits: int) -> tuple[int, ...]:
    """A palette's reds, greens and blues, of 16 bits."""
    levels = tags.whole(Tag.COLOR_MAP)
    if len(levels) != 3 << bits:
        raise UnreadableError(
            f"it is damaged: its palette has {len(levels)} of {3 << bits} numbers"
        )
    # some programs write 8 bits where TIFF wants 16; as they are, all colours would be black
    return tuple(level * 257 for level in levels) if max(levels) < 256 else levels
