"""The strongest paths from an element to the end: exact, without walking all of them.

A gradient is the sum, over every path of products from it to the loss, of what is multiplied along
the path. What lies beyond an element is known as one number, the greatest |product| of any path
from it to the end (`product_sizes.py`): so the search takes up the most promising beginning first,
and what it completes first is the strongest path.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import count
from math import prod

import numpy as np

from ..arrays.einsum import contract
from ..equation import Contraction, Node, of_samples
from .element_term import ElementTerm, Operand
from .greatest import places_of_greatest
from .product_sizes import absolute_sums, greatest_products
from .traced_step import TracedStep

_MOST = 1e150
"""What stands for infinity."""

_LATER = 200
"""How many beginnings are taken up, and as many for each path asked for, to settle near ties."""

Rule = Callable[[Contraction, Mapping[str, np.ndarray]], np.ndarray]


@dataclass(frozen=True)
class Link:
    """One product on a path.

    Args:
        part: the sum's term.
        number: which of its points.
        local: what it multiplies the gradient by.
        index: the element whose gradient that is.
    """

    part: ElementTerm
    number: int
    local: float
    index: tuple[int, ...]


@dataclass(frozen=True)
class Chain:
    """A path, or how one may begin.

    Args:
        name: the array that it has come to.
        index: to which element.
        product: of all the links, and at the end of what stands there.
        links: from the element on.
    """

    name: str
    index: tuple[int, ...]
    product: float
    links: tuple[Link, ...] = ()

    @property
    def places(self) -> tuple[tuple[str, int, int], ...]:
        """What orders paths that are equally strong."""
        return tuple((one.part.sum.layer, one.part.number, one.number) for one in self.links)


@dataclass(frozen=True)
class _Rows:
    """Some products of one element's gradient.

    Args:
        part: the term they belong to.
        handed: its factor that is a gradient.
        start: the number of the first of them.
        local: (B,) float64, what each multiplies that gradient by.
        places: (B,) where that gradient lies in its array as one row.
    """

    part: ElementTerm
    handed: Operand
    start: int
    local: np.ndarray
    places: np.ndarray


@dataclass(frozen=True)
class _Spread:
    """A number for each element on the ways, of some samples.

    Args:
        arrays: by name, of these samples only.
        first: the first of these samples.
    """

    arrays: Mapping[str, np.ndarray]
    first: int

    def at(self, name: str, places: np.ndarray) -> np.ndarray:
        """The numbers at places in the whole array as one row; 0 for other samples."""
        array = self.arrays[name]
        moved = places - self.first * prod(array.shape[1:])
        inside = (moved >= 0) & (moved < array.size)
        found = array.ravel()[np.where(inside, moved, 0)].astype(np.float64)
        return np.where(inside, found, 0.0)


@dataclass(frozen=True, eq=False)
class PathSearch:
    """All ways from one element to an end.

    Args:
        step: the step.
        name: the element's array.
        index: which element.
        end: the array that paths lead to.
        seed: what stands at the end of a path, one number for each element of that array.
        row: only the paths that begin with this product of the element's gradient.
    """

    step: TracedStep
    name: str
    index: tuple[int, ...]
    end: str
    seed: np.ndarray
    row: int | None = None

    @cached_property
    def nodes(self) -> tuple[Node, ...]:
        """The layers on the ways, in forward order."""
        return self.step.nodes_between(self.name, self.end)

    @cached_property
    def samples(self) -> slice:
        """The samples that paths can lie in: one, where samples are apart and one is meant."""
        apart = not any(node.equation.ties_samples for node in self.nodes)
        size = self.seed.shape[0]
        if apart and self.index and self.step.role(self.name) not in ("parameter", "given"):
            return slice(self.index[0], self.index[0] + 1)
        if apart:
            held = np.flatnonzero(self.seed.reshape(size, -1).any(axis=1))
            return slice(int(held[0]), int(held[-1]) + 1) if len(held) else slice(0, 1)
        return slice(0, size)

    def best(self, k: int) -> list[Chain]:
        """The k paths whose |product| is greatest, greatest first; fewer where there are fewer."""
        start = Chain(self.name, self.index, 1.0)
        order = count()
        found: list[Chain] = []
        sizes: list[float] = []
        waiting: list[tuple[float, int, int, Chain]] = [(-_MOST, 0, next(order), start)]
        later = 0
        while waiting:
            bound, _, _, head = heapq.heappop(waiting)
            if len(found) >= k:
                later += 1
                kth = heapq.nlargest(k, sizes)[-1]
                if -bound * (1 + self._slack) < kth or later > _LATER * (1 + k):
                    break
            if head.name == self.end:
                found.append(replace(head, product=head.product * self.at_end(head.index)))
                sizes.append(float(_sizes(np.array(found[-1].product))))
                continue
            for size, ahead in self._onwards(head, k):
                heapq.heappush(waiting, (-size, -len(ahead.links), next(order), ahead))
        found = [one for one in found if one.product != 0]
        return sorted(found, key=lambda f: (-float(_sizes(np.array(f.product))), f.places))[:k]

    def at_end(self, index: tuple[int, ...]) -> float:
        """What stands at the end of a path that ends there."""
        return float(self.seed[index])

    @cached_property
    def _slack(self) -> float:
        """How far the bounds may be below what they bound, by rounding."""
        single = any(a.dtype == np.float32 for a in self._strengths.arrays.values())
        return 1e-4 if single else 1e-12

    def only(self, index: tuple[int, ...]) -> PathSearch:
        """Those of the ways that end in one element."""
        seed = np.zeros_like(self.seed)
        seed[index] = self.seed[index]
        return replace(self, seed=seed)

    def magnitude(self) -> float:
        """Σ|products| of all paths."""
        return self._total(self._spread(absolute_sums, np.abs(self.seed)), np.abs)

    def total(self) -> float:
        """Σ products of all paths."""
        return self._total(self._spread(contract, self.seed))

    def _total(self, spread: _Spread, of: Callable[[np.ndarray], np.ndarray] = np.asarray) -> float:
        if self.name == self.end:
            return float(spread.arrays[self.end][(self.index[0] - spread.first, *self.index[1:])])
        total = 0.0
        with np.errstate(all="ignore"):
            for row in self._rows(self.name, self.index):
                beyond = spread.at(row.handed.name, row.places)
                total += float(np.where(row.local == 0, 0.0, of(row.local) * beyond).sum())
        return total

    @cached_property
    def _strengths(self) -> _Spread:
        """The greatest |product| from every element on the ways to the end."""
        dtype = self.step.array("value", self.end).dtype
        seed = np.minimum(_sizes(self.seed), 1e18).astype(dtype)
        return self._spread(greatest_products, seed, np.maximum)

    def _spread(
        self,
        rule: Rule,
        seed: np.ndarray,
        joined: Callable[[np.ndarray, np.ndarray], np.ndarray] = np.add,
    ) -> _Spread:
        """What a rule makes of the end's numbers, for every array on the ways."""
        found = {self.end: seed[self.samples]}
        on_the_way = {node.output for node in self.nodes}
        for sent in self.step.system.backward:
            if sent.node not in self.nodes or sent.receives not in on_the_way:
                continue
            equation, arrays = self._restricted(sent.node, sent.equation)
            arrays["d" + sent.node.equation.target.array] = found[sent.node.output]
            with np.errstate(all="ignore"):
                made = rule(equation, arrays)
            known = found.get(sent.receives)
            found[sent.receives] = made if known is None else joined(known, made)
        return _Spread(found, self.samples.start)

    def _restricted(
        self, node: Node, equation: Contraction
    ) -> tuple[Contraction, dict[str, np.ndarray]]:
        """A sum over some samples only, and its values' arrays."""
        read = {f.access.array for t in equation.terms for f in t.factors}
        arrays = {a: self.step.array("value", n) for a, n in node.arrays if a in read}
        size = self.samples.stop - self.samples.start
        shorter = of_samples(equation, size)
        for letter, array in arrays.items():
            if shorter.shape_of[letter] != array.shape:
                arrays[letter] = array[self.samples]
        return shorter, arrays

    def _rows(self, name: str, index: tuple[int, ...]) -> Iterator[_Rows]:
        """The products by which an element's gradient comes from those beyond it, in blocks."""
        only = self.row if (name, index) == (self.name, self.index) else None
        before = 0
        for part in self.step.parts("grad", name, index):
            at, before = before, before + len(part)
            handed = part.gradient
            if handed is None or part.sum.node not in self.nodes or not len(part):
                continue
            if only is None:
                blocks = part.points.blocks()
            elif at <= only < before:
                rows = np.unravel_index(only - at, part.points.sizes)
                blocks = iter([tuple(slice(int(row), int(row) + 1) for row in rows)])
            else:
                continue
            for block in blocks:
                local = part.products(block, local=True)
                places = np.broadcast_to(handed.places(part.points, block), local.shape)
                yield _Rows(part, handed, part.points.start(block), local.ravel(), places.ravel())

    def _onwards(self, head: Chain, k: int) -> Iterator[tuple[float, Chain]]:
        """The k best ways to go on from an element, each with its bound."""
        chosen: list[tuple[float, int, _Rows]] = []
        for rows in self._rows(head.name, head.index):
            beyond = self._strengths.at(rows.handed.name, rows.places)
            sizes = _sizes(rows.local) * beyond
            chosen += [(float(sizes[at]), int(at), rows) for at in _leading(sizes, k, self._slack)]
        sizes = np.array([size for size, _, _ in chosen])
        for place in _leading(sizes, k, self._slack):
            size, at, rows = chosen[place]
            local, number = float(rows.local[at]), rows.start + at
            index = rows.handed.element(rows.part.points.at(number))
            links = (*head.links, Link(rows.part, number, local, index))
            ahead = Chain(rows.handed.name, index, head.product * local, links)
            bound = float(_sizes(np.array(head.product))) * size
            if ahead.name == self.end:  # the bound is rounded, what it bounds is known
                bound = float(_sizes(np.array(ahead.product * self.at_end(index))))
            yield bound, ahead


def _sizes(products: np.ndarray) -> np.ndarray:
    """|products|; a number that stands above all others for what is not finite."""
    sizes = np.abs(np.asarray(products, np.float64))
    return np.asarray(np.nan_to_num(sizes, nan=_MOST, posinf=_MOST))


def _leading(sizes: np.ndarray, k: int, slack: float) -> np.ndarray:
    """Where the k greatest stand, greatest first, and near ties with the last of them."""
    first = places_of_greatest(sizes, k)
    least = sizes[first[-1]] * (1 - slack) if len(first) == k else 0.0
    chosen = np.flatnonzero(sizes >= least if least > 0 else sizes)
    return chosen[np.argsort(-sizes[chosen], kind="stable")][: 4 * k + 16]
