"""A field as a sentence, as HTML for a notebook, and as a picture."""

from __future__ import annotations

from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..showing.figures import figure, save_figure, show_image
from ..showing.numbers import ranges_text
from ..showing.tables import Table

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from .reach import Reach

_SAMPLES = 4


def reach_text(reach: Reach) -> str:
    """`conv2 at (5, 7) sees input rows 5–14, columns 7–16 of 1 channel: all 100 elements there`."""
    return "\n".join([_sentence(reach), *reach.notes])


def _sentence(reach: Reach) -> str:
    """Where the elements lie, how many they are, and whether some between them are missing."""
    numbers = ", ".join(map(str, reach.position))
    at = f" at {numbers if len(reach.position) == 1 else f'({numbers})'}" if numbers else ""
    verb = "sees" if reach.direction == "receptive" else "reaches"
    begun = f"{_short(reach.asked)}{at} {verb}"
    count = len(reach)
    if not count:
        return f"{begun} nothing of {_short(reach.array)}"
    if count == prod(reach.shape):
        return f"{begun} all of {_short(reach.array)}: {_elements(count)}"
    box = prod(len(reach.along(axis)) for axis in range(len(reach.shape)))
    share = f"{count:,} of the {_elements(box)} there"
    if count == box:
        share = f"all {_elements(box)} there" if box > 1 else _elements(box)
    return f"{begun} {_place(reach)}: {share}"


def _short(array: str) -> str:
    """A layer for its output."""
    return array.removesuffix(".output")


def _elements(count: int) -> str:
    return f"{count:,} element{'s' if count != 1 else ''}"


def _place(reach: Reach) -> str:
    """`input rows 5–14, columns 7–16 of 1 channel`; `conv1.weight[0–5,0,0–4,1–4]`."""
    if not reach.axes:
        inside = ",".join(ranges_text(reach.along(axis)) for axis in range(len(reach.shape)))
        return f"{reach.array}[{inside}]"
    where = [_along(reach, n) for n in reach.axes if n not in ("samples", "channels")]
    text = f"{_short(reach.array)} {', '.join(where)}"
    if "channels" in reach.axes:
        size = reach.shape[reach.axes.index("channels")]
        whole = f"{'all ' if size > 1 else ''}{size} channel{'s' if size > 1 else ''}"
        text += f" of {whole if len(reach.channels) == size else _along(reach, 'channels')}"
    if "samples" in reach.axes:
        text += f" in {_along(reach, 'samples')}"
    return text


def _along(reach: Reach, name: str) -> str:
    """`rows 5–14`, `row 5`."""
    positions = reach.along(name)
    return f"{name if len(positions) > 1 else name.removesuffix('s')} {ranges_text(positions)}"


def reach_table(reach: Reach) -> Table:
    """The sentence, and a table of the positions on each axis."""
    names = reach.axes or [f"axis {axis}" for axis in range(len(reach.shape))]
    along = [reach.along(axis) for axis in range(len(reach.shape))]
    rows = [
        (name, ranges_text(positions), f"{len(positions):,} of {size:,}")
        for name, positions, size in zip(names, along, reach.shape, strict=True)
    ]
    heads = ("axis", "positions", ">how many")
    return Table(reach_text(reach).splitlines(), heads, rows if len(reach) else ())


def reach_picture(reach: Reach, path: str | Path | None) -> Figure:
    """See `Reach.plot`: one panel, or one for each of the samples with the most elements."""
    panels = _panels(reach)
    drawn = figure(2.6 * len(panels) + 1.8, 3.4)
    shown: Any = None
    most = max(1, *(int(counts.max(initial=0)) for _, counts, _ in panels))
    all_axes = np.atleast_1d(drawn.subplots(1, len(panels), sharey=True))
    for axes, (title, counts, image) in zip(all_axes, panels, strict=True):
        seen: Any = np.where(counts > 0, 1.0, 0.25)
        if image is not None:
            show_image(axes, image)
            seen = np.where(counts > 0, 0.6, 0.0)
        flat = len(counts) == 1
        shown = axes.imshow(
            counts, cmap="viridis", vmin=0, vmax=most, alpha=seen, interpolation="nearest",
            aspect="auto" if flat else "equal",
        )  # fmt: skip
        if flat:
            axes.set_yticks([])
        axes.set_title(title, size=8)
        axes.tick_params(labelsize=7)
    if most > 1:
        bar = drawn.colorbar(shown, ax=list(all_axes), shrink=0.8)
        bar.set_label("elements at this place", size=7)
        bar.ax.tick_params(labelsize=7)
    drawn.suptitle(_sentence(reach), size=8, wrap=True)
    return save_figure(drawn, path)


def _panels(reach: Reach) -> list[tuple[str, np.ndarray, np.ndarray | None]]:
    """Title, elements at each place of the last two axes, and the image behind them."""
    mask = reach.mask()
    if "samples" not in reach.axes:
        return [(_short(reach.array), _plane(mask), None)]
    each = mask.reshape(len(mask), -1).sum(axis=1)
    order = [int(n) for n in np.argsort(-each, kind="stable")[:_SAMPLES]]
    chosen = [n for n in order if each[n]] or order[:1]
    images = reach.image if reach.image is not None and reach.image.ndim == 4 else None
    return [
        (
            f"sample {n} of {_short(reach.array)}",
            _plane(mask[n]),
            None if images is None else images[n],
        )
        for n in chosen
    ]


def _plane(mask: np.ndarray) -> np.ndarray:
    """How many elements at each place: summed over all axes but the last two."""
    counts = np.atleast_2d(mask.astype(np.int64))
    return np.asarray(counts.sum(axis=tuple(range(counts.ndim - 2))))
