"""BMP, JPEG and WebP by value, and the names of formats that are not read."""

from __future__ import annotations

import io
import struct
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import gradtrail as gt
from gradtrail.data.decode import decode_image, examine_image, read_header
from gradtrail.data.image_spec import ImageSpec
from gradtrail.data.pillow import quiet
from gradtrail.data.unreadable import UnreadableError

from .pictures import noise, saved, smooth

BLUE_GREEN_RED = (0xFF0000, 0xFF00, 0xFF)
BLACK_WHITE = bytes([0, 0, 0, 0, 255, 255, 255, 0])


def bmp(
    width: int,
    height: int,
    bits: int,
    pixels: bytes,
    *,
    palette: bytes = b"",
    packing: int = 0,
    masks: tuple[int, ...] = (),
) -> bytes:
    """A file with Windows' header, whose rows have been padded to four bytes."""
    size = 108 if len(masks) == 4 else 40
    colours = len(palette) // 4
    head = struct.pack("<IiiHHII", size, width, height, 1, bits, packing, len(pixels))
    head += struct.pack("<iiII", 0, 0, colours, 0)
    head += struct.pack(f"<{len(masks)}I", *masks)
    head = head.ljust(size, b"\0") + palette
    return (
        b"BM"
        + struct.pack("<IHHI", 14 + len(head) + len(pixels), 0, 0, 14 + len(head))
        + head
        + pixels
    )


def read(path: Path, content: bytes, channels: int = 1) -> list:
    """Of one channel the levels, of three the pixels, from the upper left."""
    path.write_bytes(content)
    image = decode_image(path, ImageSpec((channels, *read_header(path).size), None))
    return image.ravel().tolist() if channels == 1 else image.reshape(3, -1).T.tolist()


def test_bmps_of_two_colours_have_the_bits_that_they_say(tmp_path: Path) -> None:
    """A mask of 8 bits with the palette black, white is no image of 1 bit."""
    path = tmp_path / "a.bmp"
    eight = bmp(4, 2, 8, bytes([0, 1, 1, 0, 1, 0, 1, 1]), palette=BLACK_WHITE)
    four = bmp(4, 2, 4, bytes([0x01, 0x10, 0, 0, 0x10, 0x11, 0, 0]), palette=BLACK_WHITE)
    one = bmp(4, 2, 1, bytes([0b01100000, 0, 0, 0, 0b10110000, 0, 0, 0]), palette=BLACK_WHITE)
    for content in (eight, four, one):
        assert read(path, content) == [255, 0, 255, 255, 0, 255, 255, 0]
        assert read_header(path).grey
    swapped = bmp(4, 1, 1, bytes([0b01100000, 0, 0, 0]), palette=BLACK_WHITE[4:] + BLACK_WHITE[:4])
    assert read(path, swapped) == [255, 0, 0, 255]


def test_bmps_with_palettes(tmp_path: Path) -> None:
    path = tmp_path / "a.bmp"
    greys = b"".join(bytes([n, n, n, 0]) for n in range(16))
    four = bmp(4, 1, 4, bytes([0x12, 0x3F, 0, 0]), palette=greys)
    assert read(path, four) == [1, 2, 3, 15]
    assert read_header(path).grey
    assert read(path, bmp(4, 1, 8, bytes([1, 2, 3, 15]), palette=greys)) == [1, 2, 3, 15]
    colours = b"".join(bytes([n, 2 * n, 3 * n, 0]) for n in range(16))
    expected = [[3, 2, 1], [6, 4, 2], [9, 6, 3], [45, 30, 15]]
    assert read(path, bmp(4, 1, 4, bytes([0x12, 0x3F, 0, 0]), palette=colours), 3) == expected
    assert not read_header(path).grey
    runs = bytes([2, 3, 0, 0, 2, 5, 0, 0, 0, 1])
    expected = [[15, 10, 5]] * 2 + [[9, 6, 3]] * 2
    assert read(path, bmp(2, 2, 8, runs, palette=colours, packing=1), 3) == expected


def test_bmps_of_16_and_32_bits(tmp_path: Path) -> None:
    path = tmp_path / "a.bmp"
    five = struct.pack("<4H", 0x7C00, 0x03E0, 0x001F, 0x7FFF)
    primary = [[255, 0, 0], [0, 255, 0], [0, 0, 255], [255, 255, 255]]
    assert read(path, bmp(4, 1, 16, five), 3) == primary
    six = struct.pack("<4H", 0xF800, 0x07E0, 0x001F, 0xFFFF)
    masks = (0xF800, 0x07E0, 0x1F)
    content = bmp(4, 1, 16, six, packing=3, masks=masks)
    assert read(path, content[:10] + struct.pack("<I", 66) + content[14:], 3) == primary
    for alpha in (0, 255):  # 0 in all pixels is a byte that nobody filled
        pixels = bytes([10, 20, 30, alpha] * 2)
        assert read(path, bmp(2, 1, 32, pixels), 3) == [[30, 20, 10]] * 2
        masked = bmp(2, 1, 32, pixels, packing=3, masks=(*BLUE_GREEN_RED, 0xFF000000))
        assert read(path, masked, 3) == [[30, 20, 10]] * 2
    half = bmp(
        2, 1, 32, bytes([10, 20, 30, 51] * 2), packing=3, masks=(*BLUE_GREEN_RED, 0xFF000000)
    )
    assert read(path, half, 3)[0] == pytest.approx([210, 208, 206], abs=1)
    with quiet(), pytest.raises(UnreadableError, match="Unsupported BMP bitfields layout"):
        read(path, bmp(2, 1, 32, bytes(8), packing=3, masks=(0x3FF00000, 0xFFC00, 0x3FF, 0)))


def test_jpegs_of_ink_and_of_12_bits(tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    Image.new("CMYK", (8, 8), (0, 0, 0, 255)).save(path)
    assert decode_image(path, ImageSpec((1, 8, 8), None)).max() <= 2
    content = path.read_bytes()
    at = content.index(b"\xff\xee\x00\x0eAdobe")  # writers with the mark turn inks around
    path.write_bytes(content[:at] + content[at + 16 :])
    with quiet(), pytest.raises(UnreadableError, match="come without Adobe's mark"):
        decode_image(path, ImageSpec((1, 8, 8), None))
    content = bytearray(saved(path, smooth(8, 8)).read_bytes())
    content[content.index(b"\xff\xc0") + 4] = 12
    path.write_bytes(content)
    for attempt in (read_header, lambda path: decode_image(path, ImageSpec((1, 8, 8), None))):
        with quiet(), pytest.raises(UnreadableError, match="is a JPEG image .*12-bit layers"):
            attempt(path)


def test_webp(tmp_path: Path) -> None:
    path, colours, alpha = tmp_path / "a.webp", noise(6, 5, 3), noise(6, 5, seed=5)
    saved(path, colours, lossless=True)
    assert (read_header(path).size, read_header(path).grey) == ((6, 5), False)
    np.testing.assert_array_equal(
        decode_image(path, ImageSpec((3, 6, 5), None)).transpose(1, 2, 0), colours
    )
    saved(path, np.dstack([colours, alpha]), lossless=True, exact=True)
    shown = decode_image(path, ImageSpec((3, 6, 5), None)).transpose(1, 2, 0)
    part = alpha[..., None] / 255
    assert np.abs(shown - (colours * part + 255 * (1 - part))).max() <= 1
    saved(path, smooth(40, 30), quality=95)
    image = decode_image(path, ImageSpec((3, 40, 30), None)).transpose(1, 2, 0)
    assert np.abs(image.astype(int) - smooth(40, 30)).mean() < 4
    exif = Image.Exif()
    exif[0x0112] = 6
    saved(path, colours, lossless=True, exif=exif)
    assert read_header(path).size == (5, 6)
    turned = decode_image(path, ImageSpec((3, 5, 6), None)).transpose(1, 2, 0)
    np.testing.assert_array_equal(turned, np.rot90(colours, -1))


def test_of_an_animated_webp_the_first_picture_counts(tmp_path: Path) -> None:
    path, first = tmp_path / "a.webp", noise(6, 5, 3)
    more = [Image.fromarray(first ^ 255), Image.fromarray(first ^ 15)]
    Image.fromarray(first).save(path, lossless=True, save_all=True, append_images=more)
    found = examine_image(path, ImageSpec((3, 6, 5), None))
    np.testing.assert_array_equal(found.pixels.transpose(1, 2, 0), first)
    assert found.several


def test_a_webp_too_large_is_refused_by_its_first_bytes(tmp_path: Path) -> None:
    """Its decoder takes memory for all pixels when it is made, before anybody asks for them."""
    path = tmp_path / "a.webp"
    size = (16383 - 1).to_bytes(3, "little")
    lossless = struct.pack("<I", 16382 | 16382 << 14)
    for rest in (
        b"VP8X" + struct.pack("<I", 10) + bytes(4) + size * 2 + bytes(8),
        b"VP8L" + struct.pack("<I", 10) + b"\x2f" + lossless + bytes(8),
        b"VP8 " + struct.pack("<I", 10) + bytes(3) + b"\x9d\x01\x2a" + b"\xff\x3f" * 2 + bytes(8),
    ):
        path.write_bytes(b"RIFF" + struct.pack("<I", 4 + len(rest)) + b"WEBP" + rest)
        for attempt in (
            read_header,
            lambda path: decode_image(path, ImageSpec((3, 6, 5), "resize")),
        ):
            with quiet(), pytest.raises(UnreadableError, match="it claims 16,383 × 16,383 pixels"):
                attempt(path)


OTHERS = {
    "a GIF": b"GIF89a" + bytes(40),
    "a HEIC image": b"\0\0\0\x18ftypheic\0\0\0\0mif1heic",
    "an AVIF image": b"\0\0\0\x18ftypavif\0\0\0\0mif1avif",
    "a video": b"\0\0\0\x18ftypisom\0\0\0\0mif1avif",
    "a JPEG 2000 image": b"\0\0\0\x0cjP  \r\n\x87\n",
    "a JPEG XL image": b"\xff\x0a" + bytes(20),
    "a Netpbm image": b"P5\n4 4\n255\n" + bytes(16),
    "a camera's raw file": b"II*\0\x10\0\0\0CR\2\0",
    "a Photoshop file": b"8BPS\0\1",
    "an OpenEXR image of floats": b"\x76\x2f\x31\x01" + bytes(8),
    "a DICOM file": bytes(128) + b"DICM",
    "a PDF document": b"%PDF-1.7\n",
    "an SVG drawing": b'<?xml version="1.0"?>\n<!-- x -->\n<svg xmlns="x"/>',
    "a web page": b"<!DOCTYPE html><html><body>404",
    "a zip archive": b"PK\x03\x04" + bytes(30),
    "what Git LFS leaves": b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n",
    "a NumPy array": b"\x93NUMPY\1\0",
}


@pytest.mark.parametrize("what", OTHERS)
def test_a_file_of_another_format_is_called_by_its_name(tmp_path: Path, what: str) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(OTHERS[what])
    for attempt in (read_header, lambda path: decode_image(path, ImageSpec((1, 4, 4), None))):
        with (
            quiet(),
            pytest.raises(UnreadableError, match=f"^it is {what}.*; |^it is {what}.*, ") as told,
        ):
            attempt(path)
        assert "damaged" not in str(told.value)
    with pytest.raises(gt.FileError, match=f"cannot read .*a.png: it is {what}"):
        gt.data.read_image(path, (1, 4, 4))


@pytest.mark.parametrize(
    ("kind", "ending"), [("PNG", "png"), ("JPEG", "jpg"), ("BMP", "bmp"), ("WEBP", "webp")]
)
def test_a_damaged_beginning_is_said_of_its_format(tmp_path: Path, kind: str, ending: str) -> None:
    path = tmp_path / f"a.{ending}"
    with io.BytesIO() as file:
        Image.fromarray(noise(6, 5, 3)).save(file, kind)
        path.write_bytes(file.getvalue()[:18])
    with (
        quiet(),
        pytest.raises(UnreadableError, match=f"^it is a {kind} image that cannot be read"),
    ):
        read_header(path)
