"""Moving numbers to and from channel lanes, for programs that take one sample at a time."""

from __future__ import annotations

from math import prod

from ....equation.frozen import frozen
from ..builder import Code
from ..frame import Slot
from ..ir_types import F, P, Value
from ..target import LANES, lane_groups
from .kernel import Kernel
from .walking import row_strides, walk


@frozen
class CopySample(Kernel):
    """The chosen sample into an array with a halo. Argument: the input, one float32 per place.

    Args:
        shape: of a sample.
        strides: bytes from one element of each axis to the next.
        origin: where the first element lies.
        row: how many numbers a sample has, of all inputs; 0 where this is the only one.
        begin: how many of them stand before this input's.
    """

    shape: tuple[int, ...]
    strides: tuple[int, ...]
    origin: int
    row: int = 0
    begin: int = 0

    def lines(self) -> list[str]:
        """See `Kernel.lines`."""
        return ["X = samples[chosen[first]]"]

    def write(self, code: Code) -> None:
        """See `Kernel.write`."""
        chosen = code.at(code.frame(Slot.CHOSEN, P), code.frame(Slot.FIRST), 8)
        size = (self.row or prod(self.shape)) * 4
        row = code.at(code.frame(Slot.SAMPLES, P), code.load(chosen, "i64"), size)
        if self.begin:
            row = code.at(row, self.begin * 4)
        target = code.at(code.argument(0), self.origin)
        arrays = (target, self.strides), (row, row_strides(self.shape))
        with walk(code, self.shape, arrays) as (to, source):
            code.store(code.load(source, F), to)


@frozen
class PackChannels(Kernel):
    """An array with its output channels as lanes. Arguments: packed, array.

    W[k, …] becomes P[k/16][…][k mod 16], with zeros where there is no channel. One task of a phase
    of chunks packs the groups of sixteen from START to STOP.

    Args:
        channels: K.
        axis: how many numbers lie from one channel to the next.
        rest: the other axes: how many values, how many numbers apart, packed to how many.
    """

    channels: int
    axis: int
    rest: tuple[tuple[int, int, int], ...]

    @property
    def row(self) -> int:
        """Bytes of one group of sixteen channels."""
        return prod(size for _, _, size in self.rest) * LANES * 4

    @property
    def size(self) -> int:
        """Bytes of all groups."""
        return lane_groups(self.channels) * self.row

    def lines(self) -> list[str]:
        """See `Kernel.lines`."""
        return ["P[k/16][…][k mod 16] = W[k, …]"]

    def write(self, code: Code) -> None:
        """See `Kernel.write`."""
        packed, array = code.argument(0), code.argument(1)
        counts = [count for count, _, _ in self.rest]
        apart = [4 * step for _, step, _ in self.rest]
        steps = [LANES * step for step in row_strides([size for _, _, size in self.rest])]
        for group in range(lane_groups(self.channels)):
            source = code.at(array, group * LANES * self.axis * 4)
            arrays = (source, apart), (code.at(packed, group * self.row), steps)
            with walk(code, counts, arrays) as (read, to):
                for lane in range(min(LANES, self.channels - group * LANES)):
                    number = code.load(code.at(read, lane * self.axis * 4), F)
                    code.store(number, code.at(to, lane * 4))


@frozen
class ToRow(Kernel):
    """Channel lanes as one row of numbers, channels outermost. Arguments: row, array.

    Args:
        channels: C.
        places: the sizes of the other axes.
        strides: bytes from one element of each to the next.
        block: bytes from one group of sixteen channels to the next.
        origin: where the first element lies.
        hands_out: whether the row is the frame's output, at the present sample.
    """

    channels: int
    places: tuple[int, ...]
    strides: tuple[int, ...]
    block: int
    origin: int
    hands_out: bool = False

    def lines(self) -> list[str]:
        """See `Kernel.lines`."""
        return ["row[c, …] = X[c/16][…][c mod 16]"]

    def write(self, code: Code) -> None:
        """See `Kernel.write`."""
        size = prod(self.places)
        if self.hands_out:
            first = code.frame(Slot.FIRST)
            row = code.at(code.frame(Slot.OUTPUT, P), first, self.channels * size * 4)
        else:
            row = code.argument(0)
        source = code.at(code.argument(1), self.origin)

        def sixteen(group: Value, lanes: int) -> None:
            sizes = lanes, *self.places
            begin = code.at(source, group, self.block)
            target = code.at(row, group, LANES * size * 4)
            arrays = (begin, (4, *self.strides)), (target, row_strides(sizes))
            with walk(code, sizes, arrays) as (read, to):
                code.store(code.load(read, F), to)

        code.groups("g", self.channels, LANES, sixteen)
