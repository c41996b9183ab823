"""A linear layer's weight gradient: dW[k,f] += Σ_n dZ[k,n]·X[f,n].

The sum runs over the lanes, so they are laid down first: sixteen features of X at a time are
transposed to `[n][16 features]`, and the lanes of the product are features. The samples are added
in their order, whatever the processor.
"""

from __future__ import annotations

from ....equation.frozen import frozen
from ..builder import Carried, Code, Value
from ..target import LANES
from .base import Kernel
from .samples import transpose

__all__ = ["OuterProduct", "Transposed"]


@frozen
class Transposed(Kernel):
    """X [F][16 samples] as [F/16][16 samples][16 features]; what is missing is 0.

    Arguments: target, source.

    Args:
        features: F.
    """

    features: int

    def lines(self) -> list[str]:
        """See `Kernel.lines`."""
        return ["for f by 16: Xᵗ[f/16][n][f mod 16] = X[f][n]"]

    def write(self, code: Code) -> None:
        """See `Kernel.write`."""
        whole = self.features // LANES
        target, source = code.argument(0), code.argument(1)
        if whole:
            with code.loop("f", whole) as f:
                self._square(code, code.at(target, f, 1024), code.at(source, f, 1024), LANES)
        if self.features % LANES:
            self._square(
                code,
                code.at(target, whole * 1024),
                code.at(source, whole * 1024),
                self.features % LANES,
            )

    def _square(self, code: Code, target: Value, source: Value, rows: int) -> None:
        width, parts = code.width, code.target.parts
        for part in range(parts):  # of samples
            for group in range(parts):  # of features
                read = []
                for row in range(width):
                    f = group * width + row
                    offset = f * LANES * 4 + part * width * 4
                    inside = f < rows
                    read.append(code.load(code.at(source, offset)) if inside else code.number(0.0))
                for lane, value in enumerate(transpose(code, read)):
                    offset = (part * width + lane) * LANES * 4 + group * width * 4
                    code.store(value, code.at(target, offset))


@frozen
class OuterProduct(Kernel):
    """Arguments: dW [K][F], dZ [K][16 samples], Xᵗ [F/16][16 samples][16 features].

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
        whole = self.features // LANES
        dw, dz, x = (code.argument(i) for i in range(3))
        if whole:
            with code.loop("f", whole) as f:
                place, source = code.at(dw, f, 64), code.at(x, f, 1024)
                for part in range(0, code.target.parts, self.columns):
                    self._rows(code, place, dz, source, part, None)
        left = self.features % LANES
        if left:
            place, source = code.at(dw, whole * 64), code.at(x, whole * 1024)
            for part in range(0, code.target.parts, self.columns):
                if part * code.width < left:
                    self._rows(code, place, dz, source, part, left)

    def _rows(
        self, code: Code, dw: Value, dz: Value, x: Value, part: int, left: int | None
    ) -> None:
        step = min(self.rows, self.outputs)
        whole = self.outputs // step * step
        with code.loop("k", whole, 0, step) as k:
            row = self.features * 4
            self._tile(code, code.at(dw, k, row), code.at(dz, k, 64), x, part, step, left)
        if whole < self.outputs:
            self._tile(
                code,
                code.at(dw, whole * self.features * 4),
                code.at(dz, whole * 64),
                x,
                part,
                self.outputs - whole,
                left,
            )

    def _tile(
        self, code: Code, dw: Value, dz: Value, x: Value, part: int, rows: int, left: int | None
    ) -> None:
        """`rows` × `columns` accumulators over the sixteen samples."""
        width = code.width
        columns = range(part, min(part + self.columns, code.target.parts))
        points = [(r, c) for r in range(rows) for c in columns]
        state = Carried([code.number(0.0) for _ in points])
        with code.loop("n", LANES, 0, 4, carried=state) as n:
            values = state.now
            for within in range(4):
                place = code.at(code.at(x, n, 64), within * 64)
                read = {c: code.load(code.at(place, c * width * 4)) for c in columns}
                number = code.at(code.at(dz, n, 4), within * 4)
                spread = [code.spread(code.at(number, r * 64)) for r in range(rows)]
                values = [
                    code.fma(spread[r], read[c], v)
                    for (r, c), v in zip(points, values, strict=True)
                ]
            state.next = values
        for (r, c), value in zip(points, state.now, strict=True):
            place = code.at(dw, r * self.features * 4 + c * width * 4)
            self._add(code, place, value, None if left is None else left - c * width)

    def _add(self, code: Code, place: Value, value: Value, left: int | None) -> None:
        """Add a register to the gradient, or only its first `left` lanes."""
        if left is None or left >= code.width:
            code.store(code.add(code.load(place, align=4), value), place, align=4)
            return
        for lane in range(max(left, 0)):
            one = code.new("float", f"extractelement {value}, i64 {lane}")
            at = code.at(place, lane * 4)
            code.store(code.add(code.load(at, "float"), one), at)
