"""Losses that are the mean of what each element adds: penalties, penalties of a softmax, overlaps.

Every lane is a sample, so what runs over positions or classes never leaves its lane. Each kernel
has the arguments Z, T, classes, the constants, then P, E, D and dZ as far as they are wanted.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from math import prod

from ....equation import Penalty
from ....equation.frozen import frozen
from ..builder import Carried, Code
from ..frame import Slot
from ..ir_types import F, P, Value
from ..layout import Layout
from ..vector_math import OPERATIONS, compile_expression, vector_exp, vector_log
from .kernel import Kernel
from .loss_parts import gradient_share, store_result, weight_text
from .losses import greatest_class
from .walking import lane_mask, walk


@frozen
class LossPlaces:
    """The arrays of a loss as they lie.

    Args:
        output: of Z.
        targets: of T.
        classes: of the class numbers, or None where there are none.
        constants: of the penalty's constants.
        probabilities: of P, or None where it is not wanted.
        elements: of E, or None.
        slopes: of D, or None.
        gradient: of dZ, or None.
        part: which of several outputs they are of; None where there is one.
    """

    output: Layout
    targets: Layout
    classes: Layout | None = None
    constants: tuple[Layout, ...] = ()
    probabilities: Layout | None = None
    elements: Layout | None = None
    slopes: Layout | None = None
    gradient: Layout | None = None
    part: int | None = None

    @property
    def written(self) -> dict[str, tuple[int, Layout]]:
        """What is written, by letter: its place among the arguments, and how it lies."""
        named = {
            "P": self.probabilities,
            "E": self.elements,
            "D": self.slopes,
            "dZ": self.gradient,
        }
        there = {letter: lay for letter, lay in named.items() if lay is not None}
        first = 3 + len(self.constants)
        return {letter: (first + i, lay) for i, (letter, lay) in enumerate(there.items())}


def _sums(code: Code, count: int) -> list[Value]:
    """Registers of zeros in memory, for sums over loops within loops."""
    held = [code.new(P, f"alloca {code.vector()}, align 64") for _ in range(count)]
    for place in held:
        code.store(code.number(0.0), place)
    return held


def _add(code: Code, place: Value, value: Value) -> None:
    code.store(code.add(code.load(place), value), place)


def _masked(code: Code, part: int, value: Value) -> Value:
    """0 in lanes without a sample."""
    return code.select(lane_mask(code, part), value, code.number(0.0))


def _finish(
    code: Code,
    totals: Sequence[Value],
    rights: Sequence[Value] | None,
    of: int,
    part: int | None,
) -> None:
    """The block's share of the loss, each sample's sum being divided by `of`, and the hits."""
    share = code.mul(code.frame(Slot.SHARE, F), code.number(1.0 / of, F))
    store_result(code, 0, code.mul(code.lanes_sum(list(totals)), share), part)
    hits = code.number(math.nan, F) if rights is None else code.lanes_sum(list(rights))
    store_result(code, 1, hits, part)


@frozen
class PenaltyLoss(Kernel):
    """The mean of a penalty of every element.

    Args:
        places: the arrays.
        penalty: the expression, and its slope.
        constants: the variables of the constants, each with the axes of Z that it shows.
    """

    places: LossPlaces
    penalty: Penalty
    constants: tuple[tuple[str, tuple[int, ...]], ...]

    def lines(self) -> list[str]:
        """See `Kernel.lines`."""
        name, beside = self.penalty.name, "".join(f", {v}" for v, _ in self.constants)
        weight = weight_text(self.places.part)
        found = [f"loss += Σ {name}(Z, T{beside})/M"]
        return (
            found
            + [f"{a} = …" for a in self.places.written if a != "dZ"]
            + ([f"dZ = {weight}{name}′(Z, T{beside})/M"] if self.places.gradient else [])
        )

    def write(self, code: Code) -> None:
        """See `Kernel.write`."""
        totals = [self._part(code, part) for part in range(code.target.parts)]
        _finish(code, totals, None, prod(self.places.output.shape), self.places.part)

    def _part(self, code: Code, part: int) -> Value:
        """One register of samples: the sum of the penalties."""
        places, offset = self.places, code.parts[part]
        (total,) = _sums(code, 1)
        lanes = [(0, places.output), (1, places.targets), *places.written.values()]
        arrays: list[tuple[Value, Sequence[int]]] = [
            (code.at(code.argument(i), lay.origin + offset), lay.strides) for i, lay in lanes
        ]
        for number, (lay, (_, axes)) in enumerate(
            zip(places.constants, self.constants, strict=True), 3
        ):
            steps = dict(zip(axes, lay.strides, strict=True))
            own = [steps.get(axis, 0) for axis in range(len(places.output.shape))]
            arrays.append((code.at(code.argument(number), lay.origin), own))
        each = code.number(1.0 / prod(places.output.shape))
        share = code.mul(gradient_share(code, places.part), each)
        with walk(code, places.output.shape, arrays) as at:
            z, t = code.load(at[0]), code.load(at[1])
            variables = {"z": z, "t": t}
            for (variable, _), place in zip(self.constants, at[len(lanes) :], strict=True):
                variables[variable] = code.splat(code.load(place, F))
            added = _masked(code, part, compile_expression(code, self.penalty.body, variables))
            _add(code, total, added)
            written = dict(zip(places.written, at[2:], strict=False))
            if written.keys() & {"D", "dZ"}:
                slope = compile_expression(code, self.penalty.slope, variables)
                slope = _masked(code, part, slope)
                _store(code, written, {"E": added, "D": slope, "dZ": code.mul(share, slope)})
            else:
                _store(code, written, {"E": added})
        return code.load(total)


def _store(code: Code, written: Mapping[str, Value], values: Mapping[str, Value]) -> None:
    for letter, value in values.items():
        if letter in written:
            code.store(value, written[letter])


@frozen
class SoftmaxPenaltyLoss(Kernel):
    """The mean over samples and positions of Σ T·φ(log P), with P the softmax of Z.

    Args:
        places: the arrays; P, where it is wanted.
        penalty: φ and its slope, of the variable z.
    """

    places: LossPlaces
    penalty: Penalty

    def lines(self) -> list[str]:
        """See `Kernel.lines`."""
        return [
            "l[k] = Z[k] − m − log Σ exp(Z[k] − m) at every position, m the greatest",
            f"loss += Σ T[k]·{self.penalty.name}(l[k])/M",
            f"g[k] = T[k]·{self.penalty.name}′(l[k]); "
            f"dZ[k] = {weight_text(self.places.part)}(g[k] − exp(l[k])·Σ g)/M",
        ]

    def write(self, code: Code) -> None:
        """See `Kernel.write`."""
        parts = [self._part(code, part) for part in range(code.target.parts)]
        totals, rights = zip(*parts, strict=True)
        _finish(code, totals, rights, prod(self.places.output.shape[1:]), self.places.part)

    def _part(self, code: Code, part: int) -> tuple[Value, Value]:
        """One register of samples: the sum over positions, and how many are right."""
        total, right = _sums(code, 2)
        with _each_position(code, part, self.places) as at:
            self._position(code, part, at, (total, right))
        return code.load(total), code.load(right)

    def _position(
        self, code: Code, part: int, at: Mapping[str, Value], sums: tuple[Value, Value]
    ) -> None:
        output, targets = self.places.output, self.places.targets
        classes, zero = output.shape[0], code.number(0.0)
        best, place = greatest_class(code, at["Z"], classes, output.strides[0])
        known = code.load(at["classes"], code.vector("i32"))
        hit = code.select(code.compare("eq", known, place), code.number(1.0), zero)
        _add(code, sums[1], _masked(code, part, hit))
        logarithm = _logarithm_of_sum(code, at["Z"], classes, output.strides[0], best)
        (slopes,) = _sums(code, 1)
        share = code.number(1.0 / prod(output.shape[1:]))
        share = code.mul(gradient_share(code, self.places.part), share)
        for last in (False, True):
            with code.loop("k", classes) as k:
                below = code.sub(code.load(code.at(at["Z"], k, output.strides[0])), best)
                z = code.sub(below, logarithm)
                t = code.load(code.at(at["T"], k, targets.strides[0]))
                absent = code.compare("oeq", t, zero)
                slope = code.mul(t, compile_expression(code, self.penalty.slope, {"z": z}))
                slope = _masked(code, part, code.select(absent, zero, slope))
                if not last:
                    added = code.mul(t, compile_expression(code, self.penalty.body, {"z": z}))
                    added = _masked(code, part, code.select(absent, zero, added))
                    _add(code, sums[0], added)
                    _add(code, slopes, slope)
                    _store_class(code, self.places, at, k, {"E": added})
                    continue
                chance = vector_exp(code, z)
                slope = code.sub(slope, code.mul(chance, code.load(slopes)))
                values = {"P": chance, "D": slope, "dZ": code.mul(share, slope)}
                _store_class(code, self.places, at, k, values)


def _store_class(
    code: Code, places: LossPlaces, at: Mapping[str, Value], k: Value, values: Mapping[str, Value]
) -> None:
    """What belongs to a class at a position."""
    for letter, value in values.items():
        if letter in places.written:
            step = places.written[letter][1].strides[0]
            code.store(value, code.at(at[letter], k, step))


def _logarithm_of_sum(code: Code, z: Value, classes: int, stride: int, best: Value) -> Value:
    """log Σ exp(Z[k] − best)."""
    total = Carried([code.number(0.0)])
    with code.loop("k", classes, carried=total) as k:
        shifted = code.sub(code.load(code.at(z, k, stride)), best)
        total.next = [code.add(total.now[0], vector_exp(code, shifted))]
    return vector_log(code, total.now[0])


@contextmanager
def _each_position(code: Code, part: int, places: LossPlaces) -> Iterator[Mapping[str, Value]]:
    """Loops over the positions of maps; gives each array's address there, of the first class.

    What is one for each sample and class has no address there.
    """
    rank, offset = len(places.output.shape), code.parts[part]
    named = {"Z": (0, places.output), "T": (1, places.targets), **places.written}
    named = {letter: held for letter, held in named.items() if len(held[1].shape) == rank}
    arrays: list[tuple[Value, Sequence[int]]] = [
        (code.at(code.argument(i), lay.origin + offset), lay.strides[1:])
        for i, lay in named.values()
    ]
    if places.classes is not None:
        steps = places.classes.strides[-(rank - 1) :] if rank > 1 else ()
        arrays.append((code.at(code.argument(2), offset), steps))
    with walk(code, places.output.shape[1:], arrays) as at:
        yield dict(zip([*named, "classes"], at, strict=False))


@frozen
class OverlapLoss(Kernel):
    """The mean over samples and classes of 1 − (2·Σ P·T + s)/(Σ P + Σ T + s), over positions.

    Args:
        places: the arrays; P always.
        smooth: s.
        softmax: whether P is the softmax over classes; else the sigmoid of each.
    """

    places: LossPlaces
    smooth: float
    softmax: bool

    def lines(self) -> list[str]:
        """See `Kernel.lines`."""
        function = "softmax over k" if self.softmax else "sigmoid"
        return [
            f"P = {function} of Z at every position",
            "I[k] = 2·Σ P[k]·T[k] + s, U[k] = Σ P[k] + Σ T[k] + s over positions",
            "loss += Σ (1 − I[k]/U[k])/M",
            "g[k] = I[k]/U[k]² − 2·T[k]/U[k]; dZ from g through P",
        ]

    def write(self, code: Code) -> None:
        """See `Kernel.write`."""
        parts = [self._part(code, part) for part in range(code.target.parts)]
        totals, rights = zip(*parts, strict=True)
        hits = rights if self.softmax else None
        _finish(code, totals, hits, self.places.output.shape[0], self.places.part)

    def _part(self, code: Code, part: int) -> tuple[Value, Value]:
        """One register of samples: the sum over classes, and how many positions are right."""
        total, right = _sums(code, 2)
        with _each_position(code, part, self.places) as at:
            self._chances(code, part, at, right)
        self._classes(code, part, total)
        if self.softmax and self._scratch:
            with _each_position(code, part, self.places) as at:
                self._through_softmax(code, part, at)
        return code.load(total), code.load(right)

    @property
    def _scratch(self) -> str:
        """Where the slope along P stands meanwhile; empty where nobody asks for slopes."""
        return next((letter for letter in ("D", "dZ") if letter in self.places.written), "")

    def _chances(self, code: Code, part: int, at: Mapping[str, Value], right: Value) -> None:
        output, (_, chances) = self.places.output, self.places.written["P"]
        classes, stride = output.shape[0], output.strides[0]
        if self.softmax:
            best, place = greatest_class(code, at["Z"], classes, stride)
            known = code.load(at["classes"], code.vector("i32"))
            hit = code.compare("eq", known, place)
            hit = code.select(hit, code.number(1.0), code.number(0.0))
            _add(code, right, _masked(code, part, hit))
            logarithm = _logarithm_of_sum(code, at["Z"], classes, stride, best)
        with code.loop("k", classes) as k:
            z = code.load(code.at(at["Z"], k, stride))
            if self.softmax:
                chance = vector_exp(code, code.sub(code.sub(z, best), logarithm))
            else:
                chance = OPERATIONS["sigmoid"](code, z)
            code.store(chance, code.at(at["P"], k, chances.strides[0]))

    def _classes(self, code: Code, part: int, total: Value) -> None:
        """Of every class the overlap, and the slope along P or, of a sigmoid, along Z."""
        places, offset = self.places, code.parts[part]
        named = {"T": (1, places.targets), **places.written}
        shape = places.output.shape
        first = {
            letter: (code.at(code.argument(i), lay.origin + offset), lay)
            for letter, (i, lay) in named.items()
        }
        both, whole = _sums(code, 2)
        with code.loop("k", shape[0]) as k:
            own = {a: code.at(place, k, lay.strides[0]) for a, (place, lay) in first.items()}
            for place in (both, whole):
                code.store(code.number(self.smooth), place)
            spread = {a: (own[a], lay.strides[1:]) for a, (_, lay) in first.items()}
            with walk(code, shape[1:], [spread["P"], spread["T"]]) as (p, t):
                chance, target = code.load(p), code.load(t)
                twice = code.add(target, target)
                _add(code, both, code.mul(chance, twice))
                _add(code, whole, code.add(chance, target))
            shared = code.div(code.load(both), code.load(whole))
            added = _masked(code, part, code.sub(code.number(1.0), shared))
            _add(code, total, added)
            if "E" in own:
                code.store(added, own["E"])
            if not self._scratch:
                return
            rise = code.div(shared, code.load(whole))
            fall = code.div(code.number(2.0), code.load(whole))
            letters = [a for a in spread if a != "E"]
            with walk(code, shape[1:], [spread[a] for a in letters]) as found:
                at: dict[str, Value] = dict(zip(letters, found, strict=True))
                slope = code.sub(rise, code.mul(fall, code.load(at["T"])))
                if self.softmax:
                    code.store(slope, at[self._scratch])
                else:
                    chance = code.load(at["P"])
                    rest = code.mul(chance, code.sub(code.number(1.0), chance))
                    self._slope(code, part, at, code.mul(slope, rest))

    def _slope(self, code: Code, part: int, at: Mapping[str, Value], slope: Value) -> None:
        """The slope along Z, where it is wanted."""
        slope = _masked(code, part, slope)
        share = code.number(1.0 / self.places.output.shape[0])
        share = code.mul(gradient_share(code, self.places.part), share)
        _store(code, at, {"D": slope, "dZ": code.mul(share, slope)})

    def _through_softmax(self, code: Code, part: int, at: Mapping[str, Value]) -> None:
        """From slopes along P to those along Z: P·(g − Σ P·g)."""
        places, classes = self.places, self.places.output.shape[0]
        step = {letter: lay.strides[0] for letter, (_, lay) in places.written.items()}
        summed = Carried([code.number(0.0)])
        with code.loop("k", classes, carried=summed) as k:
            chance, slope = (code.load(code.at(at[a], k, step[a])) for a in ("P", self._scratch))
            summed.next = [code.add(summed.now[0], code.mul(chance, slope))]
        mean = summed.now[0]
        with code.loop("k", classes) as k:
            here = {a: code.at(at[a], k, step[a]) for a in step if a != "E"}
            apart = code.sub(code.load(here[self._scratch]), mean)
            self._slope(code, part, here, code.mul(code.load(here["P"]), apart))
