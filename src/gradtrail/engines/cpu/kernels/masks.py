"""Random masks, drawn where they are used: Philox4x32-10, a lane per sample.

The same numbers as `streams.philox`: they follow from seed, step, layer, sample and element alone.

Source: J. Salmon et al., "Parallel random numbers: as easy as 1, 2, 3" (2011), section 3.3.
"""

from __future__ import annotations

from ....equation.frozen import frozen
from ....layers.layer import Draw
from ..builder import Code
from ..frame import Slot
from ..ir_types import Value
from ..layout import Layout
from ..target import LANES
from .kernel import Kernel

_MULTIPLIERS = (0xD2511F53, 0xCD9E8D57)
_WEYL = (0x9E3779B9, 0xBB67AE85)


@frozen
class DrawMask(Kernel):
    """Argument: the mask. 0 where an element's word is below the threshold, or what is kept.

    Args:
        layout: of the mask, without a halo.
        layer: the layer's place in the network.
        draw: what is drawn.
    """

    layout: Layout
    layer: int
    draw: Draw

    def lines(self) -> list[str]:
        """See `Kernel.lines`."""
        sample = "0" if self.draw.together else "sample"
        return [
            f"for each element e: word = philox(seed; e/4, {sample}, step, layer)[e mod 4]",
            f"    M[e] = 0 if word < {self.draw.threshold} else {self.draw.kept:g}",
        ]

    def write(self, code: Code) -> None:
        """See `Kernel.write`."""
        count = self.layout.size // (LANES * 4)
        target = code.argument(0)

        def four(number: Value, elements: int) -> None:
            self._four(code, number, code.at(target, number, 4 * LANES * 4), elements)

        code.groups("e", count, 4, four)

    def _four(self, code: Code, element: Value, place: Value, count: int) -> None:
        """The words of four elements, for every register of lanes."""
        seed, step = code.frame(Slot.SEED), code.frame(Slot.STEP)
        for part, offset in enumerate(code.parts):
            words = self._words(code, element, part, seed, step)
            for at, word in enumerate(words[:count]):
                dropped = code.compare("ult", word, code.whole(self.draw.threshold))
                value = code.select(dropped, code.number(0.0), code.number(self.draw.kept))
                code.store(value, code.at(place, at * LANES * 4 + offset))

    def _words(
        self, code: Code, element: Value, part: int, seed: Value, step: Value
    ) -> list[Value]:
        """Philox's ten rounds."""
        sample = code.whole(0)
        if not self.draw.together:
            first = code.spread_whole(code.frame(Slot.FIRST))
            sample = code.bits("add", first, code.lane_numbers(part * code.width))
        counter = [
            code.spread_whole(element),
            sample,
            code.spread_whole(step),
            code.whole(self.layer),
        ]
        high = code.new("i64", f"lshr {seed}, 32")
        key = [code.spread_whole(seed), code.spread_whole(high)]
        for number in range(10):
            if number:
                key = [code.bits("add", k, code.whole(w)) for k, w in zip(key, _WEYL, strict=True)]
            counter = _round(code, counter, key)
        return counter


def _round(code: Code, counter: list[Value], key: list[Value]) -> list[Value]:
    high0, low0 = _product(code, counter[0], _MULTIPLIERS[0])
    high1, low1 = _product(code, counter[2], _MULTIPLIERS[1])
    return [
        code.bits("xor", code.bits("xor", high1, counter[1]), key[0]),
        low1,
        code.bits("xor", code.bits("xor", high0, counter[3]), key[1]),
        low0,
    ]


def _product(code: Code, a: Value, multiplier: int) -> tuple[Value, Value]:
    """The upper and the lower half of a 64-bit product."""
    wide = code.vector("i64")
    long = code.cast("zext", a, "i64")
    product = code.bits("mul", long, code.whole(multiplier, wide))
    upper = code.bits("lshr", product, code.whole(32, wide))
    return code.cast("trunc", upper, "i32"), code.cast("trunc", product, "i32")
