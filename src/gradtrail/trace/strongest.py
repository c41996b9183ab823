"""The greatest product instead of the sum of products: a contraction over (max, ·).

    the sum        dX[n,c,y·s+i,x·s+j] += Σ_k W[k,c,i,j]·dZ[n,k,y,x]
    the greatest    M[n,c,y·s+i,x·s+j] = max_k |W[k,c,i,j]|·M_Z[n,k,y,x]

With the greatest product of any path down to the elements of `dZ` put in for `dZ`, what comes out
is the greatest of any path down to the elements of `dX`. A maximum goes through everything that
does not depend on what it is taken over, so batch norm's square of a channel is never laid out.
Whatever is not finite counts as greater than all that is.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import product as cartesian
from typing import Any

import numpy as np

from ..engines.contract import contract, margins_of, overlapping, part_of, prepare, view
from ..equation import Access, Applied, Contraction, Factor, Indicator, Term

__all__ = ["absolute", "strongest"]

_TILE = 1 << 18
"""Bytes of products held at a time: so that they stay in a core's second-level cache."""

_LANES = 16
"""How long the innermost axis should at least be."""

Part = tuple[tuple[str, ...], np.ndarray]
"""Names of indices, and an array with one axis for each."""


def absolute(equation: Contraction, arrays: Mapping[str, np.ndarray]) -> np.ndarray:
    """Σ|products| for every element of the target.

    Args:
        equation: any contraction in scatter form.
        arrays: the factors' arrays by letter.

    Returns:
        A float64 array of the target's shape.
    """
    terms: list[Term] = []
    held: dict[str, np.ndarray] = {}
    shapes = dict(equation.shapes)
    for t in equation.terms:
        factors: list[Factor] = []
        for factor in t.factors:
            letter = f"{factor.access.array}{len(held)}"
            shapes[letter] = equation.shape_of[factor.access.array]
            access = factor.access.to(letter)
            if isinstance(factor, Indicator):
                held[letter] = arrays[factor.access.array]
                factors.append(Indicator(access, factor.value))
            else:
                held[letter] = _magnitude(factor, equation, arrays, np.dtype(np.float64), False)[0]
                factors.append(access)
        terms.append(Term(t.target, tuple(factors), -t.scale if t.scale.value < 0 else t.scale))
    used = {a.array for t in terms for a in t.accesses}
    kept = tuple((letter, shape) for letter, shape in shapes.items() if letter in used)
    return contract(Contraction(tuple(terms), ranges=equation.ranges, shapes=kept), held)


def strongest(equation: Contraction, arrays: Mapping[str, np.ndarray]) -> np.ndarray:
    """The greatest |product| for every element of the target; 0 where there is none.

    Args:
        equation: any contraction in scatter form.
        arrays: the factors' arrays by letter.

    Returns:
        An array of the target's shape: float32 where all numbers are that, else float64.
    """
    floats = [a.dtype for a in arrays.values() if a.dtype.kind == "f"]
    dtype = np.dtype(np.float32 if floats and set(floats) == {np.dtype("f4")} else np.float64)
    shape = equation.shape_of[equation.target.array]
    margins = margins_of(equation)
    padded = np.zeros([size + sum(m) for size, m in zip(shape, margins, strict=True)], dtype)
    origin = [before for before, _ in margins]
    for t in equation.terms:
        padded = _raised(t, equation, arrays, padded, origin)
    inside: tuple[Any, ...] = tuple(
        slice(before, before + size) for (before, _), size in zip(margins, shape, strict=True)
    )
    found = padded[(*inside, ...)]
    return np.ascontiguousarray(np.minimum(found, _most(dtype)))


def _most(dtype: np.dtype[Any]) -> float:
    """What stands for infinity: its square is finite, and 0 times it is 0."""
    return 1e18 if dtype == np.float32 else 1e150


def _raised(
    t: Term,
    equation: Contraction,
    arrays: Mapping[str, np.ndarray],
    target: np.ndarray,
    origin: list[int],
) -> np.ndarray:
    """The padded target, whose element 0 stands at `origin`, raised to one term's products."""
    loops = overlapping(t, equation.range_of)
    free = {n: size for n, size in equation.range_of.items() if n in t.names and n not in loops}
    shown = tuple(n for n in t.target.names if n in free)
    inner = _innermost(t, free)
    target = _laid(target, t.target, inner)
    prepared = []
    for factor in t.factors:
        array, before = _magnitude(factor, equation, arrays, target.dtype)
        prepared.append((factor, _laid(array, factor.access, inner), before))
    scale = abs(float(t.scale.value))
    for values in cartesian(*(range(equation.range_of[n]) for n in loops)):
        fixed = dict(zip(loops, values, strict=True))
        parts: list[Part] = []
        for factor, array, before in prepared:
            names, part = part_of(factor, array, before, free, fixed)
            parts.append((tuple(names), part.astype(target.dtype, copy=False)))
        goal = view(target, t.target, origin, list(shown), free, fixed)
        _raise(goal, shown, _scaled(_reduced(parts, shown), scale))
    return target


def _magnitude(
    factor: Factor,
    equation: Contraction,
    arrays: Mapping[str, np.ndarray],
    dtype: np.dtype[Any],
    padded: bool = True,
) -> tuple[np.ndarray, list[int]]:
    """A factor's array as sizes, and the padding before it; what an indicator reads, as it is."""
    letter = factor.access.array
    if isinstance(factor, Indicator):
        return prepare(factor, equation, arrays)
    array = arrays[letter]
    if isinstance(factor, Applied):  # 1 − tanh² loses in float32 what is left near 1
        array = array.astype(np.float64)
    if not padded:
        access = Access(letter, factor.access.positions)
        factor = Applied(factor.function, access) if isinstance(factor, Applied) else access
    with np.errstate(all="ignore"):
        array, before = prepare(factor, equation, {letter: array})
        most = _most(dtype)
        array = np.nan_to_num(np.abs(array), nan=most, posinf=most)
        return np.minimum(array, most).astype(dtype), before


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


def _reduced(parts: list[Part], shown: Sequence[str]) -> list[Part]:
    """Fewer parts of the same greatest product.

    A part whose indices another has, too, is multiplied into it, and the maximum is taken at once
    over whatever stands in one part alone.
    """
    parts = sorted(parts, key=lambda part: len(part[0]))
    done: list[Part] = []
    while parts:
        names, array = parts.pop(0)
        over = [n for n in names if n not in shown]
        host = next((i for i, other in enumerate(parts) if set(names) <= set(other[0])), None)
        if over and host is not None:
            wider, into = parts[host]
            parts[host] = wider, into * _aligned((names, array), wider)
            continue
        others = {n for part in (*parts, *done) for n in part[0]}
        alone = [n for n in over if n not in others]
        if alone:
            array = array.max(axis=tuple(names.index(n) for n in alone))
            parts.append((tuple(n for n in names if n not in alone), array))
            parts.sort(key=lambda part: len(part[0]))
            parts, done = sorted([*parts, *done], key=lambda part: len(part[0])), []
            continue
        done.append((names, array))
    return done


def _scaled(parts: list[Part], scale: float) -> list[Part]:
    """The parts with the constant factor in the smallest."""
    if scale == 1:
        return parts
    place = min(range(len(parts)), key=lambda i: parts[i][1].size)
    names, array = parts[place]
    scaled = (array * array.dtype.type(scale)).astype(array.dtype, copy=False)
    return [*parts[:place], (names, scaled), *parts[place + 1 :]]


def _aligned(part: Part, names: Sequence[str]) -> np.ndarray:
    """A part with one axis for each of `names`, of length 1 where it has none."""
    own, array = part
    array = array.transpose([own.index(n) for n in names if n in own])
    return array[tuple(slice(None) if n in own else None for n in names)]


def _raise(goal: np.ndarray, shown: Sequence[str], parts: list[Part]) -> None:
    """Raise the target's elements (one axis for each of `shown`) to the parts' products."""
    over = tuple(dict.fromkeys(n for names, _ in parts for n in names if n not in shown))
    sizes = {n: size for names, array in parts for n, size in zip(names, array.shape, strict=True)}
    operands = [_aligned(part, (*over, *shown)) for part in parts]
    for block in _tiles(goal):
        into = goal[block]
        products = np.empty_like(into)
        tiled = [_tile(operand, len(over), block) for operand in operands]
        for values in np.ndindex(*(sizes[n] for n in over)):
            first, *rest = (
                a[tuple(0 if size == 1 else v for v, size in zip(values, a.shape, strict=False))]
                for a in tiled
            )
            for other in rest:
                first = np.multiply(first, other, out=products)
            np.maximum(into, first, out=into)


def _tile(operand: np.ndarray, over: int, block: tuple[slice, ...]) -> np.ndarray:
    """The part of an operand that belongs to a tile; its first axes are those looped over."""
    chosen = zip(block, operand.shape[over:], strict=True)
    cut = tuple(slice(None) if size == 1 else s for s, size in chosen)
    return operand[(*((slice(None),) * over), *cut)]


def _tiles(goal: np.ndarray) -> Iterator[tuple[slice, ...]]:
    """The target in pieces that fit the cache, cut along the axes that lie farthest apart."""
    steps = list(goal.shape)
    for axis in sorted(range(goal.ndim), key=lambda a: -abs(goal.strides[a])):
        rest = int(np.prod(steps)) // max(1, steps[axis]) * goal.itemsize
        steps[axis] = max(1, min(steps[axis], _TILE // max(1, rest)))
    starts = (range(0, size, step) for size, step in zip(goal.shape, steps, strict=True))
    for begin in cartesian(*starts):
        yield tuple(slice(b, b + step) for b, step in zip(begin, steps, strict=True))
