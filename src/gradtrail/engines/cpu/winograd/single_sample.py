"""Winograd's convolution of one sample: the lanes are channels, and all bits those of a block.

    V[ξ,t,c] = (Bᵀ·X[c, tile t]·B)[ξ]           sixteen c at once
    M[ξ,t,k] = Σ_c U[ξ,k,c]·V[ξ,t,c]            sixteen k at once, c ascending
    Z[k, tile t] = Aᵀ·M[:,t,k]·A + b[k]         then the epilogue

The transforms are those of `Convolution`, of groups of sixteen channels instead of channels: what
they do to a lane does not depend on what the lane stands for. Only the products differ, where one
number of V meets sixteen of U; each accumulator adds the same products in the same order.
"""

from __future__ import annotations

from dataclasses import replace

from ....equation.frozen import frozen
from ..builder import Carried, Code
from ..ir_types import Value
from ..kernels.kernel import Kernel
from ..target import LANES
from .convolution import Convolution, Writer
from .tiles import LINE
from .weights import PackWeights


@frozen
class SampleConvolution(Kernel):
    """Arguments as those of `Convolution`; the bias has as many numbers as the target has lanes.

    Args:
        of: the convolution, its channels counted in sixteens; nothing is added or exchanged.
        in_channels: C.
        out_channels: K.
    """

    of: Convolution
    in_channels: int
    out_channels: int

    @property
    def packed(self) -> PackWeights:
        """What U is made by."""
        return PackWeights(
            self.of.tiles.m, self.out_channels, self.in_channels, everything=True, lanes=True
        )

    @property
    def scratch_size(self) -> int:
        """See `Convolution.scratch_size`."""
        return self.of.scratch_size

    @property
    def algorithm(self) -> str:
        """See `Kernel.algorithm`."""
        return self.of.algorithm

    def lines(self) -> list[str]:
        """See `Kernel.lines`."""
        return self.of.lines()

    def write(self, code: Code) -> None:
        """See `Kernel.write`."""
        _Writer(code, self).run()


class _Writer(Writer):
    """A convolution of one sample being written."""

    def __init__(self, code: Code, single: SampleConvolution) -> None:
        super().__init__(code, single.of)
        self.single = single
        self.v = replace(self.v, tile=single.of.in_channels * LINE, channel=LINE, group=1)

    def _products(self, count: Value) -> None:
        """M = U·V for every ξ; all tiles of a strip at once, whatever stands in those beyond."""
        code, kernel, packed = self.code, self.kernel, self.single.packed
        with code.loop("xi", self.tiles.alpha**2) as xi:
            u = code.at(code.argument(kernel.weights), xi, packed.point)
            v, m = code.at(self.v.base, xi, self.v.point), code.at(self.m, xi, self.point_m)
            with code.loop("g", kernel.out_channels) as g:
                self._sixteen(code.at(u, g, packed.group), v, code.at(m, g, LINE))

    def _sixteen(self, u: Value, v: Value, m: Value) -> None:
        """Sixteen output channels of all tiles of a strip, over c."""
        code, tiles = self.code, range(self.kernel.strip)
        places = [(t, part) for t in tiles for part in code.parts]
        state = Carried([code.number(0.0) for _ in places])
        with code.loop("c", self.single.in_channels, carried=state) as c:
            wide, number = code.at(u, c, LANES * 4), code.at(v, c, 4)
            weights = [code.load(code.at(wide, part)) for part in code.parts]
            read = [code.spread(code.at(number, t * self.v.tile)) for t in tiles]
            pairs = [(w, x) for x in read for w in weights]
            state.next = [code.fma(w, x, a) for (w, x), a in zip(pairs, state.now, strict=True)]
        for (t, part), value in zip(places, state.now, strict=True):
            code.store(value, code.at(m, t * self._row + part))

    def _bias_of(self, k: Value, offset: Value) -> Value | None:
        """Sixteen numbers, a register of them."""
        if self.bias is None:
            return None
        return self.code.load(self.code.at(self.code.at(self.bias, k, LINE), offset))
