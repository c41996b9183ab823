"""The losses: each block's share, the gradient it starts with, and how many samples are right."""

from __future__ import annotations

import math
from math import prod

from ....equation.frozen import frozen
from ..builder import Carried, Code
from ..frame import Slot
from ..ir_types import F, P, Value
from ..layout import Layout
from ..vector_math import vector_exp, vector_log
from .kernel import Kernel
from .loss_parts import gradient_share, store_result, weight_text
from .max_pool import better
from .walking import lane_mask, walk


def greatest_class(code: Code, z: Value, classes: int, stride: int) -> tuple[Value, Value]:
    """The greatest output and its number, the first of equals; a NaN is the greatest.

    Args:
        code: being written.
        z: where the first class's output stands.
        classes: how many there are.
        stride: bytes from one to the next.
    """
    state = Carried([code.load(z), code.whole(0)])
    if classes > 1:
        with code.loop("k", classes, 1, carried=state) as k:
            value = code.load(code.at(z, k, stride))
            best, place = state.now
            wins = better(code, value, best)
            number = code.spread_whole(k)
            state.next = [code.select(wins, value, best), code.select(wins, number, place)]
    return state.now[0], state.now[1]


@frozen
class CrossEntropyLoss(Kernel):
    """Softmax with cross-entropy, by log-sum-exp.

    Arguments: Z, T, classes, then P, S and dZ where they are wanted. Over maps, with further axes
    behind the classes', every position is a sample by itself, and divided by their number.

    Args:
        output: the layout of Z, classes on its first axis.
        targets: of T.
        probabilities: of P, or None.
        mass: of S, the sum of a sample's targets, or None.
        gradient: of dZ, or None.
        weighted: whether a sample's targets need not sum to 1.
        part: which of several outputs it is of; None where there is one.
    """

    output: Layout
    targets: Layout
    probabilities: Layout | None
    mass: Layout | None
    gradient: Layout | None
    weighted: bool
    part: int | None = None

    def lines(self) -> list[str]:
        """See `Kernel.lines`."""
        found = ["at every position:"] if self.output.shape[1:] else []
        found += [
            "m = max over k of Z[k]",
            "s = Σ exp(Z[k] − m)",
            "loss −= Σ T[k]·(Z[k] − m − log s)/N",
        ]
        if self.probabilities:
            found.append("P[k] = exp(Z[k] − m)/s")
        if self.gradient:
            expected = "ΣT·P[k]" if self.weighted else "P[k]"
            found.append(f"dZ[k] = {weight_text(self.part)}({expected} − T[k])/N")
        return found

    def write(self, code: Code) -> None:
        """See `Kernel.write`."""
        positions = prod(self.output.shape[1:])
        one = self._part if positions == 1 else self._positions
        parts = [one(code, part) for part in range(code.target.parts)]
        shares, rights = map(list, zip(*parts, strict=True))
        total = code.mul(code.lanes_sum(shares), code.frame(Slot.SHARE, F))
        if positions > 1:
            total = code.mul(total, code.number(1.0 / positions, F))
        store_result(code, 0, code.sub(code.number(0.0, F), total), self.part)
        store_result(code, 1, code.lanes_sum(rights), self.part)

    def _layouts(self) -> list[Layout]:
        """Of Z, T, the classes, and what is written."""
        numbers = Layout(self.output.shape[1:] or (1,), (), True)
        written = (self.probabilities, self.mass, self.gradient)
        return [self.output, self.targets, numbers, *(lay for lay in written if lay is not None)]

    def _part(self, code: Code, part: int) -> tuple[Value, Value]:
        """One register of samples: the sum of T·log P, and 1 where the greatest is the class."""
        offset = code.parts[part]
        places = [
            code.at(code.argument(i), lay.origin + offset) for i, lay in enumerate(self._layouts())
        ]
        return self._position(code, part, places)

    def _positions(self, code: Code, part: int) -> tuple[Value, Value]:
        """The same of all positions, added up."""
        offset, own = code.parts[part], len(self.output.shape) - 1
        arrays = [
            (code.at(code.argument(i), lay.origin + offset), lay.strides[-own:])
            for i, lay in enumerate(self._layouts())
        ]
        held = [code.new(P, f"alloca {code.vector()}, align 64") for _ in range(2)]
        for place in held:
            code.store(code.number(0.0), place)
        with walk(code, self.output.shape[1:], arrays) as places:
            for place, more in zip(held, self._position(code, part, places), strict=True):
                code.store(code.add(code.load(place), more), place)
        return code.load(held[0]), code.load(held[1])

    def _position(self, code: Code, part: int, places: list[Value]) -> tuple[Value, Value]:
        """One register of samples at one position."""
        z, t, number, *written = places
        classes = self.output.shape[0]
        stride, t_stride = self.output.strides[0], self.targets.strides[0]
        greatest, place = greatest_class(code, z, classes, stride)
        total = Carried([code.number(0.0)])
        with code.loop("k", classes, carried=total) as k:
            shifted = code.sub(code.load(code.at(z, k, stride)), greatest)
            total.next = [code.add(total.now[0], vector_exp(code, shifted))]
        logarithm = vector_log(code, total.now[0])
        share = Carried([code.number(0.0), code.number(0.0)])
        zero = code.number(0.0)
        with code.loop("k", classes, carried=share) as k:
            value = code.sub(code.load(code.at(z, k, stride)), greatest)
            held = code.load(code.at(t, k, t_stride))
            product = code.mul(held, code.sub(value, logarithm))
            product = code.select(code.compare("oeq", held, zero), zero, product)
            share.next = [code.add(share.now[0], product), code.add(share.now[1], held)]
        self._store(code, part, [z, t, *written], greatest, logarithm, share.now[1])
        known = code.load(number, code.vector("i32"))
        right = code.select(code.compare("eq", known, place), code.number(1.0), zero)
        return share.now[0], right

    def _store(
        self,
        code: Code,
        part: int,
        places: list[Value],
        greatest: Value,
        logarithm: Value,
        mass: Value,
    ) -> None:
        """P, S and dZ."""
        z, t, *left = places
        written = iter(left)
        p, s, dz = (
            None if lay is None else next(written)
            for lay in (self.probabilities, self.mass, self.gradient)
        )
        if s is not None:
            code.store(mass, s)
        if p is None and dz is None:
            return
        mask, zero = lane_mask(code, part), code.number(0.0)
        share = gradient_share(code, self.part)
        if positions := prod(self.output.shape[1:]) - 1:
            share = code.mul(share, code.number(1.0 / (positions + 1)))
        stride, t_stride = self.output.strides[0], self.targets.strides[0]
        with code.loop("k", self.output.shape[0]) as k:
            value = code.sub(code.load(code.at(z, k, stride)), greatest)
            probability = vector_exp(code, code.sub(value, logarithm))
            if p is not None and self.probabilities is not None:
                code.store(probability, code.at(p, k, self.probabilities.strides[0]))
            if dz is not None and self.gradient is not None:
                held = code.load(code.at(t, k, t_stride))
                expected = code.mul(mass, probability) if self.weighted else probability
                found = code.mul(share, code.sub(expected, held))
                found = code.select(mask, found, zero)
                code.store(found, code.at(dz, k, self.gradient.strides[0]))


@frozen
class SquaredErrorLoss(Kernel):
    """The mean of (Z − T)², or of S·(Z − T)².

    Arguments: Z, T, classes, then S where there is one and dZ where it is wanted.

    Args:
        output: the layout of Z.
        targets: of T.
        weight: of S, one number for each sample, or None.
        gradient: of dZ, or None.
        part: which of several outputs it is of; None where there is one.
    """

    output: Layout
    targets: Layout
    weight: Layout | None
    gradient: Layout | None
    part: int | None = None

    def lines(self) -> list[str]:
        """See `Kernel.lines`."""
        given = "S·" if self.weight else ""
        found = [f"loss += Σ {given}(Z − T)²/M"]
        weight = weight_text(self.part)
        return found + ([f"dZ = {weight}2·{given}(Z − T)/M"] if self.gradient else [])

    def write(self, code: Code) -> None:
        """See `Kernel.write`."""
        layouts = [self.output, self.targets, *([self.gradient] if self.gradient else [])]
        numbers = (0, 1, 4 if self.weight else 3)
        arrays = [
            (code.at(code.argument(place), lay.origin), lay.strides)
            for place, lay in zip(numbers, layouts, strict=False)
        ]
        share = code.mul(code.frame(Slot.SHARE, F), code.number(1.0 / prod(self.output.shape), F))
        twice = code.splat(code.mul(share, code.number(2.0, F)))
        if self.part is not None:
            each = code.number(2.0 / prod(self.output.shape))
            twice = code.mul(gradient_share(code, self.part), each)
        totals = [self._part(code, part, arrays, twice) for part in range(code.target.parts)]
        store_result(code, 0, code.mul(code.lanes_sum(totals), share), self.part)
        store_result(code, 1, code.number(math.nan, F), self.part)

    def _part(
        self, code: Code, part: int, arrays: list[tuple[Value, tuple[int, ...]]], twice: Value
    ) -> Value:
        """One register of samples: the sum of the squares."""
        mask, zero, offset = lane_mask(code, part), code.number(0.0), code.parts[part]
        weight = None
        if self.weight is not None:
            weight = code.load(code.at(code.argument(3), self.weight.origin + offset))
        held = code.new(P, f"alloca {code.vector()}, align 64")
        code.store(zero, held)
        with walk(code, self.output.shape, arrays) as at:
            here = [code.at(p, offset) for p in at]
            apart = code.sub(code.load(here[0]), code.load(here[1]))
            apart = code.select(mask, apart, zero)
            counted = apart if weight is None else code.mul(weight, apart)
            code.store(code.fma(counted, apart, code.load(held)), held)
            if self.gradient is not None:
                code.store(code.mul(twice, counted), here[2])
        return code.load(held)
