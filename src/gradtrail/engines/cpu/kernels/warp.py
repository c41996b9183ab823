"""Images moved by affine maps as machine code; `engines/bilinear.py` is the same in NumPy.

An image is copied into a frame of zeros first: a position outside, brought to the frame's edge,
reads zeros there, so no element is asked whether it is inside.
"""

from __future__ import annotations

from ....equation.frozen import frozen
from ..builder import Code
from ..frame import Slot
from ..ir_types import F, P, Value
from ..target import LANES
from .kernel import Kernel
from .walking import number_field


@frozen
class Warp(Kernel):
    """Writes a chunk of images, moved. No arguments: all is in the frame, see `warping.py`.

    Args:
        channels, height, width: of an image.
        element: of the source, `float` or `i8`.
    """

    channels: int
    height: int
    width: int
    element: str

    @property
    def row(self) -> int:
        """Numbers in a row of the framed image: one before it, two behind."""
        return self.width + 3

    @property
    def plane(self) -> int:
        """Numbers in a framed channel."""
        return (self.height + 3) * self.row

    def lines(self) -> list[str]:
        """See `Kernel.lines`."""
        return [
            "for each image: framed[c,1+y,1+x] = source[place,c,y,x]/divisor",
            "    for each (y,x) by one register: (py,px) = map·(y,x,1), within the frame",
            "        out[c,y,x] = the mean of the four pixels around, 0 in the box",
        ]

    def write(self, code: Code) -> None:
        """See `Kernel.write`."""
        size = self.channels * self.height * self.width
        source, out = code.frame(Slot.SAMPLES, P), code.frame(Slot.OUTPUT, P)
        chosen, maps = code.frame(Slot.CHOSEN, P), code.frame(Slot.PARAMETERS, P)
        boxes, framed = code.frame(Slot.CONSTANTS, P), code.frame(Slot.SCRATCH, P)
        bytes_each = 4 if self.element == F else 1
        with code.loop("n", code.frame(Slot.STOP), code.frame(Slot.START)) as n:
            place = code.load(code.at(chosen, n, 8), "i64")
            self._copy(code, code.at(source, place, size * bytes_each), framed)
            image = code.at(out, n, size * 4)
            self._move(code, framed, code.at(maps, n, 24), code.at(boxes, n, 16), image)

    def _copy(self, code: Code, source: Value, framed: Value) -> None:
        """The image into its frame."""
        size = 4 if self.element == F else 1
        divisor, wide = code.frame(Slot.SHARE, F), number_field(code, Slot.SHARE)
        with code.loop("c", self.channels) as c, code.loop("y", self.height) as y:
            row = code.at(source, c, self.height * self.width * size)
            row = code.at(row, y, self.width * size)
            inner = code.at(code.at(framed, c, self.plane * 4), y, self.row * 4)
            target = code.at(inner, 4 * (self.row + 1))
            whole = self.width // code.width * code.width
            if whole:
                with code.loop("x", whole, 0, code.width) as x:
                    read = code.load(code.at(row, x, size), code.vector(self.element), size)
                    code.store(code.div(self._float(code, read), wide), code.at(target, x, 4), 4)
            if whole < self.width:
                with code.loop("x", self.width, whole) as x:
                    read = code.load(code.at(row, x, size), self.element)
                    code.store(code.div(self._float(code, read), divisor), code.at(target, x, 4))

    def _float(self, code: Code, read: Value) -> Value:
        if self.element == F:
            return read
        kind = read.type.replace("i8", F)
        return code.new(kind, f"uitofp {read} to {kind}")

    def _move(self, code: Code, framed: Value, numbers: Value, box: Value, image: Value) -> None:
        """All channels of an image, a register of positions at a time."""
        map_ = [code.spread(code.at(numbers, 4 * i)) for i in range(6)]
        covered = [code.splat(code.load(code.at(box, 4 * i), "i32")) for i in range(4)]
        tables, count = code.frame(Slot.SHARED, P), self.height * self.width
        padded = -(-count // code.width) * code.width
        with code.loop("q", padded, 0, code.width) as q:
            y = code.load(code.at(tables, q, 4), code.vector("i32"), 4)
            x = code.load(
                code.at(code.at(tables, q, 4), 4 * (count + LANES)), code.vector("i32"), 4
            )
            yf, xf = code.to_float(y), code.to_float(x)
            (top, fall), (left, run) = (
                self._place(code, (yf, xf), map_[at : at + 3], extent)
                for at, extent in ((0, self.height), (3, self.width))
            )
            first = code.bits("add", code.bits("mul", top, code.whole(self.row)), left)
            hidden = code.both(
                code.both(code.compare("sge", y, covered[0]), code.compare("slt", y, covered[1])),
                code.both(code.compare("sge", x, covered[2]), code.compare("slt", x, covered[3])),
            )
            here = code.compare("slt", _lanes(code, q), code.splat(Value(str(count), "i32")))
            for c in range(self.channels):
                plane = code.at(framed, c * self.plane * 4)
                value = self._between(code, plane, first, fall, run)
                value = code.select(hidden, code.number(0.0), value)
                target = code.at(code.at(image, c * count * 4), q, 4)
                _store(code, value, target, here)

    def _place(
        self, code: Code, at: tuple[Value, Value], row: list[Value], extent: int
    ) -> tuple[Value, Value]:
        """Where a register's positions come from along an axis: in the frame, and how far on."""
        old = code.add(code.add(code.mul(row[0], at[0]), code.mul(row[1], at[1])), row[2])
        low, high = code.number(-1.0), code.number(float(extent))
        old = code.select(code.compare("olt", old, low), low, old)
        old = code.select(code.compare("ogt", old, high), high, old)
        down = code.call(old.type, f"llvm.floor.v{code.width}f32", old)
        return code.bits("add", code.to_whole(down), code.whole(1)), code.sub(old, down)

    def _between(self, code: Code, plane: Value, first: Value, fall: Value, run: Value) -> Value:
        """The mean of the four pixels around, weighted by nearness."""
        rows = []
        for below in (0, self.row):
            a, b = (_gather(code, code.at(plane, 4 * (below + right)), first) for right in (0, 1))
            rows.append(code.add(a, code.mul(run, code.sub(b, a))))
        return code.add(rows[0], code.mul(fall, code.sub(rows[1], rows[0])))


def _lanes(code: Code, start: Value) -> Value:
    """start, start + 1, …, in a register."""
    return code.bits("add", code.spread_whole(start), code.lane_numbers())


def _gather(code: Code, base: Value, places: Value) -> Value:
    """The float32 at each of a register's places."""
    pointers = f"<{code.width} x ptr>"
    at = code.new(pointers, f"getelementptr float, {base}, {places}")
    every = Value("splat (i1 true)", code.vector("i1"))
    name = f"llvm.masked.gather.v{code.width}f32.v{code.width}p0"
    return code.call(code.vector(), name, at, Value("4", "i32"), every, code.number(0.0))


def _store(code: Code, value: Value, place: Value, here: Value) -> None:
    """Those lanes that are inside the image."""
    name = f"llvm.masked.store.v{code.width}f32.p0"
    code.call("void", name, value, place, Value("4", "i32"), here)
