"""Winograd convolution of 3 × 3, stride 1: forward, and the gradient towards the input.

    Z[k,y,x] = b[k] + Σ_{c,i,j} W[k,c,i,j]·X[c,y+i−p,x+j−p]

Strip by strip, as many tiles as fit into the cache with what is made of them:

    V[ξ,t,c] = (Bᵀ·X[c, tile t]·B)[ξ]           ξ < α²
    M[ξ,t,k] = Σ_c U[ξ,k,c]·V[ξ,t,c]            one accumulator each, c ascending
    Z[k, tile t] = Aᵀ·M[:,t,k]·A + b[k]         then the epilogue

The gradient towards the input is the convolution of dZ with K and C exchanged and all kernels
turned by half. It is the planes that are turned here, X and Z, by streams that run from the last
row and column to the first (`turned`): they meet the kernels as they are. So one U serves both, and
where the roles are exchanged the sum runs over its k:

    M[ξ,t,c] = Σ_k U[ξ,k,c]·V[ξ,t,k]

Source: Lavin & Gray, "Fast Algorithms for Convolutional Neural Networks", 2015, algorithm 1.
"""

from __future__ import annotations

from functools import cached_property

from ....equation.frozen import frozen
from ..builder import Carried, Code
from ..epilogue import write_epilogue
from ..ir_types import Value
from ..kernels.max_pool import first_maximum
from ..nest import Epilogue, Stream, epilogue_line
from .blocking import GROUP, STRIP, register_tile
from .matrix import matrix_product
from .points import transforms
from .tiles import LINE, Place, StripKernel, Transformed, each_part, prefetch, spaced
from .weights import PackWeights


@frozen
class Convolution(StripKernel):
    """Arguments are numbered by the fields that say `argument`.

    Args:
        target: Z over `k`, `y`, `x`.
        weights: argument: U as `packed` lays it out.
        scratch: argument: `scratch_size` bytes.
        bias: argument: b (K), or None.
        adds: whether to what is at the target.
        epilogue: what happens before storing; its streams are over `k`, `y`, `x`, and none may
            overlap the target.
        exchanged: whether U has its K for C and its C for K.
        winner: where the maxima of windows of 2 × 2 are taken, the stream of the winners' numbers;
            Z is then over the windows. Nothing is added, and the epilogue has no streams.
        strip: how many tiles are transformed at a time.
    """

    target: Stream
    weights: int
    scratch: int
    bias: int | None = None
    adds: bool = False
    epilogue: tuple[Epilogue, ...] = ()
    exchanged: bool = False
    winner: Stream | None = None
    strip: int = STRIP

    @property
    def packed(self) -> PackWeights:
        """What U is made by."""
        channels = self.out_channels, self.in_channels
        return PackWeights(self.tiles.m, *(channels[::-1] if self.exchanged else channels))

    @cached_property
    def _padded(self) -> int:
        """Output channels, rounded up to what may be accumulated at once."""
        return -(-self.out_channels // GROUP) * GROUP

    @cached_property
    def _sizes(self) -> tuple[int, int]:
        """Bytes from one ξ to the next of V and of M."""
        tiles = -(-self.strip // STRIP) * STRIP  # whatever number is multiplied at once
        return spaced(tiles * self.in_channels * LINE), spaced(tiles * self._padded * LINE)

    @property
    def scratch_size(self) -> int:
        """Bytes of scratch: V, M, a half transformed tile, and a line that is written in vain."""
        alpha, m = self.tiles.alpha, self.tiles.m
        return alpha * alpha * sum(self._sizes) + alpha * m * LINE + LINE

    def lines(self) -> list[str]:
        """See `Kernel.lines`."""
        m = self.tiles.m
        start = "Z + " if self.adds else ""
        return [
            f"for {self.tiles.count} tiles of {m} × {m} outputs, {self.strip} at a time"
            + (", planes turned by half:" if self.exchanged else ":"),
            f"    V[ξ,t,c] = (Bᵀ·X·B)[ξ]            ξ < {self.tiles.alpha**2}",
            f"    M[ξ,t,k] = Σ_c U[ξ,{'c,k' if self.exchanged else 'k,c'}]·V[ξ,t,c]",
            f"    acc = {start}Aᵀ·M[:,t,k]·A" + ("" if self.bias is None else " + b[k]"),
            *(f"    {epilogue_line(step, 'beside[k,y,x]')}" for step in self.epilogue),
            "    store acc" if self.winner is None else "    store max of 2 × 2 acc, which it was",
        ]

    def write(self, code: Code) -> None:
        """See `Kernel.write`."""
        Writer(code, self).run()


class Writer:
    """A convolution being written."""

    def __init__(self, code: Code, kernel: Convolution) -> None:
        self.code, self.kernel, self.tiles = code, kernel, kernel.tiles
        point_v, point_m = kernel._sizes
        alpha = self.tiles.alpha
        held = self.held = register_tile(code.target)
        scratch = code.argument(kernel.scratch)
        channel = held.tiles * LINE
        self.v = Transformed(scratch, point_v, kernel.in_channels * channel, channel, held.tiles)
        self.m, self.point_m = code.at(scratch, alpha * alpha * point_v), point_m
        self.half = code.at(self.m, alpha * alpha * point_m)
        self.vain = code.at(self.half, alpha * self.tiles.m * LINE)
        beside = [kernel.winner, *(e.stream for e in kernel.epilogue)]
        streams = [kernel.target, *(s for s in beside if s is not None)]
        self.bases = {s: code.at(code.argument(s.argument), s.offset) for s in streams}
        self.bias = None if kernel.bias is None else code.argument(kernel.bias)

    def run(self) -> None:
        """All strips."""
        with self.kernel.strips(self.code, self.kernel.strip, self.v) as (first, count):
            self._products(count)
            self._outputs(first, count)

    # -- products --------------------------------------------------------------------------

    def _products(self, count: Value) -> None:
        """M = U·V for every ξ."""
        code, kernel = self.code, self.kernel
        held, packed = self.held, kernel.packed
        rounds = kernel._padded // held.channels
        rounded = code.add_index(count, held.tiles - 1)
        with code.loop("xi", self.tiles.alpha**2) as xi:
            u = code.at(code.argument(kernel.weights), xi, packed.point)
            v = code.at(self.v.base, xi, self.v.point)
            m = code.at(self.m, xi, self.point_m)
            with code.loop("t", code.new("i64", f"udiv {rounded}, {held.tiles}")) as t:
                row, out = code.at(v, t, self.v.tile), code.at(m, t, held.tiles * self._row)
                with code.loop("g", rounds) as g:
                    self._product(self._weights(u, g), row, code.at(out, g, held.channels * LINE))

    @property
    def _row(self) -> int:
        """Bytes of M from one tile to the next."""
        return self.kernel._padded * LINE

    def _weights(self, u: Value, g: Value) -> Value:
        """Where in U the output channels begin that are held at once in round g."""
        code, held, packed = self.code, self.held, self.kernel.packed
        if self.kernel.exchanged:
            return code.at(u, g, held.channels * GROUP * 4)
        per_group = GROUP // held.channels
        group = code.new("i64", f"udiv {g}, {per_group}")
        within = code.sub_index(g, code.mul_index(group, per_group))
        return code.at(code.at(u, group, packed.group), within, held.channels * 4)

    @property
    def _lines(self) -> list[int]:
        """Where in V each register of the tiles lies that are held at once."""
        return [t * LINE + part for t in range(self.held.tiles) for part in self.code.parts]

    def _product(self, u: Value, v: Value, m: Value) -> None:
        """All accumulators that are held at once, over c."""
        code, held = self.code, self.held
        zeros = [code.number(0.0) for _ in range(held.channels * len(self._lines))]
        sums = self._over_rows(u, v, zeros) if self.kernel.exchanged else self._over(u, v, zeros)
        places = [
            t * self._row + k * LINE + part
            for k in range(held.channels)
            for t in range(held.tiles)
            for part in code.parts
        ]
        for place, value in zip(places, sums, strict=True):
            code.store(value, code.at(m, place))

    def _over(self, u: Value, v: Value, sums: list[Value]) -> list[Value]:
        """The sum over c, where U has four k of a c side by side."""
        code, state = self.code, Carried(sums)
        with code.loop("c", self.kernel.in_channels, carried=state) as c:
            read, weights = code.at(v, c, self.v.channel), code.at(u, c, GROUP * 4)
            state.next = self._added(state.now, read, weights, 4)
        return state.now

    def _over_rows(self, u: Value, v: Value, sums: list[Value]) -> list[Value]:
        """The same where a cache line of U has four c of four k; the next four c are prefetched."""
        code, state, row = self.code, Carried(sums), self.kernel.packed.group
        whole, left = divmod(self.kernel.in_channels, GROUP)

        def add(sums: list[Value], four: Value | int, count: int) -> list[Value]:
            weights, read = code.at(u, four, row), code.at(v, four, GROUP * self.v.channel)
            code.prefetch(code.at(weights, LINE))
            for c in range(count):
                place = code.at(read, c * self.v.channel)
                sums = self._added(sums, place, code.at(weights, c * 4), GROUP * 4)
            return sums

        if whole:
            with code.loop("c", whole, carried=state) as four:
                state.next = add(state.now, four, GROUP)
        return add(state.now, whole, left) if left else state.now

    def _added(self, sums: list[Value], v: Value, u: Value, step: int) -> list[Value]:
        """One c's products; the weights of one k and the next lie `step` bytes apart."""
        code = self.code
        wide = [code.load(code.at(v, line)) for line in self._lines]
        spread = [code.spread(code.at(u, step * k)) for k in range(self.held.channels)]
        pairs = [(w, x) for w in spread for x in wide]
        return [code.fma(w, x, a) for (w, x), a in zip(pairs, sums, strict=True)]

    # -- outputs ---------------------------------------------------------------------------

    def _outputs(self, first: Value, count: Value) -> None:
        """Z = Aᵀ·M·A and what follows, for every tile of a strip and every channel."""
        code = self.code
        with code.loop("t", count) as t:
            place = self.tiles.place(code, code.add_index(first, t))
            row = code.at(self.m, t, self._row)
            y, x = (code.floor_divided(at, self.window, 0) for at in (place.y, place.x))
            corners = {s: self._moved(s, "y", y) for s in self.bases}
            corners = {s: code.at(at, x, s.stride("x", 0)) for s, at in corners.items()}
            with code.loop("k", self.kernel.out_channels) as k:
                at = {s: code.at(c, k, s.stride("k", 0)) for s, c in corners.items()}
                for s, a in at.items():
                    self._ahead(s, a)
                with each_part(code) as offset:
                    self._halve(code.at(code.at(row, k, LINE), offset))
                    moved = {s: code.at(a, self._in_line(s, offset)) for s, a in at.items()}
                    self._tile(place, self._bias_of(k, offset), moved)

    def _bias_of(self, k: Value, offset: Value) -> Value | None:
        """What is added to a channel's outputs: one number for all lanes."""
        return None if self.bias is None else self.code.spread(self.code.at(self.bias, k, 4))

    def _moved(self, stream: Stream, name: str, index: Value) -> Value:
        return self.code.at(self.bases[stream], index, stream.stride(name, 0))

    def _ahead(self, stream: Stream, at: Value) -> None:
        """Bring near what the next channel's tile meets in a stream."""
        following = self.code.at(at, stream.stride("k", 0))
        rows = self.tiles.m // self.window, stream.stride("y", 0)
        column = stream.stride("x", 0)
        prefetch(self.code, following, rows, column, writing=stream == self.kernel.target)

    def _halve(self, m: Value) -> None:
        """Aᵀ·M, to memory: m rows of α."""
        code, alpha = self.code, self.tiles.alpha
        matrix, point = transforms(self.tiles.m).output, self.point_m
        for j in range(alpha):
            column = [code.load(code.at(m, (i * alpha + j) * point)) for i in range(alpha)]
            for i, value in enumerate(matrix_product(code, matrix, column)):
                code.store(value, code.at(self.half, (i * alpha + j) * code.width * 4))

    def _tile(self, place: Place, bias: Value | None, at: dict[Stream, Value]) -> None:
        """(Aᵀ·M)·A row by row, bias, epilogue, store."""
        code, kernel, tiles = self.code, self.kernel, self.tiles
        again = kernel.adds and tiles.rows_overlap
        with code.loop("i", tiles.m // self.window, place.old_rows if again else 0) as i:
            lines = {s: code.at(a, i, s.stride("y", 0)) for s, a in at.items()}
            first = code.mul_index(i, self.window)
            rows = [self._row_of(code.add_index(first, r), bias) for r in range(self.window)]
            if kernel.winner is None:
                for j, value in enumerate(rows[0]):
                    self._store(place, j, value, lines)
            else:
                self._select(rows, lines)

    def _row_of(self, i: Value, bias: Value | None) -> list[Value]:
        """Row i of a tile."""
        code, alpha = self.code, self.tiles.alpha
        half = code.at(self.half, i, alpha * code.width * 4)
        row = [code.load(code.at(half, j * code.width * 4)) for j in range(alpha)]
        found = matrix_product(code, transforms(self.tiles.m).output, row)
        return list(found) if bias is None else [code.add(value, bias) for value in found]

    def _select(self, rows: list[list[Value]], lines: dict[Stream, Value]) -> None:
        """The maximum of each window in two rows, and which of its four it was."""
        code, kernel, size = self.code, self.kernel, self.window
        assert kernel.winner is not None
        for place, j in enumerate(range(0, self.tiles.m, size)):
            four = [row[j + c] for row in rows for c in range(size)]
            values = [
                write_epilogue(code, kernel.epilogue, value, lines.__getitem__) for value in four
            ]
            best, number = first_maximum(code, values, kernel.winner.element)
            for stream, value in ((kernel.target, best), (kernel.winner, number)):
                code.store(value, code.at(lines[stream], place * stream.stride("x", 0)))

    @property
    def window(self) -> int:
        """How many outputs a side one element of the target stands for."""
        return 1 if self.kernel.winner is None else 2

    def _in_line(self, stream: Stream, offset: Value) -> Value:
        """A register's place in a line, where its elements may be bytes."""
        return self.code.floor_divided(offset, 4, 0) if stream.element == "i8" else offset

    def _store(self, place: Place, j: int, value: Value, lines: dict[Stream, Value]) -> None:
        code, kernel = self.code, self.kernel

        old = None
        if kernel.adds and self.tiles.columns_overlap:
            old = code.compare("slt", code.index(j), place.old_columns)

        def at(stream: Stream) -> Value:
            found = code.at(lines[stream], j * stream.stride("x", 0))
            return found if old is None else code.select(old, self.vain, found)

        target = at(kernel.target)
        if kernel.adds:
            value = code.add(code.load(target), value)
        code.store(write_epilogue(code, kernel.epilogue, value, at), target)
