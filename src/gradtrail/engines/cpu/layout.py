"""How an array lies in memory: sixteen samples innermost, a halo of zeros around each axis.

    activations     [C][before + H + behind][before + W + behind][16] float32
    parameters      row by row, as PyTorch has them

Channels begin an odd number of cache lines apart, so that a sum over them does not read one set of
the cache alone.

The halo is as wide as the widest window that reads the array reaches beyond it. It is set to zero
once and never written again, so a padded convolution needs no case for its edges.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from math import prod

from ...equation.frozen import frozen
from .target import LANES

_BYTES = {"float": 4, "i32": 4, "i8": 1}
_LINE = 64

Margins = tuple[tuple[int, int], ...]
"""Per axis, how far a halo reaches before and behind."""


def wider(one: Margins | None, other: Margins) -> Margins:
    """Margins that hold both; None is as narrow as can be."""
    both = zip(one or other, other, strict=True)
    return tuple((max(a, c), max(b, d)) for (a, b), (c, d) in both)


@frozen
class Layout:
    """The place of every element of an array.

    Args:
        shape: without the sample axis.
        margins: the halo before and behind each axis.
        lanes: whether 16 samples stand at each place.
        element: `float`, or `i8` or `i32` for winners.
        spaced: whether the first axis may have a line of padding, for an odd number of lines.
    """

    shape: tuple[int, ...]
    margins: Margins = ()
    lanes: bool = True
    element: str = "float"
    spaced: bool = False

    @property
    def _axes(self) -> Iterator[tuple[int, tuple[int, int]]]:
        """Each axis: its size, and the halo before and behind it."""
        return zip(self.shape, self.margins or ((0, 0),) * len(self.shape), strict=True)

    @cached_property
    def extents(self) -> tuple[int, ...]:
        """The sizes with the halo."""
        return tuple(size + before + behind for size, (before, behind) in self._axes)

    @property
    def inside(self) -> tuple[slice, ...]:
        """What is no halo, of each axis."""
        return tuple(slice(before, before + size) for size, (before, _) in self._axes)

    @cached_property
    def strides(self) -> tuple[int, ...]:
        """Bytes from one element of each axis to the next."""
        step = self._cell
        found = []
        for axis, size in reversed(list(enumerate(self.extents))):
            if axis == 0 and self.spaced and len(self.extents) > 1:
                step += _LINE if step % (2 * _LINE) == 0 else 0
            found.append(step)
            step *= size
        return tuple(reversed(found))

    @cached_property
    def size(self) -> int:
        """Bytes in all."""
        return self.strides[0] * self.extents[0] if self.extents else self._cell

    @property
    def _cell(self) -> int:
        """Bytes of one place."""
        return _BYTES[self.element] * (LANES if self.lanes else 1)

    @property
    def contiguous(self) -> bool:
        """Whether all elements lie one after another."""
        return self.size == self._cell * prod(self.shape)

    @cached_property
    def origin(self) -> int:
        """Where the element lies whose positions are all 0."""
        return sum(part.start * step for part, step in zip(self.inside, self.strides, strict=True))
