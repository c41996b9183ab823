"""Batch norm, cut where the whole batch is needed.

    forward     each block: sum and squared deviations of its part of each channel
                all blocks together: mean μ, variance v, r = 1/√(v + ε), running statistics
                each block: Z = γ·(X − μ)·r + β, μ being float32 and what that leaves
    backward    each block: Σ dZ and Σ dZ·U, with U = (X − μ)·r
                all blocks together: dβ and dγ
                each block: dX = γ·r·(dZ − dβ/M − U·dγ/M)

The statistics are in statistics.py.
"""

from __future__ import annotations

from itertools import count
from math import prod

from ....equation.frozen import frozen
from ....equation.scalar import Function
from ..builder import Carried, Code
from ..frame import Slot
from ..ir_types import F, Value
from ..layout import Layout
from ..target import LANES
from ..vector_math import compile_expression
from .kernel import Kernel
from .statistics import double, masked, narrow, sum_places, wide
from .walking import each_channel, each_place, lane_mask


def _deviation(code: Code, x: Value, mean: tuple[Value, Value]) -> Value:
    """X − μ, of a mean in two numbers: near it, the first difference is exact."""
    return code.sub(code.sub(x, mean[0]), mean[1])


def _one(code: Code, argument: int, channel: Value) -> Value:
    """A channel's number in all lanes."""
    return code.spread(code.at(code.argument(argument), channel, 4))


@frozen
class Normalise(Kernel):
    """Arguments: target, source, mean, its rest, r; γ and β where there are any; what is added.

    Args:
        target, source: layouts.
        scale, shift: whether there are γ and β.
        addend: the layout of what is added behind the shift, or None.
        function: applied at the end, or None.
    """

    target: Layout
    source: Layout
    scale: bool
    shift: bool
    addend: Layout | None = None
    function: Function | None = None

    def lines(self) -> list[str]:
        """See `Kernel.lines`."""
        result = "γ[c]·U + β[c]" if self.scale else "U"
        result += " + A[c,…]" if self.addend else ""
        if self.function:
            result = f"{self.function.name}({result})"
        return [
            f"for c in 0…{self.target.shape[0] - 1}, all places:",
            "    U = (X[c,…] − μ[c])·r[c]",
            f"    Z[c,…] = {result}",
        ]

    def write(self, code: Code) -> None:
        """See `Kernel.write`."""
        behind = count(5)
        scale, shift = (next(behind) if there else None for there in (self.scale, self.shift))
        arrays = {0: self.target, 1: self.source}
        if self.addend is not None:
            arrays[next(behind)] = self.addend
        with each_channel(code, arrays) as (c, channel):
            m, r = _mean(code, 2, c), _one(code, 4, c)
            g, h = (None if place is None else _one(code, place, c) for place in (scale, shift))
            with each_place(code, channel) as at:
                for offset in code.parts:
                    here = [code.at(p, offset) for p in at]
                    u = code.mul(_deviation(code, code.load(here[1]), m), r)
                    z = u if g is None else code.mul(g, u)
                    z = z if h is None else code.add(z, h)
                    if self.addend is not None:
                        z = code.add(z, code.load(here[2]))
                    if self.function is not None:
                        z = compile_expression(code, self.function.body, {"x": z})
                    code.store(z, here[0])


def _mean(code: Code, argument: int, channel: Value) -> tuple[Value, Value]:
    """A channel's mean and its rest in all lanes, from two arguments."""
    return _one(code, argument, channel), _one(code, argument + 1, channel)


def normalise_only(target: Layout, source: Layout) -> Normalise:
    """U alone, where the trace keeps it."""
    return Normalise(target, source, scale=False, shift=False)


@frozen
class GradientSums(Kernel):
    """Arguments: dZ, source, mean, its rest, r, partial Σ dZ, partial Σ dZ·U.

    Then both [C][16 samples] before the samples are added, where they are wanted.

    Args:
        gradient, source: layouts.
        lanes: whether they are.
    """

    gradient: Layout
    source: Layout
    lanes: bool = False

    def lines(self) -> list[str]:
        """See `Kernel.lines`."""
        return [
            f"for c in 0…{self.gradient.shape[0] - 1}:",
            "    s[c] = Σ dZ[c,…] over places and lanes",
            "    t[c] = Σ dZ[c,…]·U over places and lanes, U = (X[c,…] − μ[c])·r[c]",
            *(["    both before the lanes are added, too"] if self.lanes else []),
        ]

    def write(self, code: Code) -> None:
        """See `Kernel.write`."""
        masks = [lane_mask(code, part) for part in range(code.target.parts)]
        with each_channel(code, {0: self.gradient, 1: self.source}) as (c, arrays):
            m, r = _mean(code, 2, c), _one(code, 4, c)

            def first(total: Value, values: list[Value]) -> Value:
                return code.add(total, values[0])

            def second(total: Value, values: list[Value]) -> Value:
                u = code.mul(_deviation(code, values[1], m), r)
                return code.fma(values[0], u, total)

            for place, step in ((5, first), (6, second)):
                totals = sum_places(code, self.gradient.shape, arrays, step)
                totals = masked(code, masks, totals)
                if self.lanes:
                    lanes = code.at(code.argument(place + 2), c, LANES * 4)
                    for offset, value in zip(code.parts, totals, strict=True):
                        code.store(value, code.at(lanes, offset))
                whole = code.lanes_sum(totals)
                code.store(whole, code.at(code.argument(place), c, 4))


@frozen
class JoinGradients(Kernel):
    """One task: arguments: partial Σ dZ, partial Σ dZ·U, total Σ dZ, total Σ dZ·U.

    Then dγ and dβ where there are γ and β: they are added to.
    """

    channels: int
    scale: bool
    shift: bool

    def lines(self) -> list[str]:
        """See `Kernel.lines`."""
        return [f"for c in 0…{self.channels - 1}: dβ[c], dγ[c] = Σ over the blocks of s, t"]

    def write(self, code: Code) -> None:
        """See `Kernel.write`."""
        blocks, stride = code.frame(Slot.BLOCKS), code.frame(Slot.PARTIAL_STRIDE)
        with code.loop("c", self.channels) as c:
            state = Carried([double(0.0), double(0.0)])
            with code.loop("b", blocks, carried=state) as b:
                shift = code.mul_index(b, stride)
                state.next = [
                    code.add(v, wide(code, code.at(code.at(code.argument(p), c, 4), shift)))
                    for p, v in enumerate(state.now)
                ]
            sums = [narrow(code, v) for v in state.now]
            for place, value in zip((2, 3), sums, strict=True):
                code.store(value, code.at(code.argument(place), c, 4))
            places = iter(range(4, 6))
            for wanted, value in ((self.scale, sums[1]), (self.shift, sums[0])):
                if wanted:
                    at = code.at(code.argument(next(places)), c, 4)
                    code.store(code.add(code.load(at, F), value), at)


@frozen
class NormaliseBack(Kernel):
    """dX = γ·r·(dZ − Σ dZ/M − U·Σ(dZ·U)/M).

    Arguments: dX, dZ, source, mean, its rest, r, total Σ dZ, total Σ dZ·U, γ where there is one.

    Args:
        target, gradient, source: layouts.
        scale: whether there is a γ.
        adds: whether dX holds something already.
    """

    target: Layout
    gradient: Layout
    source: Layout
    scale: bool
    adds: bool

    def lines(self) -> list[str]:
        """See `Kernel.lines`."""
        sign = "+=" if self.adds else "="
        return [
            f"for c in 0…{self.target.shape[0] - 1}, all places:",
            "    U = (X[c,…] − μ[c])·r[c]",
            f"    dX[c,…] {sign} γ[c]·r[c]·(dZ[c,…] − dβ[c]/M − U·dγ[c]/M)",
        ]

    def write(self, code: Code) -> None:
        """See `Kernel.write`."""
        masks = [lane_mask(code, part) for part in range(code.target.parts)]
        samples = code.to_float(code.frame(Slot.COUNT))
        places = float(prod(self.target.shape[1:]))
        share = code.splat(code.div(code.number(1.0, F), code.mul(samples, code.number(places, F))))
        zero = code.number(0.0)
        arrays = {0: self.target, 1: self.gradient, 2: self.source}
        with each_channel(code, arrays) as (c, channel):
            m, r = _mean(code, 3, c), _one(code, 5, c)
            mean_dz, mean_dzu = (code.mul(_one(code, place, c), share) for place in (6, 7))
            slope = code.mul(_one(code, 8, c), r) if self.scale else r
            with each_place(code, channel) as at:
                for mask, offset in zip(masks, code.parts, strict=True):
                    here = [code.at(p, offset) for p in at]
                    u = code.mul(_deviation(code, code.load(here[2]), m), r)
                    inner = code.sub(code.sub(code.load(here[1]), mean_dz), code.mul(u, mean_dzu))
                    dx = code.select(mask, code.mul(slope, inner), zero)
                    if self.adds:
                        dx = code.add(code.load(here[0]), dx)
                    code.store(dx, here[0])
