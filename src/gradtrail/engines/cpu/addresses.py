"""From an equation's accesses to addresses: which byte an element lies at, given the layouts."""

from __future__ import annotations

from collections.abc import Iterator

from ...equation import Access, Affine, Equation
from .layout import Layout, Margins
from .nest import Stream

SAMPLE = "n"
"""The index that runs over samples, by the layers' convention."""


def lanes_of(access: Access) -> bool:
    """Whether an access goes sample by sample."""
    return bool(access.positions) and access.positions[0].plain == SAMPLE


def bare(access: Access) -> tuple[Affine, ...]:
    """The positions without that of the sample."""
    return access.positions[1:] if lanes_of(access) else access.positions


def _axes(equation: Equation, access: Access) -> Iterator[tuple[Affine, int, tuple[int, int]]]:
    """Each axis but the sample's: position, size, and how far the access goes beyond it."""
    shape = equation.shape_of[access.array]
    sizes = shape[1:] if lanes_of(access) else shape
    for position, size in zip(bare(access), sizes, strict=True):
        low, high = position.bounds(equation.range_of)
        yield position, size, (max(0, -low), max(0, high - size + 1))


def reach(equation: Equation, access: Access) -> Margins:
    """How far an access goes beyond its array, before and behind each axis but the sample's."""
    return tuple(margin for _, _, margin in _axes(equation, access))


def leaving(equation: Equation, access: Access) -> list[tuple[Affine, int]]:
    """The positions that go beyond the array, each with the size of its axis."""
    return [(position, size) for position, size, beyond in _axes(equation, access) if any(beyond)]


def access_stream(access: Access, layout: Layout, argument: int, written: str = "") -> Stream:
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
