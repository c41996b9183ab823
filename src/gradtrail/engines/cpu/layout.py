"""How an array lies in memory: sixteen samples innermost, a halo of zeros around each axis.

    activations     [C][before + H + behind][before + W + behind][16] float32
    parameters      row by row, as PyTorch has them

The halo is as wide as the widest window that reads the array reaches beyond it. It is set to zero
once and never written again, so a padded convolution needs no case for its edges.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cached_property

from ...equation import Access, Affine, Equation
from ...equation.frozen import frozen
from .nest import Stream
from .target import LANES

__all__ = ["Layout", "bare", "lanes_of", "reach", "stream"]

SAMPLE = "n"
"""The index that runs over samples, by the layers' convention."""

_BYTES = {"float": 4, "i32": 4, "i8": 1}

Margins = tuple[tuple[int, int], ...]


@frozen
class Layout:
    """The place of every element of an array.

    Args:
        shape: without the sample axis.
        margins: the halo before and behind each axis.
        lanes: whether 16 samples stand at each place.
        element: `float`, or `i8` or `i32` for winners.
    """

    shape: tuple[int, ...]
    margins: Margins = ()
    lanes: bool = True
    element: str = "float"

    @cached_property
    def held(self) -> tuple[int, ...]:
        """The sizes with the halo."""
        margins = self.margins or ((0, 0),) * len(self.shape)
        return tuple(s + a + b for s, (a, b) in zip(self.shape, margins, strict=True))

    @cached_property
    def strides(self) -> tuple[int, ...]:
        """Bytes from one element of each axis to the next."""
        step = _BYTES[self.element] * (LANES if self.lanes else 1)
        found = []
        for size in reversed(self.held):
            found.append(step)
            step *= size
        return tuple(reversed(found))

    @cached_property
    def size(self) -> int:
        """Bytes in all."""
        step = _BYTES[self.element] * (LANES if self.lanes else 1)
        for size in self.held:
            step *= size
        return step

    @cached_property
    def origin(self) -> int:
        """Where the element lies whose positions are all 0."""
        margins = self.margins or ((0, 0),) * len(self.shape)
        return sum(a * s for (a, _), s in zip(margins, self.strides, strict=True))

    @property
    def halo(self) -> bool:
        """Whether there is any."""
        return any(a or b for a, b in self.margins)


def lanes_of(access: Access) -> bool:
    """Whether an access goes sample by sample."""
    return bool(access.positions) and access.positions[0].plain == SAMPLE


def bare(access: Access) -> tuple[Affine, ...]:
    """The positions without that of the sample."""
    return access.positions[1:] if lanes_of(access) else access.positions


def reach(equation: Equation, access: Access) -> Margins:
    """How far an access goes beyond its array, before and behind each axis but the sample's."""
    shape = equation.shape_of[access.array]
    sizes = shape[1:] if lanes_of(access) else shape
    found = []
    for position, size in zip(bare(access), sizes, strict=True):
        low, high = position.bounds(equation.range_of)
        found.append((max(0, -low), max(0, high - size + 1)))
    return tuple(found)


def stream(access: Access, layout: Layout, argument: int, written: str = "") -> Stream:
    """The addresses that an access goes through."""
    strides: dict[str, int] = {}
    offset = layout.origin
    for position, stride in zip(bare(access), layout.strides, strict=True):
        offset += position.offset.integer * stride
        for name, coefficient in position.terms:
            strides[name] = strides.get(name, 0) + coefficient.integer * stride
    return Stream(
        argument,
        tuple(strides.items()),
        offset,
        lanes_of(access),
        layout.element,
        written or access.array,
    )


def widest(margins: Iterable[Margins], rank: int) -> Margins:
    """The halo that all of several accesses fit into; empty where none is needed."""
    found = [(0, 0)] * rank
    for margin in margins:
        found = [(max(a, c), max(b, d)) for (a, b), (c, d) in zip(found, margin, strict=True)]
    return tuple(found) if any(a or b for a, b in found) else ()


def sizes(ranges: Mapping[str, int], names: Iterable[str]) -> dict[str, int]:
    """The ranges of some indices."""
    return {n: ranges[n] for n in names}
