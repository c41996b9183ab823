"""Pictures with matplotlib, which is imported when one is asked for."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from .errors import ArgumentError, FileError

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["figure", "saved", "show_image"]


def figure(width: float, height: float) -> Figure:
    """An empty figure, in inches.

    Raises:
        ArgumentError: matplotlib is not there.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError as cause:
        raise ArgumentError("a picture needs matplotlib: pip install matplotlib") from cause
    return Figure(figsize=(width, height), layout="constrained")


def saved(drawn: Figure, path: str | Path | None) -> Figure:
    """The figure, written to a file where one is named.

    Raises:
        FileError: it cannot be written, or its name ends in no format that there is.
    """
    if path is not None:
        try:
            drawn.savefig(path, dpi=150)
        except OSError as cause:
            raise FileError(f"cannot write {path}: {cause.strerror or cause}") from cause
        except ValueError as cause:
            raise FileError(f"cannot write {path}: {cause}") from cause
    return drawn


def show_image(axes: Axes, image: np.ndarray) -> None:
    """A sample (C, H, W): three channels as colours, else the mean of all channels in grey."""
    image = np.asarray(image, np.float64)
    low, high = float(np.nanmin(image)), float(np.nanmax(image))
    image = (image - low) / (high - low) if high > low else np.zeros_like(image)
    if image.shape[0] == 3:
        axes.imshow(np.moveaxis(image, 0, -1))
    else:
        axes.imshow(image.mean(axis=0), cmap="gray", vmin=0, vmax=1)
