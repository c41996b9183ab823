"""Softmax and its logarithm, lane by lane, and what they send back."""

from __future__ import annotations

import math

from ....equation.frozen import frozen
from ..ir_types import Value
from ..vector_math import vector_exp, vector_log
from .along_axes import AlongAxes, LoopPoint


@frozen
class SoftmaxForward(AlongAxes):
    """Streams: X, Z.

    Args:
        log: whether it is the logarithm.
    """

    log: bool

    def lines(self) -> list[str]:
        """See `Kernel.lines`."""
        outside, inside = self.loop_lines
        result = "X − m − log s" if self.log else "exp(X − m)/s"
        return [
            outside,
            f"    m = max X, s = Σ exp(X − m)   over {inside}",
            f"    for {inside}: {self.written('Z')} = {result}",
        ]

    def at_point(self, spot: LoopPoint) -> None:
        """See `AlongAxes.at_point`."""
        code = spot.code

        def greater(a: Value, b: Value) -> Value:
            return code.select(code.compare("ogt", b, a), b, a)

        def largest(here: LoopPoint, place: int, part: int, totals: list[Value]) -> list[Value]:
            return [greater(totals[0], here.value("X", place, part))]

        (most,) = self.sums(spot, 1, largest, code.number(-math.inf), greater)

        def power(here: LoopPoint, place: int, part: int, totals: list[Value]) -> list[Value]:
            below = code.sub(here.value("X", place, part), most[place][part])
            found = vector_exp(code, below)
            if not self.log:
                here.put("Z", place, part, found)
            return [code.add(totals[0], found)]

        (total,) = self.sums(spot, 1, power)
        if self.log:
            logarithm = spot.registers(lambda p, q: vector_log(code, total[p][q]))
        else:
            one = code.number(1.0)
            share = spot.registers(lambda p, q: code.div(one, total[p][q]))

        def store(here: LoopPoint) -> None:
            for place, part in here.each():
                if self.log:
                    below = code.sub(here.value("X", place, part), most[place][part])
                    z = code.sub(below, logarithm[place][part])
                else:
                    z = code.mul(here.value("Z", place, part), share[place][part])
                here.put("Z", place, part, z)

        self.each(spot, store)


@frozen
class SoftmaxBack(AlongAxes):
    """Streams: dX, dZ, and Z, which is called X too, since it lies as X does.

    Args:
        log: whether it is the logarithm.
        adds: whether dX holds something already.
    """

    log: bool
    adds: bool

    def lines(self) -> list[str]:
        """See `Kernel.lines`."""
        outside, inside = self.loop_lines
        summed, result = ("dZ", "dZ − exp(Z)·s") if self.log else ("Z·dZ", "Z·(dZ − s)")
        return [
            outside,
            f"    s = Σ {summed}   over {inside}",
            f"    for {inside}: {self.written('dX')} {'+=' if self.adds else '='} {result}",
        ]

    def at_point(self, spot: LoopPoint) -> None:
        """See `AlongAxes.at_point`."""
        code = spot.code

        def step(here: LoopPoint, place: int, part: int, totals: list[Value]) -> list[Value]:
            dz = here.value("dZ", place, part)
            if self.log:
                return [code.add(totals[0], dz)]
            return [code.fma(here.value("X", place, part), dz, totals[0])]

        (total,) = self.sums(spot, 1, step)

        def store(here: LoopPoint) -> None:
            for place, part in here.each():
                z, dz = here.value("X", place, part), here.value("dZ", place, part)
                if self.log:
                    dx = code.sub(dz, code.mul(vector_exp(code, z), total[place][part]))
                else:
                    dx = code.mul(z, code.sub(dz, total[place][part]))
                if self.adds:
                    dx = code.add(here.value("dX", place, part), dx)
                here.put("dX", place, part, dx)

        self.each(spot, store)
