"""One IDX file: what is read, what is refused, and that memory follows what is there."""

from __future__ import annotations

import gzip
import os
from pathlib import Path

import pytest

import gradtrail as gt
from gradtrail.data.idx import read_idx

from .idx_files import header, idx, parts

IMAGES = {"images": None, "rows": 28, "columns": 28}
RIGHT = idx(parts()["t10k-images-idx3-ubyte"])
WRONG = {
    "empty": (b"", r"header: it takes 16 bytes, but the file has 0"),
    "short header": (RIGHT[:15], r"header: it takes 16 bytes, but the file has 15"),
    "labels": (
        header(0x801, 8) + bytes(8),
        r"magic number: expected 0x00000803 \(unsigned bytes with 3 axes: images, rows, columns\), "
        r"got 0x00000801",
    ),
    "floats": (header(0xD03, 1, 28, 28), "magic number: .*got 0x00000d03"),
    "little end first": (header(0x3080000, 1, 28, 28), "magic number: .*got 0x03080000"),
    "none": (header(0x803, 0, 28, 28), "images: expected at least 1, got 0"),
    "rows": (header(0x803, 3, 32, 28), "rows: expected 28, got 32"),
    "columns": (header(0x803, 3, 28, 0), "columns: expected 28, got 0"),
    "too many": (
        header(0x803, 2**32 - 1, 28, 28),
        r"images × rows × columns: 4294967295 × 28 × 28 is above the limit of 2\^28 numbers",
    ),
    "too short": (
        RIGHT[:-1],
        "data: the header announces 3 × 28 × 28 = 2,352 bytes, but only 2,351 follow",
    ),
    "too long": (RIGHT + b"\0", "data: the header announces .* = 2,352 bytes, but more follow"),
    "a lie": (header(0x803, 340_000, 28, 28), "data: .* 266,560,000 bytes, but only 0 follow"),
}


@pytest.mark.parametrize("name", WRONG)
@pytest.mark.parametrize("gzipped", [False, True])
def test_files_that_are_wrong(tmp_path: Path, name: str, gzipped: bool) -> None:
    content, sentence = WRONG[name]
    path = tmp_path / "t10k-images"
    path.write_bytes(gzip.compress(content) if gzipped else content)
    with pytest.raises(gt.FileError, match=f"t10k-images: {sentence}"):
        read_idx(path, IMAGES)


def test_gzip_that_is_damaged(tmp_path: Path) -> None:
    path, packed = tmp_path / "t10k-images.gz", gzip.compress(RIGHT)
    middle = len(packed) // 2
    flipped = packed[:middle] + bytes([packed[middle] ^ 0xFF]) + packed[middle + 1 :]
    for content in (packed[:1], packed[:5], packed[:middle], packed[:-1]):
        path.write_bytes(content)
        with pytest.raises(gt.FileError, match=r"t10k-images.gz: (its gzip|header)"):
            read_idx(path, IMAGES)
    for content in (flipped, packed[:-8] + bytes(8), packed + b"x"):
        path.write_bytes(content)
        with pytest.raises(gt.FileError, match=r"t10k-images.gz: its gzip stream is damaged: "):
            read_idx(path, IMAGES)


def test_memory_follows_what_is_there(tmp_path: Path) -> None:
    """Neither a header that lies nor data that never end are taken in."""
    import tracemalloc

    lie = header(0x803, 340_000, 28, 28)
    for content in (lie, gzip.compress(lie), gzip.compress(RIGHT + bytes(64 << 20))):
        path = tmp_path / "images"
        path.write_bytes(content)
        tracemalloc.start()
        with pytest.raises(gt.FileError, match="images: data: "):
            read_idx(path, IMAGES)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < 4 << 20


def test_what_is_no_file(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for name in ("pipe", "none", "."):
        with pytest.raises(gt.FileError, match="cannot read .*: there is no such file"):
            read_idx(tmp_path / name, IMAGES)
