"""From an equation's accesses to addresses: which byte an element lies at, given the layouts."""

from __future__ import annotations

from ...equation import Access, Affine, Equation
from .layout import Layout, Margins
from .nest import Stream

__all__ = ["SAMPLE", "access_stream", "bare", "lanes_of", "reach"]

SAMPLE = "n"
"""The index that runs over samples, by the layers' convention."""


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
