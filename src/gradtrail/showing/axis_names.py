"""What the axes of an array are called, by how many it has, its samples first."""

from __future__ import annotations

_FLAT = ("samples", "features")
_SIZES = {1: ("length",), 2: ("height", "width"), 3: ("depth", "height", "width")}
_PLACES = {1: ("positions",), 2: ("rows", "columns"), 3: ("planes", "rows", "columns")}


def size_names(axes: int) -> tuple[str, ...]:
    """What the sizes along the axes are called: samples, channels, height, width."""
    return _FLAT[:axes] if axes <= 2 else ("samples", "channels", *_SIZES[axes - 2])


def place_names(axes: int) -> tuple[str, ...]:
    """What counts along the axes: samples, channels, rows, columns."""
    return _FLAT[:axes] if axes <= 2 else ("samples", "channels", *_PLACES[axes - 2])


def name_axis(clause: str, axis: int | None, axes: int = 4) -> str:
    """What is said of `axis 2 of X`, said of the height.

    Args:
        clause: a sentence or a part of one.
        axis: of which it speaks; None where it speaks of none.
        axes: how many X has.
    """
    return clause if axis is None else clause.replace(f"axis {axis} of X", size_names(axes)[axis])
