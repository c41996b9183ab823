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

from math import prod

from ....equation.frozen import frozen
from ....equation.scalar import Function
from ..builder import Carried, Code, F, I, Value
from ..frame import Slot
from ..layout import Layout
from ..target import LANES
from ..vector_math import compile_expression
from .kernel import Kernel
from .statistics import double, masked, narrow, sum_places, wide
from .walking import lane_mask, walk

__all__ = ["GradientSums", "JoinGradients", "Normalise", "NormaliseBack", "normalise_only"]


def _deviation(code: Code, x: Value, mean: tuple[Value, Value]) -> Value:
    """X − μ, of a mean in two numbers: near it, the first difference is exact."""
    return code.sub(code.sub(x, mean[0]), mean[1])


def _one(code: Code, base: Value, index: Value | int, place: int = 0) -> Value:
    """A channel's number in all lanes."""
    return code.spread(code.at(code.at(base, index, 4), place))


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
        layouts = [self.target, self.source]
        bases = [code.at(code.argument(i), lay.origin) for i, lay in enumerate(layouts)]
        behind = 5
        scale = shift = None
        if self.scale:
            scale, behind = code.argument(behind), behind + 1
        if self.shift:
            shift, behind = code.argument(behind), behind + 1
        if self.addend is not None:
            layouts.append(self.addend)
            bases.append(code.at(code.argument(behind), self.addend.origin))
        with code.loop("c", self.target.shape[0]) as c:
            channel = [code.at(b, c, lay.strides[0]) for b, lay in zip(bases, layouts, strict=True)]
            m, r = _mean(code, 2, c), _one(code, code.argument(4), c)
            g = None if scale is None else _one(code, scale, c)
            h = None if shift is None else _one(code, shift, c)
            arrays = list(zip(channel, layouts, strict=True))
            with walk(code, self.target.shape, arrays, skip=1) as at:
                for part in range(code.target.parts):
                    here = [code.at(p, part * code.width * 4) for p in at]
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
    mean, rest = (_one(code, code.argument(argument + i), channel) for i in (0, 1))
    return mean, rest


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
        parts = code.target.parts
        gradient = code.at(code.argument(0), self.gradient.origin)
        source = code.at(code.argument(1), self.source.origin)
        masks = [lane_mask(code, p) for p in range(parts)]
        with code.loop("c", self.gradient.shape[0]) as c:
            m, r = _mean(code, 2, c), _one(code, code.argument(4), c)
            arrays = [
                (code.at(gradient, c, self.gradient.strides[0]), self.gradient),
                (code.at(source, c, self.source.strides[0]), self.source),
            ]

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
                    for part, value in enumerate(totals):
                        code.store(value, code.at(lanes, part * code.width * 4))
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
                shift = code.new(I, f"mul {b}, {stride.name}")
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
        layouts = (self.target, self.gradient, self.source)
        bases = [code.at(code.argument(i), lay.origin) for i, lay in enumerate(layouts)]
        parts = code.target.parts
        masks = [lane_mask(code, p) for p in range(parts)]
        samples = code.new(F, f"sitofp {code.frame(Slot.COUNT)} to {F}")
        places = float(prod(self.target.shape[1:]))
        share = code.splat(code.div(code.number(1.0, F), code.mul(samples, code.number(places, F))))
        zero = code.number(0.0)
        with code.loop("c", self.target.shape[0]) as c:
            m, r = _mean(code, 3, c), _one(code, code.argument(5), c)
            mean_dz = code.mul(_one(code, code.argument(6), c), share)
            mean_dzu = code.mul(_one(code, code.argument(7), c), share)
            slope = code.mul(_one(code, code.argument(8), c), r) if self.scale else r
            arrays = [
                (code.at(b, c, lay.strides[0]), lay) for b, lay in zip(bases, layouts, strict=True)
            ]
            with walk(code, self.target.shape, arrays, skip=1) as at:
                for part in range(parts):
                    here = [code.at(p, part * code.width * 4) for p in at]
                    u = code.mul(_deviation(code, code.load(here[2]), m), r)
                    inner = code.sub(code.sub(code.load(here[1]), mean_dz), code.mul(u, mean_dzu))
                    dx = code.select(masks[part], code.mul(slope, inner), zero)
                    if self.adds:
                        dx = code.add(code.load(here[0]), dx)
                    code.store(dx, here[0])
