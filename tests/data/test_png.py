"""PNG in every depth and kind of pixels, by hand: numbers, transparency, and how it is turned."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from gradtrail.data.decode import decode_image, read_header
from gradtrail.data.image_spec import ImageSpec
from gradtrail.data.pillow import quiet
from gradtrail.data.unreadable import UnreadableError

from .png_files import GREY, GREY_ALPHA, PALETTE, RGB, RGBA, chunk, png

DEPTHS = {
    GREY: (1, 2, 4, 8, 16), RGB: (8, 16), PALETTE: (1, 2, 4, 8), GREY_ALPHA: (8, 16),
    RGBA: (8, 16),
}  # fmt: skip
BANDS = {GREY: 1, RGB: 3, PALETTE: 1, GREY_ALPHA: 2, RGBA: 4}


def drawn(depth: int, bands: int) -> np.ndarray:
    """(9, 7, bands); the last row repeats the first."""
    draw = np.random.Generator(np.random.PCG64(depth + bands))
    numbers = draw.integers(0, 1 << depth, (9, 7, bands))
    numbers[-1] = numbers[0]
    return numbers


def levels(numbers: np.ndarray, depth: int) -> np.ndarray:
    """Of 16 bits the higher 8, of fewer than 8 spread from 0 to 255."""
    return numbers >> 8 if depth == 16 else numbers * (255 // ((1 << depth) - 1))


def read(path: Path, content: bytes, channels: int) -> np.ndarray:
    """(H, W, channels)."""
    path.write_bytes(content)
    image = decode_image(path, ImageSpec((channels, *read_header(path).size), None))
    return image.transpose(1, 2, 0).astype(int)


@pytest.mark.parametrize("interlaced", [False, True])
@pytest.mark.parametrize("colour", DEPTHS)
def test_every_depth(tmp_path: Path, colour: int, interlaced: bool) -> None:
    path, bands = tmp_path / "a.png", BANDS[colour]
    for depth in DEPTHS[colour]:
        numbers = drawn(depth, bands)
        palette = drawn(8, 3).reshape(-1, 3).repeat(5, axis=0)[: 1 << depth]
        before = chunk(b"PLTE", palette.astype("u1").tobytes()) if colour == PALETTE else b""
        expected = levels(numbers, depth).astype(float)
        if colour == PALETTE:
            expected = palette[numbers[..., 0]]
        if colour in (GREY_ALPHA, RGBA):
            alpha = expected[..., -1:] / 255
            expected = expected[..., :-1] * alpha + 255 * (1 - alpha)
        channels = expected.shape[-1]
        found = read(path, png(numbers, depth, colour, before, interlaced=interlaced), channels)
        assert np.abs(found - expected).max() <= (1 if colour in (GREY_ALPHA, RGBA) else 0), depth
        assert read_header(path).grey == (channels == 1)


@pytest.mark.parametrize("interlaced", [False, True])
@pytest.mark.parametrize(
    ("colour", "depth"), [(GREY, d) for d in DEPTHS[GREY]] + [(RGB, d) for d in DEPTHS[RGB]]
)
def test_a_transparent_colour_is_compared_before_it_is_scaled(
    tmp_path: Path, colour: int, depth: int, interlaced: bool
) -> None:
    """Of 16 bits a neighbour differs in the lowest bit alone, and stays what it is."""
    numbers = drawn(depth, BANDS[colour])
    numbers[5, 5] = numbers[2, 2]
    numbers[6, 6] = numbers[2, 2] ^ [1] + [0] * (BANDS[colour] - 1)
    key = numbers[2, 2]
    # a key has 16 bits whatever the depth, and those above the depth do not count
    extra = 0 if depth == 16 else 1 << depth
    before = chunk(b"tRNS", struct.pack(f">{len(key)}H", *(key | extra)))
    found = read(
        tmp_path / "a.png", png(numbers, depth, colour, before, interlaced=interlaced), len(key)
    )
    clear = (numbers == key).all(axis=-1, keepdims=True)
    assert clear[5, 5].all()
    assert not clear[6, 6].any()
    np.testing.assert_array_equal(found, np.where(clear, 255, levels(numbers, depth)))


def test_transparency_by_value(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    deep = np.array([[[0x1234], [0x1235], [0x0012]]])
    keyed = png(deep, 16, GREY, chunk(b"tRNS", struct.pack(">H", 0x1234)))
    assert read(path, keyed, 1).ravel().tolist() == [255, 0x12, 0]
    few = np.array([[[0], [1], [2], [3]]])
    keyed = png(few, 2, GREY, chunk(b"tRNS", struct.pack(">H", 2)))
    assert read(path, keyed, 1).ravel().tolist() == [0, 85, 255, 255]
    colours = np.array([[[0x1234, 0, 0xFFFF], [0x1235, 0, 0xFFFF]]])
    keyed = png(colours, 16, RGB, chunk(b"tRNS", struct.pack(">3H", 0x1234, 0, 0xFFFF)))
    assert read(path, keyed, 3).tolist() == [[[255, 255, 255], [0x12, 0, 255]]]
    assert read(path, keyed, 1).ravel().tolist() == [255, 34]
    palette = chunk(b"PLTE", bytes([0, 0, 0, 200, 100, 0])) + chunk(b"tRNS", bytes([0, 51]))
    indexed = png(np.array([[[0], [1]]]), 1, PALETTE, palette)
    assert read(path, indexed, 3).tolist() == [[[255, 255, 255], [244, 224, 204]]]
    short = png(colours, 16, RGB, chunk(b"tRNS", b"\0\1"))
    with quiet(), pytest.raises(UnreadableError, match="transparent colour is cut off"):
        read(path, short, 3)


def exif(turn: int) -> bytes:
    return b"II*\0\x08\0\0\0\x01\0" + struct.pack("<HHIHH", 0x0112, 3, 1, turn, 0) + bytes(4)


@pytest.mark.parametrize("where", ["before", "after"])
@pytest.mark.parametrize("depth", [8, 16])
def test_exif_before_and_behind_the_pixels(tmp_path: Path, where: str, depth: int) -> None:
    numbers = drawn(depth, 1)
    ways = {6: lambda a: np.rot90(a, -1), 3: lambda a: np.rot90(a, 2), 2: np.fliplr}
    for turn, seen in ways.items():
        content = png(numbers, depth, GREY, **{where: chunk(b"eXIf", exif(turn))})
        found = read(tmp_path / "a.png", content, 1)
        np.testing.assert_array_equal(found, seen(levels(numbers, depth)))


def test_exif_as_text_of_older_programs_and_xmp(tmp_path: Path) -> None:
    numbers = drawn(8, 1)
    raw = b"Exif\0\0" + exif(6)
    profile = b"\nexif\n%8d\n" % len(raw) + raw.hex().encode() + b"\n"
    text = b"Raw profile type exif\0\0" + zlib.compress(profile)
    xmp = b'<x:xmpmeta><rdf:Description tiff:Orientation="6"/></x:xmpmeta>'
    for said in (chunk(b"zTXt", text), chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + xmp)):
        for place in ("before", "after"):
            found = read(tmp_path / "a.png", png(numbers, 8, GREY, **{place: said}), 1)
            np.testing.assert_array_equal(found, np.rot90(numbers, -1))


def test_of_an_animation_the_first_picture_counts(tmp_path: Path) -> None:
    first, second = (Image.fromarray(drawn(8, 3).astype(np.uint8) ^ flip) for flip in (0, 255))
    path = tmp_path / "a.png"
    first.save(path, save_all=True, append_images=[second])
    found = decode_image(path, ImageSpec((3, 9, 7), None))
    np.testing.assert_array_equal(found.transpose(1, 2, 0), np.asarray(first))


def test_apples_variant_is_named(tmp_path: Path) -> None:
    content = png(drawn(8, 3), 8, RGB, chunk(b"CgBI", bytes(4)))
    with quiet(), pytest.raises(UnreadableError, match="Apple's own variant of PNG"):
        read(tmp_path / "a.png", content, 3)
