"""The end of a weight gradient: the sum over samples, which are the lanes.

The tree is the same on every processor: halves are added until one number is left. Several elements
are summed together, so that each addition fills a register.
"""

from __future__ import annotations

from ....equation.frozen import frozen
from ..builder import Code
from ..ir_types import Value
from ..target import LANES
from .kernel import Kernel


@frozen
class SumLanes(Kernel):
    """Adds each element's sixteen lanes to its number. Arguments: numbers, lanes.

    Args:
        count: how many elements.
    """

    count: int

    def lines(self) -> list[str]:
        """See `Kernel.lines`."""
        return [f"for e in 0…{self.count - 1}: dW[e] += sum of the lanes of acc[e]"]

    def write(self, code: Code) -> None:
        """See `Kernel.write`."""
        width = code.width
        target, source = code.argument(0), code.argument(1)
        whole = self.count // width * width
        if whole:
            with code.loop("e", whole, 0, width) as e:
                lanes = code.at(source, e, LANES * 4)
                values = [self._joined(code, code.at(lanes, i * LANES * 4)) for i in range(width)]
                place = code.at(target, e, 4)
                total = code.add(code.load(place, align=4), _sums(code, values))
                code.store(total, place, align=4)
        for last in range(whole, self.count):
            parts = self._parts(code, code.at(source, last * LANES * 4))
            place = code.at(target, last * 4)
            code.store(code.add(code.load(place, "float"), code.lanes_sum(parts)), place)

    def _parts(self, code: Code, place: Value) -> list[Value]:
        return [code.load(code.at(place, offset)) for offset in code.parts]

    def _joined(self, code: Code, place: Value) -> Value:
        """One register left of an element's lanes."""
        (joined,) = code.halve(self._parts(code, place))
        return joined


def _sums(code: Code, values: list[Value]) -> Value:
    """The sum of each of `width` registers, side by side."""
    width = len(values)
    left = width
    while left > 1:
        half, found = left // 2, []
        for a, b in zip(values[::2], values[1::2], strict=True):
            low = [base + i for base in range(0, 2 * width, left) for i in range(half)]
            high = [base + half + i for base in range(0, 2 * width, left) for i in range(half)]
            found.append(code.add(code.shuffle(a, b, low), code.shuffle(a, b, high)))
        values, left = found, half
    return values[0]
