"""A constant matrix times a vector, written out as few additions and multiply-adds.

A sum `x + ρ·y` that several rows hold a multiple of is computed once, the most frequent one first,
until none occurs twice. For points ±a this finds the even and odd halves of the polynomials.

Source: Paar, "Optimized Arithmetic for Reed-Solomon Encoders", 1997 (greedy common pairs), with
ratios.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction
from functools import cache
from itertools import combinations

from ....equation.frozen import frozen
from ..builder import Code
from ..ir_types import Value
from .points import Matrix

_Row = dict[int, Fraction]


@frozen
class _Recipe:
    """How a matrix is applied.

    Args:
        pairs: new variables `x_i + ρ·x_j`, numbered on from the inputs.
        rows: each result as (variable, coefficient) terms.
    """

    pairs: tuple[tuple[int, int, Fraction], ...]
    rows: tuple[tuple[tuple[int, Fraction], ...], ...]


@cache
def _recipe(matrix: Matrix) -> _Recipe:
    """The recipe of a matrix."""
    rows: list[_Row] = [{i: c for i, c in enumerate(row) if c} for row in matrix]
    pairs: list[tuple[int, int, Fraction]] = []
    while True:
        counts = Counter(
            (i, j, row[j] / row[i]) for row in rows for i, j in combinations(sorted(row), 2)
        )
        pair, times = max(counts.items(), key=lambda item: item[1], default=(None, 0))
        if pair is None or times < 2:
            break
        name = len(matrix[0]) + len(pairs)
        pairs.append(pair)
        rows = [_replaced(row, pair, name) for row in rows]
    return _Recipe(tuple(pairs), tuple(tuple(row.items()) for row in rows))


def _replaced(row: _Row, pair: tuple[int, int, Fraction], name: int) -> _Row:
    """A row with its multiple of a pair, if it has one, as one term."""
    i, j, ratio = pair
    if i not in row or row.get(j) != row[i] * ratio:
        return row
    return {n: c for n, c in row.items() if n not in (i, j)} | {name: row[i]}


def matrix_product(code: Code, matrix: Matrix, vector: Sequence[Value]) -> list[Value]:
    """matrix · vector.

    Args:
        code: where it is written.
        matrix: rows × columns.
        vector: as many values as columns, all of one type.
    """
    recipe = _recipe(matrix)
    known = list(vector)
    for i, j, ratio in recipe.pairs:
        known.append(_plus(code, known[i], ratio, known[j]))
    return [_combined(code, [(c, known[i]) for i, c in terms]) for terms in recipe.rows]


def multiply_both(
    code: Code, matrix: Matrix, value: Callable[[int, int], Value]
) -> Iterator[Value]:
    """matrix · values · matrixᵀ, row by row.

    Args:
        code: where it is written.
        matrix: rows × columns.
        value: gives the element at a row and a column, each of which runs over the matrix's
            columns.
    """
    size = len(matrix[0])
    columns = [
        matrix_product(code, matrix, [value(i, j) for i in range(size)]) for j in range(size)
    ]
    for row in zip(*columns, strict=True):
        yield from matrix_product(code, matrix, row)


def square(code: Code, corner: Value, row: int, column: int) -> Callable[[int, int], Value]:
    """Reads the element at a row and a column, for `multiply_both`.

    Args:
        code: where it is written.
        corner: the address of the first element.
        row: bytes from one row to the next.
        column: bytes from one column to the next.
    """
    return lambda i, j: code.load(code.at(corner, i * row + j * column))


def _combined(code: Code, terms: list[tuple[Fraction, Value]]) -> Value:
    """Σ coefficient · value; a term with coefficient 1 comes first, since it costs nothing."""
    terms = sorted(terms, key=lambda term: (term[0] != 1, abs(term[0]) != 1))
    (coefficient, first), *rest = terms
    if coefficient == -1:
        first = code.negative(first)
    elif coefficient != 1:
        first = code.mul(first, code.number(float(coefficient), first.type))
    for coefficient, value in rest:
        first = _plus(code, first, coefficient, value)
    return first


def _plus(code: Code, a: Value, factor: Fraction, b: Value) -> Value:
    """A + factor · b."""
    if factor == 1:
        return code.add(a, b)
    if factor == -1:
        return code.sub(a, b)
    return code.fma(b, code.number(float(factor), b.type), a)
