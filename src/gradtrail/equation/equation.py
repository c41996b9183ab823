"""What every kind of equation is: ranges of indices, shapes of arrays, and what reads what."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import field
from functools import cached_property
from math import prod
from typing import Self

from ..errors import EquationError
from .access import Access, Sparse, unique
from .frozen import frozen
from .number import Number


def count(names: tuple[str, ...], ranges: Mapping[str, int]) -> Number:
    """How many points several indices have together, written `|i|·|j|`."""
    return Number(prod(ranges[n] for n in names), "·".join(f"|{n}|" for n in names))


@frozen
class Dependence:
    """A target element reads an operand's element, wherever the accesses beside exist, too.

    Args:
        target: the element that reads.
        operand: the element that is read.
        beside: what else is multiplied, and must lie inside its array.
        sparse: constants that must not be 0.
    """

    target: Access
    operand: Access
    beside: tuple[Access, ...] = ()
    sparse: tuple[Sparse, ...] = ()


@frozen
class Equation(ABC):
    """What all kinds share: the range of every index and the shape of every array.

    Args:
        ranges: each index with the number of values it takes.
        shapes: each array's letter with its shape.

    Raises:
        EquationError: an index without a range, an array without a shape, or an access that
            leaves its array by more than its declared padding.
    """

    ranges: tuple[tuple[str, int], ...] = field(kw_only=True)
    shapes: tuple[tuple[str, tuple[int, ...]], ...] = field(kw_only=True)

    def __post_init__(self) -> None:
        for name, size in self.ranges:
            if not isinstance(size, int):
                raise EquationError(f"index {name} runs over {size!r}, which is no whole number")
        for access in self.accesses:
            self._check(access)

    @property
    @abstractmethod
    def accesses(self) -> tuple[Access, ...]:
        """Every access that occurs, the target's first."""

    @property
    @abstractmethod
    def reads(self) -> tuple[Dependence, ...]:
        """Which element of which operand each target element reads."""

    @property
    def target(self) -> Access:
        """The access that the equation defines."""
        return self.accesses[0]

    @property
    def operands(self) -> tuple[str, ...]:
        """The letters that are read from elsewhere, in order of appearance."""
        return unique([read.operand.array for read in self.reads])

    def reads_of(self, operand: str) -> tuple[Dependence, ...]:
        """Those of `reads` that read one operand."""
        return tuple(read for read in self.reads if read.operand.array == operand)

    @property
    def saved(self) -> tuple[str, ...]:
        """The letters that the forward pass keeps besides the target."""
        return ()

    @property
    def ties_samples(self) -> bool:
        """Whether an element of the target meets elements of other samples than its own."""
        return False

    @property
    def kind(self) -> str:
        """The kind in the words of the design."""
        return type(self).__name__.removesuffix("Equation").lower()

    @cached_property
    def range_of(self) -> Mapping[str, int]:
        """Index name → how many values it takes."""
        return dict(self.ranges)

    @cached_property
    def shape_of(self) -> Mapping[str, tuple[int, ...]]:
        """Array letter → shape."""
        return dict(self.shapes)

    def renamed(self, names: Mapping[str, str]) -> Self:
        """The same equation with other index names.

        Raises:
            EquationError: two indices would get one name.
        """
        ranges = tuple((names.get(n, n), size) for n, size in self.ranges)
        if len({names.get(n, n) for n in self.range_of}) < len(self.range_of):
            raise EquationError(f"renaming {dict(names)} would make two indices one")
        for new in names.values():
            if new in self._symbols:
                raise EquationError(f"index {new} would be taken for the symbol {new}")
        return self._renamed(names, ranges)

    @cached_property
    def _symbols(self) -> frozenset[str]:
        """The letters that stand for numbers in positions, such as s and p."""
        numbers = (n for a in self.accesses for p in a.positions for n in p.numbers)
        return frozenset(w for n in numbers for w in re.findall(r"[^\W\d]\w*", n.symbol))

    @abstractmethod
    def _renamed(self, names: Mapping[str, str], ranges: tuple[tuple[str, int], ...]) -> Self: ...

    def _check(self, access: Access) -> None:
        shape = self.shape_of.get(access.array)
        if shape is None or len(shape) != len(access.positions):
            raise EquationError(
                f"{access.array} is accessed with {len(access.positions)} positions, but its "
                f"shape is {'unknown' if shape is None else shape}"
            )
        if access.padding and len(access.padding) != len(shape):
            raise EquationError(
                f"{access.array} has {len(shape)} axes, but padding for {len(access.padding)}"
            )
        for axis, (position, size) in enumerate(zip(access.positions, shape, strict=True)):
            for name in position.names:
                if self.range_of.get(name, 0) < 1:
                    raise EquationError(
                        f"index {name} of {access.array} runs over {self.range_of.get(name)} "
                        "values; every index needs at least 1"
                    )
            before, behind = access.margin(axis)
            low, high = position.bounds(self.range_of)
            if low < -before or high > size - 1 + behind:
                raise EquationError(
                    f"axis {axis} of {access.array} is accessed from {low} to {high}, but it has "
                    f"positions 0 to {size - 1} with {before} of padding before and {behind} "
                    "behind; declare the padding or shorten a range"
                )
