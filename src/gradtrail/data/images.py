"""Images that need not lie in memory: what a training asks of them."""

from __future__ import annotations

from abc import ABC, abstractmethod

import numpy as np

from .splitting import held_out

__all__ = ["Images"]


class Images(ABC):
    """M images of one shape with their classes; pixels are bytes and are read when asked for.

    Args:
        shape: of an image, (C, H, W).
        y: (M,) int64, class numbers.
        classes: the classes' names.
    """

    shape: tuple[int, int, int]
    y: np.ndarray
    classes: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.y)

    @property
    @abstractmethod
    def cached(self) -> int:
        """How many of them are in memory."""

    @abstractmethod
    def read(self, places: np.ndarray, out: np.ndarray | None = None) -> np.ndarray:
        """The pixels of some images; may be called by several threads.

        Args:
            places: (n,) int64.
            out: (n, C, H, W) uint8, to be written to; None for a new array.

        Returns:
            (n, C, H, W) uint8.

        Raises:
            DataError: an image that cannot be read any more.
        """

    @abstractmethod
    def subset(self, places: np.ndarray) -> Images:
        """Some of the images, (n,) int64 places; what is cached is shared."""

    def split(self, share: float, seed: int = 0) -> tuple[Images, Images]:
        """The images without a share of every class, and that share; see `held_out`."""
        apart = held_out(self.y, share, seed)
        return self.subset(np.flatnonzero(~apart)), self.subset(np.flatnonzero(apart))
