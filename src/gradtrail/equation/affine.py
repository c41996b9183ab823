"""Affine positions over named indices: `y·s + i·d − p`, and their exact quotients."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cached_property

from .frozen import concise, frozen
from .number import ONE, ZERO, Number, as_number

Ranges = Mapping[str, int]
"""How far each index runs: index `y` takes the values 0 … ranges["y"] − 1."""


@frozen
class Affine:
    """A position `(Σ coefficient·index + offset) / divisor`, exact: no value where it is uneven.

    Args:
        terms: index names with their coefficients, positive ones first, each name once.
        offset: the constant added to them.
        divisor: what the sum is divided by, at least 1.
    """

    terms: tuple[tuple[str, Number], ...] = ()
    offset: Number = ZERO
    divisor: Number = ONE

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The indices that occur."""
        return tuple(name for name, _ in self.terms)

    @property
    def numbers(self) -> tuple[Number, ...]:
        """Coefficients, offset and divisor."""
        return (*(c for _, c in self.terms), self.offset, self.divisor)

    @property
    def plain(self) -> str | None:
        """The name of the one index this position consists of, or None."""
        if len(self.terms) != 1 or (self.offset, self.divisor) != (ZERO, ONE):
            return None
        name, coefficient = self.terms[0]
        return name if coefficient == ONE else None

    @cached_property
    def _integers(self) -> tuple[int, tuple[tuple[str, int], ...], int]:
        """Offset, coefficients and divisor as integers: a position is asked at every point."""
        terms = tuple((name, coefficient.integer) for name, coefficient in self.terms)
        return self.offset.integer, terms, self.divisor.integer

    def coefficient(self, name: str) -> int:
        """The factor before index `name` (0 where it does not occur), the divisor aside."""
        for known, coefficient in self.terms:
            if known == name:
                return coefficient.integer
        return 0

    def at(self, point: Mapping[str, int]) -> int | None:
        """The position for these index values, or None where the division leaves a remainder."""
        total, terms, divisor = self._integers
        for name, coefficient in terms:
            total += coefficient * point[name]
        if divisor == 1:
            return total
        return None if total % divisor else total // divisor

    def bounds(self, ranges: Ranges) -> tuple[int, int]:
        """The least and the greatest position over all of `ranges`, rounded inwards."""
        low, terms, divisor = self._integers
        high = low
        for name, coefficient in terms:
            reach = coefficient * (ranges[name] - 1)
            if reach > 0:
                high += reach
            else:
                low += reach
        return -(-low // divisor), high // divisor

    def substitute(self, values: Mapping[str, Affine | int]) -> Affine:
        """This position with some indices replaced by other positions or by numbers."""
        if self.plain is not None and self.plain in values:
            return _affine(values[self.plain])
        result = Affine((), self.offset)
        for name, coefficient in self.terms:
            result += _affine(values.get(name, index(name))) * coefficient
        if self.divisor == ONE:
            return result
        if not result.terms and result.offset.integer % self.divisor.integer == 0:
            return _affine(result.offset.integer // self.divisor.integer)
        return Affine(result.terms, result.offset, self.divisor)

    def rename(self, names: Mapping[str, str]) -> Affine:
        """This position with its indices renamed."""
        terms = tuple((names.get(n, n), c.renamed(names)) for n, c in self.terms)
        return Affine(terms, self.offset.renamed(names), self.divisor.renamed(names))

    def __repr__(self) -> str:
        return f"index({self.plain!r})" if self.plain else concise(self)

    def __add__(self, other: Affine | Number | int) -> Affine:
        other = _affine(other)
        _whole(self, other)
        gathered: dict[str, Number] = {}
        for name, coefficient in (*self.terms, *other.terms):
            gathered[name] = gathered[name] + coefficient if name in gathered else coefficient
        return Affine(_ordered(gathered.items()), self.offset + other.offset)

    def __sub__(self, other: Affine | Number | int) -> Affine:
        return self + _affine(other) * -1

    def __mul__(self, factor: Number | int) -> Affine:
        _whole(self)
        factor = as_number(factor)
        if factor == ONE:
            return self
        return Affine(_ordered((n, c * factor) for n, c in self.terms), self.offset * factor)

    def __truediv__(self, divisor: Number | int) -> Affine:
        _whole(self)
        if as_number(divisor).value < 1:
            raise ValueError(f"a position is divided by a positive number, not by {divisor}")
        return Affine(self.terms, self.offset, as_number(divisor))

    __radd__ = __add__
    __rmul__ = __mul__


def index(name: str) -> Affine:
    """The position that is just the index `name`."""
    return Affine(((name, ONE),))


def indices(names: str) -> tuple[Affine, ...]:
    """Each of the names, parted by spaces, as a position of its own."""
    return tuple(index(name) for name in names.split())


def _affine(value: Affine | Number | int) -> Affine:
    return value if isinstance(value, Affine) else Affine((), as_number(value))


def _whole(*positions: Affine) -> None:
    if any(p.divisor != ONE for p in positions):
        raise ValueError("a quotient takes part in no further sum; divide last")


def _ordered(terms: Iterable[tuple[str, Number]]) -> tuple[tuple[str, Number], ...]:
    """The one canonical order: what is added before what is subtracted, plain zeros left out."""
    kept = [(n, c) for n, c in terms if not c.vanishes()]
    return tuple(sorted(kept, key=lambda term: term[1].is_negative()))
