"""Equations as other libraries can compute them: elements gathered, multiplied, and summed.

A factor `X[n,c,y·s+i−p,x]` is an array whose rows are gathered by a table of the positions that y
and i lead to; what lies outside is a row of zeros. Then each axis is one index, and the product
with its sum is what `einsum` computes. A maximum over windows is gathered alike.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from ..equation import Access, Affine, Applied, Contraction, Equation, Selection, Sparse, Term
from ..equation.adjoints import gather
from ..equation.frozen import frozen
from ..equation.scalar import Function
from ..errors import ArgumentError

LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
"""What `einsum` may call indices."""


@frozen
class GatheredFactor:
    """An array with a function of each element, then with rows gathered.

    Args:
        letter: of the array.
        function: what is applied first; None is nothing.
        tables: for each axis, which of its rows stand where, −1 for one that is outside. It has as
            many axes as there are indices in the position, none takes one row alone. None is the
            whole axis as it is.
        labels: the indices that the gathered axes are, in order.
        numbers: of a matrix that the equation knows; None where the array is given.
    """

    letter: str
    function: Function | None
    tables: tuple[Any, ...]
    labels: tuple[str, ...]
    numbers: Any = None


@frozen
class GatheredTerm:
    """A product, summed over all indices that the result does not have.

    Args:
        factors: what is multiplied.
        scale: a constant factor.
        summed: the indices of the sum.
    """

    factors: tuple[GatheredFactor, ...]
    scale: float
    summed: tuple[str, ...]


@frozen
class GatheredSum:
    """An equation as gathered products.

    Args:
        terms: which are added.
        labels: the indices of the result's axes, that of the samples first.
        sizes: of all indices.
        maximum: whether it is the maximum over the indices of one factor instead of their sum.
    """

    terms: tuple[GatheredTerm, ...]
    labels: tuple[str, ...]
    sizes: Mapping[str, int]
    maximum: bool = False


def gathered_sum(equation: Equation) -> GatheredSum:
    """A contraction or a selection as gathered products.

    Raises:
        ArgumentError: it is another kind of equation, or one that adds into places which several
            indices lead to; a clause that says so.
    """
    if isinstance(equation, Selection) and not equation.within:
        sizes = dict(equation.ranges)
        factor = _factor(equation.source, None, sizes, equation.shape_of[equation.source.array])
        pairs = zip(equation.source.positions, factor.tables, strict=True)
        tables = tuple(_inside(table, position.names, equation.over) for position, table in pairs)
        term = GatheredTerm((replace(factor, tables=tables),), 1.0, equation.over)
        return GatheredSum((term,), _target(equation.result, equation), sizes, maximum=True)
    if not isinstance(equation, Contraction):
        raise ArgumentError("its equation is neither a sum of products nor a maximum over windows")
    solved = gather(equation)
    (labels, *others) = {_target(term.target, solved) for term in solved.terms}
    terms = tuple(_term(term, solved) for term in solved.terms)
    found = {label for term in terms for factor in term.factors for label in factor.labels}
    if others or not found.issuperset(labels):
        raise ArgumentError("its terms lie along other axes than its result")
    return GatheredSum(terms, labels, dict(solved.ranges))


def _inside(table: Any, names: Sequence[str], over: Sequence[str]) -> Any:
    """A table without places outside, where a window reaches there: a neighbour stands for them.

    It is in the same window, so the maximum stays what it is, and the first one, too: before the
    array stands its first row in the window, behind it the last. A window that is outside as a
    whole stays there.
    """
    if table is None or not (table < 0).any():
        return table
    axes = tuple(axis for axis, name in enumerate(names) if name in over)
    found = table.copy()
    for point in np.argwhere(table < 0):
        place = tuple(slice(None) if axis in axes else at for axis, at in enumerate(point))
        window = table[place].reshape(-1)
        within = np.flatnonzero(window >= 0)
        if len(within):
            own = np.ravel_multi_index([point[a] for a in axes], [table.shape[a] for a in axes])
            nearest = within[0] if own < within[0] else within[-1]
            found[tuple(point)] = window[nearest]
    return found


def _target(target: Access, equation: Equation) -> tuple[str, ...]:
    """The indices of the result's axes, each over the whole of its own."""
    names = [position.plain for position in target.positions]
    sizes = equation.shape_of[target.array]
    whole = all(n and equation.range_of[n] == s for n, s in zip(names, sizes, strict=True))
    if not whole or len({*names}) < len(names):
        raise ArgumentError("it adds into places that no index alone leads to")
    return tuple(str(name) for name in names)


def _term(term: Term, equation: Contraction) -> GatheredTerm:
    sizes, found = dict(equation.ranges), []
    for factor in term.factors:
        access, function, numbers = factor.access, None, None
        if isinstance(factor, Applied):
            function = factor.function
        elif isinstance(factor, Sparse):
            numbers = np.array(factor.dense(equation.shape_of[access.array][1]))
        elif not isinstance(factor, Access):
            raise ArgumentError("it reads which element won")
        shape = equation.shape_of[access.array]
        found.append(_factor(access, function, sizes, shape, numbers))
    return GatheredTerm(tuple(found), float(term.scale.value), term.summed)


def _factor(
    access: Access,
    function: Function | None,
    sizes: Mapping[str, int],
    shape: tuple[int, ...],
    numbers: Any = None,
) -> GatheredFactor:
    pairs = [*zip(access.positions, shape, strict=True)]
    tables = tuple(_table(position, size, sizes) for position, size in pairs)
    labels = tuple(name for position, _ in pairs for name in position.names)
    return GatheredFactor(access.array, function, tables, labels, numbers)


def _table(position: Affine, size: int, sizes: Mapping[str, int]) -> Any:
    """The rows that a position takes, for all values of its indices."""
    if position.plain is not None and sizes[position.plain] == size:
        return None
    counts = [sizes[name] for name in position.names]
    table = np.full(counts, -1, np.int64)
    for point in np.ndindex(*counts):
        at = position.at(dict(zip(position.names, point, strict=True)))
        if at is not None and 0 <= at < size:
            table[point] = at
    return table
