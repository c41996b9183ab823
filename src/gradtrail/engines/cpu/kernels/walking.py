"""Loops over all elements of an array with sixteen lanes, for kernels that are no plain nests."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from math import prod

from ..builder import Code
from ..frame import Slot
from ..ir_types import F, Value
from ..layout import Layout


@contextmanager
def walk(
    code: Code, sizes: Sequence[int], arrays: Sequence[tuple[Value, Sequence[int]]]
) -> Iterator[list[Value]]:
    """Loops over some axes; gives each array's address there.

    Args:
        code: being written.
        sizes: of the axes.
        arrays: the address of the first element, and bytes from one element of each axis to the
            next.
    """
    places = [base for base, _ in arrays]
    with ExitStack() as opened:
        for axis, size in enumerate(sizes):
            at = opened.enter_context(code.loop("a", size))
            steps = [strides[axis] for _, strides in arrays]
            places = [code.at(p, at, step) for p, step in zip(places, steps, strict=True)]
        yield places


@contextmanager
def each_channel(
    code: Code, arguments: Mapping[int, Layout]
) -> Iterator[tuple[Value, list[tuple[Value, Layout]]]]:
    """A loop over the first axis; gives the channel, and each array's address there with layout.

    Args:
        code: being written.
        arguments: which ones are arrays with sixteen lanes, and how these lie.
    """
    layouts = list(arguments.values())
    bases = [code.at(code.argument(place), lay.origin) for place, lay in arguments.items()]
    with code.loop("c", layouts[0].shape[0]) as c:
        moved = (code.at(b, c, lay.strides[0]) for b, lay in zip(bases, layouts, strict=True))
        yield c, list(zip(moved, layouts, strict=True))


@contextmanager
def each_place(code: Code, channel: Sequence[tuple[Value, Layout]]) -> Iterator[list[Value]]:
    """Loops over the places of a channel; gives each array's address there."""
    arrays = [(place, layout.strides[1:]) for place, layout in channel]
    with walk(code, channel[0][1].shape[1:], arrays) as places:
        yield places


def row_strides(shape: Sequence[int]) -> list[int]:
    """Bytes from one element of each axis to the next, where rows of float32 lie one by one."""
    return [4 * prod(shape[axis + 1 :]) for axis in range(len(shape))]


def lane_mask(code: Code, part: int) -> Value:
    """Which lanes of register `part` hold a sample: truth values."""
    valid = code.spread_whole(code.frame(Slot.VALID))
    return code.compare("slt", code.lane_numbers(part * code.width), valid)


def number_field(code: Code, field: Slot) -> Value:
    """A float32 field in all lanes."""
    return code.splat(code.frame(field, F))


def each_of_chunk(code: Code, step: Callable[[Value], None]) -> None:
    """Over the chunk's numbers, a register at a time; gives the offset in bytes."""
    with code.loop("p", code.frame(Slot.STOP), code.frame(Slot.START), code.width) as p:
        step(code.mul_index(p, 4))
