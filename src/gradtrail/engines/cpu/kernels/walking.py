"""Loops over all elements of an array with sixteen lanes, for kernels that are no plain nests."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager

from ..builder import Code, F, Value
from ..frame import Slot
from ..layout import Layout

__all__ = ["lane_mask", "number_field", "places", "walk"]


@contextmanager
def walk(
    code: Code, shape: Sequence[int], arrays: Sequence[tuple[Value, Layout]], skip: int = 0
) -> Iterator[list[Value]]:
    """Loops over the axes of `shape` from `skip` on; gives each array's address there.

    Args:
        code: being written.
        shape: without the sample axis.
        arrays: base address, which stands at the loops outside already, and layout.
        skip: how many outer axes somebody else loops over.
    """
    places = [base for base, _ in arrays]
    with ExitStack() as opened:
        for axis in range(skip, len(shape)):
            at = opened.enter_context(code.loop(f"a{axis}", shape[axis]))
            places = [
                code.at(place, at, layout.strides[axis])
                for place, (_, layout) in zip(places, arrays, strict=True)
            ]
        yield places


def places(code: Code, layouts: Sequence[Layout], first: int = 0) -> list[Value]:
    """The addresses of the first element of arguments `first`, `first + 1`, …"""
    return [code.at(code.argument(first + i), lay.origin) for i, lay in enumerate(layouts)]


def lane_mask(code: Code, part: int) -> Value:
    """Which lanes of register `part` hold a sample: truth values."""
    valid = code.new("i32", f"trunc {code.frame(Slot.VALID)} to i32")
    numbers = ", ".join(f"i32 {part * code.width + i}" for i in range(code.width))
    return code.compare("slt", Value(f"<{numbers}>", code.vector("i32")), code.splat(valid))


def number_field(code: Code, field: Slot) -> Value:
    """A float32 field in all lanes."""
    return code.splat(code.frame(field, F))
