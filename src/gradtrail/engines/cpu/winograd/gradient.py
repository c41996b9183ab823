"""Winograd weight gradient of 3 × 3, stride 1: F(3×3, m×m), the adjoint of the convolution.

    dW[k,c,i,j] = Σ_{n,y,x} dZ[k,y,x]·X[c,y+i−p,x+j−p]

    V[ξ,t,c] = (Bᵀ·X[c, tile t]·B)[ξ]           as in the convolution; lanes are samples
    D[ξ,k,t] = (A·dZ[k, tile t]·Aᵀ)[ξ]          lanes are k
    dU[ξ,k,c] += Σ_{t,n} D[ξ,k,t,n]·V[ξ,t,c,n]
    dW += Gᵀ·dU·G                               `UnpackGradient`

dU is four times as large as dW. Where all tiles are transformed at once, a part of dU is made at a
time, and added to dW before the next takes its place (`unpacked`).

The sum runs over the samples, so they must not be the lanes of the product: sixteen k of dZ at a
time are transposed to `[n][16 k]` before their transform, and numbers of V are spread over them.
A tile that was moved back overlaps its neighbour; what is old of it counts as 0 in dZ.

Source: Lavin & Gray, "Fast Algorithms for Convolutional Neural Networks", 2015, section 4.1.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property

from ....equation.frozen import frozen
from ..builder import Carried, Code
from ..ir_types import Value
from ..kernels.gathering import transpose
from ..nest import Stream
from ..target import LANES, lane_groups
from .blocking import GRADIENT_STRIP, channel_tile, nearby_sixteens
from .matrix import multiply_both, square
from .points import transforms, transposed
from .tiles import LINE, Place, StripKernel, Transformed, each_part, spaced
from .weights import UnpackGradient

_SQUARE = LANES * LINE
"""Bytes of sixteen samples of sixteen channels."""


@frozen
class WeightGradient(StripKernel):
    """Arguments are numbered by the fields that say `argument`.

    Args:
        gradient: dZ over `k`, `y`, `x`.
        result: argument: dU as `UnpackGradient` lays it out.
        scratch: argument: `scratch_size` bytes.
        adds: whether to what is in dU.
        unpacked: argument: dW, where dU is added to it here, so many k at a time as
            `nearby_sixteens` says; one strip must hold all tiles.
        strip: how many tiles are transformed at a time; the sums are added strip by strip.
    """

    gradient: Stream
    result: int
    scratch: int
    adds: bool = False
    unpacked: int | None = None
    strip: int = GRADIENT_STRIP

    @cached_property
    def unpack(self) -> UnpackGradient:
        """What makes dW of dU, with the layout of dU: of all k, or of those made at a time."""
        whole = UnpackGradient(self.tiles.m, self.out_channels, self.in_channels)
        if self.unpacked is None:
            return whole
        near = nearby_sixteens(self.tiles.alpha, self.in_channels)
        return replace(whole, out_channels=min(near * LANES, self.out_channels))

    @property
    def _sixteens(self) -> int:
        """How often sixteen k are begun."""
        return lane_groups(self.out_channels)

    @cached_property
    def _sizes(self) -> tuple[int, int]:
        """Bytes from one ξ to the next of V and of D."""
        return (
            spaced(self.strip * self.in_channels * LINE),
            spaced(self.strip * self._sixteens * _SQUARE),
        )

    @property
    def scratch_size(self) -> int:
        """Bytes of scratch: V, D, a tile of dZ transposed, and a line that is written in vain."""
        return self.tiles.alpha**2 * sum(self._sizes) + self.tiles.m**2 * _SQUARE + LINE

    def lines(self) -> list[str]:
        """See `Kernel.lines`."""
        m = self.tiles.m
        return [
            f"for {self.tiles.count} tiles of {m} × {m} outputs, {self.strip} at a time:",
            f"    V[ξ,t,c] = (Bᵀ·X·B)[ξ]            ξ < {self.tiles.alpha**2}",
            "    D[ξ,k,t] = (A·dZ·Aᵀ)[ξ]            lanes are k",
            *(
                ["    dU[ξ,k,c] += Σ_{t,n} D[ξ,k,t,n]·V[ξ,t,c,n]"]
                if self.unpacked is None
                else [
                    f"    for k by {self.unpack.sixteens * LANES}:",
                    "        dU[ξ,k,c] = Σ_{t,n} D[ξ,k,t,n]·V[ξ,t,c,n]",
                    "        dW[k,c] += Gᵀ·dU[:,k,c]·G",
                ]
            ),
        ]

    def write(self, code: Code) -> None:
        """See `Kernel.write`."""
        _Writer(code, self).run()


class _Writer:
    """A weight gradient being written."""

    def __init__(self, code: Code, kernel: WeightGradient) -> None:
        self.code, self.kernel, self.tiles = code, kernel, kernel.tiles
        point_v, point_d = kernel._sizes
        points = self.tiles.alpha**2
        scratch = code.argument(kernel.scratch)
        self.v = Transformed(scratch, point_v, kernel.in_channels * LINE, LINE)
        self.d = code.at(scratch, points * point_v)
        self.square = code.at(self.d, points * point_d)
        self.vain = code.at(self.square, self.tiles.m**2 * _SQUARE)
        self.held = channel_tile(code.target, kernel.in_channels)
        self.dz = code.at(code.argument(kernel.gradient.argument), kernel.gradient.offset)

    def run(self) -> None:
        """All strips."""
        code, kernel = self.code, self.kernel
        with kernel.strips(code, kernel.strip, self.v) as (first, count):
            self._transform_gradient(first, count)
            if kernel.unpacked is None:
                self._products(first, count, code.index(0), code.index(kernel._sixteens))
            else:
                self._unpacked(first, count, code.argument(kernel.unpacked))

    # -- D ---------------------------------------------------------------------------------

    def _transform_gradient(self, first: Value, count: Value) -> None:
        """D = A·dZ·Aᵀ for every tile of a strip and every k, with k as lanes."""
        code, stream = self.code, self.kernel.gradient
        row, column = stream.stride("y", 0), stream.stride("x", 0)
        sixteens = self.kernel._sixteens
        with code.loop("t", count) as t:
            place = self.tiles.place(code, code.add_index(first, t))
            corner = code.at(code.at(self.dz, place.y, row), place.x, column)
            target = code.at(self.d, t, sixteens * _SQUARE)
            with code.loop("p", sixteens) as p:
                self._transpose_tile(place, corner, p)
                with code.loop("n", LANES) as n:
                    source = code.at(self.square, n, LINE)
                    self._transform(source, code.at(code.at(target, p, _SQUARE), n, LINE))

    def _transpose_tile(self, place: Place, corner: Value, p: Value) -> None:
        """[16 k][m][m][16 n] to [m][m][16 n][16 k]; what is old is 0."""
        code, m, stream = self.code, self.tiles.m, self.kernel.gradient
        with code.loop("i", m) as i, code.loop("j", m) as j:
            source = code.at(code.at(corner, i, stream.stride("y", 0)), j, stream.stride("x", 0))
            target = code.at(code.at(self.square, i, m * _SQUARE), j, _SQUARE)
            self._transpose(source, p, target)
            if self.tiles.rows_overlap or self.tiles.columns_overlap:
                old = code.bits(
                    "or",
                    code.compare("slt", i, place.old_rows),
                    code.compare("slt", j, place.old_columns),
                )
                with code.when(old), code.loop("z", _SQUARE, 0, code.width * 4) as z:
                    code.store(code.number(0.0), code.at(target, z))

    def _transpose(self, source: Value, p: Value, target: Value) -> None:
        """Sixteen lines of samples to sixteen lines of channels, one square of registers each."""
        code, width = self.code, self.code.width
        with code.loop("group", code.target.parts) as group:
            first = code.add_index(code.mul_index(p, LANES), code.mul_index(group, width))
            channels = self._channels(source, first)
            with code.loop("part", code.target.parts) as part:
                read = [code.load(code.at(channel, part, width * 4)) for channel in channels]
                square = code.at(code.at(target, part, width * LINE), group, width * 4)
                for lane, value in enumerate(transpose(code, read)):
                    code.store(value, code.at(square, lane * LINE))

    def _channels(self, source: Value, first: Value) -> list[Value]:
        """Where a register's worth of channels stand; lanes beyond the last repeat it."""
        code, kernel = self.code, self.kernel
        step = kernel.gradient.stride("k", 0)
        if kernel.out_channels % LANES == 0:
            base = code.at(source, first, step)
            return [code.at(base, lane * step) for lane in range(code.width)]
        last = kernel.out_channels - 1
        numbers = [code.least(code.add_index(first, lane), last) for lane in range(code.width)]
        return [code.at(source, k, step) for k in numbers]

    def _transform(self, source: Value, target: Value) -> None:
        """One sample's tile of sixteen channels."""
        code, m = self.code, self.tiles.m
        matrix = transposed(transforms(m).output)
        with each_part(code) as offset:
            read, write = code.at(source, offset), code.at(target, offset)
            found = multiply_both(code, matrix, square(code, read, m * _SQUARE, _SQUARE))
            for point, value in enumerate(found):
                code.store(value, code.at(write, point * self.kernel._sizes[1]))

    # -- products --------------------------------------------------------------------------

    def _unpacked(self, first: Value, count: Value, gradient: Value) -> None:
        """Some k of dU, which dW gets at once; then the next."""
        code, kernel, unpack = self.code, self.kernel, self.kernel.unpack
        with code.loop("round", kernel._sixteens, 0, unpack.sixteens) as begin:
            number = code.least(code.sub_index(kernel._sixteens, begin), unpack.sixteens)
            self._products(first, count, begin, number)
            with code.loop("p", number) as p:
                panel = code.at(code.argument(kernel.result), p, unpack.panel)
                sixteen = code.add_index(begin, p)
                unpack.add_sixteen(code, gradient, panel, self.square, sixteen, kernel.out_channels)

    def _products(self, first: Value, count: Value, begin: Value, number: Value) -> None:
        """Add D·V over a strip's tiles and samples to dU, for some sixteens of k and every ξ."""
        code, kernel, unpack = self.code, self.kernel, self.kernel.unpack
        rounds = -(-kernel.in_channels // self.held)
        fresh = None if kernel.adds else code.compare("eq", first, code.index(0))
        with code.loop("xi", self.tiles.alpha**2) as xi:
            v, d = code.at(self.v.base, xi, self.v.point), code.at(self.d, xi, kernel._sizes[1])
            out = code.at(code.argument(kernel.result), xi, unpack.point)
            d = code.at(d, begin, _SQUARE)
            with code.loop("p", number) as p, code.loop("g", rounds) as g:
                c = code.mul_index(g, self.held)
                sums = self._product(code.at(d, p, _SQUARE), code.at(v, c, LINE), count)
                panel = code.at(out, p, unpack.panel)
                for place, value in zip(self._places(panel, c), sums, strict=True):
                    before = code.load(place)
                    if fresh is not None:
                        before = code.select(fresh, code.number(0.0), before)
                    code.store(code.add(before, value), place)

    def _places(self, panel: Value, first: Value) -> list[Value]:
        """Where in dU each accumulator belongs; those beyond the last channel, nowhere."""
        code, kernel = self.code, self.kernel
        found = []
        for within in range(self.held):
            c = code.add_index(first, within)
            place = code.at(panel, c, LINE)
            if kernel.in_channels % self.held:
                there = code.compare("slt", c, code.index(kernel.in_channels))
                place = code.select(there, place, self.vain)
            found += [code.at(place, part) for part in code.parts]
        return found

    def _product(self, d: Value, v: Value, count: Value) -> list[Value]:
        """Sum over tiles and samples, one accumulator per input channel and register of k.

        Beyond the last channel it reads what is behind, and the sums are for nobody.
        """
        code, kernel, parts = self.code, self.kernel, self.code.parts
        state = Carried([code.number(0.0)] * (self.held * len(parts)))
        with code.loop("t", count, carried=state) as t:
            wide = code.at(d, t, kernel._sixteens * _SQUARE)
            narrow = code.at(v, t, self.v.tile)
            inner = Carried(state.now)
            with code.loop("n", LANES, carried=inner) as n:
                read, numbers = code.at(wide, n, LINE), code.at(narrow, n, 4)
                lines = [code.load(code.at(read, part)) for part in parts]
                spread = [code.spread(code.at(numbers, c * LINE)) for c in range(self.held)]
                pairs = [(number, line) for number in spread for line in lines]
                inner.next = [code.fma(*pair, a) for pair, a in zip(pairs, inner.now, strict=True)]
            state.next = inner.now
        return state.now
