"""Axes of a sample: which a layer means, and what their indices are called."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..checking.arguments import is_whole
from ..errors import ArgumentError, ShapeError
from .layer import Layer, Shape, times
from .windows import INPUTS, OUTPUTS

Axes = int | tuple[int, ...]
"""One axis or several; the samples are axis 0, and −1 is the last."""


def some_axes(layer: Layer, axes: Any, what: str = "axes") -> tuple[int, ...]:
    """Axes as they were given, each once.

    Raises:
        ArgumentError: none, no whole number, or the axis of the samples.
    """
    listed = tuple(axes) if isinstance(axes, Sequence) and not isinstance(axes, str) else (axes,)
    if not listed or not all(is_whole(axis) and axis != 0 for axis in listed):
        raise ArgumentError(
            f"{layer.kind}: {what} must be whole numbers without 0, which is the axis of the "
            f"samples, got {axes!r}"
        )
    return tuple(map(int, listed))


def checked_axes(axes: Sequence[int], shape: Shape) -> tuple[int, ...]:
    """The axes of one input, counted from its front.

    Args:
        axes: counted from the front or, below 0, from the end.
        shape: samples first.

    Raises:
        ShapeError: an axis that there is not, or one named twice.
    """
    found = tuple(axis + len(shape) if axis < 0 else axis for axis in axes)
    for axis, given in zip(found, axes, strict=True):
        if not 0 < axis < len(shape) or found.count(axis) > 1:
            wrong = "is named twice" if found.count(axis) > 1 else "does not exist"
            raise ShapeError(
                f"axis {given} {wrong} among the axes 1 to {len(shape) - 1} of {times(shape[1:])}",
                "Name each axis once",
            )
    return found


def input_names(shape: Shape) -> tuple[str, ...]:
    """What the input's indices are called where the output has others: n,c,h,w, or n,f."""
    if len(shape) == 2:
        return "n", "f"
    return "n", "c", *_spatial(INPUTS, "r", len(shape) - 2)


def output_names(axes: int) -> tuple[str, ...]:
    """What the output's indices are called: n,c,y,x, or n,k."""
    return ("n", "k") if axes == 2 else ("n", "c", *_spatial(OUTPUTS, "q", axes - 2))


def _spatial(names: tuple[str, ...], further: str, rank: int) -> tuple[str, ...]:
    """The names of so many axes; those that no picture or volume has are counted."""
    more = tuple(f"{further}_{place}" for place in range(rank - len(names)))
    return (*more, *names[max(0, len(names) - rank) :])
