"""What sizes a contraction's products have: the greatest, and the sum of all, for every element.

    the sum        dX[n,c,y·s+i,x·s+j] += Σ_k W[k,c,i,j]·dZ[n,k,y,x]
    the greatest    M[n,c,y·s+i,x·s+j] = max_k |W[k,c,i,j]|·M_Z[n,k,y,x]
    all sizes       A[n,c,y·s+i,x·s+j] += Σ_k |W[k,c,i,j]|·A_Z[n,k,y,x]

With the greatest product of any path down to the elements of `dZ` put in for `dZ`, what comes out
is the greatest of any path down to the elements of `dX`; so with the sum. Maximum and sum go
through everything that does not depend on what they are taken over: batch norm's square of a
channel is never laid out. Whatever is not finite counts as greater than all that is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product as cartesian
from typing import Any

import numpy as np

from ..arrays.einsum import (
    NamedArray,
    inside,
    overlapping,
    padded_target,
    part_of,
    prepare,
    view,
    with_axes,
)
from ..equation import Access, Contraction, Factor, Indicator, Term

_TILE = 1 << 18
"""Bytes of products held at a time: so that they stay in a core's second-level cache."""

_LANES = 16
"""How long the innermost axis should at least be."""


def absolute_sums(equation: Contraction, arrays: Mapping[str, np.ndarray]) -> np.ndarray:
    """Σ|products| for every element of the target.

    Args:
        equation: any contraction in scatter form.
        arrays: the factors' arrays by letter.

    Returns:
        A float64 array of the target's shape.
    """
    return _sizes(equation, arrays, _Rule(np.dtype(np.float64), np.add, _summed))


def greatest_products(equation: Contraction, arrays: Mapping[str, np.ndarray]) -> np.ndarray:
    """The greatest |product| for every element of the target; 0 where there is none.

    Args:
        equation: any contraction in scatter form.
        arrays: the factors' arrays by letter.

    Returns:
        An array of the target's shape: float32 where all numbers are that, else float64.
    """
    single = {a.dtype for a in arrays.values() if a.dtype.kind == "f"} == {np.dtype(np.float32)}
    dtype = np.dtype(np.float32 if single else np.float64)
    return _sizes(equation, arrays, _Rule(dtype, np.maximum, _maximised))


@dataclass(frozen=True)
class _Rule:
    """How products are put together.

    Args:
        dtype: in what.
        together: two of them.
        put: parts into a view of the target with one axis for each of some indices.
    """

    dtype: np.dtype[Any]
    together: np.ufunc
    put: Callable[[np.ndarray, Sequence[str], list[NamedArray]], None]

    @property
    def most(self) -> float:
        """What stands for infinity: its square is finite, and 0 times it is 0."""
        return 1e18 if self.dtype == np.float32 else 1e150


def _sizes(equation: Contraction, arrays: Mapping[str, np.ndarray], rule: _Rule) -> np.ndarray:
    """The target: its products' sizes put together."""
    padded, origin = padded_target(equation, rule.dtype)
    for t in equation.terms:
        padded = _with(t, equation, arrays, padded, origin, rule)
    return np.ascontiguousarray(np.minimum(inside(padded, origin, equation), rule.most))


def _with(
    t: Term,
    equation: Contraction,
    arrays: Mapping[str, np.ndarray],
    target: np.ndarray,
    origin: list[int],
    rule: _Rule,
) -> np.ndarray:
    """The padded target, whose element 0 stands at `origin`, with one term's products put in."""
    loops = overlapping(t, equation.range_of)
    free = {n: size for n, size in equation.range_of.items() if n in t.names and n not in loops}
    shown = [n for n in t.target.names if n in free]
    inner = _innermost(t, free)
    target = _laid(target, t.target, inner)
    prepared = []
    for factor in t.factors:
        array, before = _magnitude(factor, equation, arrays, rule)
        prepared.append((factor, _laid(array, factor.access, inner), before))
    scale = abs(float(t.scale.value))
    for values in cartesian(*(range(equation.range_of[n]) for n in loops)):
        fixed = dict(zip(loops, values, strict=True))
        parts: list[NamedArray] = []
        for factor, array, before in prepared:
            names, part = part_of(factor, array, before, free, fixed)
            parts.append((names, part.astype(rule.dtype, copy=False)))
        goal = view(target, t.target, origin, shown, free, fixed)
        order = sorted(range(goal.ndim), key=lambda axis: -abs(goal.strides[axis]))
        laid = [shown[axis] for axis in order]
        rule.put(goal.transpose(order), laid, _scaled(_reduced(parts, shown, rule), scale))
    return target


def _magnitude(
    factor: Factor, equation: Contraction, arrays: Mapping[str, np.ndarray], rule: _Rule
) -> tuple[np.ndarray, list[int]]:
    """A factor's array as sizes, and the padding before it; what an indicator reads, as it is."""
    if isinstance(factor, Indicator):
        return prepare(factor, equation, arrays)
    with np.errstate(all="ignore"):
        array, before = prepare(factor, equation, arrays)
        array = np.nan_to_num(np.abs(array), nan=rule.most, posinf=rule.most)
        return np.minimum(array, rule.most).astype(rule.dtype), before


def _innermost(t: Term, free: Mapping[str, int]) -> str | None:
    """The index whose elements are laid side by side, so that each call has long rows."""
    alone = []
    for position in t.target.positions:
        names = [n for n in position.names if n in free]
        if len(names) == 1 and abs(position.coefficient(names[0])) == 1:
            alone.append(names[0])
    if alone and free[alone[0]] >= _LANES:
        return alone[0]
    return max(alone, key=lambda n: free[n], default=None)


def _laid(array: np.ndarray, access: Access, inner: str | None) -> np.ndarray:
    """The array with the axis along which `inner` moves innermost in memory."""
    for axis, position in enumerate(access.positions):
        if inner is not None and position.coefficient(inner):
            return np.moveaxis(np.ascontiguousarray(np.moveaxis(array, axis, -1)), -1, axis)
    return array


def _reduced(parts: list[NamedArray], shown: Sequence[str], rule: _Rule) -> list[NamedArray]:
    """Fewer parts that come to the same.

    A part whose indices another has, too, is multiplied into it, and what stands in one part alone
    is put together at once.
    """
    waiting, done = sorted(parts, key=lambda part: len(part[0])), list[NamedArray]()
    while waiting:
        names, array = waiting.pop(0)
        over = [n for n in names if n not in shown]
        host = next((i for i, other in enumerate(waiting) if set(names) <= set(other[0])), None)
        if over and host is not None:
            wider, into = waiting[host]
            waiting[host] = wider, into * with_axes((names, array), wider)
            continue
        others = {n for part in (*waiting, *done) for n in part[0]}
        alone = [n for n in over if n not in others]
        if not alone:
            done.append((names, array))
            continue
        array = rule.together.reduce(array, axis=tuple(names.index(n) for n in alone))
        left = tuple(n for n in names if n not in alone)
        rest = [*waiting, *done, (left, array)]
        waiting, done = sorted(rest, key=lambda part: len(part[0])), []
    return done


def _scaled(parts: list[NamedArray], scale: float) -> list[NamedArray]:
    """The parts with the constant factor in the smallest."""
    if scale == 1:
        return parts
    place = min(range(len(parts)), key=lambda i: parts[i][1].size)
    names, array = parts[place]
    return [*parts[:place], (names, array * array.dtype.type(scale)), *parts[place + 1 :]]


def _summed(goal: np.ndarray, shown: Sequence[str], parts: list[NamedArray]) -> None:
    """Add the parts' products to the target's elements."""
    present = {n for names, _ in parts for n in names}
    over = sorted(present.difference(shown))
    ordered: list[NamedArray] = []
    for part in parts:  # in the order of memory, so that a product of matrices needs no copies
        names = tuple(n for n in (*over, *shown) if n in part[0])
        ordered.append((names, with_axes(part, names)))
    kept = tuple(n for n in shown if n in present)
    ordered.sort(key=lambda part: [kept.index(n) for n in part[0] if n in kept])
    if len(ordered) == 2 and sum(len(names) - len(over) for names, _ in ordered) == len(kept):
        one, two = (array for _, array in ordered)
        names = tuple(n for part in ordered for n in part[0] if n in kept)
        summed = np.tensordot(one, two, axes=(range(len(over)), range(len(over))))
    else:
        letters = {n: place for place, n in enumerate((*over, *shown))}
        operands = [x for names, array in ordered for x in (array, [letters[n] for n in names])]
        names, summed = kept, np.einsum(*operands, [letters[n] for n in kept])
    goal += with_axes((names, np.asarray(summed)), shown)


def _maximised(goal: np.ndarray, shown: Sequence[str], parts: list[NamedArray]) -> None:
    """Raise the target's elements to the parts' products."""
    over = tuple(dict.fromkeys(n for names, _ in parts for n in names if n not in shown))
    sizes = {n: size for names, array in parts for n, size in zip(names, array.shape, strict=True)}
    operands = [with_axes(part, (*over, *shown)) for part in parts]
    for block in _tiles(goal):
        inside: tuple[Any, ...] = (*block, ...)  # of one element, too, an array
        into = goal[inside]
        products, greatest = np.empty(into.shape, goal.dtype), np.zeros(into.shape, goal.dtype)
        tiled = [_tile(operand, len(over), block) for operand in operands]
        for values in np.ndindex(*(sizes[n] for n in over)):
            first, *rest = (
                a[tuple(0 if size == 1 else v for v, size in zip(values, a.shape, strict=False))]
                for a in tiled
            )
            for other in rest:
                first = np.multiply(first, other, out=products)
            np.maximum(greatest, first, out=greatest)
        np.maximum(into, greatest, out=into)


def _tile(operand: np.ndarray, over: int, block: tuple[slice, ...]) -> np.ndarray:
    """The part of an operand that belongs to a tile; its first axes are those looped over."""
    chosen = zip(block, operand.shape[over:], strict=True)
    cut = tuple(slice(None) if size == 1 else s for s, size in chosen)
    return operand[(*((slice(None),) * over), *cut)]


def _tiles(goal: np.ndarray) -> Iterator[tuple[slice, ...]]:
    """The target in pieces that fit the cache, cut along its first axes."""
    steps = list(goal.shape)
    for axis in range(goal.ndim):
        rest = int(np.prod(steps)) // max(1, steps[axis]) * goal.itemsize
        steps[axis] = max(1, min(steps[axis], _TILE // max(1, rest)))
    starts = (range(0, size, step) for size, step in zip(goal.shape, steps, strict=True))
    for begin in cartesian(*starts):
        yield tuple(slice(b, b + step) for b, step in zip(begin, steps, strict=True))
