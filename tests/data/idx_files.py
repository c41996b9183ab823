"""MNIST's four files with a few made-up images."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np

import gradtrail as gt


def idx(array: np.ndarray) -> bytes:
    return struct.pack(f">{1 + array.ndim}I", 0x800 + array.ndim, *array.shape) + array.tobytes()


def header(*fields: int) -> bytes:
    return struct.pack(f">{len(fields)}I", *fields)


def parts(seed: int = 0) -> dict[str, np.ndarray]:
    """A small set under its files' plain names."""
    bits = np.random.PCG64(seed)
    arrays = {}
    for part, count in (("train", 12), ("t10k", 3)):
        pixels = bits.random_raw(count * 98).view(np.uint8).reshape(count, 28, 28)
        arrays[f"{part}-images-idx3-ubyte"] = pixels
        arrays[f"{part}-labels-idx1-ubyte"] = pixels[:, 0, 0] % 10
    return arrays


def written(folder: Path, seed: int = 0) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, array in parts(seed).items():
        (folder / name).write_bytes(idx(array))
    return folder


def same(split: gt.data.Split, seed: int = 0) -> bool:
    """Whether it is the set that `written` made."""
    x, y, x_test, y_test = parts(seed).values()
    expected = (x[:, None] / 255, y, x_test[:, None] / 255, y_test)
    pairs = zip((*split.train, *split.test), expected, strict=True)
    return all(np.allclose(a, b, rtol=1e-6, atol=0) for a, b in pairs)
