"""Pictures inside a page: images as PNG, curves as SVG, both in the text itself."""

from __future__ import annotations

import base64
import io
import re
from html import escape

import numpy as np

from ..figures import figure
from ..train import History

__all__ = ["curves", "filters", "picture"]

_SMOOTH = 60
_POINTS = 2000


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
        f'<img src="data:image/png;base64,{data}" alt="{escape(title)}" title="{escape(title)}" '
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


def curves(history: History, rates: list[float], steps_per_epoch: int) -> str:
    """Loss, accuracy and learning rate over the training, as SVG.

    Args:
        history: of the training.
        rates: the learning rate of every step.
        steps_per_epoch: how many steps an epoch has.

    Raises:
        MissingPackageError: matplotlib is not there.
    """
    drawn = figure(10.5, 3.2)
    loss, accuracy, rate = drawn.subplots(1, 3)
    steps = np.arange(1, history.steps + 1)
    per_epoch = steps_per_epoch * np.arange(1, history.epochs + 1)
    shown = slice(None, None, max(1, history.steps // _POINTS))
    losses = np.array(history.losses)
    loss.plot(steps[shown], losses[shown], color="#c9d6ea", linewidth=0.8)
    width = min(_SMOOTH, max(1, history.steps // 10))
    smooth = np.convolve(losses, np.ones(width) / width, "valid")
    loss.plot(steps[width - 1 :][shown], smooth[shown], color="#2458a6", label="training")
    if history.validation_loss:
        loss.plot(per_epoch, history.validation_loss, "o-", color="#c4501b", label="held out")
    loss.set_title("loss", size=10)
    loss.legend(frameon=False, fontsize=8)
    for values, colour, label in (
        (history.accuracy, "#2458a6", "training"),
        (history.validation_accuracy, "#c4501b", "held out"),
    ):
        if values:
            accuracy.plot(range(1, len(values) + 1), values, "o-", color=colour, label=label)
    accuracy.set_title("accuracy", size=10)
    if history.accuracy:
        accuracy.legend(frameon=False, fontsize=8)
    rate.plot(steps[shown], np.array(rates)[shown], color="#2458a6")
    rate.set_title("learning rate", size=10)
    for axes, label in ((loss, "step"), (accuracy, "epoch"), (rate, "step")):
        axes.set_xlabel(label, size=8)
        axes.tick_params(labelsize=8)
        axes.spines[["top", "right"]].set_visible(False)
    held = io.StringIO()
    drawn.savefig(held, format="svg", metadata={"Date": None})
    text = held.getvalue()
    return re.sub(r"<metadata>.*?</metadata>", "", text[text.index("<svg") :], flags=re.DOTALL)
