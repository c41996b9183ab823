"""Ways to damage a file, as bytes go wrong and as somebody would who means harm."""

from __future__ import annotations

import gzip
import random
from collections.abc import Callable

EXTREMES = (0, 1, 0x7F, 0x80, 0xFF, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 1 << 62)


def flip(data: bytes, draw: random.Random) -> bytes:
    """Some bits turned over, mostly near the beginning, where headers are."""
    held = bytearray(data)
    for _ in range(draw.choice((1, 1, 2, 8))):
        span = len(held) if draw.random() < 0.5 else min(len(held), 256)
        held[draw.randrange(span)] ^= 1 << draw.randrange(8)
    return bytes(held)


def cut(data: bytes, draw: random.Random) -> bytes:
    """The end is missing."""
    return data[: draw.randrange(len(data))]


def grow(data: bytes, draw: random.Random) -> bytes:
    """Something follows that does not belong there."""
    return data + draw.randbytes(draw.choice((1, 3, 100, 5000)))


def number(data: bytes, draw: random.Random) -> bytes:
    """A field holds an extreme number."""
    size, held = draw.choice((1, 2, 4, 8)), bytearray(data)
    at = draw.randrange(max(1, min(len(held), 400) - size))
    value = draw.choice(EXTREMES) & ((1 << 8 * size) - 1)
    held[at : at + size] = value.to_bytes(size, draw.choice(("little", "big")))
    return bytes(held)


def drop(data: bytes, draw: random.Random) -> bytes:
    """A piece is missing in the middle."""
    at = draw.randrange(len(data))
    return data[:at] + data[at + draw.choice((1, 4, 64)) :]


def repeat(data: bytes, draw: random.Random) -> bytes:
    """A piece is there several times."""
    at, size = draw.randrange(len(data)), draw.choice((1, 8, 64))
    return data[:at] + data[at : at + size] * draw.choice((2, 50)) + data[at:]


def noise(data: bytes, draw: random.Random) -> bytes:
    """A piece is something else."""
    at, size = draw.randrange(len(data)), draw.choice((2, 16, 200))
    return data[:at] + draw.randbytes(size) + data[at + size :]


def swap(data: bytes, draw: random.Random) -> bytes:
    """A word or bracket of a text is another one, or an enormous number."""
    single = tuple(bytes([mark]) for mark in b"[]{}\"'=\n0")
    words = (*single, b"9" * 40, b"-1", b"1e999", b"nan")
    present = [w for w in words if w in data] or [data[:1]]
    return data.replace(draw.choice(present), draw.choice(words), draw.choice((1, 1, -1)))


MUTATIONS: tuple[Callable[[bytes, random.Random], bytes], ...] = (
    *(flip, cut, grow, number),
    *(drop, repeat, noise, swap),
)


def mutated(data: bytes, draw: random.Random) -> bytes:
    """A file with one to three damages; of a gzipped one, mostly of what is packed."""
    packed = data[:2] == b"\x1f\x8b" and draw.random() < 0.7
    held = gzip.decompress(data) if packed else data
    for _ in range(draw.choice((1, 1, 2, 3))):
        held = draw.choice(MUTATIONS)(held or b"\0", draw)
    return gzip.compress(held, 1) if packed else held
