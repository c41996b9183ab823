"""Every product in the sum behind one element: `t.grad.terms("conv1.weight", (2, 0, 1, 1))`.

A sum is walked in blocks of its index points (`index_points.py`), so that a million products need
no more memory than one block, and is added up in float64.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate
from typing import TYPE_CHECKING, Any, overload

import numpy as np

from ..checking.arguments import is_whole, positive
from ..equation import Applied, Contraction, Indicator, Term, gather, text
from ..renamed import keep_old_arguments
from ..showing.shown import Shown
from ..showing.tables import Table
from .element import Element, Side, element_text
from .element_term import ArraySum, ElementTerm, Operand, function_values
from .greatest import places_of_greatest
from .picture import terms_picture
from .records import products_array, products_frame, terms_dict
from .shares import Shares, shares_of
from .term_tables import products_table, terms_table
from .traced_step import TracedStep

if TYPE_CHECKING:
    from pathlib import Path

    from matplotlib.figure import Figure
    from pandas import DataFrame


@dataclass(frozen=True)
class ProductFactor(Element):
    """One factor of a product: an element, and what is multiplied.

    It is an `Element`, so that `str` writes it as any other; the element's fields come first.

    Args:
        letter: what the equation calls the array: `dZ`, `X`.
        stored: what the array holds there.
        value: what is multiplied: `stored`, a function of it (`relu′`), or 1 and 0 for whether it
            is the winner.
        function: the function's name, `[·]` for a winner; empty for the element itself.
    """

    letter: str
    stored: float
    value: float
    function: str = ""


@dataclass(frozen=True)
class Product:
    """One product.

    Args:
        number: which row of the sum.
        layer: whose equation it belongs to.
        term: which term of that equation, counted from 0.
        indices: the value of every index.
        factors: what is multiplied.
        scale: the constant factor, such as 1/N.
        product: of all of them.
        way: of batch norm's gradient, whether it leads back directly, by the mean or by the
            variance; else nothing.
    """

    number: int
    layer: str
    term: int
    indices: Mapping[str, int]
    factors: tuple[ProductFactor, ...]
    scale: float
    product: float
    way: str = ""


class Products(Shown, Sequence[Product]):
    """Some rows of a sum, strongest first; prints as a table.

    Args:
        rows: in order.
        terms: what they are rows of.
    """

    def __init__(self, rows: Sequence[Product], terms: Terms) -> None:
        self._rows, self.terms = tuple(rows), terms

    @overload
    def __getitem__(self, place: int) -> Product: ...

    @overload
    def __getitem__(self, place: slice) -> Products: ...

    def __getitem__(self, place: int | slice) -> Product | Products:
        if isinstance(place, slice):
            return Products(self._rows[place], self.terms)
        return self._rows[place]

    def __len__(self) -> int:
        return len(self._rows)

    def _table(self) -> Table:
        return products_table(self.terms, self._rows)


def factor_at(operand: Operand, point: Mapping[str, int]) -> ProductFactor:
    """One factor at one point."""
    index = operand.element(point)
    stored = float(operand.array[index])
    value, function, factor = stored, "", operand.factor
    if isinstance(factor, Applied):
        function = factor.function.name
        if operand.result is not None:
            value = float(operand.result[index])
        else:
            value = float(function_values(factor, operand.array[index]))
    elif isinstance(factor, Indicator):
        function, value = "[·]", float(stored == factor.value.at(point))
    letter = operand.access.array
    return ProductFactor(
        operand.side,
        operand.name,
        index,
        letter=letter,
        stored=stored,
        value=value,
        function=function,
    )


@dataclass(frozen=True)
class _Totals:
    """What one walk over all products finds."""

    sum: float
    magnitude: float
    nonzero: int


class Terms(Shown):
    """The products that make up one element.

    Args:
        step: the step.
        side: value or gradient.
        name: the array's, or a layer's for its output.
        index: which element.

    Raises:
        UnknownNameError: no array or layer has this name.
        ArgumentError: an index that does not fit the array.
    """

    def __init__(self, step: TracedStep, side: Side, name: str, index: Any) -> None:
        self.step, self.side, self.name = step, side, step.array_name(side, name)
        self.index = step.element(side, self.name, index)
        self.value = float(step.array(side, self.name)[self.index])
        self.parts: tuple[ElementTerm, ...] = step.parts(side, self.name, self.index)
        *self.starts, self._count = accumulate(map(len, self.parts), initial=0)

    @property
    def element(self) -> str:
        """The element as it is written: `dconv1.weight[2,0,1,1]`."""
        return element_text(self.side, self.name, self.index)

    @property
    def given(self) -> bool:
        """Whether the element is no sum: given, or a winner or a probability."""
        return len(self.parts) == 1 and self.parts[0].sum.node is None

    @property
    def origin(self) -> str:
        """Where an element that is no sum is from: `was given; no layer computed it`."""
        from .origins import origin_of
        from .wording import say

        return say(origin_of(self))

    @property
    def sums(self) -> tuple[ArraySum, ...]:
        """The sums that are added to make the element, one per layer."""
        return tuple({id(part.sum): part.sum for part in self.parts}.values())

    @cached_property
    def indices(self) -> tuple[str, ...]:
        """The names of all indices, in the order of the equations."""
        return tuple(dict.fromkeys(n for part in self.parts for n in part.term.names))

    def __len__(self) -> int:
        return self._count

    @overload
    def __getitem__(self, place: int) -> Product: ...

    @overload
    def __getitem__(self, place: slice) -> Products: ...

    def __getitem__(self, place: int | slice) -> Product | Products:
        if isinstance(place, slice):
            return Products([self._row(i) for i in range(*place.indices(len(self)))], self)
        if not is_whole(place):
            raise TypeError(f"rows are chosen by whole numbers and slices, got {place!r}")
        if not -len(self) <= place < len(self):
            raise IndexError(f"{self.element} is a sum of {len(self)} products, no row {place}")
        return self._row(int(place) % len(self))

    def __iter__(self) -> Iterator[Product]:
        return (self._row(i) for i in range(len(self)))

    def _row(self, number: int) -> Product:
        place = bisect_right(self.starts, number) - 1
        part = self.parts[place]
        point = part.points.at(number - self.starts[place])
        factors = tuple(factor_at(operand, point) for operand in part.operands)
        product = part.scale
        for factor in factors:
            product *= factor.value
        gates = zip(part.operands, factors, strict=True)
        if any(operand.gate and factor.value == 0 for operand, factor in gates):
            product = 0.0
        return Product(
            number, part.sum.layer, part.number, point, factors, part.scale, product, part.way
        )

    @cached_property
    def _totals(self) -> _Totals:
        total = magnitude = 0.0
        nonzero = 0
        with np.errstate(all="ignore"):
            for _, products in self.blocks():
                total += float(products.sum())
                magnitude += float(np.abs(products).sum())
                nonzero += int(np.count_nonzero(products))
        return _Totals(total, magnitude, nonzero)

    def blocks(self) -> Iterator[tuple[int, np.ndarray]]:
        """The products in order, with the number of the first of each block.

        A block has one axis per group of indices; as one row, it is in the order of the rows.
        """
        for part, start in zip(self.parts, self.starts, strict=True):
            if len(part):
                for block in part.points.blocks():
                    yield start + part.points.start(block), part.products(block)

    def sum(self) -> float:
        """The sum of all products, in float64."""
        return self._totals.sum

    @property
    def difference(self) -> float:
        """How much more the stored number is than the sum; rounding, unless something is wrong."""
        return self.value - self._totals.sum

    @property
    def magnitude(self) -> float:
        """Σ|products|: what the sum would be if nothing cancelled."""
        return self._totals.magnitude

    @property
    def nonzero(self) -> int:
        """How many products are not 0."""
        return self._totals.nonzero

    @cached_property
    def ways(self) -> dict[str, float]:
        """What leads back through batch norm directly, by the mean and by the variance.

        Their sums in float64; empty for every other element.
        """
        found: dict[str, float] = {}
        for part in (p for p in self.parts if p.way):
            blocks = part.points.blocks() if len(part) else ()
            with np.errstate(all="ignore"):
                total = sum(float(part.products(block).sum()) for block in blocks)
            found[part.way] = found.get(part.way, 0.0) + total
        return found

    def top(self, k: int = 10) -> Products:
        """The k products that are greatest in size, greatest first; a NaN before all.

        Raises:
            ArgumentError: k is below 1.
        """
        positive("top", k=k)
        numbers, sizes = np.zeros(0, np.int64), np.zeros(0)
        for start, products in self.blocks():
            here = np.abs(products).ravel()
            here = np.where(np.isnan(here), np.inf, here)
            chosen = places_of_greatest(here, int(k))
            numbers = np.concatenate([numbers, start + chosen])
            sizes = np.concatenate([sizes, here[chosen]])
            order = np.lexsort((numbers, -sizes))[:k]
            numbers, sizes = numbers[order], sizes[order]
        return Products([self._row(int(n)) for n in numbers], self)

    def by(self, *names: str) -> Shares:
        """Partial sums: `by("n")` over everything but the sample, `by("y", "x")` per position.

        Args:
            *names: indices of the equation, or "layer" where several layers send something.

        Raises:
            ArgumentError: a name that is no index of these terms, or one that stands twice.
        """
        return shares_of(self.parts, names, self.indices, self.element)

    def to_numpy(self) -> np.ndarray:
        """All rows as a structured array: the indices, the factors' values, the scale, the product.

        An index or a factor that a row has not is −1 or NaN.
        """
        return products_array(self)

    def to_pandas(self) -> DataFrame:
        """All rows as a data frame: as `to_numpy`, with the element that each factor is."""
        return products_frame(self)

    def plot(self, path: str | Path | None = None) -> Figure:
        """A picture of where over the image the contributions come from.

        Where the products have no places, bars say what each sample brings, or each value of the
        first index. What is not finite is drawn as large as the largest that is, and the title
        says so.

        Args:
            path: where to write it (PNG, SVG or PDF); None for only giving it back.

        Raises:
            ArgumentError: matplotlib is not there, or `path` is no path.
            FileError: the file cannot be written.
        """
        return terms_picture(self, path)

    def equations(self) -> tuple[str, ...]:
        """The sums with the numbers of this element put in, one per layer."""
        return tuple(_equation_text(one, self.index) for one in self.sums)

    @keep_old_arguments(rows="k")
    def to_dict(self, k: int = 10) -> dict[str, Any]:
        """The sum and its k strongest products as JSON has them."""
        return terms_dict(self, k)

    @keep_old_arguments(rows="k")
    def text(self, k: int = 10) -> str:
        """The equations, the k strongest products and the totals, as text."""
        return self._table(k).text()

    def _table(self, k: int = 10) -> Table:
        return terms_table(self, k)


def _equation_text(one: ArraySum, index: tuple[int, ...]) -> str:
    """A sum for one element: `dW[2,0,1,1] = Σ_{n<64,y<28,x<28} dZ[n,2,y,x]·X[n,0,y−1,x−1]`."""
    equation = gather(one.equation)
    at: dict[str, int] = {}
    for term in equation.terms:
        for position, value in zip(term.target.positions, index, strict=True):
            if position.plain is not None:
                at[position.plain] = value
    there = [term for term in equation.terms if _is_there(term, equation, at)]
    if there:  # of arrays that stand side by side, those that reach this element
        equation = Contraction.of(there, equation.range_of, equation.shape_of)
    return text(equation, numbers=True, at=at)


def _is_there(term: Term, equation: Contraction, at: Mapping[str, int]) -> bool:
    """Whether a term may have products: no position that is known lies outside of its array."""
    return all(
        (place := position.at(at)) is not None and 0 <= place < size
        for access in term.accesses
        for position, size in zip(access.positions, equation.shape_of[access.array], strict=True)
        if at.keys() >= set(position.names)
    )
