"""The index points whose products make up one element: `dW[2,0,1,1] = Σ_{n,y,x} dZ[n,2,y,x]·X[…]`.

Fixing the element fixes some indices and ties others together: in `dX[n,c,y·s+i,x·s+j]` the pair
(y, i) takes those values for which y·s+i is the row asked for. Constants of the equation tie their
two indices: only where `U[y,h]` is not 0 is there a product. What is left is a product of small
tables, one per group of indices that are tied together. A million points are a few hundred numbers
until they are walked.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import prod

import numpy as np

from ..equation import Access, Affine, Contraction, Sparse, Term
from ..equation.access import sparse_of

BLOCK = 1 << 17
"""How many products are held at a time."""


@dataclass(frozen=True)
class Group:
    """Indices that are tied together, with the values they take.

    Args:
        names: the indices.
        values: (G, len(names)) int64, each row one combination, ascending.
    """

    names: tuple[str, ...]
    values: np.ndarray

    def __len__(self) -> int:
        return len(self.values)

    def along(self, position: Affine) -> np.ndarray:
        """What these indices add to a position, (G,)."""
        return self.values @ np.array([position.coefficient(n) for n in self.names], np.int64)


Block = tuple[slice, ...]
"""Some of the points: a range of each group's rows."""


@dataclass(frozen=True)
class Points:
    """A product of groups, walked with the last group fastest.

    Args:
        groups: none of them shares an index with another.
    """

    groups: tuple[Group, ...]

    def __len__(self) -> int:
        return prod(self.sizes)

    @cached_property
    def sizes(self) -> tuple[int, ...]:
        """How many rows each group has."""
        return tuple(map(len, self.groups))

    def at(self, number: int) -> dict[str, int]:
        """The values of all indices at one point, counted from 0."""
        rows = np.unravel_index(number, self.sizes)
        return {
            name: int(value)
            for group, row in zip(self.groups, rows, strict=True)
            for name, value in zip(group.names, group.values[row], strict=True)
        }

    def blocks(self) -> Iterator[Block]:
        """All points in order, in blocks of at most `BLOCK`."""
        split = next(a for a in range(len(self.sizes) + 1) if prod(self.sizes[a:]) <= BLOCK)
        if split == 0:
            yield tuple(slice(0, size) for size in self.sizes)
            return
        inner = prod(self.sizes[split:])
        step = max(1, BLOCK // max(inner, 1))
        for outer in np.ndindex(*self.sizes[: split - 1]):
            for begin in range(0, self.sizes[split - 1], step):
                end = min(begin + step, self.sizes[split - 1])
                chosen = (*(slice(i, i + 1) for i in outer), slice(begin, end))
                yield (*chosen, *(slice(0, size) for size in self.sizes[split:]))

    def start(self, block: Block) -> int:
        """The number of a block's first point."""
        return int(np.ravel_multi_index([s.start for s in block], self.sizes))

    def total(self, parts: Sequence[np.ndarray], block: Block, offset: int = 0) -> np.ndarray:
        """The sum of one vector per group, over a block: of shape 1 where a group adds nothing.

        Args:
            parts: per group (G,), what its rows add.
            block: which rows.
            offset: what every point has.
        """
        total = np.full((1,) * len(parts), offset, np.int64)
        for axis, (part, chosen) in enumerate(zip(parts, block, strict=True)):
            if part.any():
                shape = [1] * len(parts)
                shape[axis] = -1
                total = total + part[chosen].reshape(shape)
        return total


@dataclass(frozen=True)
class _Within:
    """A position that must lie between two places."""

    position: Affine
    low: int
    high: int


def points_of(t: Term, equation: Contraction, element: Sequence[int]) -> Points:
    """The points that lead to one element of the target, and whose product exists.

    Args:
        t: one of the equation's terms, without quotients.
        equation: for ranges and shapes.
        element: an index into the target's array.
    """
    conditions = [_Within(p, at, at) for p, at in zip(t.target.positions, element, strict=True)]
    for access in (f.access for f in t.factors):
        conditions += _inside(access, equation)
    values = {n: np.arange(equation.range_of[n]) for n in t.names}
    tying, sparse = _narrowed(conditions, values), sparse_of(t.factors)
    for one in sparse:
        _leave_partners(one, values)
    groups = []
    together = [*(c.position.names for c in tying), *(one.names for one in sparse)]
    for names in _tied(t.names, together):
        held = [c for c in tying if set(c.position.names) <= set(names)]
        inside = [one for one in sparse if set(one.names) <= set(names)]
        groups.append(Group(names, _solutions(names, [*inside, *held], values)))
    return Points(tuple(groups))


def _leave_partners(sparse: Sparse, values: dict[str, np.ndarray]) -> None:
    """Of each index of a constant, leave the values that have a product with one of the other."""
    for name, other in (sparse.names, sparse.names[::-1]):
        partners = sparse.partners(name, int(values[name].max(initial=-1)) + 1)
        met = {there for value in values[name].tolist() for there in partners[value]}
        values[other] = values[other][np.isin(values[other], list(met))]


def _inside(access: Access, equation: Contraction) -> Iterator[_Within]:
    """A factor exists only inside its array."""
    shape = equation.shape_of[access.array]
    for position, size in zip(access.positions, shape, strict=True):
        low, high = position.bounds(equation.range_of)
        if low < 0 or high >= size:
            yield _Within(position, 0, size - 1)


def _narrowed(conditions: Sequence[_Within], values: dict[str, np.ndarray]) -> list[_Within]:
    """Take away values that a condition on one index excludes; the conditions that tie several."""
    waiting, changed = list(conditions), True
    while changed:
        changed = False
        for condition in list(waiting):
            free = [n for n in condition.position.names if len(values[n]) != 1]
            if len(free) > 1:
                continue
            waiting.remove(condition)
            changed = True
            names = condition.position.names
            name = free[0] if free else next(iter(names), None)
            total = _total(condition.position, {n: values[n] for n in names})
            kept = (total >= condition.low) & (total <= condition.high)
            if name is None:
                if not kept.all():
                    values.update({n: v[:0] for n, v in values.items()})
            else:
                values[name] = values[name][np.broadcast_to(kept, values[name].shape)]
    return [c for c in waiting if not _always(c, values)]


def _total(position: Affine, values: Mapping[str, np.ndarray]) -> np.ndarray:
    """A position over the values of one index, all others having one value."""
    total = np.array([position.offset.integer])
    for name, held in values.items():
        total = total + position.coefficient(name) * held
    return total


def _reach(position: Affine, values: Mapping[str, np.ndarray]) -> tuple[int, int]:
    """The least and greatest that some indices add to a position."""
    low = high = 0
    for name in (n for n in position.names if n in values):
        ends = position.coefficient(name) * values[name][[0, -1]]
        low, high = low + int(ends.min()), high + int(ends.max())
    return low, high


def _always(condition: _Within, values: Mapping[str, np.ndarray]) -> bool:
    """Whether every combination of values meets a condition."""
    if any(not len(values[n]) for n in condition.position.names):
        return True
    low, high = _reach(condition.position, values)
    offset = condition.position.offset.integer
    return condition.low <= low + offset and high + offset <= condition.high


def _tied(names: Sequence[str], together: Sequence[Sequence[str]]) -> list[tuple[str, ...]]:
    """The indices in groups: those that something ties are in one group."""
    groups = [{n} for n in names]
    for tied in together:
        joined = [g for g in groups if g & set(tied)]
        groups = [g for g in groups if g not in joined]
        groups.append(set().union(*joined))
    ordered = [tuple(n for n in names if n in group) for group in groups]
    return sorted(ordered, key=lambda group: names.index(group[0]))


def _solutions(
    names: Sequence[str], tying: Sequence[_Within | Sparse], values: Mapping[str, np.ndarray]
) -> np.ndarray:
    """All combinations of values that meet the conditions, one index after another.

    Those that no value of the rest can complete are given up at once, so that a position in mixed
    radix takes no more steps than it has digits.
    """
    if len(names) == 1:
        return values[names[0]][:, None]
    if not all(len(values[n]) for n in names):
        return np.zeros((0, len(names)), np.int64)
    conditions = [c for c in tying if isinstance(c, _Within)]
    weight = {
        n: max((abs(c.position.coefficient(n)) for c in conditions), default=0) for n in names
    }
    order = sorted(names, key=lambda n: -weight[n])
    table = np.zeros((1, 0), np.int64)
    for place, name in enumerate(order):
        held = values[name]
        rest = {n: values[n] for n in order[place + 1 :]}
        table = np.hstack([np.repeat(table, len(held), axis=0), np.tile(held, len(table))[:, None]])
        for condition in conditions:
            steps = [condition.position.coefficient(n) for n in order[: place + 1]]
            total = table @ np.array(steps, np.int64) + condition.position.offset.integer
            low, high = _reach(condition.position, rest)
            kept = (total + high >= condition.low) & (total + low <= condition.high)
            table = table[kept]
        for one in sparse_of(tying):
            if name in one.names and set(one.names) <= set(order[: place + 1]):
                columns = [order.index(n) for n in one.names]
                table = table[[one.number(*row) != 0 for row in table[:, columns].tolist()]]
    table = table[:, [order.index(n) for n in names]]
    return table[np.lexsort(table.T[::-1])]
