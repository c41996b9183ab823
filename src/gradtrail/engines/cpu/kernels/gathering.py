"""Where samples come in and outputs go out: from rows of numbers to lanes and back."""

from __future__ import annotations

from math import prod

from ....equation.frozen import frozen
from ..builder import Code
from ..frame import Slot
from ..ir_types import F, I, P, Value
from ..layout import Layout
from ..target import LANES
from .kernel import Kernel
from .loss_parts import loss_field
from .walking import row_strides, walk


def transpose(code: Code, rows: list[Value]) -> list[Value]:
    """A square of registers with rows and columns exchanged."""
    width = len(rows)
    step = width // 2
    while step:
        pairs = [i for i in range(width) if not i & step]
        low = [j if not j & step else width + (j ^ step) for j in range(width)]
        high = [j | step if not j & step else width + j for j in range(width)]
        found = list(rows)
        for i in pairs:
            found[i] = code.shuffle(rows[i], rows[i | step], low)
            found[i | step] = code.shuffle(rows[i], rows[i | step], high)
        rows, step = found, step // 2
    return rows


def _sample_numbers(code: Code) -> list[Value]:
    """Which sample each lane holds; lanes without one repeat the last."""
    first, valid = code.frame(Slot.FIRST), code.frame(Slot.VALID)
    chosen = code.frame(Slot.CHOSEN, P)
    last = code.sub_index(valid, 1)
    return [
        code.load(code.at(chosen, code.add_index(first, code.least(lane, last)), 8), I)
        for lane in range(LANES)
    ]


@frozen
class GatherSamples(Kernel):
    """The chosen samples, side by side. Argument: the input.

    Args:
        layout: of the input.
        row: how many numbers a sample has, of all inputs; 0 where this is the only one.
        begin: how many of them stand before this input's.
    """

    layout: Layout
    row: int = 0
    begin: int = 0

    def lines(self) -> list[str]:
        """See `Kernel.lines`."""
        return [
            "for each lane: row = samples[chosen[first + lane]]",
            "for each element by one register: transpose rows to lanes",
        ]

    def write(self, code: Code) -> None:
        """See `Kernel.write`."""
        lay = self.layout
        samples = code.frame(Slot.SAMPLES, P)
        size = (self.row or prod(lay.shape)) * 4
        rows = [code.at(samples, number, size) for number in _sample_numbers(code)]
        if self.begin:
            rows = [code.at(row, self.begin * 4) for row in rows]
        target = code.at(code.argument(0), lay.origin)
        arrays = [*((row, row_strides(lay.shape)) for row in rows), (target, lay.strides)]
        with walk(code, lay.shape[:-1], arrays) as (*moved, place):
            self._row(code, place, moved)

    def _row(self, code: Code, target: Value, rows: list[Value]) -> None:
        """The innermost axis."""
        lay = self.layout
        length, width = lay.shape[-1], code.width
        if length >= width:
            whole = length // width * width
            with code.loop("e", whole, 0, width) as at:
                self._square(code, code.at(target, at, lay.strides[-1]), rows, at)
            if whole < length:
                begin = length - width
                self._square(code, code.at(target, begin, lay.strides[-1]), rows, code.index(begin))
            return
        with code.loop("e", length) as at:
            place = code.at(target, at, lay.strides[-1])
            for lane, row in enumerate(rows):
                code.store(code.load(code.at(row, at, 4), F), code.at(place, lane * 4))

    def _square(self, code: Code, target: Value, rows: list[Value], at: Value) -> None:
        width, stride = code.width, self.layout.strides[-1]
        for part, offset in enumerate(code.parts):
            mine = rows[part * width : (part + 1) * width]
            read = [code.load(code.at(row, at, 4), align=4) for row in mine]
            for element, lanes in enumerate(transpose(code, read)):
                code.store(lanes, code.at(target, element * stride + offset))


@frozen
class GatherTargets(Kernel):
    """What the loss compares with, side by side.

    Arguments: targets [K…][16], classes [16], then weights [16] where there are any. Lanes without
    a sample get zeros and class −1, as those have whose class is −1 since they do not count.

    Args:
        size: numbers per sample.
        by_class: whether the rows of the targets belong to classes, or to samples.
        weighted: whether each row ends with a weight.
        part: which of several outputs they are of; None where there is one.
    """

    size: int
    by_class: bool
    weighted: bool = False
    part: int | None = None

    def lines(self) -> list[str]:
        """See `Kernel.lines`."""
        row = "classes[chosen[…]]" if self.by_class else "chosen[…]"
        found = [f"for each lane: T[…] = targets[{row}] · scale, 0 where there is no sample"]
        return found + ([f"S = the last of targets[{row}] · scale"] if self.weighted else [])

    def write(self, code: Code) -> None:
        """See `Kernel.write`."""
        valid = code.frame(Slot.VALID)
        rows = loss_field(code, Slot.TARGETS, self.part, P)
        classes = loss_field(code, Slot.CLASSES, self.part, P)
        scale = loss_field(code, Slot.TARGET_SCALE, self.part, F)
        known = code.new("i1", f"icmp ne {classes}, null")
        for lane, number in enumerate(_sample_numbers(code)):
            real = code.new("i1", f"icmp sgt {valid}, {lane}")
            factor = code.select(real, scale, code.number(0.0, F))
            none = code.whole(-1, "i32")
            code.store(none, code.at(code.argument(1), lane * 4))
            with code.when(code.both(known, real)):
                held = code.load(code.at(classes, number, 8), I)
                code.store(
                    code.new("i32", f"trunc {held} to i32"), code.at(code.argument(1), lane * 4)
                )
            row = number
            if self.by_class:
                row = code.load(code.at(classes, number, 8), I)
                real = code.both(real, code.new("i1", f"icmp sge {row}, 0"))  # −1 does not count
                row = code.greatest(row, 0)
            place = code.at(rows, row, (self.size + self.weighted) * 4)
            target = code.at(code.argument(0), lane * 4)
            with code.loop("k", self.size) as k:
                value = self._scaled(code, code.at(place, k, 4), factor, real)
                code.store(value, code.at(target, k, LANES * 4))
            if self.weighted:
                value = self._scaled(code, code.at(place, self.size * 4), factor, real)
                code.store(value, code.at(code.argument(2), lane * 4))

    @staticmethod
    def _scaled(code: Code, place: Value, factor: Value, real: Value) -> Value:
        value = code.mul(code.load(place, F), factor)
        return code.select(real, value, code.number(0.0, F))


@frozen
class GatherMaps(Kernel):
    """What the loss compares with at every position, side by side.

    Arguments: targets [K][P][16], classes [P][16]. The classes of the batch lie as int32 [N][P];
    where one is −1, or in lanes without a sample, targets are 0.

    Args:
        classes: K.
        positions: P.
        by_class: whether the rows of the targets belong to classes, or to samples.
        part: which of several outputs they are of; None where there is one.
    """

    classes: int
    positions: int
    by_class: bool
    part: int | None = None

    def lines(self) -> list[str]:
        """See `Kernel.lines`."""
        row = "targets[classes[first + lane, p]]" if self.by_class else "targets[chosen[…]]"
        return [
            "for each lane and position p:",
            f"    T[…,p] = {row} · scale, 0 where there is no sample or no class counts",
        ]

    def write(self, code: Code) -> None:
        """See `Kernel.write`."""
        valid, first = code.frame(Slot.VALID), code.frame(Slot.FIRST)
        rows = loss_field(code, Slot.TARGETS, self.part, P)
        numbers = loss_field(code, Slot.CLASSES, self.part, P)
        scale = loss_field(code, Slot.TARGET_SCALE, self.part, F)
        last = code.sub_index(valid, 1)
        chosen = None if self.by_class else _sample_numbers(code)
        for lane in range(LANES):
            real = code.new("i1", f"icmp sgt {valid}, {lane}")
            own = code.add_index(first, code.least(lane, last))
            mine = code.at(numbers, own, 4 * self.positions)
            row = rows
            if chosen is not None:
                row = code.at(rows, chosen[lane], 4 * self.classes * self.positions)
            with code.loop("p", self.positions) as p:
                number = code.load(code.at(mine, p, 4), "i32")
                counts = code.new("i1", f"icmp sge {number}, 0")
                counts = code.both(real, counts)
                number = code.select(counts, number, code.whole(-1, "i32"))
                code.store(number, code.at(code.at(code.argument(1), 4 * lane), p, 4 * LANES))
                place, step = code.at(row, p, 4), 4 * self.positions
                if self.by_class:
                    held = code.select(counts, number, code.whole(0, "i32"))
                    wide = code.new(I, f"sext {held} to i64")
                    place, step = code.at(row, wide, 4 * self.classes), 4
                target = code.at(code.at(code.argument(0), 4 * lane), p, 4 * LANES)
                with code.loop("k", self.classes) as k:
                    value = code.mul(code.load(code.at(place, k, step), F), scale)
                    known = counts if self.by_class else real
                    value = code.select(known, value, code.number(0.0, F))
                    code.store(value, code.at(target, k, 4 * LANES * self.positions))


@frozen
class ScatterOutputs(Kernel):
    """The outputs as rows, sample by sample. Argument: the output.

    Args:
        layout: of the output.
        row: how many numbers all outputs of a sample have; 0 where this is the only one.
        begin: how many of them stand before this output's.
    """

    layout: Layout
    row: int = 0
    begin: int = 0

    def lines(self) -> list[str]:
        """See `Kernel.lines`."""
        return ["for each lane that holds a sample: outputs[first + lane] = Z[…][lane]"]

    def write(self, code: Code) -> None:
        """See `Kernel.write`."""
        lay = self.layout
        out = code.frame(Slot.OUTPUT, P)
        first = code.frame(Slot.FIRST)
        size = (self.row or prod(lay.shape)) * 4
        base = code.at(out, first, size)
        if self.begin:
            base = code.at(base, self.begin * 4)
        source = code.at(code.argument(0), lay.origin)
        with code.loop("lane", code.frame(Slot.VALID)) as lane:
            row = code.at(base, lane, size)
            arrays = (row, row_strides(lay.shape)), (code.at(source, lane, 4), lay.strides)
            with walk(code, lay.shape, arrays) as (to, read):
                code.store(code.load(read, F), to)
