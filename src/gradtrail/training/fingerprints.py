"""What tells data from others: a checksum over every sample."""

from __future__ import annotations

import zlib

import numpy as np

from ..data.images import Images

_LOOKED_AT = 512
"""How many images told that they are the same ones, before every image did."""


def checksum(array: np.ndarray, start: int = 0) -> int:
    """CRC-32 of an array's bytes, behind those of another."""
    return zlib.crc32(np.ascontiguousarray(array).data.cast("B"), start)


def of_arrays(x: np.ndarray, y: np.ndarray) -> int:
    """Of samples and labels: of every byte of them."""
    return _labelled(y, checksum(x))


def of_images(images: Images, y: np.ndarray) -> int:
    """Of images: shape, classes, files' names, labels, and every pixel of every image.

    The dates of files are not in it: a copy of the same images is the same data.
    """
    return _labelled(y, checksum(images.checksums(), _about(images)))


def of_some_images(images: Images, y: np.ndarray) -> int:
    """What checkpoints of the first format hold: of at most 512 images, spread over all."""
    places = np.linspace(0, len(images) - 1, min(len(images), _LOOKED_AT)).astype(np.int64)
    return _labelled(y, checksum(images.read(places), _about(images)))


def _labelled(y: np.ndarray, start: int) -> int:
    """With labels, whatever type of whole numbers holds them."""
    return checksum(y.astype(np.int64) if y.dtype.kind in "iu" else y, start)


def _about(images: Images) -> int:
    """Of what is known of images without reading them."""
    files = [f"{p.parent.name}/{p.name}" for p in images.paths]
    return zlib.crc32(repr((images.shape, images.classes, files)).encode())
