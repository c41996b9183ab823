"""Accesses and terms: which element of which array, and the products they make.

    b[k]                                        an Access
    relu(X[n,c,y,x])                            an Applied function of one
    [A[n,c,y,x] = i·S+j]                        an Indicator: 1 where it holds, else 0
    U[y,h]                                      a Sparse constant of the equation
    Z[n,k,y,x] += W[k,c,i,j]·X[n,c,y+i,x+j]     a Term: for all n,k,c,y,x,i,j

In a term no access is special: the target is one of them, and the adjoint towards an operand
exchanges the roles of the two.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from itertools import product as cartesian
from math import prod

from ..errors import EquationError
from .affine import Affine, Ranges, index
from .frozen import frozen
from .number import ONE, Number, as_number
from .scalar import Function

Margin = tuple[int, int]
"""How many positions before and behind an axis an access may reach; nothing is read there."""


@frozen
class Access:
    """One element of an array, its position on each axis affine in the indices.

    Args:
        array: the array's letter in the equation.
        positions: one position per axis.
        padding: per axis, how far before and behind the array a position may lie. A factor out
            there makes its term absent, a target out there is dropped. Empty: nowhere.
    """

    array: str
    positions: tuple[Affine, ...]
    padding: tuple[Margin, ...] = ()

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The indices that occur, in order of appearance."""
        return unique(name for position in self.positions for name in position.names)

    def margin(self, axis: int) -> Margin:
        """The padding of one axis."""
        return self.padding[axis] if self.padding else (0, 0)

    def padded(self, *margins: Margin) -> Access:
        """This access, declared to leave its array by these margins on its last axes."""
        free = ((0, 0),) * (len(self.positions) - len(margins))
        padding = (*free, *margins)
        return replace(self, padding=padding if any(m != (0, 0) for m in padding) else ())

    def at(self, point: Mapping[str, int]) -> tuple[int, ...] | None:
        """The element's index, or None where a quotient is uneven. It may lie in the padding."""
        found = tuple([position.at(point) for position in self.positions])
        return None if None in found else found  # type: ignore[return-value]

    def rename(self, names: Mapping[str, str]) -> Access:
        """This access with its indices renamed."""
        return replace(self, positions=tuple(p.rename(names) for p in self.positions))

    def substitute(self, values: Mapping[str, Affine | int]) -> Access:
        """This access with some indices replaced."""
        return replace(self, positions=tuple(p.substitute(values) for p in self.positions))

    def to(self, array: str) -> Access:
        """The same element of another array of the same shape."""
        return replace(self, array=array)

    @property
    def access(self) -> Access:
        """Itself: what every kind of factor answers."""
        return self

    def __mul__(self, other: Factor) -> tuple[Factor, ...]:
        return (self, other)


@frozen
class Applied:
    """A function of one array element: `relu(X[n,c,y,x])`."""

    function: Function
    access: Access

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The indices that occur."""
        return self.access.names

    def rename(self, names: Mapping[str, str]) -> Applied:
        """This factor with its indices renamed."""
        return replace(self, access=self.access.rename(names))

    def substitute(self, values: Mapping[str, Affine | int]) -> Applied:
        """This factor with some indices replaced."""
        return replace(self, access=self.access.substitute(values))


@frozen
class Indicator:
    """1 where an array of integers holds the given value, else 0: `[A[n,c,y,x] = i·S+j]`."""

    access: Access
    value: Affine

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The indices that occur."""
        return unique((*self.access.names, *self.value.names))

    def rename(self, names: Mapping[str, str]) -> Indicator:
        """This factor with its indices renamed."""
        return Indicator(self.access.rename(names), self.value.rename(names))

    def substitute(self, values: Mapping[str, Affine | int]) -> Indicator:
        """This factor with some indices replaced."""
        return Indicator(self.access.substitute(values), self.value.substitute(values))


Row = tuple[int, tuple[float, ...]]
"""Where a row's numbers begin, and the numbers; before and behind them are zeros."""

Taps = tuple[tuple[tuple[int, float], ...], ...]
"""For each value of one index the values of the other whose number is not 0, with the numbers."""


@frozen
class Sparse:
    """An element of a matrix that the equation knows, of which few are not 0: `U[y,h]`.

    It says how an axis is resampled: how much of row h row y takes. Of the nearest one all, of the
    two around it a share by distance, of each row of an adaptive window the same; and padding by
    mirrored rows is this, too. Where U is 0 there is no product.

    Args:
        access: of the matrix, both positions bare indices. Engines hold the matrix as one of the
            layer's given arrays, so that it can be looked at.
        rows: one for each value of the first index.

    Raises:
        EquationError: a position that is no bare index, or one index twice.
    """

    access: Access
    rows: tuple[Row, ...]

    def __post_init__(self) -> None:
        names = [position.plain for position in self.access.positions]
        numbers = [p for p in self.access.positions if not p.names]
        if len(self.access.positions) != 2 or None in names or names[0] == names[1] or numbers:
            raise EquationError(
                f"{self.access.array} holds constants of the equation, which are read at two bare "
                "indices"
            )

    @property
    def names(self) -> tuple[str, str]:
        """The index of the rows, and that of the columns."""
        row, column = self.access.names
        return row, column

    def rename(self, names: Mapping[str, str]) -> Sparse:
        """This factor with its indices renamed."""
        return replace(self, access=self.access.rename(names))

    def substitute(self, values: Mapping[str, Affine | int]) -> Sparse:
        """This factor with some indices replaced by others."""
        return replace(self, access=self.access.substitute(values))

    def number(self, row: int, column: int) -> float:
        """One element of the matrix."""
        start, numbers = self.rows[row]
        return numbers[column - start] if 0 <= column - start < len(numbers) else 0.0

    def at(self, point: Mapping[str, int]) -> float:
        """The number at an index point; where it is 0 there is no product."""
        row, column = self.names
        return self.number(point[row], point[column])

    @cached_property
    def _by_row(self) -> Taps:
        return tuple(
            tuple((start + place, n) for place, n in enumerate(numbers) if n != 0)
            for start, numbers in self.rows
        )

    @cached_property
    def _by_column(self) -> Taps:
        found: list[list[tuple[int, float]]] = []
        for row, taps in enumerate(self._by_row):
            for column, number in taps:
                found += [[] for _ in range(column + 1 - len(found))]
                found[column].append((row, number))
        return tuple(map(tuple, found))

    def taps(self, name: str, size: int) -> Taps:
        """For each value of an index, what is taken of the other.

        Args:
            name: one of the two.
            size: its range.
        """
        taps = self._by_row if name == self.names[0] else self._by_column
        return (*taps, *((),) * (size - len(taps)))

    def partners(self, name: str, size: int) -> tuple[tuple[int, ...], ...]:
        """For each value of an index, the values of the other that have a product with it."""
        return tuple(tuple(at for at, _ in taps) for taps in self.taps(name, size))

    def dense(self, columns: int) -> list[list[float]]:
        """The matrix, zeros included.

        Args:
            columns: how many it has.
        """
        return [[self.number(row, c) for c in range(columns)] for row in range(len(self.rows))]

    @cached_property
    def count(self) -> int:
        """How many numbers are not 0."""
        return sum(map(len, self._by_row))


Factor = Access | Applied | Indicator | Sparse


@frozen
class Term:
    """`target += scale · Π factors`, once for every value of every index that occurs.

    Args:
        target: the element that is added to.
        factors: what is multiplied.
        scale: a constant factor.
    """

    target: Access
    factors: tuple[Factor, ...]
    scale: Number = ONE

    def __post_init__(self) -> None:
        if not isinstance(self.scale, Number):
            raise TypeError(f"a term's scale is an exact Number, not {self.scale!r}")

    @property
    def accesses(self) -> tuple[Access, ...]:
        """The target and every factor's access."""
        return (self.target, *(f.access for f in self.factors))

    @cached_property
    def names(self) -> tuple[str, ...]:
        """All indices, those of the target first."""
        return unique((*self.target.names, *(n for f in self.factors for n in f.names)))

    @property
    def summed(self) -> tuple[str, ...]:
        """The indices the sum runs over: those that the target does not show."""
        return tuple(n for n in self.names if n not in self.target.names)

    def rename(self, names: Mapping[str, str]) -> Term:
        """This term with its indices renamed."""
        factors = tuple(f.rename(names) for f in self.factors)
        return Term(self.target.rename(names), factors, self.scale.renamed(names))

    def substitute(self, values: Mapping[str, Affine | int]) -> Term:
        """This term with some indices replaced."""
        factors = tuple(f.substitute(values) for f in self.factors)
        return Term(self.target.substitute(values), factors, self.scale)

    def count(self, ranges: Ranges) -> int:
        """How many index points there are, those in the padding included.

        No index may stand in two sparse constants.
        """
        total = prod(ranges[n] for n in self.names)
        for factor in sparse_of(self.factors):
            row, column = factor.names
            total = total * factor.count // (ranges[row] * ranges[column])
        return total

    def points(
        self, ranges: Ranges, shapes: Mapping[str, Sequence[int]]
    ) -> Iterator[dict[str, int]]:
        """Every index point whose product exists: nothing uneven, in the padding, or a constant 0.

        This walks all of `ranges` one by one; it is meant for small ones.
        """
        inside = [(access, shapes[access.array]) for access in self.accesses]
        sparse = sparse_of(self.factors)
        for values in cartesian(*(range(ranges[n]) for n in self.names)):
            point = dict(zip(self.names, values, strict=True))
            exists = all(_exists(access.at(point), shape) for access, shape in inside)
            if exists and all(factor.at(point) != 0 for factor in sparse):
                yield point


class Array:
    """A letter to write accesses with: `W = Array("W"); W[k, c, i, j]`."""

    def __init__(self, letter: str) -> None:
        self.letter = letter

    def __getitem__(self, positions: Affine | str | tuple[Affine | str, ...]) -> Access:
        listed = positions if isinstance(positions, tuple) else (positions,)
        return Access(self.letter, tuple(index(p) if isinstance(p, str) else p for p in listed))


def sparse_of(factors: Sequence[object]) -> tuple[Sparse, ...]:
    """Those of some factors that are constants of the equation."""
    return tuple(factor for factor in factors if isinstance(factor, Sparse))


def term(target: Access, *factors: Factor, scale: Number | int = 1) -> Term:
    """A `Term` written in one line."""
    return Term(target, factors, as_number(scale))


def one_to_one(t: Term, ranges: Mapping[str, int]) -> bool:
    """Whether no two index points of the target lead to the same element.

    Exact for positions that lay indices out in mixed radix, each index on one axis.
    """
    names = [n for position in t.target.positions for n in position.names if ranges[n] > 1]
    return len(set(names)) == len(names) and all(
        _injective(position, ranges) for position in t.target.positions
    )


def _injective(position: Affine, ranges: Mapping[str, int]) -> bool:
    reach = 0
    for name, c in sorted(position.terms, key=lambda pair: abs(pair[1].integer)):
        if ranges[name] > 1 and abs(c.integer) <= reach:
            return False
        reach += abs(c.integer) * (ranges[name] - 1)
    return True


def unique(names: Iterator[str] | Sequence[str]) -> tuple[str, ...]:
    """The names without repetition, in order of first appearance."""
    return tuple(dict.fromkeys(names))


def _exists(element: tuple[int, ...] | None, shape: Sequence[int]) -> bool:
    return element is not None and all(0 <= p < s for p, s in zip(element, shape, strict=True))
