"""A contraction in NumPy: strided windows and einsum, for any affine positions.

Every factor becomes a view with one axis per index; einsum sums what the target does not show;
the result is added to a view of the target. Where several index points lead to one target element
(overlapping windows), the indices that overlap are looped over, so that each addition stands alone.
Where constants of the equation say which of an axis's elements are taken (`Sparse`), these are
gathered first: `X[n,c,h,w]` becomes `X[n,c,y,y#,w]`, with y# counting what row y takes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product as cartesian
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import as_strided
from numpy.typing import DTypeLike

from ..equation import (
    Access,
    Applied,
    Contraction,
    Factor,
    Indicator,
    Selection,
    Sparse,
    Term,
    one_to_one,
)
from ..equation.access import unique
from ..equation.scalar import evaluate_scalar
from ..errors import EquationError
from .operations import OPERATIONS


def contract(equation: Contraction, arrays: Mapping[str, np.ndarray]) -> np.ndarray:
    """The target array of a contraction.

    Args:
        equation: any contraction in scatter form (no quotients).
        arrays: the factors' arrays by letter.

    Returns:
        A float64 array of the target's shape.

    Raises:
        EquationError: an array of another shape than the equation's.
    """
    padded, origin = padded_target(equation)
    for t in equation.terms:
        _add(t, equation, arrays, padded, origin)
    return np.asarray(inside(padded, origin, equation), order="C")


def padded_target(
    equation: Contraction, dtype: DTypeLike = np.float64
) -> tuple[np.ndarray, list[int]]:
    """Zeros wherever any term's index points may lead, and where element 0 stands among them."""
    shape = equation.shape_of[equation.target.array]
    margins = [[t.target.margin(axis) for t in equation.terms] for axis in range(len(shape))]
    before = [max(m[0] for m in axis) for axis in margins]
    behind = [max(0, *(m[1] for m in axis)) for axis in margins]
    return np.zeros([sum(axis) for axis in zip(before, shape, behind, strict=True)], dtype), before


def inside(padded: np.ndarray, origin: list[int], equation: Contraction) -> np.ndarray:
    """The part of a padded target that is the target."""
    shape = equation.shape_of[equation.target.array]
    parts: list[Any] = [slice(at, at + size) for at, size in zip(origin, shape, strict=True)]
    return np.asarray(padded[(*parts, ...)])


def _add(
    t: Term,
    equation: Contraction,
    arrays: Mapping[str, np.ndarray],
    target: np.ndarray,
    origin: list[int],
) -> None:
    """Add one term's products to the padded target, whose element 0 stands at `origin`."""
    loops = overlapping(t, equation.range_of)
    free = {n: size for n, size in equation.range_of.items() if n in t.names and n not in loops}
    taken = _gathered_axes(t, free)
    counted = (gathered.by + "#" for gathered in taken.values())
    letters = {name: place for place, name in enumerate((*free, *counted))}
    prepared = [prepare(f, equation, arrays) for f in t.factors]
    shown = [n for n in t.target.names if n in free]
    for values in cartesian(*(range(equation.range_of[n]) for n in loops)):
        fixed = dict(zip(loops, values, strict=True))
        operands: list[Any] = []
        present: set[str] = set()
        parts = [
            part_of(f, *p, free, fixed, taken) for f, p in zip(t.factors, prepared, strict=True)
        ]
        for names, part in _existing(t, parts):
            operands += [part, [letters[n] for n in names]]
            present.update(names)
        kept = tuple(n for n in shown if n in present)
        products = np.einsum(*operands, [letters[n] for n in kept], optimize=len(t.factors) > 1)
        target_part = view(target, t.target, origin, shown, free, fixed)
        target_part += float(t.scale.value) * with_axes((kept, products), shown)


NamedArray = tuple[tuple[str, ...], np.ndarray]
"""Names of indices, and an array with one axis for each."""


def with_axes(part: NamedArray, names: Sequence[str]) -> np.ndarray:
    """A part with one axis for each of `names`, of length 1 where it has none."""
    own, array = part
    array = array.transpose([own.index(n) for n in names if n in own])
    return array[tuple(slice(None) if n in own else None for n in names)]


def _existing(t: Term, parts: list[NamedArray]) -> list[NamedArray]:
    """The parts, with 0 wherever a factor beside them says that there is no product.

    Where another element won or a slope is 0 nothing is sent back, not even a NaN times 0.
    """
    gates = [
        (*part, isinstance(f, Sparse))
        for f, part in zip(t.factors, parts, strict=True)
        if not isinstance(f, Access)
    ]
    found = []
    for factor, (names, part) in zip(t.factors, parts, strict=True):
        for gate_names, gate, constant in gates:
            if not isinstance(factor, Access):
                continue
            if gate_names == names or (constant and set(gate_names) <= set(names)):
                part = np.where(with_axes((gate_names, gate), names) == 0, 0.0, part)
            elif set(names) <= set(gate_names) and not np.isfinite(part).all():
                wide = with_axes((names, part), gate_names)
                names, part = gate_names, np.where(gate == 0, 0.0, wide)
        found.append((names, part))
    return found


def overlapping(t: Term, ranges: Mapping[str, int]) -> list[str]:
    """The indices to loop over so that the rest lead to different target elements."""
    loops: list[str] = []
    inner = dict(ranges)
    while not one_to_one(t, inner):
        crowded = [n for n in t.target.names if inner[n] > 1]
        together = [n for p in t.target.positions if len(p.names) > 1 for n in p.names]
        smallest = min(crowded, key=lambda n: (n not in together, inner[n]))
        loops.append(smallest)
        inner[smallest] = 1
    return loops


def prepare(
    factor: Factor, equation: Contraction, arrays: Mapping[str, np.ndarray]
) -> tuple[np.ndarray, list[int]]:
    """The factor's array with its function applied and zeros in the padding.

    Args:
        factor: of one of the equation's terms, in scatter form.
        equation: for shapes.
        arrays: the factors' arrays by letter.

    Returns:
        The array, and how much padding lies before element 0 on each axis.

    Raises:
        EquationError: a quotient, or an array of another shape than the equation's.
    """
    access = factor.access
    if isinstance(factor, Sparse):
        return np.array(factor.dense(equation.range_of[factor.names[1]])), [0, 0]
    if any(p.divisor.value != 1 for p in access.positions):
        raise EquationError(
            f"{access.array} is read at a quotient; this engine takes contractions in scatter form"
        )
    array = arrays[access.array]
    if array.shape != equation.shape_of[access.array]:  # a view of it would leave its memory
        raise EquationError(
            f"{access.array} has shape {array.shape}, but the equation needs "
            f"{equation.shape_of[access.array]}"
        )
    if isinstance(factor, Applied):
        applied = evaluate_scalar(factor.function.body, {"x": array}, OPERATIONS)
        array = np.broadcast_to(np.asarray(applied), array.shape)
    margins = [access.margin(axis) for axis in range(array.ndim)]
    if any(margin != (0, 0) for margin in margins):
        array = np.pad(array, [(max(p, 0), max(q, 0)) for p, q in margins])
    return array, [max(before, 0) for before, _ in margins]


@dataclass(frozen=True)
class Gathered:
    """Which values of an index are taken at each value of another, as `Sparse` constants say.

    Args:
        by: the other index.
        table: (values of `by`, the most that are taken); where fewer are, a value with 0 beside it.
    """

    by: str
    table: np.ndarray

    @property
    def places(self) -> NamedArray:
        """The values themselves."""
        return (self.by, self.by + "#"), self.table

    def of(self, part: NamedArray, name: str) -> NamedArray:
        """A part with the index replaced by `by` and by the number of what is taken."""
        names, array = part
        counted = self.by + "#"
        rest = tuple(n for n in names if n not in (name, self.by))
        if self.by in names:
            array = with_axes(part, (self.by, name, *rest))
            found = array[np.arange(len(self.table))[:, None], self.table]
        else:
            found = with_axes(part, (name, *rest))[self.table]
        return (self.by, counted, *rest), found


NOTHING_GATHERED: Mapping[str, Gathered] = {}


def part_of(
    factor: Factor,
    array: np.ndarray,
    before: list[int],
    free: Mapping[str, int],
    fixed: Mapping[str, int],
    taken: Mapping[str, Gathered] = NOTHING_GATHERED,
) -> NamedArray:
    """A view of the factor with one axis per free index, and the names of those axes.

    Args:
        factor: the factor.
        array: as it is prepared.
        before: the padding before element 0 on each axis.
        free: the indices that become axes, with their ranges.
        fixed: the values of all others.
        taken: the indices of which some values alone are gathered.
    """
    own = tuple(n for n in factor.access.names if n in free)
    part: NamedArray = own, view(array, factor.access, before, own, free, fixed)
    for name in own:
        if name in taken:
            part = taken[name].of(part, name)
    if not isinstance(factor, Indicator):
        return part
    values: list[NamedArray] = [
        taken[name].places if name in taken else ((name,), np.arange(free[name]))
        for name in factor.value.names
        if name in free
    ]
    names = unique([n for one, _ in (part, *values) for n in one])
    wanted: Any = factor.value.offset.integer
    for name, coefficient in factor.value.terms:
        here = fixed[name] if name in fixed else with_axes(values.pop(0), names)
        wanted = wanted + coefficient.integer * here
    return names, (with_axes(part, names) == wanted) * 1.0


def _gathered_axes(t: Term, free: Mapping[str, int]) -> dict[str, Gathered]:
    """The summed indices of which the term's constants leave few values.

    Args:
        t: the term.
        free: the indices that are not looped over, with their ranges.
    """
    found: dict[str, Gathered] = {}
    for factor in t.factors:
        if not isinstance(factor, Sparse) or not set(factor.names) <= set(free):
            continue
        name, by = sorted(factor.names, key=lambda n: n in t.target.names)
        if name in t.target.names or {name, by} & {*found, *(g.by for g in found.values())}:
            continue  # it multiplies as any other factor does
        partners = factor.partners(by, free[by])
        most = max(1, *map(len, partners))
        rows = []
        for taken in partners:
            beside = next((v for v in range(free[name]) if v not in taken), 0)
            rows.append((*taken, *(beside,) * (most - len(taken))))
        found[name] = Gathered(by, np.array(rows))
    return found


def view(
    array: np.ndarray,
    access: Access,
    before: list[int],
    names: Sequence[str],
    free: Mapping[str, int],
    fixed: Mapping[str, int],
) -> np.ndarray:
    """The accessed elements, one axis per name, without a copy.

    Args:
        array: the array with its padding.
        access: the access; no quotients.
        before: how much padding lies before element 0 on each axis.
        names: the indices that become axes, in order.
        free: their ranges.
        fixed: the values of all other indices.
    """
    start: list[Any] = []
    strides = dict.fromkeys(names, 0)
    for axis, position in enumerate(access.positions):
        at = position.offset.integer + before[axis]
        for name, coefficient in position.terms:
            if name in strides:
                strides[name] += coefficient.integer * array.strides[axis]
            else:
                at += coefficient.integer * fixed[name]
        start.append(slice(at, None))
    shape = tuple(free[n] for n in names)
    return as_strided(array[(*start, ...)], shape, tuple(strides[n] for n in names))


def windows(equation: Selection, array: np.ndarray, outside: float) -> np.ndarray:
    """What each window of a maximum holds, row by row.

    Args:
        equation: whose windows.
        array: of the source's shape, of all samples or some.
        outside: what stands where a window leaves the array.

    Returns:
        (*result, points of the window).
    """
    source = equation.source
    margins = [source.margin(axis) for axis in range(array.ndim)]
    names = [*equation.result.names, *equation.over]
    ranges = {**equation.range_of, names[0]: len(array)}
    padded = np.pad(array, margins, constant_values=outside)
    seen = view(padded, source, [before for before, _ in margins], names, ranges, {})
    for one in equation.within:
        inside = np.array(one.dense(ranges[one.names[1]])) != 0
        seen = np.where(with_axes((one.names, inside), names), seen, outside)
    return seen.reshape(*seen.shape[: len(equation.result.names)], -1)
