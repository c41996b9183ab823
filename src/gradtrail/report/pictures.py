"""Pictures inside a page: images as PNG, curves as SVG, both in the text itself."""

from __future__ import annotations

import base64
import io
import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from ..figures import figure
from ..train import History
from ..visible import escaped

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["curves", "filters", "picture"]

_SMOOTH = 60
"""Steps over which the loss is averaged at most."""

_POINTS = 2000
"""Points of a curve at most."""

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


def curves(history: History, rates: list[float], steps_per_epoch: int) -> list[str]:
    """Loss, accuracy and learning rate over the epochs, an SVG each.

    The colours are the page's own names for them, so they follow a dark page.

    Args:
        history: of the training.
        rates: the learning rate of every step.
        steps_per_epoch: how many steps an epoch has.

    Raises:
        MissingPackageError: matplotlib is not there.
    """
    losses, epochs = np.array(history.losses), np.arange(1, history.epochs + 1)
    steps = np.arange(1, len(losses) + 1) / steps_per_epoch
    width = min(_SMOOTH, max(1, len(losses) // 10))
    smooth = np.convolve(losses, np.ones(width) / width, "valid")
    whole: dict[str, Any] = {"clip_on": False}  # the last epoch's mark stands on the edge

    def loss(axes: Axes) -> None:
        axes.plot(*_thinned(steps, losses), color=_FAINT, linewidth=0.8)
        axes.plot(
            *_thinned(steps[(width - 1) // 2 :][: len(smooth)], smooth),
            color=_TRAINED,
            label="training",
        )
        if history.validation_loss:
            axes.plot(epochs, history.validation_loss, "o-", color=_HELD, label="held out", **whole)

    def accuracy(axes: Axes) -> None:
        axes.plot(epochs, history.accuracy, "o-", color=_TRAINED, label="training", **whole)
        if history.validation_accuracy:
            axes.plot(
                epochs, history.validation_accuracy, "o-", color=_HELD, label="held out", **whole
            )

    def rate(axes: Axes) -> None:
        axes.plot(*_thinned(steps, np.array(rates)), color=_TRAINED)
        axes.set_ylim(0, 1.05 * max(rates))

    drawn = {"loss": loss, "learning rate": rate}
    if history.accuracy:
        drawn = {"loss": loss, "accuracy": accuracy, "learning rate": rate}
    most = max(history.epochs, float(steps[-1]))
    return [_curve(title, draw, most) for title, draw in drawn.items()]


def _thinned(steps: np.ndarray, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """So many points as can be told apart."""
    shown = slice(None, None, -(-len(values) // _POINTS))
    return steps[shown], values[shown]


def _curve(title: str, draw: Callable[[Axes], None], most: float) -> str:
    """One picture over the epochs, of which the axis has whole ones."""
    from matplotlib import rc_context
    from matplotlib.ticker import MaxNLocator

    drawn = figure(3.9, 2.7)
    axes = drawn.subplots()
    draw(axes)
    axes.set_title(title, size=11, color=_INK)
    axes.set_xlabel("epoch", size=10, color=_SOFT)
    axes.set_xlim(0, most)
    axes.xaxis.set_major_locator(MaxNLocator(nbins=6, integer=True, min_n_ticks=1))
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
