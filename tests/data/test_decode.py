"""One image file: every kind of pixels, turned, fitted, and refused."""

from __future__ import annotations

import struct
import warnings
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageOps

import gradtrail as gt
from gradtrail.data.decode import decode_image, read_header
from gradtrail.data.image_spec import ImageSpec
from gradtrail.data.pillow import quiet
from gradtrail.data.unreadable import UnreadableError

from .pictures import noise, saved, smooth

GREY, COLOUR = noise(6, 5), noise(6, 5, 3, seed=1)


def luma(pixels: np.ndarray) -> np.ndarray:
    """ITU-R 601 of (H, W, 3), in 65,536ths as Pillow computes it."""
    r, g, b = (pixels[..., c].astype(np.int64) for c in range(3))
    return ((19595 * r + 38470 * g + 7471 * b + 0x8000) >> 16).astype(np.uint8)


def over_white(pixels: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """(H, W, 3) with alpha (H, W), on white."""
    a = alpha[..., None] / 255
    return pixels * a + 255 * (1 - a)


@pytest.mark.parametrize("ending", ["png", "bmp", "tiff"])
def test_grey_and_colour_come_out_as_they_are(tmp_path: Path, ending: str) -> None:
    grey = saved(tmp_path / f"grey.{ending}", GREY)
    colour = saved(tmp_path / f"colour.{ending}", COLOUR)
    np.testing.assert_array_equal(decode_image(grey, ImageSpec((1, 6, 5), None)), GREY[None])
    np.testing.assert_array_equal(
        decode_image(grey, ImageSpec((3, 6, 5), None)), np.stack([GREY] * 3)
    )
    np.testing.assert_array_equal(
        decode_image(colour, ImageSpec((3, 6, 5), None)), COLOUR.transpose(2, 0, 1)
    )
    np.testing.assert_array_equal(
        decode_image(colour, ImageSpec((1, 6, 5), None)), luma(COLOUR)[None]
    )
    assert (read_header(grey).size, read_header(grey).grey) == ((6, 5), True)
    assert (read_header(colour).size, read_header(colour).grey) == ((6, 5), False)


def test_jpeg_is_near_what_was_saved(tmp_path: Path) -> None:
    pixels = smooth(40, 30)
    path = saved(tmp_path / "a.jpg", pixels, quality=98, subsampling=0)
    image = decode_image(path, ImageSpec((3, 40, 30), None)).transpose(1, 2, 0)
    assert np.abs(image.astype(int) - pixels).max() <= 4
    assert not read_header(path).grey
    assert read_header(saved(tmp_path / "b.jpg", GREY)).grey


def test_palettes(tmp_path: Path) -> None:
    for ending in ("png", "bmp", "tiff"):
        picture = Image.fromarray(COLOUR).quantize(16)
        expected = np.asarray(picture.convert("RGB"))
        picture.save(tmp_path / f"a.{ending}")
        image = decode_image(tmp_path / f"a.{ending}", ImageSpec((3, 6, 5), None))
        np.testing.assert_array_equal(image.transpose(1, 2, 0), expected)
        assert not read_header(tmp_path / f"a.{ending}").grey
    for ending in ("png", "tiff"):
        picture = Image.fromarray(GREY % 4).convert("P")
        picture.putpalette([level for k in range(4) for level in [60 * k] * 3])
        picture.save(tmp_path / f"grey.{ending}")
        assert read_header(tmp_path / f"grey.{ending}").grey
        image = decode_image(tmp_path / f"grey.{ending}", ImageSpec((1, 6, 5), None))
        np.testing.assert_array_equal(image[0], GREY % 4 * 60)


@pytest.mark.parametrize("ending", ["png", "tiff"])
def test_of_16_bits_the_higher_8_count(tmp_path: Path, ending: str) -> None:
    deep = GREY.astype(np.uint16) * 256 + noise(6, 5, seed=3)
    path = saved(tmp_path / f"a.{ending}", deep)
    assert read_header(path).grey
    np.testing.assert_array_equal(decode_image(path, ImageSpec((1, 6, 5), None)), GREY[None])
    turned = tmp_path / f"turned.{ending}"
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(deep).save(turned, exif=exif)
    np.testing.assert_array_equal(
        decode_image(turned, ImageSpec((1, 5, 6), None)), np.rot90(GREY, -1)[None]
    )


def test_colours_of_16_bits(tmp_path: Path) -> None:
    """Pillow writes none, so the file is put together here."""
    rows = b"".join(
        b"\0" + np.stack([row, row ^ 255], axis=-1).tobytes() for row in COLOUR.reshape(6, 15)
    )
    content = b"\x89PNG\r\n\x1a\n"
    for kind, data in (
        (b"IHDR", struct.pack(">IIBBBBB", 5, 6, 16, 2, 0, 0, 0)),
        (b"IDAT", zlib.compress(rows)),
        (b"IEND", b""),
    ):
        checksum = zlib.crc32(kind + data)
        content += struct.pack(">I", len(data)) + kind + data + struct.pack(">I", checksum)
    (tmp_path / "a.png").write_bytes(content)
    image = decode_image(tmp_path / "a.png", ImageSpec((3, 6, 5), None))
    np.testing.assert_array_equal(image.transpose(1, 2, 0), COLOUR)


def test_one_bit(tmp_path: Path) -> None:
    for ending in ("png", "bmp", "tiff"):
        Image.fromarray(GREY > 99).save(tmp_path / f"a.{ending}")
        assert read_header(tmp_path / f"a.{ending}").grey
        image = decode_image(tmp_path / f"a.{ending}", ImageSpec((1, 6, 5), None))
        np.testing.assert_array_equal(image[0], 255 * (GREY > 99))


def test_transparency_lies_on_white(tmp_path: Path) -> None:
    alpha = noise(6, 5, seed=5)
    colour = saved(tmp_path / "rgba.png", np.dstack([COLOUR, alpha]))
    image = decode_image(colour, ImageSpec((3, 6, 5), None)).transpose(1, 2, 0)
    assert np.abs(image - over_white(COLOUR, alpha)).max() <= 1
    grey = tmp_path / "la.png"
    Image.merge("LA", [Image.fromarray(GREY), Image.fromarray(alpha)]).save(grey)
    assert read_header(grey).grey
    image = decode_image(grey, ImageSpec((1, 6, 5), None))[0]
    assert np.abs(image - over_white(GREY[..., None], alpha)[..., 0]).max() <= 1
    keyed = tmp_path / "key.png"
    Image.fromarray(GREY).save(keyed, transparency=int(GREY[2, 3]))
    expected = np.where(GREY[2, 3] == GREY, 255, GREY)
    np.testing.assert_array_equal(decode_image(keyed, ImageSpec((1, 6, 5), None))[0], expected)
    picture = Image.fromarray(COLOUR).quantize(8)
    picture.save(tmp_path / "p.png", transparency=0)
    image = decode_image(tmp_path / "p.png", ImageSpec((3, 6, 5), None)).transpose(1, 2, 0)
    clear = np.asarray(picture) == 0
    assert clear.any()
    assert (image[clear] == 255).all()


def test_cmyk(tmp_path: Path) -> None:
    picture = Image.new("CMYK", (5, 6), (0, 255, 255, 0))
    for ending in ("jpg", "tiff"):
        picture.save(tmp_path / f"a.{ending}")
        image = decode_image(tmp_path / f"a.{ending}", ImageSpec((3, 6, 5), None))
        assert np.abs(image.mean(axis=(1, 2)) - [255, 0, 0]).max() < 3


@pytest.mark.parametrize("mode", ["F", "I"])
def test_numbers_of_32_bits_are_refused(tmp_path: Path, mode: str) -> None:
    Image.fromarray(GREY).convert(mode).save(tmp_path / "a.tiff")
    with pytest.raises(UnreadableError, match="its pixels are 32-bit .*save it with 8 or 16 bits"):
        decode_image(tmp_path / "a.tiff", ImageSpec((1, 6, 5), None))


@pytest.mark.parametrize("ending", ["png", "jpg", "tiff"])
@pytest.mark.parametrize("turn", range(1, 9))
def test_images_are_turned_as_exif_asks(tmp_path: Path, ending: str, turn: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = turn
    path = tmp_path / f"a.{ending}"
    Image.fromarray(smooth(16, 24)).save(path, exif=exif)
    with Image.open(path) as opened:
        expected = np.asarray(ImageOps.exif_transpose(opened)).transpose(2, 0, 1)
    assert read_header(path).size == expected.shape[1:] == ((16, 24) if turn < 5 else (24, 16))
    np.testing.assert_array_equal(decode_image(path, ImageSpec(expected.shape, None)), expected)


def test_exif_that_is_damaged_spoils_no_pixels(tmp_path: Path) -> None:
    path = saved(tmp_path / "a.jpg", smooth(8, 8), exif=b"Exif\0\0MM\0\x2a\xff\xff\xff\xff\xff\xff")
    with quiet():
        assert read_header(path).size == (8, 8)
        assert decode_image(path, ImageSpec((3, 8, 8), None)).shape == (3, 8, 8)


def test_resize_takes_the_mean_of_what_shrinks(tmp_path: Path) -> None:
    stripes = np.tile(np.array([0, 255], np.uint8), (64, 32))
    path = saved(tmp_path / "a.png", stripes)
    image = decode_image(path, ImageSpec((1, 8, 8), "resize"))
    assert np.abs(image.astype(int) - 127.5).max() < 8
    same = decode_image(path, ImageSpec((1, 64, 64), "resize"))
    np.testing.assert_array_equal(same[0], stripes)


@pytest.mark.parametrize(("height", "width"), [(20, 40), (40, 20), (7, 3), (1, 50), (50, 1)])
def test_letterbox_keeps_proportions(tmp_path: Path, height: int, width: int) -> None:
    path = saved(tmp_path / "a.png", np.full((height, width), 200, np.uint8))
    image = decode_image(path, ImageSpec((1, 10, 12), "letterbox"))[0]
    rows, columns = np.flatnonzero(image.any(axis=1)), np.flatnonzero(image.any(axis=0))
    scale = min(10 / height, 12 / width)
    wanted = max(1, round(height * scale)), max(1, round(width * scale))
    assert (len(rows), len(columns)) == wanted
    assert (image[np.ix_(rows, columns)] == 200).all()
    for found, size in ((rows, 10), (columns, 12)):  # in the middle
        assert abs(found[0] - (size - 1 - found[-1])) <= 1


def test_crop_fills_and_cuts_both_ends(tmp_path: Path) -> None:
    pixels = np.zeros((10, 30), np.uint8)
    pixels[:, 10:20] = 250
    path = saved(tmp_path / "a.png", pixels)
    assert (decode_image(path, ImageSpec((1, 10, 10), "crop")) == 250).all()
    assert (decode_image(path, ImageSpec((1, 5, 5), "crop"))[0, :, 1:-1] == 250).all()
    tall = saved(tmp_path / "b.png", np.ascontiguousarray(pixels.T))
    assert (decode_image(tall, ImageSpec((1, 10, 10), "crop")) == 250).all()
    line = saved(tmp_path / "c.png", np.full((1, 30_000), 9, np.uint8))
    assert (decode_image(line, ImageSpec((1, 500, 500), "crop")) == 9).all()


@pytest.mark.parametrize("fit", ["resize", "letterbox", "crop"])
@pytest.mark.parametrize("turn", [1, 6])
def test_large_jpegs_are_drafted_without_a_difference_to_see(
    tmp_path: Path, fit: gt.data.image_spec.Fit, turn: int
) -> None:
    """To decode at a part of the size gives nearly what resizing the whole gives."""
    pixels = smooth(600, 800)
    exif = Image.Exif()
    exif[0x0112] = turn
    path = saved(tmp_path / "a.jpg", pixels, quality=95, exif=exif)
    seen = pixels if turn == 1 else np.rot90(pixels, -1)
    whole = saved(tmp_path / "a.png", np.ascontiguousarray(seen))
    for shape in ((3, 32, 32), (3, 20, 50)):
        image, expected = (
            decode_image(p, ImageSpec(shape, fit)).astype(int) for p in (path, whole)
        )
        assert np.abs(image - expected).max() <= 6
        np.testing.assert_array_equal(decode_image(path, ImageSpec(shape, fit)), image)


def test_a_draft_leaves_twice_the_target(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from gradtrail.data import decode

    sizes = []

    def noted(picture: Image.Image, target: ImageSpec) -> Image.Image:
        sizes.append(picture.size)
        return fit_to(picture, target)

    fit_to = decode.fit_to
    monkeypatch.setattr(decode, "fit_to", noted)
    path = saved(tmp_path / "a.jpg", smooth(640, 1280))
    for shape, fit in (((3, 32, 32), "resize"), ((3, 32, 32), "letterbox"), ((3, 32, 32), "crop")):
        decode_image(path, ImageSpec(shape, fit))
    decode_image(path, ImageSpec((3, 320, 320), "resize"))
    assert sizes == [(160, 80), (160, 80), (160, 80), (1280, 640)]


def png_header(width: int, height: int) -> bytes:
    data = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n\0\0\0\r" + data + struct.pack(">I", zlib.crc32(data))


REFUSED = {
    "empty": (b"", "it is empty"),
    "text": (b"hello, world", "it is no PNG, JPEG, BMP, TIFF or WebP image, or its beginning is"),
    "gif": (b"GIF89a" + bytes(40), "it is a GIF, which is not read; save it as PNG"),
    "a beginning": (png_header(4, 4), "cannot be read .its beginning is damaged.|it is cut off"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_refused(tmp_path: Path, name: str) -> None:
    content, reason = REFUSED[name]
    path = tmp_path / "a.png"
    path.write_bytes(content)
    for attempt in (read_header, lambda path: decode_image(path, ImageSpec((1, 4, 4), "resize"))):
        with quiet(), pytest.raises(UnreadableError, match=reason):
            attempt(path)


@pytest.mark.parametrize("size", [(8193, 8192), (1 << 20, 1 << 20), (40_000, 3)])
def test_sizes_above_the_limit_are_refused_by_the_header(
    tmp_path: Path, size: tuple[int, int]
) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(png_header(*size) + b"\0\0\0\0IDAT" + struct.pack(">I", zlib.crc32(b"IDAT")))
    with quiet(), pytest.raises(UnreadableError, match="it claims .* pixels"):
        read_header(path)


def test_every_cut_and_every_flipped_bit_of_a_png_is_seen(tmp_path: Path) -> None:
    content = saved(tmp_path / "a.png", GREY).read_bytes()
    target, path = ImageSpec((1, 6, 5), None), tmp_path / "b.png"
    for length in range(len(content)):
        path.write_bytes(content[:length])
        with quiet(), pytest.raises(UnreadableError, match="."):
            decode_image(path, target)
    for place in range(len(content)):
        path.write_bytes(content[:place] + bytes([content[place] ^ 4]) + content[place + 1 :])
        with quiet(), pytest.raises(UnreadableError, match="."):
            decode_image(path, target)


def test_pillows_warnings_stay_inside_and_others_do_not(tmp_path: Path) -> None:
    before = list(warnings.filters)
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        inside = list(warnings.filters)
        with quiet(), quiet():
            warnings.warn_explicit("theirs", UserWarning, "x.py", 1, module="PIL.PngImagePlugin")
            warnings.warn_explicit("ours", UserWarning, "x.py", 2, module="somebody.else")
        warnings.warn_explicit("later", UserWarning, "x.py", 3, module="PIL.PngImagePlugin")
        assert warnings.filters == inside
    assert [str(w.message) for w in seen] == ["ours", "later"]
    assert warnings.filters == before


def test_read_image(tmp_path: Path) -> None:
    path = saved(tmp_path / "a.png", COLOUR)
    x = gt.data.read_image(path, (3, 6, 5))
    assert x.dtype == np.float32
    np.testing.assert_array_equal(x, COLOUR.transpose(2, 0, 1).astype(np.float32) / 255)
    small = gt.data.read_image(str(path), (1, 4, 4), "letterbox")
    np.testing.assert_array_equal(
        small, decode_image(path, ImageSpec((1, 4, 4), "letterbox")).astype(np.float32) / 255
    )
    with pytest.raises(gt.FileError, match="cannot read .*none.png: No such file"):
        gt.data.read_image(tmp_path / "none.png", (1, 4, 4))
    for shape, message in (
        ((2, 4, 4), "channels must be 1 for grey, 3 for red, green and blue, or None, got 2"),
        ((4, 4), r"shape must be \(C, H, W\), got \(4, 4\)"),
        ((1, 0, 4), "size must be from 1 × 1 .*got 0 × 4"),
    ):
        with pytest.raises(gt.ArgumentError, match=message):
            gt.data.read_image(path, shape)
    with pytest.raises(gt.ArgumentError, match="fit must be one of resize, .*got 'stretch'"):
        gt.data.read_image(path, (1, 4, 4), "stretch")
