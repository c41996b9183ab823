"""What a path does at each layer, in words read off the layer's equation.

Positions are named by their axes: channel, row and column of a map, a feature of a flat array.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

from ..equation import Contraction, LossEquation, Node, Selection
from ..showing.axis_names import place_names
from ..showing.numbers import number_text
from .element import Side, element_text
from .element_term import ElementTerm
from .path_search import Link
from .term_tables import operand_text
from .terms import ProductFactor, factor_at
from .traced_step import TracedStep


@dataclass(frozen=True)
class Hop:
    """One step of a path: through one layer to one element.

    Args:
        layer: the layer's name; empty for the element that a path forwards starts from.
        kind: the layer's class, such as `Conv2d`.
        side: whether the element reached is a value or a gradient.
        name: the array of the element reached.
        index: the element reached.
        local: what the path is multiplied by.
        factors: the stored elements that `local` is the product of, beside `scale`.
        scale: the constant factor.
        indices: the value of every index of the equation.
        text: what happens here, in words.
    """

    layer: str
    kind: str
    side: Side
    name: str
    index: tuple[int, ...]
    local: float
    factors: tuple[ProductFactor, ...]
    scale: float
    indices: Mapping[str, int]
    text: str

    @property
    def element(self) -> str:
        """The element reached, as it is written: `dpool1.output[17,2,5,7]`."""
        return element_text(self.side, self.name, self.index)

    def __str__(self) -> str:
        return f"{self.layer}: {self.text}" if self.layer else self.text


def hop(link: Link, side: Side) -> Hop:
    """A path's step over one product.

    Args:
        link: the product; it leads between an operand of a layer and the layer's output.
        side: "grad" reaches the operand's gradient, "value" the output.
    """
    part = link.part
    node = part.sum.node
    assert node is not None
    point = part.points.at(link.number)
    factors = tuple(factor_at(o, point) for o in part.operands if o is not part.gradient)
    operand = part.sum.arrays[part.term.target.array][1]
    name, index = (operand, part.element) if side == "grad" else (node.output, link.index)
    text = _event_text(node, link, factors, point, operand)
    return Hop(
        node.name, node.kind, side, name, index, link.local, factors, part.scale, point, text
    )


def start_hop(name: str, index: tuple[int, ...], value: float) -> Hop:
    """The element that a path forwards starts from."""
    text = _place(index) if "." not in name or name.endswith(".output") else "the parameter"
    return Hop("", "", "value", name, index, value, (), 1.0, {}, text)


def end_hop(step: TracedStep, name: str, index: tuple[int, ...], value: float) -> Hop:
    """What the loss sends back to one of its outputs: `sample 17, class 3: (0.021 − 1)/64`."""
    node = next(node for node in step.system.losses if node.inputs[0] == name)
    equation = node.equation
    assert isinstance(equation, LossEquation)
    parts = [part for part in step.parts("grad", name, index) if part.sum.layer == node.name]
    what = "class" if equation.probabilities is not None and len(index) == 2 else "output"
    place = f"sample {index[0]}, {what} {','.join(map(str, index[1:]))}"
    factors = [[factor_at(o, part.points.at(0)) for o in part.operands] for part in parts]
    text = f"{place}: {_difference(factors, parts[0].term.scale.value)}"
    made = tuple(factor for product in factors for factor in product)
    return Hop(node.name, node.kind, "grad", name, index, value, made, parts[0].scale, {}, text)


def _difference(products: Sequence[Sequence[ProductFactor]], scale: int | Fraction) -> str:
    """The loss's adjoint with its numbers: `P − T = (0.021 − 1)/64`."""
    letters = " − ".join("·".join(f.letter for f in product) for product in products)
    numbers = " − ".join("·".join(number_text(f.value) for f in product) for product in products)
    before = f"{scale.numerator}·" if scale.numerator != 1 else ""
    after = f"/{scale.denominator}" if scale.denominator != 1 else ""
    return f"{letters} = {before}({numbers}){after}"


def _event_text(
    node: Node, link: Link, factors: Sequence[ProductFactor], point: Mapping[str, int], operand: str
) -> str:
    """What happens between an operand's element and the layer's output."""
    equation, read, made = node.equation, link.part.element, link.index
    if isinstance(equation, Selection):
        return f"window at {_at(made[2:])}: the winner is {_place(read[2:], read)}"
    if not isinstance(equation, Contraction):
        if operand not in node.inputs:
            return _factors_text(node, factors) or "added"
        way = link.part.way.replace("by ", "through ")
        to = "" if read == made else f" between {_place(read)} and {_place(made)}"
        return f"{way}{to}: {_factors_text(node, factors)}"
    if equation.kind == "reindex":
        return _renumbering_text(read, made)
    applied = [f for f in factors if f.function]
    if equation.kind == "pointwise" and applied:
        slope, held = applied[0].value, number_text(applied[0].stored)
        opened = "open," if slope == 1 else f"slope {number_text(slope)} at"
        return f"{opened} input {held}"
    return _contraction(node, link.part, factors, point)


def _contraction(
    node: Node, part: ElementTerm, factors: Sequence[ProductFactor], point: Mapping[str, int]
) -> str:
    """A sum's product: where its window lies, and what is multiplied."""
    window = _window(node, part)
    said = []
    if window:
        at, offset = ([point[n] for n in names] for names in window)
        said.append(f"window at {_at(at)}, offset {_at(offset)}")
    scale = part.term.scale.value
    if scale.numerator == 1 and scale.denominator != 1:
        said.append(f"one of {scale.denominator} in a mean")
    elif scale != 1:
        said.append(number_text(part.scale))
    return ": ".join(filter(None, (*said, _factors_text(node, factors)))) or "added as it is"


def _window(node: Node, part: ElementTerm) -> tuple[list[str], list[str]] | None:
    """The indices that say where a window lies, and those that run inside it.

    In `y·s+i·d−p` the one that another array shows bare says where.
    """
    letters = {*node.parameters, *("d" + letter for letter in node.parameters)}
    arrays = [a for a in part.term.accesses if a.array not in letters]
    bare = {p.plain for a in arrays for p in a.positions}
    at: dict[str, None] = {}
    offset: dict[str, None] = {}
    for position in (p for a in arrays for p in a.positions if len(p.names) > 1):
        where = [n for n in position.names if n in bare]
        if where and len(where) < len(position.names):
            at.update(dict.fromkeys(where))
            offset.update(dict.fromkeys(n for n in position.names if n not in bare))
    return (list(at), list(offset)) if at else None


def _factors_text(node: Node, factors: Sequence[ProductFactor]) -> str:
    """The factors by name: `weight[8,2,2,1]`, with their values where there are several."""
    said = []
    for factor in factors:
        element = element_text(factor.side, factor.name.removeprefix(node.name + "."), factor.index)
        text = operand_text(factor, element)
        said.append(f"{text} {number_text(factor.value)}" if len(factors) > 1 else text)
    return " · ".join(said)


def _renumbering_text(read: tuple[int, ...], made: tuple[int, ...]) -> str:
    """One element under two indices: `feature 211 is channel 8, row 1, column 3`."""
    if read == made:
        return "as it is"
    if len(read) != len(made):
        return f"{_place(made[1:], made)} is {_place(read[1:], read)}"
    differs = next(axis for axis, (a, b) in enumerate(zip(read, made, strict=True)) if a != b)
    names = _axes(len(read))
    name = names[differs] if differs < len(names) else f"axis {differs}"
    return f"{name} {made[differs]} is {name} {read[differs]} of what is joined"


def _place(positions: Sequence[int], of: Sequence[int] | None = None) -> str:
    """Positions with the names of their axes: the last axes of an element's index."""
    names = _axes(len(positions if of is None else of))
    if not names:
        return _at(positions)
    shown = names[len(names) - len(positions) :]
    return ", ".join(f"{n} {p}" for n, p in zip(shown, positions, strict=True))


def _axes(count: int) -> list[str]:
    """What a place along each axis of an array is called; of one row, nothing."""
    return [name.removesuffix("s") for name in place_names(count)] if count > 1 else []


def _at(positions: Sequence[int]) -> str:
    return f"({','.join(map(str, positions))})"
