"""How large samples and arrays may be: what no memory would hold is refused in advance."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np

from ..checking.arguments import is_whole
from ..checking.calls import in_short
from ..checking.input_samples import looks_last
from ..equation import Access
from ..errors import ArgumentError, ShapeError, warn

if TYPE_CHECKING:
    from .layer import Declaration

LARGEST = 1 << 28
"""The most numbers that one array has for one sample."""


def checked_shape(what: str, shape: Any) -> tuple[int, ...]:
    """The shape of one sample, checked.

    Args:
        what: the argument, with what takes it.
        shape: what came.

    Raises:
        ArgumentError: it is none, or no memory would hold such samples.
    """
    if isinstance(shape, np.ndarray) and shape.ndim == 1 and len(shape) <= 4:
        shape = shape.tolist()
    sizes = tuple(shape) if isinstance(shape, Sequence) else (shape,)
    if not all(is_whole(s, 1) for s in sizes) or not 1 <= len(sizes) <= 4:
        raise ArgumentError(
            f"{what} is one sample's (channels, height, width) or (features,), or has one or three "
            "axes behind the channels, whole numbers ≥ 1 and without the batch, got "
            f"{in_short(shape)}"
        )
    if prod(sizes) > LARGEST:
        raise ArgumentError(
            f"{what.partition(':')[0]}: one sample of {sizes} has {prod(sizes):,} numbers; at most "
            f"{LARGEST:,} are taken, more would not fit into memory"
        )
    return tuple(int(s) for s in sizes)


def warn_if_channels_last(what: str, shape: tuple[int, ...]) -> None:
    """Say that a shape looks like (height, width, channels).

    Args:
        what: the argument, with what takes it.
        shape: one sample's.
    """
    if looks_last(shape):
        channels, height, width = shape
        warn(
            f"{what} {shape} is taken to be {channels} channels of {height} × {width}, (channels, "
            f"height, width); if the channels are last, write {(width, channels, height)}, and "
            "pass x.transpose(0, 3, 1, 2)"
        )


def largest_array(declaration: Declaration) -> int:
    """The most numbers of one sample in a layer's output or input, padding included."""
    equation = declaration.equation
    kept = {equation.target.array, *declaration.sources}
    met = (equation.target, *(a for a in equation.accesses if a.array in kept))
    return max(_padded(access, equation.shape_of[access.array]) for access in met)


def check_bounded(declaration: Declaration) -> None:
    """Refuse an output or an input, with the padding that its accesses declare, beyond any memory.

    A plan, which counts positions that are read, would not fit either.

    Raises:
        ShapeError: it is so.
    """
    numbers = largest_array(declaration)
    if numbers > LARGEST:
        told = f"{numbers:,}" if numbers < 10**15 else "more than 10¹⁵"
        raise ShapeError(
            f"takes and gives at most {LARGEST:,} numbers for one sample, but would make {told}",
            "Use fewer channels or features, less padding, or a smaller input",
        )


def _padded(access: Access, shape: tuple[int, ...]) -> int:
    """How many numbers of one sample an access may look for, the padding included."""
    margins = (access.margin(axis) for axis in range(1, len(shape)))
    sizes = zip(shape[1:], margins, strict=True)
    return prod(size + max(p, 0) + max(q, 0) for size, (p, q) in sizes)
