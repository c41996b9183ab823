"""How long all gradients are together: the sum of their squares, a piece at a time.

Each piece is summed in sixteen lanes of float64, and these in a tree that is the same on every
processor; whoever asks adds the pieces in their order.
"""

from __future__ import annotations

from ....equation.frozen import frozen
from ..builder import Carried, Code
from ..frame import Slot
from ..ir_types import Value
from ..target import LANES
from .kernel import Kernel

_WIDE = "double"


@frozen
class SumSquares(Kernel):
    """Sums the squares of a chunk's numbers. Arguments: the numbers, the sums of all chunks.

    Args:
        chunk: how many numbers a chunk holds, a multiple of sixteen.
    """

    chunk: int

    def lines(self) -> list[str]:
        """See `Kernel.lines`."""
        return ["for each parameter: norm² += dW²"]

    def write(self, code: Code) -> None:
        """See `Kernel.write`."""
        wide, parts = code.vector(_WIDE), code.target.parts
        zero = Value("zeroinitializer", wide)
        totals = Carried([zero] * parts)
        start, numbers = code.frame(Slot.START), code.argument(0)
        with code.loop("p", code.frame(Slot.STOP), start, LANES, totals) as p:
            place = code.at(numbers, p, 4)
            totals.next = []
            for offset, total in zip(code.parts, totals.now, strict=True):
                value = code.cast("fpext", code.load(code.at(place, offset)), _WIDE)
                totals.next.append(code.add(total, code.mul(value, value)))
        chunk = code.bits("udiv", start, code.index(self.chunk))
        code.store(code.lanes_sum(totals.now), code.at(code.argument(1), chunk, 8))
