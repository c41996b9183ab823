"""Files of 16 bits that use fewer: what is said of them, and their own number for white."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest
import tifffile

import gradtrail as gt
from gradtrail.data.decode import decode_image, examine_image
from gradtrail.data.folder_notes import NO_DEPTH, folder_notes
from gradtrail.data.image_spec import ImageSpec
from gradtrail.data.levels import to_levels
from gradtrail.data.unreadable import UnreadableError

from .pictures import noise, saved
from .png_files import GREY, GREY_ALPHA, RGB, RGBA, chunk, png

DEEP = np.array([[0, 2048], [4095, 5000]])
LEVELS = [[0, 128], [255, 255]]  # with 4095 for white: 2048 · 255/4095 is 127.5


def seen(path: Path, channels: int, white: int | None) -> np.ndarray:
    """(H, W, channels)."""
    return decode_image(path, ImageSpec((channels, 2, 2), None, white)).transpose(1, 2, 0)


def test_a_number_for_white_by_value() -> None:
    numbers = np.array([0, 7, 8, 9, 100, 4095, 4096, 65535], np.uint16)
    assert to_levels(numbers, 16).tolist() == [0, 0, 0, 0, 0, 15, 16, 255]
    assert to_levels(numbers, 16, 4095).tolist() == [0, 0, 0, 1, 6, 255, 255, 255]
    assert to_levels(numbers, 16, 65535).tolist() == [0, 0, 0, 0, 0, 16, 16, 255]
    assert to_levels(numbers, 12).tolist()[:6] == [0, 0, 0, 0, 6, 255]


@pytest.mark.parametrize("interlaced", [False, True])
def test_white_in_every_png_of_16_bits(tmp_path: Path, interlaced: bool) -> None:
    path = tmp_path / "a.png"
    grey = DEEP[..., None]
    colours = np.concatenate([grey, grey // 2, 4095 - np.minimum(grey, 4095)], axis=-1)
    wanted = {0: [0, 64, 127, 156], 1: [255, 127, 0, 0]}
    for colour, numbers in ((GREY, grey), (RGB, colours)):
        path.write_bytes(png(numbers, 16, colour, interlaced=interlaced))
        found = seen(path, numbers.shape[-1], 4095)
        assert found[..., 0].tolist() == LEVELS
        assert examine_image(path, ImageSpec((1, 2, 2), None)).highest in (5000, 0x13FF)
    assert found[..., 1].ravel().tolist() == wanted[0]
    assert found[..., 2].ravel().tolist() == wanted[1]
    # what is transparent is so by 16 bits
    opaque = np.full_like(grey, 65535)
    opaque[0, 0] = 0
    for colour, numbers in ((GREY_ALPHA, grey), (RGBA, colours)):
        path.write_bytes(png(np.dstack([numbers, opaque]), 16, colour, interlaced=interlaced))
        found = seen(path, numbers.shape[-1], 4095)
        assert found[..., 0].tolist() == [[255, 128], [255, 255]]
    key = chunk(b"tRNS", struct.pack(">H", 2048))
    path.write_bytes(png(grey, 16, GREY, key, interlaced=interlaced))
    assert seen(path, 1, 4095)[..., 0].tolist() == [[0, 255], [255, 255]]


@pytest.mark.parametrize("order", "<>")
def test_white_in_every_tiff_of_16_bits(tmp_path: Path, order: str) -> None:
    path = tmp_path / "a.tiff"
    grey, colours = DEEP.astype(np.uint16), np.dstack([DEEP, DEEP // 2, DEEP]).astype(np.uint16)
    for compression in (None, "adobe_deflate"):
        options = {"byteorder": order, "compression": compression, "metadata": None}
        tifffile.imwrite(path, grey, photometric="minisblack", **options)
        assert seen(path, 1, 4095)[..., 0].tolist() == LEVELS
        assert examine_image(path, ImageSpec((1, 2, 2), None)).highest == 5000
        tifffile.imwrite(path, grey, photometric="miniswhite", **options)
        assert seen(path, 1, 4095)[..., 0].tolist() == [[255, 127], [0, 0]]
        for planes in ("contig", "separate"):
            pixels = colours if planes == "contig" else colours.transpose(2, 0, 1)
            tifffile.imwrite(path, pixels, photometric="rgb", planarconfig=planes, **options)
            found = seen(path, 3, 4095)
            assert found[..., 0].tolist() == LEVELS
            assert found[..., 1].tolist() == [[0, 64], [127, 156]]
    tifffile.imwrite(path, np.dstack([grey] * 4), photometric="separated", **options)
    with pytest.raises(UnreadableError, match="says nothing of inks"):
        seen(path, 3, 4095)


def test_what_is_told_of_a_folder() -> None:
    root, paths = Path("d"), [Path("d/a/0.tif"), Path("d/a/1.tif"), Path("d/b/0.png")]
    none, one = np.zeros(3, bool), np.array([False, True, False])
    shallow = np.full(3, NO_DEPTH)
    assert folder_notes(root, paths, shallow, none, None) == []
    (note,) = folder_notes(root, paths, shallow, one, None)
    assert note.startswith("1 of 3 images in d hold several pictures, such as d/a/1.tif: the first")
    for top, levels, white in ((4095, 16, 4095), (1000, 4, 1023), (16383, 64, 16383)):
        (note,) = folder_notes(root, paths, np.array([top, 5, NO_DEPTH]), none, None)
        assert f"of the 2 images with 16 bits in d never exceed {top:,}" in note
        assert f"which leaves {levels} of 256 levels" in note
        assert note.endswith(f"pass white={white} (--white {white})")
    for top in (0, 16384, 65535):
        assert folder_notes(root, paths, np.array([top, NO_DEPTH, NO_DEPTH]), none, None) == []
    (note,) = folder_notes(root, paths, np.array([5000, 3, 2]), none, 4095)
    assert "go up to 5,000: all above white=4095 were taken for white" in note
    (note,) = folder_notes(root, paths, shallow, none, 4095)
    assert note == "no image in d has 16 bits, so white=4095 says nothing there"
    assert folder_notes(root, paths, np.array([4095, 3, NO_DEPTH]), none, 4095) == []


def twelve_bits(root: Path) -> Path:
    """Two classes of two images each: values 0 to 4095 in PNGs of 16 bits."""
    for c, name in enumerate(("dim", "lit")):
        for k in range(2):
            numbers = (DEEP - 905 * (DEEP == 5000) - 16 * c * k).clip(0).astype(np.uint16)
            saved(root / name / f"{k}.png", numbers)
    return root


def test_a_folder_of_12_bits_in_16_says_so_and_takes_a_number_for_white(tmp_path: Path) -> None:
    root = twelve_bits(tmp_path)
    said = (
        r"the numbers of the 4 images with 16 bits in .* never exceed 4,095: they were taken as "
        r"they are, with 65,535 for white, which leaves 16 of 256 levels; if 4,095 is their white, "
        r"pass white=4095 \(--white 4095\)$"
    )
    with pytest.warns(gt.GradtrailWarning, match=said):
        images = gt.data.ImageFolder(root)
    assert len(images.notes) == 1
    assert images.read([0])[0, 0].tolist() == [[0, 8], [15, 15]]
    images = gt.data.ImageFolder(root, white=4095)
    assert images.notes == ()
    assert images.read([0])[0, 0].tolist() == [[0, 128], [255, 255]]
    one = gt.data.read_image(images.paths[0], (1, 2, 2), white=4095)
    np.testing.assert_array_equal(one * 255, images.read([0])[0])
    assert gt.data.read(root, white=4095).train.read([0])[0, 0].tolist() == [[0, 128], [255, 255]]
    with pytest.warns(gt.GradtrailWarning, match="go up to 4,095: all above white=1000 were taken"):
        gt.data.ImageFolder(root, white=1000)
    for wrong in (0, 65536, 1.5, True):
        with pytest.raises(gt.ArgumentError, match=f"from 1 to 65535, got {wrong}"):
            gt.data.ImageFolder(root, white=wrong)


def test_a_folder_with_pages_says_so(tmp_path: Path) -> None:
    saved(tmp_path / "a" / "0.png", noise(4, 6))
    (tmp_path / "b").mkdir()
    tifffile.imwrite(tmp_path / "b" / "0.tiff", noise(3, 4, 6), photometric="minisblack")
    with pytest.warns(gt.GradtrailWarning, match="1 of 2 images in .* hold several .*b/0.tiff"):
        images = gt.data.ImageFolder(tmp_path)
    np.testing.assert_array_equal(images.read([1])[0, 0], noise(3, 4, 6)[0])
