"""Small image files, and folders of them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image


def noise(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.Generator(np.random.PCG64(seed)).integers(0, 256, shape, dtype=np.uint8)


def smooth(height: int, width: int, seed: int = 0) -> np.ndarray:
    """(height, width, 3), a slope in each colour: what JPEG keeps well."""
    y, x = np.mgrid[:height, :width]
    colours = [x * 255 / width, y * 255 / height, np.full(x.shape, 40 + 10 * (seed % 20))]
    return np.stack(colours, axis=-1).astype(np.uint8)


def saved(path: Path, pixels: np.ndarray, **options: object) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path, **options)
    return path


def folder(root: Path, classes: tuple[str, ...] = ("cat", "dog"), each: int = 4) -> Path:
    """PNGs of 6 × 5, grey; image k of class c is noise with the seed 100·c + k."""
    for c, name in enumerate(classes):
        for k in range(each):
            saved(root / name / f"{k:0{len(str(each - 1))}}.png", noise(6, 5, seed=100 * c + k))
    return root
