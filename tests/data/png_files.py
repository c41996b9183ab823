"""PNG by hand: every depth and kind of pixels, chunks before and behind them, interlaced or not."""

from __future__ import annotations

import struct
import zlib

import numpy as np

SIGNATURE = b"\x89PNG\r\n\x1a\n"
GREY, RGB, PALETTE, GREY_ALPHA, RGBA = 0, 2, 3, 4, 6
# Adam7's seven passes: first column and row, steps across and down
ADAM7 = (
    (0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2),
    (0, 1, 1, 2),
)  # fmt: skip


def chunk(kind: bytes, data: bytes) -> bytes:
    checksum = zlib.crc32(kind + data)
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", checksum)


def packed(numbers: np.ndarray, depth: int) -> bytes:
    """Numbers of some bits one behind the other, the highest bit first, to a whole byte."""
    bits = "".join(f"{int(number):0{depth}b}" for number in numbers.ravel())
    bits += "0" * (-len(bits) % 8)
    return int("1" + bits, 2).to_bytes(len(bits) // 8 + 1)[1:] if bits else b""


def _rows(numbers: np.ndarray, depth: int) -> bytes:
    return b"".join(b"\0" + packed(row, depth) for row in numbers)


def png(
    numbers: np.ndarray,
    depth: int,
    colour: int,
    before: bytes = b"",
    after: bytes = b"",
    *,
    interlaced: bool = False,
) -> bytes:
    """A file of numbers (H, W, bands), with chunks before and behind the pixels."""
    height, width = numbers.shape[:2]
    if interlaced:
        passes = (numbers[y::down, x::across] for x, y, across, down in ADAM7)
        pixels = b"".join(_rows(part, depth) for part in passes if part.size)
    else:
        pixels = _rows(numbers, depth)
    head = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, interlaced)
    return b"".join((
        SIGNATURE, chunk(b"IHDR", head), before,
        chunk(b"IDAT", zlib.compress(pixels)), after, chunk(b"IEND", b""),
    ))  # fmt: skip
