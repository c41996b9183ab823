"""Norms of each sample by itself: nothing is summed over lanes but the parameters' gradients.

    forward     X above the first element, summed: the mean to within a rounding; then deviations
                from it, summed and squared: what the mean lacks, and the variance; then Z
    backward    s = Σ γ·dZ and t = Σ γ·dZ·U, with U = (X − μ)·r; then dX = r·(γ·dZ − s/M − U·t/M)
                Σ dZ·U and Σ dZ for each element of γ and β, whose lanes are added afterwards

The mean is kept as two numbers, as in statistics.py, so that an input far from 0 keeps its digits.
"""

from __future__ import annotations

from functools import cached_property
from math import prod

from ....equation.frozen import frozen
from ....equation.scalar import Function
from ..builder import Carried, Code
from ..frame import Slot
from ..ir_types import Value
from ..vector_math import compile_expression
from .along_axes import AlongAxes, LoopPoint, Registers
from .finite import flag_unless_finite
from .kernel import Kernel
from .statistics import double, masked, narrow, wide
from .walking import lane_mask

_READ = ("μ", "rest", "r", "γ", "β")
"""What is read once where it stays the same: statistics and parameters."""


def _centred(spot: LoopPoint, place: int, part: int) -> Value:
    """X − μ, of a mean in two numbers: near it, the first difference is exact."""
    x = spot.value("X", place, part)
    if "μ" not in spot:
        return x
    near = spot.code.sub(x, spot.value("μ", place, part))
    return spot.code.sub(near, spot.value("rest", place, part))


def _normalised(spot: LoopPoint, place: int, part: int) -> Value:
    """U."""
    return spot.code.mul(_centred(spot, place, part), spot.value("r", place, part))


@frozen
class SampleNormalise(AlongAxes):
    """Streams: X, Z, v, r; μ and its rest where there is a mean; U, γ, β, A, B where there are any.

    A is what is added, and B what the function is applied to, where that is read later.

    Args:
        epsilon: what is added to the variance.
        function: applied at the end, or None.
    """

    epsilon: float
    function: Function | None = None

    @cached_property
    def settling(self) -> tuple[str, ...]:
        """See `AlongAxes.settling`."""
        return ("γ", "β")

    def lines(self) -> list[str]:
        """See `Kernel.lines`."""
        letters = dict(self.streams)
        outside, inside = self.loop_lines
        result = f"{self.written('γ')}·U" if "γ" in letters else "U"
        result += f" + {self.written('β')}" if "β" in letters else ""
        result += f" + {self.written('A')}" if "A" in letters else ""
        kept = f"{self.written('B')} = " if "B" in letters else ""
        result = f"{self.function.name}({kept}{result})" if self.function else result
        mean = "μ = Σ X/M, v = Σ (X − μ)²/M" if "μ" in letters else "v = Σ X²/M"
        centred = "(X − μ)" if "μ" in letters else "X"
        return [
            outside,
            f"    {mean}, r = 1/√(v + ε)   over {inside}",
            f"    for {inside}: U = {centred}·r, {self.written('Z')} = {result}",
        ]

    def at_point(self, spot: LoopPoint) -> None:
        """See `AlongAxes.at_point`."""
        code = spot.code
        share = code.number(1.0 / prod(size for _, size in self.over))
        if "μ" in spot:
            spot = self._mean(spot, share)
        (squares,) = self.sums(spot, 1, self._square) if "μ" not in spot else (None,)
        if squares is None:
            spot, variance = self._variance(spot, share)
        else:
            variance = spot.registers(lambda p, q: code.mul(squares[p][q], share))
        shifted = spot.registers(lambda p, q: code.add(variance[p][q], code.number(self.epsilon)))
        inverse = spot.registers(lambda p, q: code.div(code.number(1.0), code.sqrt(shifted[p][q])))
        for place, part in spot.each():
            spot.put("v", place, part, variance[place][part])
            spot.put("r", place, part, inverse[place][part])
        self.each(spot.with_held("r", inverse), self._store)

    @staticmethod
    def _square(spot: LoopPoint, place: int, part: int, totals: list[Value]) -> list[Value]:
        x = spot.value("X", place, part)
        return [spot.code.fma(x, x, totals[0])]

    def _mean(self, spot: LoopPoint, share: Value) -> LoopPoint:
        """The mean to within a rounding, from what is above the first element."""
        code = spot.code
        first = spot.registers(lambda p, q: spot.value("X", p, q))

        def above(here: LoopPoint, place: int, part: int, totals: list[Value]) -> list[Value]:
            apart = code.sub(here.value("X", place, part), first[place][part])
            return [code.add(totals[0], apart)]

        (total,) = self.sums(spot, 1, above)
        near = spot.registers(lambda p, q: code.fma(total[p][q], share, first[p][q]))
        return spot.with_held("μ", near)

    def _variance(self, spot: LoopPoint, share: Value) -> tuple[LoopPoint, Registers]:
        """What the mean lacks, and the mean square of what is above it, less that of what it lacks.

        The mean and its rest are then set anew, so that the first is the mean rounded.
        """
        code = spot.code

        def deviations(here: LoopPoint, place: int, part: int, totals: list[Value]) -> list[Value]:
            apart = code.sub(here.value("X", place, part), spot.value("μ", place, part))
            return [code.add(totals[0], apart), code.fma(apart, apart, totals[1])]

        sums, squares = self.sums(spot, 2, deviations)
        lack = spot.registers(lambda p, q: code.mul(sums[p][q], share))

        def variance(p: int, q: int) -> Value:
            return code.sub(code.mul(squares[p][q], share), code.mul(lack[p][q], lack[p][q]))

        mean = spot.registers(lambda p, q: code.add(spot.value("μ", p, q), lack[p][q]))
        rest = spot.registers(
            lambda p, q: code.add(code.sub(spot.value("μ", p, q), mean[p][q]), lack[p][q])
        )
        found = spot.registers(variance)
        for place, part in spot.each():
            spot.put("μ", place, part, mean[place][part])
            spot.put("rest", place, part, rest[place][part])
        return spot.with_held("μ", mean).with_held("rest", rest), found

    def _store(self, spot: LoopPoint) -> None:
        code = spot.code
        for place, part in spot.each():
            u = _normalised(spot, place, part)
            if "U" in spot:
                spot.put("U", place, part, u)
            z = code.mul(spot.value("γ", place, part), u) if "γ" in spot else u
            z = code.add(z, spot.value("β", place, part)) if "β" in spot else z
            z = code.add(z, spot.value("A", place, part)) if "A" in spot else z
            if "B" in spot:
                spot.put("B", place, part, z)
            if self.function is not None:
                z = compile_expression(code, self.function.body, {"x": z})
            spot.put("Z", place, part, z)


@frozen
class SampleNormaliseBack(AlongAxes):
    """Streams: dX, dZ, X, r; μ and its rest where there is a mean; γ where there is one.

    Args:
        adds: whether dX holds something already.
    """

    adds: bool

    @cached_property
    def settling(self) -> tuple[str, ...]:
        """See `AlongAxes.settling`."""
        return _READ

    def lines(self) -> list[str]:
        """See `Kernel.lines`."""
        outside, inside = self.loop_lines
        letters = dict(self.streams)
        dz = f"{self.written('γ')}·dZ" if "γ" in letters else "dZ"
        mean = " − s/M" if "μ" in letters else ""
        return [
            outside,
            f"    s, t = Σ {dz}, Σ {dz}·U   over {inside}",
            f"    for {inside}: {self.written('dX')} {'+=' if self.adds else '='} "
            f"r·({dz}{mean} − U·t/M)",
        ]

    @staticmethod
    def _scaled(spot: LoopPoint, place: int, part: int) -> Value:
        dz = spot.value("dZ", place, part)
        return spot.code.mul(spot.value("γ", place, part), dz) if "γ" in spot else dz

    def at_point(self, spot: LoopPoint) -> None:
        """See `AlongAxes.at_point`."""
        code = spot.code
        share = code.number(1.0 / prod(size for _, size in self.over))
        centred = "μ" in spot

        def step(here: LoopPoint, place: int, part: int, totals: list[Value]) -> list[Value]:
            scaled = self._scaled(here, place, part)
            product = code.fma(scaled, _normalised(here, place, part), totals[-1])
            return [code.add(totals[0], scaled), product] if centred else [product]

        sums = [
            spot.registers(lambda p, q, total=total: code.mul(total[p][q], share))  # type: ignore[misc]
            for total in self.sums(spot, 1 + centred, step)
        ]

        def store(here: LoopPoint) -> None:
            for place, part in here.each():
                inner = self._scaled(here, place, part)
                if centred:
                    inner = code.sub(inner, sums[0][place][part])
                u = _normalised(here, place, part)
                inner = code.sub(inner, code.mul(u, sums[-1][place][part]))
                dx = code.mul(here.value("r", place, part), inner)
                if self.adds:
                    dx = code.add(here.value("dX", place, part), dx)
                here.put("dX", place, part, dx)

        self.each(spot, store)


@frozen
class SampleParameterSums(AlongAxes):
    """Σ dZ·U and Σ dZ for each element of γ and β, lane by lane.

    Streams: dZ, X, r; μ and its rest where there is a mean; dγ and dβ, those that are wanted.
    """

    @cached_property
    def settling(self) -> tuple[str, ...]:
        """See `AlongAxes.settling`."""
        return _READ

    def lines(self) -> list[str]:
        """See `Kernel.lines`."""
        outside, inside = self.loop_lines
        sums = {"dγ": "Σ dZ·U", "dβ": "Σ dZ"}
        made = (f"{self.written(a)} = {sums[a]}" for a, _ in self.streams if a in sums)
        return [outside, f"    {', '.join(made)}   over {inside}, in each lane"]

    def at_point(self, spot: LoopPoint) -> None:
        """See `AlongAxes.at_point`."""
        code = spot.code

        def step(here: LoopPoint, place: int, part: int, totals: list[Value]) -> list[Value]:
            dz, found = here.value("dZ", place, part), []
            if "dγ" in here:
                found.append(code.fma(dz, _normalised(here, place, part), totals[0]))
            if "dβ" in here:
                found.append(code.add(totals[-1], dz))
            return found

        wanted = [a for a in ("dγ", "dβ") if a in spot]
        for letter, total in zip(wanted, self.sums(spot, len(wanted), step), strict=True):
            for place, part in spot.each():
                spot.put(letter, place, part, total[place][part])


@frozen
class SampleStatistics(Kernel):
    """A block's share of the running statistics. Arguments: mean, variance, then their sums [C].

    Args:
        channels: C.
    """

    channels: int

    def lines(self) -> list[str]:
        """See `Kernel.lines`."""
        return [f"for c in 0…{self.channels - 1}: s[c], q[c] = Σ μ[c], Σ v[c] over the samples"]

    def write(self, code: Code) -> None:
        """See `Kernel.write`."""
        masks = [lane_mask(code, part) for part in range(code.target.parts)]
        with code.loop("c", self.channels) as c:
            for argument in range(2):
                row = code.at(code.argument(argument), c, 64)
                parts = [code.load(code.at(row, offset)) for offset in code.parts]
                total = code.lanes_sum(masked(code, masks, parts))
                code.store(total, code.at(code.argument(2 + argument), c, 4))


@frozen
class JoinSampleStatistics(Kernel):
    """One task. Arguments: sums of means and of variances, running mean before and after, variance.

    Args:
        channels: C.
        unbiased: what makes a variance unbiased.
        momentum: how much of the running statistics is replaced.
    """

    channels: int
    unbiased: float
    momentum: float

    def lines(self) -> list[str]:
        """See `Kernel.lines`."""
        return [
            f"for c in 0…{self.channels - 1}:",
            "    running statistics ← (1 − momentum)·before + momentum·Σ of the blocks/N; finite?",
        ]

    def write(self, code: Code) -> None:
        """See `Kernel.write`. In float64: it is little work."""
        blocks, stride = code.frame(Slot.BLOCKS), code.frame(Slot.PARTIAL_STRIDE)
        samples = code.cast("sitofp", code.frame(Slot.COUNT), "double")
        with code.loop("c", self.channels) as c:
            state = Carried([double(0.0), double(0.0)])
            with code.loop("b", blocks, carried=state) as b:
                shift = code.mul_index(b, stride)
                state.next = [
                    code.add(v, wide(code, code.at(code.at(code.argument(p), c, 4), shift)))
                    for p, v in enumerate(state.now)
                ]
            factors = (self.momentum, self.momentum * self.unbiased)
            for place, (total, factor) in enumerate(zip(state.now, factors, strict=True)):
                before = wide(code, code.at(code.argument(2 + 2 * place), c, 4))
                moved = code.mul(code.div(total, samples), double(factor))
                kept = code.mul(before, double(1.0 - self.momentum))
                after = narrow(code, code.add(kept, moved))
                code.store(after, code.at(code.argument(3 + 2 * place), c, 4), align=4)
                flag_unless_finite(code, [after])
