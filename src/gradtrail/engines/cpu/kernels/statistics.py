"""A batch's statistics per channel: of each block, and of all blocks together.

A block's numbers are summed as they stand above its first one, which is exact where they are near
it: of a channel that hardly varies, sums of the numbers themselves would keep roundings alone.
Blocks are joined in their order, the deviations by the rule for two parts' variances, in float64,
so nothing depends on the threads. The mean is kept as two numbers, float32 and what that leaves.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from math import prod

from ....equation.frozen import frozen
from ..builder import Carried, Code
from ..frame import Slot
from ..ir_types import F, Value
from ..layout import Layout
from ..target import LANES
from .finite import flag_unless_finite
from .kernel import Kernel
from .walking import each_channel, lane_mask


@frozen
class BlockStatistics(Kernel):
    """Arguments: source, first numbers [C], sums above them [C], squared deviations [C].

    Args:
        layout: of the source, channels on its first axis.
    """

    layout: Layout

    def lines(self) -> list[str]:
        """See `Kernel.lines`."""
        return [
            f"for c in 0…{self.layout.shape[0] - 1}:",
            "    f[c] = X[c,0,…] of the first lane",
            "    s[c] = Σ X[c,…] − f[c] over places and lanes",
            "    q[c] = Σ (X[c,…] − f[c] − s[c]/count)² over places and lanes",
        ]

    def write(self, code: Code) -> None:
        """See `Kernel.write`."""
        shape = self.layout.shape
        masks = [lane_mask(code, part) for part in range(code.target.parts)]
        valid = code.to_float(code.frame(Slot.VALID))
        count = code.mul(valid, code.number(float(prod(shape[1:])), F))
        with each_channel(code, {0: self.layout}) as (c, channel):
            number = code.load(channel[0][0], F)
            first = code.splat(number)

            def above(total: Value, values: list[Value]) -> Value:
                return code.add(total, code.sub(values[0], first))

            total = sum_places(code, shape, channel, above)
            whole = code.lanes_sum(masked(code, masks, total))
            mean = code.splat(code.div(whole, count))

            def square(total: Value, values: list[Value]) -> Value:
                deviation = code.sub(code.sub(values[0], first), mean)
                return code.fma(deviation, deviation, total)

            spread = code.lanes_sum(masked(code, masks, sum_places(code, shape, channel, square)))
            for place, value in enumerate((number, whole, spread), 1):
                code.store(value, code.at(code.argument(place), c, 4))


@frozen
class JoinStatistics(Kernel):
    """One task: joins all blocks' parts.

    Arguments: first numbers, sums, squares (all of block 0), mean, variance, r, the rest of the
    mean, running mean before and after, running variance before and after.

    Args:
        channels: C.
        places: elements of a channel in one sample.
        epsilon: added to the variance.
        momentum: how much of the running statistics is replaced; None where none are kept.
    """

    channels: int
    places: int
    epsilon: float
    momentum: float | None

    def lines(self) -> list[str]:
        """See `Kernel.lines`."""
        return [
            f"for c in 0…{self.channels - 1}:",
            "    for each block: join its mean and squared deviations to those before",
            "    μ[c], v[c], r[c] = mean, q/M, 1/√(v + ε); what float32 leaves of the mean",
            "    running statistics ← (1 − momentum)·before + momentum·batch; finite?",
        ]

    def write(self, code: Code) -> None:
        """See `Kernel.write`. In float64: it is little work, and nothing is lost."""
        blocks, stride = code.frame(Slot.BLOCKS), code.frame(Slot.PARTIAL_STRIDE)
        samples = code.frame(Slot.COUNT)
        with code.loop("c", self.channels) as c:
            start = Carried([double(0.0), double(0.0), double(0.0)])
            with code.loop("b", blocks, carried=start) as b:
                shift = code.mul_index(b, stride)
                f, s, q = (
                    wide(code, code.at(code.at(code.argument(place), c, 4), shift))
                    for place in range(3)
                )
                left = code.sub_index(samples, code.mul_index(b, LANES))
                whole = code.mul_index(code.least(left, LANES), self.places)
                here = code.cast("sitofp", whole, "double")
                start.next = _joined(code, start.now, code.add(f, code.div(s, here)), q, here)
            count, mean, deviations = start.now
            self._store(code, c, count, mean, deviations)

    def _store(self, code: Code, c: Value, count: Value, mean: Value, deviations: Value) -> None:
        variance = code.div(deviations, count)
        shifted = code.add(variance, double(self.epsilon))
        inverse = code.div(double(1.0), code.call("double", "llvm.sqrt.f64", shifted))
        rounded = code.cast("fpext", narrow(code, mean), "double")
        rest = code.sub(mean, rounded)
        for place, value in ((3, mean), (4, variance), (5, inverse), (6, rest)):
            code.store(narrow(code, value), code.at(code.argument(place), c, 4))
        if self.momentum is None:
            return
        unbiased = code.div(deviations, code.sub(count, double(1.0)))
        for place, value in ((7, mean), (9, unbiased)):
            before = wide(code, code.at(code.argument(place), c, 4))
            kept = code.mul(before, double(1.0 - self.momentum))
            after = narrow(code, code.add(kept, code.mul(value, double(self.momentum))))
            code.store(after, code.at(code.argument(place + 1), c, 4))
            flag_unless_finite(code, [after])


def _joined(code: Code, before: list[Value], own: Value, q: Value, here: Value) -> list[Value]:
    """Count, mean and squared deviations of two parts together, of a block with its own mean."""
    count, mean, deviations = before
    both = code.add(count, here)
    apart = code.sub(own, mean)
    share = code.div(here, both)
    moved = code.add(mean, code.mul(apart, share))
    between = code.mul(code.mul(apart, apart), code.mul(count, share))
    return [both, moved, code.add(code.add(deviations, q), between)]


Arrays = list[tuple[Value, Layout]]


def sum_places(
    code: Code,
    shape: tuple[int, ...],
    arrays: Arrays,
    step: Callable[[Value, list[Value]], Value],
) -> list[Value]:
    """Totals over all places behind the first axis, one per register of lanes.

    The places of a row take turns over some totals, which are added in the end: one alone would
    wait for itself. How many there are is the same on every processor.

    Args:
        code: being written.
        shape: of all arrays.
        arrays: their addresses at the channel, with layouts.
        step: the total after one place, from the total and what stands there in each array.
    """
    parts = code.target.parts
    first = [code.number(0.0)] * (parts * _CHAINS)
    return code.halve(_summed(code, shape, arrays, first, step, 1), parts)


_CHAINS = 4
"""How many totals take turns."""


def _summed(
    code: Code,
    shape: tuple[int, ...],
    arrays: Arrays,
    totals: list[Value],
    step: Callable[[Value, list[Value]], Value],
    axis: int,
) -> list[Value]:
    """The totals, chain by chain and in it part by part, with all places from an axis on."""
    if axis < len(shape) - 1:
        state = Carried(totals)
        with code.loop(f"a{axis}", shape[axis], carried=state) as at:
            moved = [(code.at(p, at, lay.strides[axis]), lay) for p, lay in arrays]
            state.next = _summed(code, shape, moved, state.now, step, axis + 1)
        return state.now

    parts, size = code.target.parts, shape[axis] if axis < len(shape) else 1
    strides = [lay.strides[axis] if axis < len(shape) else 0 for _, lay in arrays]

    def row(begin: Value | int, count: int, totals: list[Value]) -> list[Value]:
        found = list(totals)
        places = [
            code.at(place, begin, each) for (place, _), each in zip(arrays, strides, strict=True)
        ]
        for number in range(count * parts):
            chain, part = divmod(number, parts)
            offsets = (chain * each + code.parts[part] for each in strides)
            values = [code.load(code.at(*at)) for at in zip(places, offsets, strict=True)]
            found[number] = step(found[number], values)
        return found

    whole = size // _CHAINS * _CHAINS
    if whole:
        state = Carried(totals)
        with code.loop(f"a{axis}", whole, 0, _CHAINS, carried=state) as at:
            state.next = row(at, _CHAINS, state.now)
        totals = state.now
    return row(whole, size - whole, totals)


def masked(code: Code, masks: list[Value], values: list[Value]) -> list[Value]:
    """Values, and 0 in lanes without a sample."""
    zero = code.number(0.0)
    return [code.select(m, v, zero) for m, v in zip(masks, values, strict=True)]


def double(value: float) -> Value:
    """A constant of float64."""
    return Value("0x" + struct.pack(">d", value).hex(), "double")


def wide(code: Code, address: Value) -> Value:
    """A number in memory as float64."""
    return code.cast("fpext", code.load(address, F), "double")


def narrow(code: Code, value: Value) -> Value:
    """A float64 rounded to float32."""
    return code.cast("fptrunc", value, F)
