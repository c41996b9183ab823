"""From an element on to the loss, or to the outputs: the strongest paths, and what they make up.

t.grad.follow("conv1.weight", (2, 0, 1, 1), k=5)     from the loss down to this element
t.value.follow("input", (17, 0, 11, 15), to=3)       from this pixel on to class 3
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, overload

import numpy as np

from ..checking.arguments import is_whole, positive
from ..errors import ArgumentError, unknown
from ..showing.numbers import number_text, percent_text
from ..showing.shown import Shown
from ..showing.tables import Table
from .element import Side, element_text, example_element
from .hops import Hop, end_hop, hop, start_hop
from .path_search import PathSearch
from .records import json_data, json_number
from .terms import Terms
from .traced_step import TracedStep

PathEnd = int | str | tuple[int, ...] | np.ndarray | None
"""Where paths forwards lead: a class, a layer's output, one of the outputs, or all outputs."""


@dataclass(frozen=True)
class _Whole:
    """All paths together.

    Args:
        ways: the ways they take, to each of the outputs that the loss compares.
        value: what every path is multiplied by.
        fixed: the sum of all paths, where it is known.
    """

    ways: tuple[PathSearch, ...]
    value: float
    fixed: float | None

    @cached_property
    def magnitude(self) -> float:
        """Σ|products|."""
        return abs(self.value) * sum(ways.magnitude() for ways in self.ways)

    @cached_property
    def total(self) -> float:
        """Σ products."""
        if self.fixed is not None:
            return self.fixed
        return self.value * sum(ways.total() for ways in self.ways)

    def to(self, index: tuple[int, ...]) -> float:
        """Σ products of the paths that share an end: all, for a gradient."""
        if self.fixed is not None:
            return self.fixed
        if index not in self._known:
            self._known[index] = self.value * sum(ways.only(index).total() for ways in self.ways)
        return self._known[index]

    @cached_property
    def _known(self) -> dict[tuple[int, ...], float]:
        return {}


@dataclass(frozen=True)
class Path(Shown):
    """One path of products.

    Args:
        product: of all its steps.
        hops: its steps: from the loss down to a gradient's element, from a value's element on.
        end: the output where it leaves for the loss, or that it leads to.
    """

    product: float
    hops: tuple[Hop, ...]
    end: tuple[int, ...]
    _whole: _Whole = field(compare=False)

    @property
    def share(self) -> float | None:
        """Signed, of the gradient; forwards of all that reaches this end. None where that is 0."""
        total = self._whole.to(self.end)
        return self.product / total if total else None

    @property
    def weight(self) -> float:
        """|product| of Σ|products| over all paths."""
        return abs(self.product) / self._whole.magnitude

    def to_dict(self) -> dict[str, Any]:
        """As plain data, for JSON."""
        return {
            "product": json_number(self.product),
            "share": json_number(self.share),
            "weight": json_number(self.weight),
            "end": list(self.end),
            "hops": json_data(self.hops),
        }

    def _table(self, place: str = "", share: str = "") -> Table:
        heads = ("layer", "what happens", ">×", "to")
        rows = [(h.layer, h.text, number_text(h.local), h.element) for h in self.hops]
        return Table((f"{place}product {number_text(self.product)}{share}",), heads, rows)


@dataclass(frozen=True)
class Paths(Shown):
    """The strongest paths of one element, strongest first.

    Args:
        side: "grad" for paths from the loss down, "value" for paths onwards.
        name: the element's array.
        index: the element.
        value: the stored element.
        row: the product that all paths begin with, where one was chosen.
        paths: in order.
    """

    side: Side
    name: str
    index: tuple[int, ...]
    value: float
    row: int | None
    paths: tuple[Path, ...]
    _whole: _Whole = field(compare=False)

    @overload
    def __getitem__(self, place: int) -> Path: ...

    @overload
    def __getitem__(self, place: slice) -> tuple[Path, ...]: ...

    def __getitem__(self, place: int | slice) -> Path | tuple[Path, ...]:
        return self.paths[place]

    def __len__(self) -> int:
        return len(self.paths)

    def __iter__(self) -> Iterator[Path]:
        return iter(self.paths)

    @property
    def element(self) -> str:
        """The element as it is written: `dconv1.weight[2,0,1,1]`."""
        return element_text(self.side, self.name, self.index)

    @property
    def total(self) -> float:
        """Σ products of all paths: the gradient, or the row's product, or what reaches the end."""
        return self._whole.total

    @property
    def magnitude(self) -> float:
        """Σ|products| of all paths: what the total would be if nothing cancelled."""
        return self._whole.magnitude

    @property
    def covers(self) -> float:
        """What part of Σ|products| the paths shown make up, 0 to 1."""
        return sum(abs(p.product) for p in self) / self.magnitude if len(self) else 0.0

    @property
    def share(self) -> float | None:
        """What part of the total the paths shown add up to, signed; None where that is 0."""
        return sum(p.product for p in self) / self.total if self.total else None

    def to_dict(self) -> dict[str, Any]:
        """As plain data, for JSON."""
        return {
            "side": self.side,
            "element": self.element,
            "name": self.name,
            "index": list(self.index),
            "value": json_number(self.value),
            "row": self.row,
            "total": json_number(self.total),
            "magnitude": json_number(self.magnitude),
            "covers": json_number(self.covers),
            "share": json_number(self.share),
            "paths": [path.to_dict() for path in self],
        }

    def _table(self) -> Table:
        stored = f"{self.element} = {number_text(self.value, 6)}"
        if not len(self):
            return Table([f"{stored}: no path whose product is not 0"])
        shown = (
            "the strongest path is" if len(self) == 1 else f"the {len(self)} strongest paths are"
        )
        kept = _part(self.covers, f"Σ|paths| = {number_text(self.magnitude)}")
        if self.share is None:
            return Table([stored, f"{shown} {kept}"])
        return Table([stored, f"{shown} {_part(self.share, self._of)}, {kept}"])

    @property
    def _of(self) -> str:
        if self.side == "value":
            return f"Σ paths = {number_text(self.total)}"
        return "the gradient" if self.row is None else f"row {self.row}'s {number_text(self.total)}"

    def _tables(self) -> list[Table]:
        tables = [self._table()]
        for number, path in enumerate(self, start=1):
            share = "" if path.share is None else f", {_part(path.share, self._whose(path))}"
            tables.append(path._table(f"path {number}: ", share))
        return tables

    def _whose(self, path: Path) -> str:
        if self.side == "grad":
            return "the gradient" if self.row is None else f"row {self.row}"
        return f"what reaches {path.hops[-1].element}"


def _part(share: float, of: str) -> str:
    """A share in words; deep networks have so many paths that one may be a billionth."""
    if abs(share) >= 10:
        return f"{number_text(share, 2)} times {of}"
    return f"{percent_text(share) if abs(share) >= 0.0005 else number_text(share, 2)} of {of}"


def follow_gradient(step: TracedStep, name: str, index: Any, k: int, row: int | None) -> Paths:
    """See `Gradients.follow`."""
    positive("follow", k=k)
    name = step.array_name("grad", name)
    element = step.element("grad", name, index)
    value, total = float(step.array("grad", name)[element]), None
    if name not in step.system.readers:
        raise ArgumentError(
            f"follow: d{name} comes from nothing before it; the loss is the end. Ask for another "
            f"gradient, such as {_other(step, 'grad', name, next(iter(_begun(step))))}"
        )
    if row is not None:
        row, total = _row(step, name, element, row)
    searches = (
        PathSearch(step, name, element, end, seed, row) for end, seed in _begun(step).items()
    )
    ways = tuple(one for one in searches if one.end == name or one.nodes)
    whole = _Whole(ways, 1.0, value if total is None else total)
    found = [(chain, one) for one in ways for chain in one.best(k)]
    paths = []
    for chain, one in sorted(found, key=lambda pair: -abs(pair[0].product))[:k]:
        first = end_hop(step, one.end, chain.index, one.at_end(chain.index))
        hops = (first, *(hop(link, "grad") for link in reversed(chain.links)))
        paths.append(Path(chain.product, hops, chain.index, whole))
    return Paths("grad", name, element, value, row, tuple(paths), whole)


def _begun(step: TracedStep) -> dict[str, np.ndarray]:
    """The outputs that are compared with labels, each with the gradient that its loss sends it.

    That is all of it, unless another layer reads the output, too.
    """
    system, found = step.system, dict[str, np.ndarray]()
    losses = {node.name for node in system.losses}
    for sent in system.backward:
        if sent.node.name not in losses:
            continue
        end, share = sent.receives, step.sent_back(sent)
        found[end] = found[end] + share if end in found else share
    return found


def _other(step: TracedStep, side: Side, name: str, end: str) -> str:
    """An element that paths lead to or from, of the first array that is another one."""
    names = [n for n in step.names(side) if n not in (name, end) and n in step.system.readers]
    first = names[0] if names else end
    return example_element(element_text(side, first), step.system.shapes[first])


def follow_value(step: TracedStep, name: str, index: Any, k: int, to: PathEnd) -> Paths:
    """See `Values.follow`."""
    positive("follow", k=k)
    name = step.array_name("value", name)
    element = step.element("value", name, index)
    end, seed = _seed(step, to)
    value = float(step.array("value", name)[element])
    search = PathSearch(step, name, element, end, seed)
    if not search.nodes and name != end:
        raise ArgumentError(
            f"follow: no path leads from {name} to {end}; ask for a value before {end}, such as "
            f"{_other(step, 'value', name, end)}"
        )
    whole = _Whole((search,), value, None)
    first = start_hop(name, element, value)
    paths = []
    for found in search.best(k) if value else ():
        hops = (first, *(hop(link, "value") for link in found.links))
        paths.append(Path(value * found.product, hops, found.index, whole))
    return Paths("value", name, element, value, None, tuple(paths), whole)


def _row(step: TracedStep, name: str, element: tuple[int, ...], row: object) -> tuple[int, float]:
    """A row's number, checked, and its product."""
    terms, losses = Terms(step, "grad", name, element), {n.name for n in step.system.losses}
    if all(node.name in losses for node, _ in step.system.readers[name]):
        raise ArgumentError(f"follow: {terms.element} comes from the loss; no row leads further")
    if not is_whole(row) or not -len(terms) <= row < len(terms):
        raise ArgumentError(f"follow: {terms.element} has rows 0 … {len(terms) - 1}, got {row!r}")
    chosen = terms[int(row)]
    if chosen.layer in losses:
        raise ArgumentError(f"follow: row {row} comes from the loss; it leads no further")
    return chosen.number, chosen.product


def _seed(step: TracedStep, to: PathEnd) -> tuple[str, np.ndarray]:
    """The array that paths forwards lead to, and 1 where they may end in it."""
    system = step.system
    compared = {node.name.removesuffix(".loss"): node.inputs[0] for node in system.losses}
    end = system.losses[0].inputs[0]
    if len(compared) > 1 and not isinstance(to, str):
        raise ArgumentError(
            f"follow: the network has several outputs, {', '.join(compared)}; name one of them, "
            f'as in to="{next(iter(compared))}"'
        )
    if isinstance(to, str):
        outputs = [node.output for node in system.nodes if node.equation.target.positions]
        output = to if to in outputs else step.outputs.get(to, to)
        output = output if output in outputs else compared.get(to, output)
        if output not in outputs:
            raise ArgumentError(f"follow: to= {unknown('output', to, outputs)}")
        return output, np.ones(system.shapes[output])
    seed = np.zeros(system.shapes[end])
    if to is None:
        return end, np.ones(seed.shape)
    if isinstance(to, tuple | list | np.ndarray):
        seed[step.element("value", end, to)] = 1.0
        return end, seed
    classes = seed.shape[1]
    if not is_whole(to) or not -classes <= to < classes:
        raise ArgumentError(f"follow: to= a class 0 … {classes - 1}, an array's name or an index, "
                            f"got {to!r}")  # fmt: skip
    seed[:, int(to)] = 1.0
    return end, seed
