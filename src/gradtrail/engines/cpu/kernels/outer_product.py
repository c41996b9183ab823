"""A linear layer's weight gradient: dW[k,f] += Σ_n dZ[k,n]·X[f,n].

The sum runs over the lanes, so they are laid down first: sixteen features of X at a time are
transposed to `[n][16 features]`, and the lanes of the product are features. The samples are added
in their order, whatever the processor. `OuterProduct` adds a block's share; `BatchOuterProduct`
sums over all blocks in registers.
"""

from __future__ import annotations

from collections.abc import Sequence

from ....equation.frozen import frozen
from ..builder import Carried, Code
from ..frame import Slot
from ..ir_types import Value
from ..target import LANES, Target, lane_groups
from .gathering import transpose
from .kernel import Kernel

_RUN = 16
"""How many blocks are summed in registers before their sum is added to the others."""

_UNROLLED = 4
"""How many samples of a loop are written out."""


@frozen
class Transposed(Kernel):
    """X [F][16 samples] as [F/16][16 samples][16 features]; what is missing is 0.

    Arguments: target, source.

    Args:
        features: F.
        origin: where X begins, behind its halo.
    """

    features: int
    origin: int = 0

    @property
    def sixteens(self) -> int:
        """How often sixteen features are begun."""
        return lane_groups(self.features)

    def lines(self) -> list[str]:
        """See `Kernel.lines`."""
        return ["for f by 16: Xᵗ[f/16][n][f mod 16] = X[f][n]"]

    def write(self, code: Code) -> None:
        """See `Kernel.write`."""
        target, source = code.argument(0), code.argument(1)
        if self.origin:
            source = code.at(source, self.origin)

        def square(f: Value, rows: int) -> None:
            self._square(code, code.at(target, f, 1024), code.at(source, f, 1024), rows)

        code.groups("f", self.features, LANES, square)

    def _square(self, code: Code, target: Value, source: Value, rows: int) -> None:
        line, width = LANES * 4, code.width
        for part, samples in enumerate(code.parts):
            for group, features in enumerate(code.parts):
                read = [
                    code.load(code.at(source, f * line + samples)) if f < rows else code.number(0.0)
                    for f in range(group * width, (group + 1) * width)
                ]
                for lane, value in enumerate(transpose(code, read), part * width):
                    code.store(value, code.at(target, lane * line + features))


@frozen
class _TiledProduct(Kernel):
    """A product in tiles of rows and columns.

    Args:
        outputs: K.
        features: F.
        rows: how many k are held at once.
        columns: how many registers of features are held at once.
    """

    outputs: int
    features: int
    rows: int
    columns: int


@frozen
class OuterProduct(_TiledProduct):
    """Arguments: dW [K][F], dZ [K][16 samples], Xᵗ [F/16][16 samples][16 features].

    Args:
        origin: where dZ begins, behind its halo.
    """

    origin: int = 0

    def lines(self) -> list[str]:
        """See `Kernel.lines`."""
        return [
            f"for f in 0…{self.features - 1} by {LANES} lanes:",
            f"    for k in 0…{self.outputs - 1} by {self.rows}:",
            "        acc = 0",
            f"        for n in 0…{LANES - 1}:            unrolled",
            "            acc += dZ[k,n]·Xᵗ[n,f]            lanes are features",
            "        dW[k,f] += acc",
        ]

    def write(self, code: Code) -> None:
        """See `Kernel.write`."""
        dw, dz, x = (code.argument(i) for i in range(3))
        if self.origin:
            dz = code.at(dz, self.origin)
        row, step = self.features * 4, min(self.rows, self.outputs)

        def sixteen(f: Value, valid: int) -> None:
            weights, source = code.at(dw, f, 64), code.at(x, f, 1024)
            for part in range(0, code.target.parts, self.columns):
                if part * code.width < valid:

                    def tile(k: Value, rows: int, part: int = part) -> None:
                        place, gradient = code.at(weights, k, step * row), code.at(dz, k, step * 64)
                        self._tile(code, place, gradient, source, part, rows, valid)

                    code.groups("k", self.outputs, step, tile)

        code.groups("f", self.features, LANES, sixteen)

    def _tile(
        self, code: Code, dw: Value, dz: Value, x: Value, part: int, rows: int, valid: int
    ) -> None:
        """`rows` × `columns` accumulators over the sixteen samples."""
        width = code.width
        columns = range(part, min(part + self.columns, code.target.parts))
        points = [(r, c) for r in range(rows) for c in columns]
        state = Carried([code.number(0.0) for _ in points])
        with code.loop("n", LANES, 0, _UNROLLED, carried=state) as n:
            offsets = [c * width * 4 for c in columns]
            state.next = _samples(code, dz, x, n, rows, offsets, state.now)
        for (r, c), value in zip(points, state.now, strict=True):
            place = code.at(dw, r * self.features * 4 + c * width * 4)
            _add(code, place, value, valid - c * width)


@frozen
class BatchOuterProduct(_TiledProduct):
    """dW of all blocks at once, for the tiles of features from `START` to `STOP` of the frame.

    Arguments: dW [K][F], and dZ and Xᵗ of the first block, as in `OuterProduct`; the other blocks'
    lie `PARTIAL_STRIDE` bytes apart. The columns are registers of whole sixteens.
    """

    def length(self, target: Target) -> int:
        """How many tiles of features there are."""
        return -(-self.features // (self.columns * target.width))

    def lines(self) -> list[str]:
        """See `Kernel.lines`."""
        return [
            f"for f in 0…{self.features - 1} by {self.columns} registers of lanes:",
            f"    for k in 0…{self.outputs - 1} by {self.rows}:",
            "        acc = 0",
            "        for each block:",
            f"            for n in 0…{LANES - 1}:",
            "                acc += dZ[k,n]·Xᵗ[n,f]        lanes are features",
            f"        dW[k,f] = acc                     after every {_RUN} blocks: +=",
        ]

    def write(self, code: Code) -> None:
        """See `Kernel.write`."""
        wide = self.columns * code.width
        whole, left = divmod(self.features, wide)
        start, stop = code.frame(Slot.START), code.frame(Slot.STOP)
        with code.loop("f", code.least(stop, whole), start) as f:
            self._rows(code, f, wide)
        if left:
            with code.when(code.compare("sgt", stop, code.index(whole))):
                self._rows(code, code.index(whole), left)

    def _rows(self, code: Code, f: Value, valid: int) -> None:
        """All k for one tile of features, `valid` of which there are."""
        wide, row = self.columns * code.width, self.features * 4
        dw, dz, x = (code.argument(i) for i in range(3))
        dw, x = code.at(dw, f, wide * 4), code.at(x, f, wide * LANES * 4)

        def tile(k: Value, rows: int) -> None:
            place, gradient = code.at(dw, k, self.rows * row), code.at(dz, k, self.rows * 64)
            self._runs(code, place, gradient, x, rows, valid)

        code.groups("k", self.outputs, self.rows, tile)

    def _runs(self, code: Code, dw: Value, dz: Value, x: Value, rows: int, valid: int) -> None:
        """A tile over all blocks, `_RUN` of them at a time."""
        blocks, width = code.frame(Slot.BLOCKS), code.width
        with code.loop("run", blocks, 0, _RUN) as begin:
            end = code.least(code.add_index(begin, _RUN), blocks)
            found = self._sums(code, dz, x, rows, begin, end)
            fresh = code.compare("eq", begin, code.index(0))
            for place, value in enumerate(found):
                r, c = divmod(place, self.columns)
                at = code.at(dw, r * self.features * 4 + c * width * 4)
                _add(code, at, value, valid - c * width, fresh)

    def _sums(
        self, code: Code, dz: Value, x: Value, rows: int, begin: Value, end: Value
    ) -> list[Value]:
        """`rows` × `columns` accumulators over some blocks."""
        stride, width = code.frame(Slot.PARTIAL_STRIDE), code.width
        offsets = []
        for c in range(self.columns):
            sixteen, within = divmod(c * width, LANES)
            offsets.append(sixteen * LANES * LANES * 4 + within * 4)
        state = Carried([code.number(0.0)] * (rows * self.columns))
        with code.loop("b", end, begin, carried=state) as b:
            moved = code.mul_index(b, stride)
            inner = Carried(state.now)
            with code.loop("n", LANES, 0, _UNROLLED, carried=inner) as n:
                read = code.at(dz, moved), code.at(x, moved)
                inner.next = _samples(code, *read, n, rows, offsets, inner.now)
            state.next = inner.now
        return state.now


def _samples(
    code: Code,
    dz: Value,
    x: Value,
    first: Value,
    rows: int,
    offsets: Sequence[int],
    sums: Sequence[Value],
) -> list[Value]:
    """The sums, rows × columns, with the products of some samples added.

    Args:
        code: being written.
        dz: the first row's [16 samples].
        x: Xᵗ of the first feature.
        first: the first of the samples.
        rows: how many.
        offsets: of each column's register from `x`, in bytes.
        sums: so far.
    """
    found = list(sums)
    for within in range(_UNROLLED):
        place = code.at(code.at(x, first, 64), within * 64)
        read = [code.load(code.at(place, offset)) for offset in offsets]
        number = code.at(code.at(dz, first, 4), within * 4)
        spread = [code.spread(code.at(number, r * 64)) for r in range(rows)]
        pairs = [(one, register) for one in spread for register in read]
        found = [code.fma(*pair, value) for pair, value in zip(pairs, found, strict=True)]
    return found


def _add(code: Code, place: Value, value: Value, lanes: int, fresh: Value | None = None) -> None:
    """Add a register's first lanes to the gradient, or set it where `fresh` holds."""

    def added(before: Value, one: Value) -> Value:
        if fresh is None:
            return code.add(before, one)
        return code.select(fresh, one, code.add(before, one))

    if lanes >= code.width:
        code.store(added(code.load(place, align=4), value), place, align=4)
        return
    for lane in range(max(lanes, 0)):
        one = code.new("float", f"extractelement {value}, i64 {lane}")
        at = code.at(place, lane * 4)
        code.store(added(code.load(at, "float"), one), at)
