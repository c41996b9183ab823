"""Augmentation: every time an image is seen, a little elsewhere, turned, mirrored or covered.

What is drawn for an image is one affine map from the new image's pixels to the old one's, and one
box that is covered. An engine does the rest (`engines/bilinear.py`), so that it costs little.
"""

from __future__ import annotations

import math
from dataclasses import field, fields
from functools import lru_cache
from typing import Any, NamedTuple, final

import numpy as np

from ..checking.arguments import is_real, is_whole
from ..checking.calls import call_example
from ..equation.frozen import frozen
from ..errors import ArgumentError
from ..layers.functional import as_json
from ..streams import stream

_BLOCK = 4096
"""For how many images numbers are drawn at a time."""


class Moved(NamedTuple):
    """What happens to n images.

    Args:
        maps: (n, 2, 3) float32; pixel (y, x) shows what was at row maps[0]·(y, x, 1) and column
            maps[1]·(y, x, 1).
        boxes: (n, 4) int32: the first row, the row behind the last, and so with columns, of what is
            covered with zeros; empty where nothing is.
    """

    maps: np.ndarray
    boxes: np.ndarray


@final
@call_example("gt.Augment(flip=0.5)")
@frozen
class Augment:
    """How images are changed at random in training; what comes in from outside is 0.

    Applied in this order: mirrored, turned and scaled about the middle, shifted, covered. What is
    drawn for an image follows from the seed, the epoch and its place in the epoch's order alone.

    Args:
        crop: by how many whole pixels an image is shifted at most, each way; that is a random crop
            of the image with a margin of so many zeros.
        flip: the probability of being mirrored left to right, from 0 to 1.
        flip_vertical: likewise top to bottom.
        shift: by what share of its size an image is shifted at most, from 0 to 1; not by whole
            pixels.
        rotation: by how many degrees it is turned at most, either way, from 0 to 180.
        scale: by what it grows or shrinks at most: 0.1 from 1/1.1 to 1.1.
        cutout: the side of a square that is covered, in pixels; its middle is anywhere.

    Raises:
        ArgumentError: an argument out of its range.

    Source: T. DeVries and G. Taylor, "Improved regularization of convolutional neural networks with
        cutout" (2017), for the square.
    """

    crop: int = field(default=0, kw_only=True)
    flip: float = field(default=0.0, kw_only=True)
    flip_vertical: float = field(default=0.0, kw_only=True)
    shift: float = field(default=0.0, kw_only=True)
    rotation: float = field(default=0.0, kw_only=True)
    scale: float = field(default=0.0, kw_only=True)
    cutout: int = field(default=0, kw_only=True)

    def __post_init__(self) -> None:
        most = {"flip": 1, "flip_vertical": 1, "shift": 1, "rotation": 180, "scale": 10}
        for name in ("crop", "cutout"):
            value = getattr(self, name)
            if not is_whole(value, 0):
                raise ArgumentError(
                    f"Augment: {name} must be a whole number of pixels ≥ 0, got {value!r}"
                )
        for name, limit in most.items():
            value = getattr(self, name)
            if not is_real(value) or not 0 <= value <= limit or value == math.inf:
                raise ArgumentError(
                    f"Augment: {name} must lie between 0 and {limit}, got {value!r}"
                )

    @property
    def moves(self) -> bool:
        """Whether it does anything at all."""
        return any(getattr(self, known.name) for known in fields(self))

    def drawn(self, begin: int, end: int, size: tuple[int, int], seed: int, epoch: int) -> Moved:
        """What happens to the images at some places of an epoch's order.

        Args:
            begin: the first place.
            end: the one behind the last.
            size: rows and columns.
            seed: the training's.
            epoch: the first being 0.
        """
        first = begin // _BLOCK
        blocks = [_block(self, size, seed, epoch, b) for b in range(first, (end - 1) // _BLOCK + 1)]
        part = slice(begin - first * _BLOCK, end - first * _BLOCK)
        if len(blocks) == 1:
            return Moved(blocks[0].maps[part], blocks[0].boxes[part])
        return Moved(*(np.concatenate(arrays)[part] for arrays in zip(*blocks, strict=True)))

    def moved(self, draws: np.ndarray, size: tuple[int, int]) -> Moved:
        """From uniform numbers, (n, 10) from 0 to 1."""
        height, width = size
        mirrored = np.where(draws[:, 0] < self.flip, -1.0, 1.0)
        upturned = np.where(draws[:, 1] < self.flip_vertical, -1.0, 1.0)
        angle = np.radians(self.rotation) * (2 * draws[:, 2] - 1)
        size_by = (1 + self.scale) ** (2 * draws[:, 3] - 1)
        whole = np.floor(draws[:, 4:6] * (2 * self.crop + 1)) - self.crop
        down, right = (whole + self.shift * np.array(size) * (2 * draws[:, 6:8] - 1)).T
        # back from a new pixel to the old one: not shifted, not turned, not mirrored
        cos, sin = np.cos(angle) / size_by, np.sin(angle) / size_by
        middle_y, middle_x = (height - 1) / 2, (width - 1) / 2
        maps = np.empty((len(draws), 2, 3))
        maps[:, 0, 0], maps[:, 0, 1] = upturned * cos, upturned * sin
        maps[:, 1, 0], maps[:, 1, 1] = mirrored * -sin, mirrored * cos
        away_y, away_x = middle_y + down, middle_x + right
        maps[:, 0, 2] = middle_y - maps[:, 0, 0] * away_y - maps[:, 0, 1] * away_x
        maps[:, 1, 2] = middle_x - maps[:, 1, 0] * away_y - maps[:, 1, 1] * away_x
        return Moved(maps.astype(np.float32), self._boxes(draws[:, 8:10], size))

    def _boxes(self, draws: np.ndarray, size: tuple[int, int]) -> np.ndarray:
        """The squares that are covered, as far as they are inside."""
        boxes = np.zeros((len(draws), 4), np.int32)
        if self.cutout:
            for axis, extent in enumerate(size):
                begin = np.floor(draws[:, axis] * extent).astype(np.int32) - self.cutout // 2
                boxes[:, 2 * axis] = np.maximum(begin, 0)
                boxes[:, 2 * axis + 1] = np.minimum(begin + self.cutout, extent)
        return boxes

    def settings(self) -> dict[str, Any]:
        """The arguments that are not 0, as JSON."""
        named = {known.name: as_json(getattr(self, known.name)) for known in fields(self)}
        return {name: value for name, value in named.items() if value}


@lru_cache(maxsize=4)
def _block(augment: Augment, size: tuple[int, int], seed: int, epoch: int, block: int) -> Moved:
    """What happens to the images of one block of an epoch's order."""
    draws = stream(seed, "augmentation", epoch, block).random((_BLOCK, 10))
    return augment.moved(draws, size)
