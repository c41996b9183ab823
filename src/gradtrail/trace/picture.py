"""Where over the image a sum's products come from, as a picture."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..field import system_fields
from ..figures import figure, saved, show_image
from ..tables import number, percent
from .step import Operand, Part

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from .terms import Terms

__all__ = ["terms_picture"]

_SAMPLES = 4
_BLOCK = 1 << 17


def terms_picture(terms: Terms, path: str | Path | None) -> Figure:
    """See `Terms.plot`: the strongest samples with their products over them; else bars."""
    found = _maps(terms)
    if found is None:
        return saved(_bars(terms), path)
    name, maps = found
    order = [int(n) for n in np.argsort(-np.abs(maps).sum(axis=(1, 2)))[:_SAMPLES]]
    strongest = [n for n in order if np.abs(maps[n]).any()] or order[:1]
    drawn = figure(2.6 * len(strongest) + 1.2, 3.2)
    panels = np.atleast_1d(drawn.subplots(1, len(strongest), sharey=True))
    limit = float(np.abs(maps[strongest]).max()) or 1.0
    shown: Any = None
    images = terms.step.array("value", terms.step.system.input)
    for axes, n in zip(panels, strongest, strict=True):
        if images.ndim == 4:
            show_image(axes, images[n])
        shown = axes.imshow(
            maps[n], cmap="RdBu_r", vmin=-limit, vmax=limit, alpha=np.sqrt(np.abs(maps[n]) / limit),
            extent=_extent(terms, name, maps.shape[1:]), interpolation="nearest",
        )  # fmt: skip
        if images.ndim == 4:
            axes.set_xlim(-0.5, images.shape[3] - 0.5)
            axes.set_ylim(images.shape[2] - 0.5, -0.5)
        share = float(maps[n].sum()) / terms.magnitude if terms.magnitude else 0.0
        axes.set_title(f"sample {n}: {number(float(maps[n].sum()))} ({percent(share)})", size=8)
        axes.tick_params(labelsize=7)
    drawn.colorbar(shown, ax=list(panels), shrink=0.8).ax.tick_params(labelsize=7)
    drawn.suptitle(f"{terms.element} = {number(terms.value)}: products at each place", size=9)
    return saved(drawn, path)


def _maps(terms: Terms) -> tuple[str, np.ndarray] | None:
    """The sums of products at each place of the array that is read, (N, H, W), and its name."""
    chosen = [(part, _spatial(part)) for part in terms.parts if len(part)]
    held = [(part, operand) for part, operand in chosen if operand is not None]
    names = {operand.name for _, operand in held}
    if len(names) != 1:
        return None
    shape = held[0][1].array.shape
    maps = np.zeros((shape[0], *shape[2:]))
    for part, operand in held:
        positions = operand.access.positions
        for block in part.points.blocks(_BLOCK):
            places = []
            for position in (positions[0], *positions[2:]):
                along = [group.along(position) for group in part.points.groups]
                places.append(part.points.total(along, block, position.offset.integer))
            products = part.products(block)
            np.add.at(maps, tuple(np.broadcast_arrays(products, *places)[1:]), products)
    return names.pop(), maps


def _spatial(part: Part) -> Operand | None:
    """The factor whose place in the image is the product's: what a layer reads, else a gradient."""
    maps = [o for o in part.operands if o.array.ndim == 4 and o.access.positions[0].plain == "n"]
    values = [o for o in maps if o.side == "value" and not o.gate]
    return next(iter([*values, *maps]), None)


def _extent(terms: Terms, name: str, shape: tuple[int, ...]) -> tuple[float, ...]:
    """Where the map lies over the input: each place in the middle of what it sees."""
    rows, columns = system_fields(terms.step.system)[name]
    found: list[float] = []
    for field, size in ((columns, shape[1]), (rows, shape[0])):
        jump = float(field.jump or 1)
        begin = float(field.offset) + (field.size - 1) / 2 - jump / 2
        found += [begin, begin + jump * size]
    return (found[0], found[1], found[3], found[2])


def _bars(terms: Terms) -> Figure:
    """Without places: what each value of the first index brings."""
    drawn = figure(6.4, 2.8)
    axes = drawn.subplots()
    moving = [g.names for part in terms.parts for g in part.points.groups if len(g) > 1]
    if moving:
        name = "n" if any("n" in names for names in moving) else moving[0][0]
        shares = terms.by(name)
        axes.bar(shares.keys_array[:, 0], shares.sums, width=0.9)
        axes.set_xlabel(name)
    else:
        axes.bar([0], [terms.value])
        axes.set_xticks([])
    axes.axhline(0, color="black", linewidth=0.6)
    axes.set_title(f"{terms.element} = {number(terms.value)}", size=9)
    axes.tick_params(labelsize=7)
    return drawn
