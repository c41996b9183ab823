"""Pictures with matplotlib, which is imported when one is asked for."""

from __future__ import annotations

import io
from base64 import b64encode
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, final

import numpy as np

from ..errors import ArgumentError, FileError
from ..machine.packages import optional_package
from .notebook import after_cell, display, in_notebook

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_USUAL = (".png", ".svg", ".pdf")


def endings() -> list[str]:
    """What a picture's name may end in, the usual ones first.

    Raises:
        MissingPackageError: matplotlib is not there.
    """
    drawing = optional_package("matplotlib.backend_bases", "a picture").FigureCanvasBase
    known = {f".{ending}" for ending in drawing.get_supported_filetypes()}
    return [*_USUAL, *sorted(known.difference(_USUAL))]


def figure(width: float, height: float) -> Figure:
    """An empty figure, in inches.

    Raises:
        MissingPackageError: matplotlib is not there.
    """
    made: Figure = optional_package("matplotlib.figure", "a picture").Figure(
        figsize=(width, height), layout="constrained"
    )
    return made


def save_figure(drawn: Figure, path: str | Path | None) -> Figure:
    """The figure, written to a file where one is named.

    In a notebook it shows itself where a cell's last line gives it. One that is written nowhere is
    shown at the cell's end in any case, once.

    Raises:
        ArgumentError: `path` is no path.
        FileError: it cannot be written, or its name ends in no format that there is.
    """
    if path is not None and not isinstance(path, str | PathLike):
        raise ArgumentError(f"a picture is written to a path, such as 'a.png', got {path!r}")
    if path is not None:
        try:
            Path(path).parent.mkdir(parents=True, exist_ok=True)
            drawn.savefig(path, dpi=150)
        except OSError as cause:
            raise FileError(f"cannot write {path}: {cause.strerror or cause}") from cause
        except ValueError as cause:
            raise FileError(f"cannot write {path}: {cause}") from cause
    if in_notebook():
        shown = _Display(drawn)
        drawn._ipython_display_ = shown  # type: ignore[attr-defined]
        if path is None:
            after_cell(shown.at_end)
    return drawn


@final
class _Display:
    """How a notebook shows a figure, which pyplot knows nothing of."""

    def __init__(self, drawn: Figure) -> None:
        self._drawn, self._shown = drawn, False

    def __call__(self) -> None:
        held = io.BytesIO()
        self._drawn.savefig(held, format="png", dpi=100)
        image = b64encode(held.getvalue()).decode()
        display({"image/png": image, "text/plain": repr(self._drawn)})
        self._shown = True

    def at_end(self) -> None:
        """At the end of the cell that made it."""
        if not self._shown:
            self()


def show_sample(axes: Axes, sample: np.ndarray) -> None:
    """A sample of channels and places: an image, a sequence's curves, a volume's middle plane."""
    if sample.ndim == 2:
        axes.plot(np.asarray(sample, np.float64).T, linewidth=0.7)
    else:
        show_image(axes, sample[:, len(sample[0]) // 2] if sample.ndim == 4 else sample)


def show_image(axes: Axes, image: np.ndarray) -> None:
    """A sample (C, H, W): three channels as colours, else the mean of all channels in grey.

    What is not finite is drawn as the darkest, +∞ as the lightest.
    """
    image = np.asarray(image, np.float64)
    known = image[np.isfinite(image)]
    low, high = (float(known.min()), float(known.max())) if known.size else (0.0, 0.0)
    image = np.nan_to_num(image, nan=low, posinf=high, neginf=low)
    image = (image - low) / (high - low) if high > low else np.zeros_like(image)
    if image.shape[0] == 3:
        axes.imshow(np.moveaxis(image, 0, -1))
    else:
        axes.imshow(image.mean(axis=0), cmap="gray", vmin=0, vmax=1)
