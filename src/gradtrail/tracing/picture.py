"""Where over the image a sum's products come from, as a picture."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..fields.axis_field import system_fields
from ..showing.figures import figure, save_figure, show_image
from ..showing.numbers import number_text, percent_text
from .element_term import ElementTerm, Operand

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from .terms import Terms

_SAMPLES = 4


@np.errstate(all="ignore")
def terms_picture(terms: Terms, path: str | Path | None) -> Figure:
    """See `Terms.plot`: the strongest samples with their products over them; else bars."""
    found = _maps(terms)
    if found is None:
        return save_figure(_bars(terms), path)
    name, maps = found
    finite = np.isfinite(maps)
    size = np.where(finite, np.abs(maps), np.inf)
    order = [int(n) for n in np.argsort(-size.sum(axis=(1, 2)), kind="stable")[:_SAMPLES]]
    strongest = [n for n in order if size[n].any()] or order[:1]
    drawn = figure(2.6 * len(strongest) + 1.2, 3.2)
    panels = np.atleast_1d(drawn.subplots(1, len(strongest), sharey=True))
    limit = float(size[strongest].max(where=finite[strongest], initial=0.0)) or 1.0
    shown: Any = None
    images = terms.step.array("value", _input(terms, name))
    for axes, n in zip(panels, strongest, strict=True):
        if images.ndim == 4:
            show_image(axes, images[n])
        placed = np.nan_to_num(maps[n], nan=limit, posinf=limit, neginf=-limit)
        shown = axes.imshow(
            placed, cmap="RdBu_r", vmin=-limit, vmax=limit, alpha=np.sqrt(np.abs(placed) / limit),
            extent=_extent(terms, name, maps.shape[1:]), interpolation="nearest",
        )  # fmt: skip
        if images.ndim == 4:
            axes.set_xlim(-0.5, images.shape[3] - 0.5)
            axes.set_ylim(images.shape[2] - 0.5, -0.5)
        share = float(maps[n].sum()) / terms.magnitude if terms.magnitude else 0.0
        axes.set_title(
            f"sample {n}: {number_text(float(maps[n].sum()))} ({percent_text(share)})", size=8
        )
        axes.tick_params(labelsize=7)
    drawn.colorbar(shown, ax=list(panels), shrink=0.8).ax.tick_params(labelsize=7)
    wild = int((~finite[strongest]).sum())
    note = f" ({wild:,} not finite, in full colour)" if wild else ""
    title = f"{terms.element} = {number_text(terms.value)}: products at each place{note}"
    drawn.suptitle(title, size=9)
    return save_figure(drawn, path)


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
        for block in part.points.blocks():
            places = []
            for position in (positions[0], *positions[2:]):
                along = [group.along(position) for group in part.points.groups]
                places.append(part.points.total(along, block, position.offset.integer))
            products = part.products(block)
            np.add.at(maps, tuple(np.broadcast_arrays(products, *places)[1:]), products)
    return names.pop(), maps


def _spatial(part: ElementTerm) -> Operand | None:
    """The factor whose place in the image is the product's: what a layer reads, else a gradient."""
    maps = [o for o in part.operands if o.array.ndim == 4 and o.access.positions[0].plain == "n"]
    values = [o for o in maps if o.side == "value" and not o.gate]
    return next(iter([*values, *maps]), None)


def _input(terms: Terms, name: str) -> str:
    """The input that a map lies over: of several the first that it depends on."""
    system = terms.step.system
    return next((n for n in system.inputs if n == name or system.between(n, name)), system.input)


def _extent(terms: Terms, name: str, shape: tuple[int, ...]) -> tuple[float, ...]:
    """Where the map lies over the input: each place in the middle of what it sees."""
    rows, columns = system_fields(terms.step.system, _input(terms, name))[name]
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
    note = ""
    moving = [g.names for part in terms.parts for g in part.points.groups if len(g) > 1]
    if moving:
        name = "n" if any("n" in names for names in moving) else moving[0][0]
        shares = terms.by(name)
        sums, finite = shares.sums, np.isfinite(shares.sums)
        limit = float(np.abs(sums).max(where=finite, initial=0.0)) or 1.0
        heights = np.nan_to_num(sums, nan=limit, posinf=limit, neginf=-limit)
        axes.bar(shares.keys_array[:, 0], heights, width=0.9)
        if not finite.all():
            note = f" ({int((~finite).sum()):,} bars not finite, at the limit)"
        axes.set_xlabel(name)
    else:
        axes.bar([0], [np.nan_to_num(terms.value, nan=1.0, posinf=1.0, neginf=-1.0)])
        note = "" if np.isfinite(terms.value) else " (not finite, drawn as 1)"
        axes.set_xticks([])
    axes.axhline(0, color="black", linewidth=0.6)
    axes.set_title(f"{terms.element} = {number_text(terms.value)}{note}", size=9)
    axes.tick_params(labelsize=7)
    return drawn
