"""Between kernels of 3 × 3 and their α² transformed values, for sixteen output channels at a time.

    U[ξ][k/4][c][k mod 4] = (G·W[k,c]·Gᵀ)[ξ]            packed, before a convolution
    dW[k,c] += Gᵀ·dU[:,k,c]·G                           unpacked, behind a weight gradient

The convolution that computes `dX` reads the same U (see `Convolution`).
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import final

from ....equation.frozen import frozen
from ..builder import Code
from ..frame import Slot
from ..ir_types import F, Value
from ..kernels.kernel import Kernel
from ..target import LANES, lane_groups
from .blocking import GROUP
from .matrix import multiply_both, square
from .points import transforms, transposed
from .tiles import LINE, each_part, spaced

_TAPS = 9


@frozen
class _OfSixteens(Kernel):
    """A kernel that takes sixteen output channels at a time, from `START` to `STOP` of the frame.

    Args:
        m: outputs a side of a tile.
        out_channels: K.
        in_channels: C.
        everything: all sixteens, whatever the frame says.
    """

    m: int
    out_channels: int
    in_channels: int
    everything: bool = False

    @property
    def sixteens(self) -> int:
        """How often sixteen output channels are begun."""
        return lane_groups(self.out_channels)

    def each(self, code: Code) -> AbstractContextManager[Value]:
        """The loop over sixteens of output channels."""
        if self.everything:
            return code.loop("p", self.sixteens)
        return code.loop("p", code.frame(Slot.STOP), code.frame(Slot.START))


@final
@frozen
class PackWeights(_OfSixteens):
    """Arguments: U, W (K, C, 3, 3). Sixteens of k from `START` to `STOP` of the frame, or all.

    U is [α²][K/4][C][4] float32, K rounded up to sixteen and C to four. Each of the α² is `point`
    bytes long, each [C][4] in it `group`. Or it is [α²][K/16][C][16], for lanes that are channels.

    Args:
        lanes: whether sixteen output channels lie side by side, instead of four.
    """

    lanes: bool = False

    @property
    def beside(self) -> int:
        """How many output channels lie side by side."""
        return LANES if self.lanes else GROUP

    @property
    def group(self) -> int:
        """Bytes from so many output channels to the next."""
        lines = self.in_channels if self.lanes else -(-self.in_channels // GROUP)
        return spaced(lines * LINE)

    @property
    def point(self) -> int:
        """Bytes from one of the α² values to the next."""
        return spaced(self.sixteens * LANES // self.beside * self.group)

    @property
    def size(self) -> int:
        """Bytes of U."""
        return (self.m + 2) ** 2 * self.point

    def lines(self) -> list[str]:
        """See `Kernel.lines`."""
        return ["for k by 16 lanes:", "    for c:", "        U[ξ,k,c] = (G·W[k,c]·Gᵀ)[ξ]"]

    def write(self, code: Code) -> None:
        """See `Kernel.write`."""
        size = _TAPS * 4
        with (
            self.each(code) as p,
            code.loop("part", code.target.parts) as part,
        ):
            first = code.add_index(code.mul_index(p, LANES), code.mul_index(part, code.width))
            lanes = [self._channel(code, code.add_index(first, lane)) for lane in range(code.width)]
            kernels = [code.at(code.argument(1), k, self.in_channels * size) for k in lanes]
            place = code.at(code.argument(0), p, LANES // self.beside * self.group)
            behind = code.width * 4 if self.lanes else code.width // GROUP * self.group
            place = code.at(place, part, behind)
            with code.loop("c", self.in_channels) as c:
                moved = [code.at(kernel, c, size) for kernel in kernels]
                self._transform(code, moved, code.at(place, c, self.beside * 4))

    def _channel(self, code: Code, k: Value) -> Value:
        """Lanes beyond the last output channel repeat it; nobody reads them."""
        return code.least(k, self.out_channels - 1) if self.out_channels % LANES else k

    def _transform(self, code: Code, kernels: list[Value], target: Value) -> None:
        """One 3 × 3 kernel per lane."""

        def tap(i: int, j: int) -> Value:
            return _gathered(code, [code.at(kernel, 4 * (3 * i + j)) for kernel in kernels])

        for point, value in enumerate(multiply_both(code, transforms(self.m).weights, tap)):
            if self.lanes:
                code.store(value, code.at(target, point * self.point))
                continue
            for group in range(code.width // GROUP):
                four = code.shuffle(value, value, range(group * GROUP, (group + 1) * GROUP))
                code.store(four, code.at(target, point * self.point + group * self.group))


def _gathered(code: Code, places: list[Value]) -> Value:
    """A register of numbers from anywhere."""
    found = Value("poison", code.vector())
    for lane, place in enumerate(places):
        one = code.load(place, F)
        found = code.new(code.vector(), f"insertelement {found}, {one}, i64 {lane}")
    return found


@final
@frozen
class UnpackGradient(_OfSixteens):
    """Arguments: dW (K, C, 3, 3), dU, scratch. Sixteens of k as in `PackWeights`.

    dU is [α²][K/16][C][16] float32, each of the α² `point` bytes long.
    """

    @property
    def panel(self) -> int:
        """Bytes from sixteen output channels to the next."""
        return self.in_channels * LINE

    @property
    def point(self) -> int:
        """Bytes from one of the α² values to the next."""
        return spaced(self.sixteens * self.panel)

    @property
    def size(self) -> int:
        """Bytes of dU."""
        return (self.m + 2) ** 2 * self.point

    @property
    def scratch_size(self) -> int:
        """Bytes of scratch."""
        return _TAPS * LINE

    def lines(self) -> list[str]:
        """See `Kernel.lines`."""
        return ["for k by 16 lanes:", "    for c:", "        dW[k,c] += Gᵀ·dU[:,k,c]·G"]

    def write(self, code: Code) -> None:
        """See `Kernel.write`."""
        gradient, transformed, scratch = (code.argument(i) for i in range(3))
        with self.each(code) as p:
            panel = code.at(transformed, p, self.panel)
            self.add_sixteen(code, gradient, panel, scratch, p, self.out_channels)

    def add_sixteen(
        self, code: Code, gradient: Value, panel: Value, scratch: Value, p: Value, out_channels: int
    ) -> None:
        """Sixteen output channels.

        Args:
            code: being written.
            gradient: the address of dW.
            panel: of their part of dU.
            scratch: of `scratch_size` bytes.
            p: which sixteen of dW.
            out_channels: of dW.
        """
        kernel = _TAPS * 4
        k = code.mul_index(p, LANES)
        lanes = code.least(code.sub_index(out_channels, k), LANES)
        rows = code.at(gradient, k, self.in_channels * kernel)
        with code.loop("c", self.in_channels) as c:
            with each_part(code) as offset:
                self._transform(
                    code, code.at(code.at(panel, c, LINE), offset), code.at(scratch, offset)
                )
            place = code.at(rows, c, kernel)
            with code.loop("lane", lanes) as lane:
                self._add(
                    code,
                    code.at(place, lane, self.in_channels * kernel),
                    code.at(scratch, lane, 4),
                )

    def _transform(self, code: Code, source: Value, target: Value) -> None:
        """The nine numbers of one kernel per lane."""
        matrix = transposed(transforms(self.m).weights)
        read = square(code, source, (self.m + 2) * self.point, self.point)
        found = multiply_both(code, matrix, read)
        for tap, value in enumerate(found):
            code.store(value, code.at(target, tap * LINE))

    def _add(self, code: Code, target: Value, source: Value) -> None:
        """One lane's kernel."""
        for tap in range(_TAPS):
            place = code.at(target, tap * 4)
            one = code.load(code.at(source, tap * LINE), F)
            code.store(code.add(code.load(place, F), one), place)
