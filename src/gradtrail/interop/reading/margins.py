"""Padding as other formats write it: how much before and behind on each axis, or by a rule.

Letters: for one axis, `size` of the input, `extent` of a window (d·(R − 1) + 1), `stride`, and a
margin (p, q), zeros before and behind.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

Margins = tuple[tuple[int, int], ...]
"""For each axis, how many zeros before and behind."""


def collapse_axes(values: Sequence[Any]) -> Any:
    """One number where all axes agree."""
    return values[0] if len(set(values)) == 1 else tuple(values)


def cropped_margins(margins: Margins, extra: Sequence[int]) -> Margins:
    """What a transposed convolution crops: the output padding is cropped less behind."""
    return tuple((p, q - e) for (p, q), e in zip(margins, extra, strict=True))


def add_margins(outer: Margins, inner: Margins) -> Margins:
    """The margins of a window that pads what has been padded."""
    return tuple((p + a, q + b) for (p, q), (a, b) in zip(outer, inner, strict=True))


def same_margins(
    sizes: Sequence[int], extents: Sequence[int], strides: Sequence[int], *, odd_before: bool
) -> Margins:
    """The margins with which there are ⌈size/stride⌉ windows; an odd one lies before or behind."""
    found = []
    for size, extent, stride in zip(sizes, extents, strides, strict=True):
        total = max((-(-size // stride) - 1) * stride + extent - size, 0)
        small, large = total // 2, total - total // 2
        found.append((large, small) if odd_before else (small, large))
    return tuple(found)
