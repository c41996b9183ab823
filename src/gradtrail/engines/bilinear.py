"""Images moved by affine maps, pixel by pixel: what augmentation comes down to.

    X′[n,c,y,x] = Σ_{i,j} hat(py − i)·hat(px − j)·X[m(n),c,i,j],   hat(t) = max(0, 1 − |t|)
    (py, px) = maps[n]·(y, x, 1)

so a new pixel lies between at most four old ones and takes their mean, weighted by nearness; what
is outside counts as 0, and so does what a box covers. This is the plain version; the CPU engine has
the same as machine code (`cpu/kernels/warp.py`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, eq=False)
class WarpInput:
    """Images, and where each new pixel comes from; all arrays are C-contiguous.

    Args:
        source: (M, C, H, W), float32 or uint8.
        places: (n,) int64, which images.
        maps: (n, 2, 3) float32, from new pixels to old ones.
        boxes: (n, 4) int32, the rows and columns that are covered: first and behind the last.
        divisor: what every pixel is divided by.
    """

    source: np.ndarray
    places: np.ndarray
    maps: np.ndarray
    boxes: np.ndarray
    divisor: float


def warp(inputs: WarpInput, out: np.ndarray) -> None:
    """Write moved images into `out`, (n, C, H, W) float32."""
    height, width = out.shape[2:]
    y, x = np.arange(height, dtype=np.float32)[:, None], np.arange(width, dtype=np.float32)
    chosen = zip(out, inputs.places, inputs.maps, inputs.boxes, strict=True)
    for image, place, (down, right), box in chosen:
        old = inputs.source[place].astype(np.float32) / np.float32(inputs.divisor)
        py, px = (row[0] * y + row[1] * x + row[2] for row in (down, right))
        top, left = np.floor(py), np.floor(px)
        fall, run = py - top, px - left
        near = [
            [_at(old, (top + i).astype(np.int64), (left + j).astype(np.int64)) for j in (0, 1)]
            for i in (0, 1)
        ]
        above, below = (row[0] + run * (row[1] - row[0]) for row in near)
        image[...] = above + fall * (below - above)
        image[:, box[0] : box[1], box[2] : box[3]] = 0


def _at(image: np.ndarray, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """Pixels of all channels, 0 outside; (C, H, W)."""
    height, width = image.shape[1:]
    inside = (rows >= 0) & (rows < height) & (columns >= 0) & (columns < width)
    found = image[:, np.clip(rows, 0, height - 1), np.clip(columns, 0, width - 1)]
    return np.asarray(np.where(inside, found, np.float32(0)))
