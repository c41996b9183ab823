"""Padding as other formats write it: how much before and behind on each axis, or by a rule.

Letters: for one axis, `size` of the input, `extent` of a window (d·(R − 1) + 1), `stride`, and a
margin (p, q), zeros before and behind.
"""

from __future__ import annotations

from collections.abc import Sequence

from ..layers.windows import Windows
from .refusals import Refusal

Margins = tuple[tuple[int, int], ...]
"""For each axis, how many zeros before and behind."""


def collapse_axes(values: Sequence[int]) -> int | tuple[int, ...]:
    """One number where all axes agree."""
    return values[0] if len(set(values)) == 1 else tuple(values)


def cropped_margins(margins: Margins, extra: Sequence[int]) -> Margins:
    """What a transposed convolution crops: the output padding is cropped less behind."""
    return tuple((p, q - e) for (p, q), e in zip(margins, extra, strict=True))


def add_margins(outer: Margins, inner: Margins) -> Margins:
    """The margins of a window that pads what has been padded."""
    return tuple((p + a, q + b) for (p, q), (a, b) in zip(outer, inner, strict=True))


def even_padding(sizes: Sequence[int], windows: Windows) -> int | tuple[int, ...]:
    """The padding before each axis, if as much behind gives the same windows.

    How much lies behind does not matter as long as no further window fits into it.

    Raises:
        Refusal: it does matter, or there is a stride below 1.
    """
    axes = zip(sizes, windows.extents, windows.stride, windows.margins, strict=True)
    for size, extent, stride, (p, q) in axes:
        if stride < 1:
            raise Refusal(f"has a stride of {stride}")
        made, usual = ((size + p + e - extent) // stride + 1 for e in (q, p))
        if made != usual:
            raise Refusal(
                f"pads {p} before and {q} behind, which makes {made} windows of {size}; the "
                f"layers here pad alike on both sides, which makes {usual}"
            )
    return collapse_axes([before for before, _ in windows.margins])


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


def check_ceiling(sizes: Sequence[int], windows: Windows) -> None:
    """Check that rounding the number of windows up makes none that rounding down leaves out.

    A window that would begin in the padding behind is not made in any case.

    Raises:
        Refusal: it makes one more.
    """
    axes = zip(sizes, windows.extents, windows.stride, windows.margins, strict=True)
    for size, extent, stride, (p, _) in axes:
        room = size + 2 * p - extent
        last = -(-room // stride) * stride
        if room % stride and last < size + p:
            raise Refusal(
                f"has ceil_mode=True, which makes {room // stride + 2} windows of {size}; the "
                f"layers here make {room // stride + 1} and leave the remainder out"
            )
