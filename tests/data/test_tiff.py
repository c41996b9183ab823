"""The table of TIFFs: depths × meanings × orders × planes × packing, each read right or refused.

Written with tifffile, with Pillow (for packings that tifffile leaves to another package), and by
hand.
"""

from __future__ import annotations

import zlib
from itertools import product
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from gradtrail.data.decode import decode_image, examine_image, read_header
from gradtrail.data.image_spec import ImageSpec
from gradtrail.data.pillow import quiet
from gradtrail.data.unreadable import UnreadableError

from .pictures import noise
from .png_files import packed
from .tiff_files import plain, tiff

HEIGHT, WIDTH = 18, 35
# meaning: TIFF's name, bands, and what tifffile is told of the last one
MEANINGS = {
    "black is zero": ("minisblack", 1, None),
    "white is zero": ("miniswhite", 1, None),
    "grey, alpha": ("minisblack", 2, "unassalpha"),
    "RGB": ("rgb", 3, None),
    "RGBA": ("rgb", 4, "unassalpha"),
    "RGB and something": ("rgb", 4, "unspecified"),
    "CMYK": ("separated", 4, None),
}
PACKINGS = {
    "plain": {}, "strips": {"rowsperstrip": 5}, "tiles": {"tile": (16, 32)},
    "deflate": {"compression": "adobe_deflate", "rowsperstrip": 7},
    "differences": {"compression": "adobe_deflate", "predictor": True, "tile": (16, 16)},
}  # fmt: skip


def seen(numbers: np.ndarray, bits: int, meaning: str) -> np.ndarray:
    """Levels (H, W, channels) of numbers (H, W, bands), over white."""
    levels = (numbers >> (bits - 8)).astype(float)
    if meaning == "white is zero":
        return 255 - levels
    if meaning == "CMYK":
        return (255 - levels[..., :3]) * (255 - levels[..., 3:]) / 255
    if meaning == "RGB and something":
        return levels[..., :3]
    if meaning in ("grey, alpha", "RGBA"):
        alpha = levels[..., -1:] / 255
        return levels[..., :-1] * alpha + 255 * (1 - alpha)
    return levels


def written(
    path: Path, numbers: np.ndarray, meaning: str, order: str, planes: bool, packing: str
) -> None:
    """With tifffile; numbers (H, W, bands)."""
    photometric, bands, extra = MEANINGS[meaning]
    data = numbers[..., 0] if bands == 1 else numbers
    if planes:
        data = np.ascontiguousarray(data.transpose(2, 0, 1))
    options = dict(PACKINGS[packing])
    if extra:
        options["extrasamples"] = [extra]
    if bands > 1:
        options["planarconfig"] = "separate" if planes else "contig"
    tifffile.imwrite(path, data, photometric=photometric, byteorder=order, metadata=None, **options)


@pytest.mark.parametrize("meaning", MEANINGS)
@pytest.mark.parametrize("bits", [8, 16])
def test_the_table(tmp_path: Path, bits: int, meaning: str) -> None:
    path, bands = tmp_path / "a.tiff", MEANINGS[meaning][1]
    draw = np.random.Generator(np.random.PCG64(bits + bands))
    numbers = draw.integers(0, 1 << bits, (HEIGHT, WIDTH, bands)).astype(f"u{bits // 8}")
    expected = seen(numbers, bits, meaning)
    channels = expected.shape[-1]
    for order, planes, packing in product("<>", (False, True)[: 1 + (bands > 1)], PACKINGS):
        written(path, numbers, meaning, order, planes, packing)
        case = order, planes, packing
        if (bits, meaning) == (16, "grey, alpha") and not planes:
            with pytest.raises(UnreadableError, match="grey levels of 16 bits have transparency"):
                decode_image(path, ImageSpec((1, HEIGHT, WIDTH), None))
            continue
        assert read_header(path).size == (HEIGHT, WIDTH), case
        assert read_header(path).grey == (channels == 1), case
        found = decode_image(path, ImageSpec((channels, HEIGHT, WIDTH), None)).transpose(1, 2, 0)
        # transparency and inks are rounded; all else is exact
        near = 1 if meaning in ("grey, alpha", "RGBA", "CMYK") else 0
        assert np.abs(found - expected).max() <= near, case


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("kind", ["i1", "i2", "i4", "u4", "f2", "f4", "f8"])
def test_numbers_without_a_known_range_are_refused(tmp_path: Path, kind: str, order: str) -> None:
    path = tmp_path / "a.tiff"
    what = {"i": "signed integers", "u": "integers", "f": "floats"}[kind[0]]
    said = (
        f"its pixels are {8 * int(kind[1])}-bit {what}, whose range nobody can know; save it with 8"
    )
    for meaning, packing in product(
        ("black is zero", "white is zero", "RGB"), ("plain", "deflate")
    ):
        written(path, np.zeros((4, 4, MEANINGS[meaning][1]), kind), meaning, order, False, packing)
        for attempt in (read_header, lambda path: decode_image(path, ImageSpec((1, 4, 4), None))):
            with pytest.raises(UnreadableError, match=said):
                attempt(path)


def read(path: Path, content: bytes, channels: int = 1) -> list:
    """Of one channel the levels, of three the pixels, row by row."""
    path.write_bytes(content)
    image = decode_image(path, ImageSpec((channels, *read_header(path).size), None))
    return image.ravel().tolist() if channels == 1 else image.reshape(3, -1).T.tolist()


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("deflated", [False, True])
def test_grey_of_12_bits(tmp_path: Path, order: str, deflated: bool) -> None:
    path, rows = tmp_path / "a.tiff", np.array([[0, 2048, 4095], [16, 15, 4080]])
    pixels = b"".join(packed(row, 12) for row in rows)
    pixels = zlib.compress(pixels) if deflated else pixels
    for photometric, expected in ((1, [0, 128, 255, 1, 0, 255]), (0, [255, 127, 0, 254, 255, 0])):
        tags = plain(2, 3, [12], photometric, pixels, t259=[8 if deflated else 1])
        assert read(path, tiff(tags, pixels, order)) == expected
        assert read_header(path).grey


@pytest.mark.parametrize("order", "<>")
def test_few_bits_and_the_order_of_bits(tmp_path: Path, order: str) -> None:
    """A byte's bits are 00011011; read from its other end they are 11011000."""
    path, pixels = tmp_path / "a.tiff", bytes([0b00011011] * 2)
    expected = {
        (1, 1): [0, 0, 0, 255, 255, 0, 255, 255], (1, 2): [255, 255, 0, 255, 255, 0, 0, 0],
        (2, 1): [0, 85, 170, 255], (2, 2): [255, 85, 170, 0],
        (4, 1): [17, 187], (4, 2): [221, 136], (8, 1): [27], (8, 2): [216],
        (16, 1): [27], (16, 2): [216],
    }  # fmt: skip
    for (bits, fill), levels in expected.items():
        width = max(1, 8 // bits)
        for photometric in (1, 0):
            tags = plain(1, width, [bits], photometric, pixels, t266=[fill])
            wanted = levels if photometric else [255 - level for level in levels]
            assert read(path, tiff(tags, pixels, order)) == wanted, (bits, fill, photometric)


def test_one_band_may_be_called_a_plane(tmp_path: Path) -> None:
    pixels = bytes([0x12, 0x34])
    for bits, levels in ((4, [17, 34, 51, 68]), (8, [0x12, 0x34]), (16, [0x34])):
        tags = plain(1, 16 // bits, [bits], 1, pixels, t284=[2])
        assert read(tmp_path / "a.tiff", tiff(tags, pixels)) == levels


def test_bilevel_as_faxes_pack_it(tmp_path: Path) -> None:
    dots = noise(40, 50) > 99
    for packing in ("tiff_ccitt", "group3", "group4"):
        Image.fromarray(dots).save(tmp_path / "a.tiff", compression=packing)
        found = decode_image(tmp_path / "a.tiff", ImageSpec((1, 40, 50), None))[0]
        np.testing.assert_array_equal(found, 255 * dots)


@pytest.mark.parametrize("packing", ["tiff_lzw", "packbits", "lzma"])
def test_other_packings(tmp_path: Path, packing: str) -> None:
    path, deep = tmp_path / "a.tiff", noise(20, 24).astype(np.uint16) * 257
    for pixels in (noise(20, 24), noise(20, 24, 3), deep):
        Image.fromarray(pixels).save(path, compression=packing)
        channels = 3 if pixels.ndim == 3 else 1
        found = decode_image(path, ImageSpec((channels, 20, 24), None)).transpose(1, 2, 0)
        np.testing.assert_array_equal(
            found.squeeze(), pixels if pixels.dtype == np.uint8 else noise(20, 24)
        )


def test_palettes_of_16_and_of_8_bits(tmp_path: Path) -> None:
    path, pixels = tmp_path / "a.tiff", bytes([0, 1, 2, 3])
    reds, greens, blues = [0, 10, 20, 30], [5, 6, 7, 8], [255, 0, 255, 0]
    expected = [[0, 5, 255], [10, 6, 0], [20, 7, 255], [30, 8, 0]]
    for scale in (257, 256, 1):
        table = [scale * n for band in (reds, greens, blues) for n in band + [0] * 252]
        tags = plain(2, 2, [8], 3, pixels, t320=table)
        assert read(path, tiff(tags, pixels), 3) == expected
        assert not read_header(path).grey
    greys = plain(2, 2, [8], 3, pixels, t320=[257 * n for n in range(256)] * 3)
    assert read(path, tiff(greys, pixels)) == [0, 1, 2, 3]
    assert read_header(path).grey
    with pytest.raises(UnreadableError, match="its palette has 12 of 768 numbers"):
        read(path, tiff(plain(2, 2, [8], 3, pixels, t320=[1] * 12), pixels), 3)


def test_transparency(tmp_path: Path) -> None:
    """Straight, and multiplied in already; also where white is 0."""
    path = tmp_path / "a.tiff"
    pixels = bytes([100, 51])
    for photometric, extra, level in ((1, 2, 224), (1, 1, 255), (0, 2, 235)):
        tags = plain(1, 1, [8, 8], photometric, pixels, t338=[extra])
        assert read(path, tiff(tags, pixels))[0] == pytest.approx(level, abs=1), (
            photometric,
            extra,
        )
    pixels = bytes([20, 10, 0, 51])
    for extra, colour in ((2, [208, 206, 204]), (1, [224, 214, 204])):
        tags = plain(1, 1, [8] * 4, 2, pixels, t338=[extra])
        assert read(path, tiff(tags, pixels), 3)[0] == pytest.approx(colour, abs=1)


@pytest.mark.parametrize("planes", [False, True])
@pytest.mark.parametrize("turn", range(1, 9))
def test_orientation(tmp_path: Path, turn: int, planes: bool) -> None:
    numbers = noise(4, 6, 3)
    data = np.ascontiguousarray(numbers.transpose(2, 0, 1)) if planes else numbers
    tifffile.imwrite(
        tmp_path / "a.tiff",
        data,
        photometric="rgb",
        planarconfig="separate" if planes else "contig",
        extratags=[(274, 3, 1, turn, True)],
        metadata=None,
    )
    seen = {
        1: numbers, 2: numbers[:, ::-1], 3: numbers[::-1, ::-1], 4: numbers[::-1],
        5: numbers.transpose(1, 0, 2), 6: np.rot90(numbers, -1),
        7: np.rot90(numbers, 2).transpose(1, 0, 2), 8: np.rot90(numbers),
    }[turn]  # fmt: skip
    found = decode_image(
        tmp_path / "a.tiff", ImageSpec((3, *read_header(tmp_path / "a.tiff").size), None)
    )
    np.testing.assert_array_equal(found.transpose(1, 2, 0), seen)


@pytest.mark.parametrize("order", "<>")
def test_big_tiffs(tmp_path: Path, order: str) -> None:
    numbers = noise(4, 6).astype(np.uint16) * 257
    tifffile.imwrite(
        tmp_path / "a.tiff", numbers, bigtiff=True, byteorder=order, photometric="minisblack"
    )
    found = decode_image(tmp_path / "a.tiff", ImageSpec((1, 4, 6), None))[0]
    np.testing.assert_array_equal(found, noise(4, 6))


def test_brightness_and_colour_differences(tmp_path: Path) -> None:
    path, pixels = tmp_path / "a.tiff", bytes([128, 128, 128, 76, 85, 255])
    full = plain(1, 2, [8] * 3, 6, pixels, t530=[1, 1])
    assert read(path, tiff(full, pixels), 3) == [[128, 128, 128], [254, 0, 0]]
    packed_up = zlib.compress(pixels)
    tags = plain(1, 2, [8] * 3, 6, packed_up, t530=[1, 1], t259=[8])
    found = read(path, tiff(tags, packed_up), 3)
    assert np.abs(np.array(found) - [[128, 128, 128], [254, 0, 0]]).max() <= 1
    with pytest.raises(UnreadableError, match="lie at fewer places than its brightness"):
        read(path, tiff(plain(2, 2, [8] * 3, 6, pixels), pixels), 3)


EIGHT = bytes(range(0, 240, 5))
REFUSED = {
    "10 bits": (plain(2, 2, [10], 1, EIGHT), "its grey levels have 10 bits"),
    "12 bits in colours": (plain(2, 2, [12] * 3, 2, EIGHT), "its colours have 12 bits"),
    "24 bits": (plain(2, 2, [24], 1, EIGHT), "its pixels are 24-bit integers, whose range nobody"),
    "depths": (plain(2, 2, [5, 6, 5], 2, EIGHT), "its bands have different depths, 5, 6 bits"),
    "a camera": (plain(2, 2, [16], 32803, EIGHT), "what a camera's sensor saw through its colour"),
    "a volume": (plain(2, 2, [8], 1, EIGHT, t32997=[2]), "it holds a volume of 2 planes"),
    "a mask": (plain(2, 2, [1], 4, EIGHT), "a mask of another image"),
    "no meaning": ({k: v for k, v in plain(2, 2, [8], 1, EIGHT).items() if k != 262},
                   "PhotometricInterpretation is missing"),
    "inks": (plain(2, 2, [8] * 4, 5, EIGHT, t332=[2]), "its inks are others than CMYK"),
    "two bands": (plain(2, 2, [8] * 2, 1, EIGHT), "it has 2 numbers for each pixel, where L has 1"),
    "five bands": (plain(2, 2, [8] * 5, 2, EIGHT), "it has 5 numbers for each pixel, where RGB"),
    "JPEG 2000": (plain(2, 2, [8], 1, EIGHT, t259=[34712]), "its pixels are packed by JPEG 2000"),
    "LERC": (plain(2, 2, [8], 1, EIGHT, t259=[34887]), "its pixels are packed by LERC"),
    "unknown": (plain(2, 2, [8], 1, EIGHT, t259=[4711]), "a method of number 4711"),
    "planes of a palette": (
        plain(2, 2, [8] * 2, 3, EIGHT, t284=[2], t338=[0], t320=[0] * 768, t273=[900, 900]),
        "it has planes beside one of palette colours",
    ),
    "strips": (plain(4, 2, [8], 1, EIGHT, t278=[2]), "it has 1 strips where 2 are needed"),
    "planes": (plain(2, 2, [8] * 3, 2, EIGHT, t284=[2]), "it has 1 strips where 3 are needed"),
    "a smaller copy": (plain(2, 2, [8], 1, EIGHT, t254=[1]), "first picture is a smaller copy of"),
    "no size": (plain(0, 2, [8], 1, EIGHT), "it claims 0 × 2 pixels"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_refused_with_its_reason(tmp_path: Path, name: str) -> None:
    tags, reason = REFUSED[name]
    path = tmp_path / "a.tiff"
    path.write_bytes(tiff(tags, EIGHT))
    for attempt in (read_header, lambda path: decode_image(path, ImageSpec((3, 2, 2), None))):
        with quiet(), pytest.raises(UnreadableError, match=reason):
            attempt(path)


def test_pages_are_counted_but_not_smaller_copies(tmp_path: Path) -> None:
    path = tmp_path / "a.tiff"
    mask = {"subfiletype": 4}
    for options, several in (({}, True), ({"subfiletype": 1}, False), (mask, False)):
        second = noise(2, 3) > 99 if options is mask else noise(2, 3)
        with tifffile.TiffWriter(path) as file:
            file.write(noise(4, 6), photometric="minisblack")
            file.write(second, photometric="minisblack", **options)
        found = examine_image(path, ImageSpec((1, 4, 6), None))
        np.testing.assert_array_equal(found.pixels[0], noise(4, 6))
        assert found.several is several
