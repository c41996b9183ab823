"""Pictures inside a page: images as PNG, curves as SVG, both in the text itself."""

from __future__ import annotations

import base64
import io
import re
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from ..errors import escaped
from ..showing.figures import figure
from ..training import History
from ..training.curves import Colours, whole_epochs
from ..training.curves import curves as drawn_over

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_INK, _SOFT, _TRAINED, _HELD, _FAINT = "#010101", "#020202", "#030303", "#040404", "#050505"
_COLOURS = {
    **{_INK: "--ink", _SOFT: "--soft"},
    **{_TRAINED: "--trained", _HELD: "--held", _FAINT: "--faint"},
}
"""What matplotlib draws with, and what the page calls it."""


def picture(pixels: np.ndarray, title: str = "", size: int = 84) -> str:
    """An image as an HTML element.

    Args:
        pixels: (1, H, W) or (3, H, W), uint8.
        title: what is shown when it is pointed at, and read out.
        size: of its longer side on the page, in CSS pixels.
    """
    from PIL import Image

    channels, height, width = pixels.shape
    flat = pixels[0] if channels == 1 else np.moveaxis(pixels, 0, -1)
    held = io.BytesIO()
    Image.fromarray(flat).save(held, "PNG", optimize=True)
    data = base64.b64encode(held.getvalue()).decode()
    zoom = size / max(height, width)
    return (
        f'<img src="data:image/png;base64,{data}" alt="{escaped(title)}" title="{escaped(title)}" '
        f'width="{round(width * zoom)}" height="{round(height * zoom)}">'
    )


def as_pixels(image: np.ndarray) -> np.ndarray:
    """A sample (C, H, W) as bytes: from 0 to 1 as it is, anything else from least to most."""
    image = np.asarray(image, np.float64)
    if image.shape[0] not in (1, 3):
        image = image.mean(axis=0, keepdims=True)
    low, high = float(image.min()), float(image.max())
    if low < 0 or high > 1:
        image = (image - low) / (high - low) if high > low else np.zeros_like(image)
    return np.asarray(np.round(255 * image), np.uint8)


def filters(weight: np.ndarray) -> list[str]:
    """Each filter of a convolution, (K, C, R, S): grey is 0, bright above and dark below.

    Three input channels are shown as colours; of any other number the first.
    """
    limit = float(np.abs(weight).max()) or 1.0
    shown = weight if weight.shape[1] == 3 else weight[:, :1]
    pixels = np.round(127.5 + 127.5 * shown / limit).astype(np.uint8)
    return [picture(p, f"filter {k}", 48) for k, p in enumerate(pixels)]


def curve_pictures(history: History, steps_per_epoch: int) -> list[str]:
    """Loss, accuracy and learning rate over the epochs, an SVG each, as far as they are known.

    The colours are the page's own names for them, so they follow a dark page.

    Args:
        history: of the training.
        steps_per_epoch: how many steps an epoch has, for a history that has not noted it.

    Raises:
        MissingPackageError: matplotlib is not there.
    """
    ends = [steps_per_epoch * (epoch + 1) for epoch in range(history.epochs)]
    found = drawn_over(history, Colours(_TRAINED, _HELD, _FAINT), ends)

    def finished(draw: Callable[[Axes], None]) -> Callable[[Axes], None]:
        def both(axes: Axes) -> None:
            draw(axes)
            whole_epochs(axes, history, ends)

        return both

    return [_curve(title, finished(draw)) for title, draw in found.items()]


def _curve(title: str, draw: Callable[[Axes], None]) -> str:
    """One picture over the epochs."""
    from matplotlib import rc_context

    drawn = figure(3.9, 2.7)
    axes = drawn.subplots()
    draw(axes)
    axes.set_title(title, size=11, color=_INK)
    axes.xaxis.label.set(size=10, color=_SOFT)
    axes.tick_params(labelsize=9, color=_SOFT, labelcolor=_SOFT)
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(_SOFT)
    if axes.get_legend_handles_labels()[0]:
        axes.legend(frameon=False, fontsize=9, labelcolor=_INK)
    held = io.StringIO()
    with rc_context({"svg.hashsalt": title}):  # the same run, the same page
        drawn.savefig(held, format="svg", metadata={"Date": None}, transparent=True)
    text = re.sub(r"<metadata>.*?</metadata>", "", held.getvalue(), flags=re.DOTALL)
    for colour, name in _COLOURS.items():
        text = text.replace(colour, f"var({name})")
    label = f'role="img" aria-label="{escaped(title)} over the epochs" '
    return text[text.index("<svg") :].replace("<svg ", f"<svg {label}", 1)
