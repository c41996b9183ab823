"""Hundreds of damaged files of each kind: an error of ours or a result, soon and in little memory.

What has checksums (gzip, PNG, zip) must not give another result than the whole file's.
"""

from __future__ import annotations

import contextlib
import gzip
import resource
import struct
import time
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image
from tails import beginning

import gradtrail as gt
from gradtrail.data import ImageFolder, read, read_image
from gradtrail.data.cifar import read_cifar
from gradtrail.data.idx import read_idx

from .cifar_files import packed, records
from .idx_files import idx
from .pictures import noise, saved, smooth
from .png_files import GREY, SIGNATURE, chunk, png

counts = pytest.mark.parametrize("count", beginning(1, [100, 300]))

SECONDS = 2.0
MEMORY = 600 << 10  # KiB: an image of 2²⁶ pixels in colour is decoded into 256 MiB

EXTREMES = (0, 1, 0x7F, 0x80, 0xFF, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)


def mutations(content: bytes, count: int, seed: int) -> Iterator[bytes]:
    """Flipped bits, extreme numbers, cuts, repeats and swaps; mostly one, sometimes several."""
    draw = np.random.Generator(np.random.PCG64(seed))
    for _ in range(count):
        changed = bytearray(content)
        for _ in range(1 + int(draw.integers(0, 4) ** 2 // 4)):
            # half of them near the beginning, where headers are
            reach = len(changed) if draw.random() < 0.5 else min(len(changed), 200)
            at = int(draw.integers(0, max(1, reach)))
            match int(draw.integers(0, 6)):
                case 0:
                    changed[at : at + 1] = bytes([changed[at] ^ (1 << int(draw.integers(0, 8)))])
                case 1:
                    order = ">I" if draw.random() < 0.5 else "<I"
                    changed[at : at + 4] = struct.pack(order, EXTREMES[int(draw.integers(0, 9))])
                case 2:
                    del changed[at:]
                case 3:
                    del changed[at : at + int(draw.integers(1, 20))]
                case 4:
                    changed[at:at] = draw.bytes(int(draw.integers(1, 20)))
                case _:
                    changed[at : at + 2] = changed[at : at + 2][::-1]
            if not changed:
                break
        yield bytes(changed)


def idx_images(folder: Path) -> tuple[Path, Callable[[], np.ndarray], bool]:
    path = folder / "images"
    path.write_bytes(idx(noise(5, 7, 6)))
    return path, lambda: read_idx(path, {"images": None, "rows": None, "columns": None}), False


def idx_gzipped(folder: Path) -> tuple[Path, Callable[[], np.ndarray], bool]:
    path, attempt, _ = idx_images(folder)
    path.write_bytes(gzip.compress(idx(noise(5, 7, 6)), mtime=0))
    return path, attempt, False  # a gzip file's first bytes may be made into raw IDX


def cifar_file(folder: Path) -> tuple[Path, Callable[[], np.ndarray], bool]:
    for name, array in records().items():
        (folder / name).write_bytes(array.tobytes())
    return folder / "data_batch_2.bin", lambda: read_cifar(folder).train[0], False


def cifar_archive(folder: Path) -> tuple[Path, Callable[[], np.ndarray], bool]:
    path = packed(folder)
    return path, lambda: read_cifar(folder).train[0], True


def npz(folder: Path) -> tuple[Path, Callable[[], np.ndarray], bool]:
    path = folder / "a.npz"
    np.savez_compressed(path, x=noise(4, 1, 5, 5), y=[0, 1, 0, 1])
    return path, lambda: read(path).train[0], True


def image(ending: str, pixels: np.ndarray, checked: bool, **options: object):
    def made(folder: Path) -> tuple[Path, Callable[[], np.ndarray], bool]:
        path = saved(folder / "a" / f"0.{ending}", pixels, **options)
        return path, lambda: read_image(path, (3, 12, 12)), checked

    return made


def palette_png(folder: Path) -> tuple[Path, Callable[[], np.ndarray], bool]:
    path = folder / "0.png"
    Image.fromarray(smooth(20, 20)).quantize(16).save(path, transparency=3)
    return path, lambda: read_image(path, (3, 12, 12)), True


def planes_tiff(folder: Path) -> tuple[Path, Callable[[], np.ndarray], bool]:
    path = folder / "0.tiff"
    deep = smooth(20, 24).transpose(2, 0, 1).astype(np.uint16) * 257
    tifffile.imwrite(path, deep, photometric="rgb", planarconfig="separate", rowsperstrip=7)
    return path, lambda: read_image(path, (3, 12, 12)), False


KINDS = {
    "idx": idx_images,
    "idx.gz": idx_gzipped,
    "cifar": cifar_file,
    "cifar.tar.gz": cifar_archive,
    "npz": npz,
    "png": image("png", smooth(20, 24), True),
    "png16": image("png", noise(20, 24).astype(np.uint16) * 256, True),
    "png palette": palette_png,
    "bmp": image("bmp", smooth(20, 24), False),
    "jpg": image("jpg", smooth(64, 48), False),
    "jpg progressive": image("jpg", smooth(64, 48), False, progressive=True),
    "tiff": image("tiff", smooth(20, 24), False),
    "tiff planes": planes_tiff,
    "webp": image("webp", smooth(20, 24), False),
    **{
        f"tiff {packing}": image("tiff", smooth(20, 24), False, compression=packing)
        for packing in ("tiff_lzw", "tiff_deflate", "packbits", "jpeg")
    },
}


@counts
@pytest.mark.parametrize("kind", KINDS)
def test_damaged_files_give_an_error_or_a_result(tmp_path: Path, kind: str, count: int) -> None:
    path, attempt, checked = KINDS[kind](tmp_path)
    content, whole = path.read_bytes(), attempt()
    results, messages = 0, []
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for changed in mutations(content, count, seed=sum(kind.encode())):
        path.write_bytes(changed)
        since = time.process_time()
        try:
            found = attempt()
        except gt.GradtrailError as error:
            messages.append(str(error))
        else:
            results += 1
            assert found.dtype == whole.dtype
            if checked:
                np.testing.assert_array_equal(found, whole)
        assert time.process_time() - since < SECONDS
    assert len(messages) > count // 10
    assert results + len(messages) == count
    assert not any("\n" in message for message in messages)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < MEMORY


@counts
@pytest.mark.parametrize("kind", ["png", "jpg", "tiff", "bmp"])
def test_damaged_files_in_a_folder(tmp_path: Path, kind: str, count: int) -> None:
    """A folder skips what cannot be decoded; what it keeps, it can read again."""
    pixels = smooth(20, 24)
    saved(tmp_path / "a" / f"whole.{kind}", pixels)
    content = (tmp_path / "a" / f"whole.{kind}").read_bytes()
    for number, changed in enumerate(mutations(content, count, seed=7)):
        (tmp_path / "a" / f"{number:03}.{kind}").write_bytes(changed)
    saved(tmp_path / "b" / "0.png", pixels)
    with pytest.warns(gt.GradtrailWarning, match=f"of {count + 2} images in .* are left out"):
        images = ImageFolder(tmp_path, size=10, channels=3, bad="skip", memory=1, threads=2)
    assert len(images) + len(images.skipped) == count + 2
    assert len(images.skipped) > count // 10
    found = images.read(np.arange(len(images)))
    with pytest.warns(gt.GradtrailWarning, match="are left out"):
        again = ImageFolder(tmp_path, size=10, channels=3, bad="skip", threads=1)
    np.testing.assert_array_equal(found, again.read(np.arange(len(images))))
    with pytest.raises(
        gt.DataError, match=rf"{len(images.skipped)} of {count + 2} images .* and \d+ more"
    ):
        ImageFolder(tmp_path, size=10, channels=3)


def entry(tag: int, kind: int, count: int, value: int) -> bytes:
    return struct.pack("<HHII", tag, kind, count, value)


def tiff(*entries: bytes, data: bytes = b"") -> bytes:
    head = b"II*\0" + struct.pack("<IH", 8, len(entries))
    return head + b"".join(entries) + bytes(4) + data


PLAIN = {
    256: (4, 1, 8), 257: (4, 1, 8), 258: (3, 1, 8), 259: (3, 1, 1), 262: (3, 1, 1),
    273: (4, 1, 200), 277: (3, 1, 1), 278: (4, 1, 8), 279: (4, 1, 64),
}  # fmt: skip
ABSURD = {
    "a width": {256: (4, 1, 0xFFFFFFFF)},
    "a size": {256: (4, 1, 1 << 20), 257: (4, 1, 1 << 20)},
    "bits": {258: (3, 0x7FFFFFFF, 8)},
    "strips": {273: (4, 0xFFFFFFF, 8), 279: (4, 0xFFFFFFF, 8)},
    "an offset": {273: (4, 1, 0xFFFFFFF0)},
    "a length": {279: (4, 1, 0xFFFFFFFF)},
    "samples": {277: (3, 1, 0xFFFF)},
    "tiles": {322: (4, 1, 0x7FFFFFFF), 323: (4, 1, 0x7FFFFFFF), 324: (4, 1, 8), 325: (4, 1, 64)},
    "text": {270: (2, 0xFFFFFFFF, 8)},
    "a kind": {256: (99, 1, 8)},
    "a packing": {259: (3, 1, 34712)},
    "rows in a strip": {278: (4, 1, 0)},
}


@pytest.mark.parametrize("name", ABSURD)
def test_tiff_with_absurd_tags(tmp_path: Path, name: str) -> None:
    path = tmp_path / "a.tiff"

    def written(tags: dict[int, tuple[int, int, int]]) -> None:
        content = tiff(*(entry(tag, *fields) for tag, fields in sorted(tags.items())))
        path.write_bytes(content.ljust(200, b"\0") + noise(8, 8).tobytes())

    written(PLAIN)
    np.testing.assert_array_equal(read_image(path, (1, 8, 8))[0], noise(8, 8) / np.float32(255))
    written(PLAIN | ABSURD[name])
    before, since = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.process_time()
    with contextlib.suppress(gt.FileError):
        assert read_image(path, (1, 8, 8)).shape == (1, 8, 8)
    assert time.process_time() - since < SECONDS
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < MEMORY


def zeros(count: int) -> bytes:
    """So many bytes of 0, compressed without ever being in memory as one."""
    stream, piece = zlib.compressobj(1), bytes(1 << 20)
    whole = [stream.compress(piece) for _ in range(count >> 20)]
    return b"".join((*whole, stream.compress(piece[: count % (1 << 20)]), stream.flush()))


def test_bombs_of_pixels(tmp_path: Path) -> None:
    """Small files with many pixels: below the limit they are decoded, above it refused."""
    path = tmp_path / "a.png"
    for height, width in ((4096, 4096), (8192, 8193), (30_000, 30_000)):
        head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 1, GREY, 0, 0, 0))
        rows = chunk(b"IDAT", zeros(height * (1 + -(-width // 8))))
        path.write_bytes(SIGNATURE + head + rows + chunk(b"IEND", b""))
        assert path.stat().st_size < 1 << 20
        if height > 4096:
            with pytest.raises(gt.FileError, match="it claims .* pixels"):
                read_image(path, (1, 8, 8))
        else:
            assert not read_image(path, (1, 8, 8)).any()


def test_compressed_text_in_a_png_is_bounded(tmp_path: Path) -> None:
    text = chunk(b"zTXt", b"comment\0\0" + zeros(200 << 20))
    path = tmp_path / "a.png"
    path.write_bytes(png(noise(4, 4, 1), 8, GREY, before=text))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(gt.FileError, match="it is damaged .*too large"):
        read_image(path, (1, 4, 4))
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100 << 10
