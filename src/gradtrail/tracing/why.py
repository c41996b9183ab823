"""Why an element is what it is, in words: what dominates it, or what made it zero or not finite.

    t.grad.why("conv1.weight", (2, 0, 1, 1))
    dconv1.weight[2,0,1,1] = −0.0179 is the sum of 46,656 products, …

An `Answer` has the sentence, and the cause by name for those who ask by program.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import numpy as np

from ..equation import Applied, LossEquation, Normalisation
from ..showing.numbers import number_text, percent_text
from .clauses import Closed
from .closing import closed_paths
from .element import Element, Side
from .index_points import BLOCK
from .nonfinite_source import nonfinite_source
from .records import json_number
from .term_tables import cancellation_text, product_text
from .terms import ProductFactor, Terms
from .traced_step import TracedStep

__all__ = ["Answer", "why"]

_WINDOW = 4096
"""How many elements a window has at most whose greatest is looked for one by one."""


@dataclass(frozen=True)
class Answer:
    """What was asked, and the answer; prints as its sentences.

    Args:
        element: as it is written.
        value: what is stored.
        cause: `sum` for a number that is not 0, `given`, `no sum`, `not finite`, or one of
            `clauses.CAUSES`.
        text: one or two sentences.
        blocked: for a zero, how many products or positions each cause closes.
        where: elements that the sentences point at: side, name, index.
    """

    element: str
    value: float
    cause: str
    text: str
    blocked: Mapping[str, int] = field(default_factory=dict)
    where: tuple[Element, ...] = ()

    def __str__(self) -> str:
        return self.text

    def __repr__(self) -> str:
        return self.text

    def to_dict(self) -> dict[str, object]:
        """The answer as JSON has it."""
        where = [{"side": e.side, "name": e.name, "index": list(e.index)} for e in self.where]
        return {
            "element": self.element,
            "value": json_number(self.value),
            "cause": self.cause,
            "text": self.text,
            "blocked": dict(self.blocked),
            "where": where,
        }


def why(step: TracedStep, side: Side, name: str, index: object) -> Answer:
    """Why an element is what it is.

    Args:
        step: the step.
        side: value or gradient.
        name: the array's.
        index: which element.

    Raises:
        UnknownNameError: no array has this name.
        ArgumentError: an index that does not fit the array.
    """
    terms = Terms(step, side, name, index)
    found, norm = _found(terms), _norm_behind(terms)
    if norm is None or found.cause == "not finite":
        return found
    layer = terms.parts[0].sum.layer
    return replace(found, text=f"{found.text} {_TAKEN_OFF.format(norm=norm, layer=layer)}")


_TAKEN_OFF = (
    "{norm} takes the mean of each channel off what {layer} makes, and so takes this off again: it "
    "changes nothing, and its gradient is 0 but for rounding; bias=False leaves it out."
)


def _norm_behind(terms: Terms) -> str | None:
    """The batch norms that alone read what a bias was added to; None for anything else."""
    system = terms.step.system
    if terms.side == "value" or terms.name not in system.parameters or len(terms.parts) != 1:
        return None
    (part,) = terms.parts
    node, factors, positions = part.sum.node, part.term.factors, part.term.target.positions
    if node is None or len(factors) != 1 or len(positions) != 1:
        return None
    if positions[0] != factors[0].access.positions[1]:  # the same for a whole channel
        return None
    readers = [n for n in system.nodes if node.output in n.inputs]
    if not readers or not all(isinstance(n.equation, Normalisation) for n in readers):
        return None
    return " and ".join(n.name for n in readers)


def _found(terms: Terms) -> Answer:
    """What there is to say of the element's products."""
    step, side, name = terms.step, terms.side, terms.name
    if not np.isfinite(terms.value):
        text, where = nonfinite_source(step, side, name, terms.index)
        return Answer(terms.element, terms.value, "not finite", text, where=where)
    if terms.given:
        text = f"{terms.element} = {number_text(terms.value)} {terms.origin}."
        cause = "no sum" if side == "value" and name in step.system.producer else "given"
        return Answer(terms.element, terms.value, cause, text)
    if terms.value != 0:
        return Answer(terms.element, terms.value, "sum", _dominance(terms))
    if terms.magnitude > 0:
        return _cancelled(terms)
    if side == "grad":
        return _closed(terms, closed_paths(step, name, terms.index))
    return _zero_value(terms)


def _cancelled(terms: Terms) -> Answer:
    """Products that are not 0, and a sum that is."""
    total = terms.sum()
    smallest = float(np.finfo(terms.step.array(terms.side, terms.name).dtype).tiny)
    count = f"{terms.nonzero:,} products that are" if terms.nonzero > 1 else "one product that is"
    if total != 0 and terms.magnitude < smallest:
        text = (
            f"{terms.element} is 0, since the sum of its products, {number_text(total)}, is "
            "smaller than any number of its precision."
        )
        return Answer(terms.element, 0.0, "underflow", text)
    if abs(total) > 0.5 * terms.magnitude:
        text = (
            f"{terms.element} is 0, since its {count} not 0, together {number_text(total)}, "
            "came to less than a rounding where it was computed."
        )
        functions = (o.factor for part in terms.parts for o in part.operands)
        flat = any(isinstance(factor, Applied) for factor in functions)
        return Answer(terms.element, 0.0, "flat" if flat else "underflow", text)
    text = (
        f"{terms.element} is 0, since its {count} not 0 cancel: "
        f"Σ|products| = {number_text(terms.magnitude)}."
    )
    return Answer(terms.element, 0.0, "cancelled", text, {"cancelled": terms.nonzero})


def _closed(terms: Terms, found: list[Closed]) -> Answer:
    """Every path from the loss is closed somewhere."""
    if not found:
        return _lost_on_the_way(terms)
    blocked: dict[str, int] = {}
    for closed in found:
        blocked[closed.cause] = blocked.get(closed.cause, 0) + closed.count
    order = sorted(found, key=lambda c: (c.trivial, -c.count))
    cause = order[0].cause
    told = [closed.text for closed in order[:3]]
    if len(order) > 3:
        told.append(f"and {len(order) - 3} more causes stop the rest")
    text = f"{terms.element} is 0: {'; '.join(told)}."
    if cause == "zero inputs":
        example = order[0].example
        made = why(terms.step, example.side, example.name, example.index)
        text += f" There, {made.text}" if made.cause != "given" else ""
    return Answer(terms.element, 0.0, cause, text, blocked, tuple(c.example for c in order[:3]))


def _lost_on_the_way(terms: Terms) -> Answer:
    """No path is closed: nearer to the loss, some sum of products that are not 0 is 0."""
    asked = terms.element
    while terms.magnitude == 0:
        further = next(_open(terms), None)
        if further is None:  # smaller than any float64
            text = f"{asked} is 0, since what comes back to it is too small to be held."
            return Answer(asked, 0.0, "underflow", text)
        terms = further
    made = _cancelled(terms)
    text = f"{asked} is 0, since it is made of {terms.element}, and {made.text}"
    where = (Element(terms.side, terms.name, terms.index),)
    return Answer(asked, 0.0, made.cause, text, made.blocked, where)


def _open(terms: Terms) -> Iterator[Terms]:
    """The gradients behind an element's open products from which a path leads to the loss."""
    seen = set()
    for row in terms:
        gradient = next((f for f in row.factors if f.side == "grad"), None)
        if gradient is None or gradient.index in seen:
            continue
        if all(f.value != 0 for f in row.factors if f is not gradient):
            seen.add(gradient.index)
            further = Terms(terms.step, "grad", gradient.name, gradient.index)
            if further.magnitude > 0 or not closed_paths(terms.step, gradient.name, gradient.index):
                yield further


def _zero_value(terms: Terms) -> Answer:
    """A value that is 0: the chain of what it was handed on from, down to what made it so."""
    asked, chain = terms.element, list[str]()
    handed = _handed_on(terms)
    while handed is not None:
        chain.append(str(handed))
        terms = Terms(terms.step, handed.side, handed.name, handed.index)
        handed = _handed_on(terms)
    handed_on = f", handed on from {' and that from '.join(chain)}" if chain else ""
    made = _made_zero(terms)
    where = () if made.where is None else (made.where,)
    return Answer(asked, 0.0, made.cause, f"{asked} is 0{handed_on}: {made.text}.", where=where)


def _handed_on(terms: Terms) -> ProductFactor | None:
    """The one element whose 0 this is: copied, the greatest of a window, or a function of it."""
    if terms.given or len(terms) > _WINDOW:
        return None
    rows = [
        row for row in terms if not any(f.function == "[·]" and f.value == 0 for f in row.factors)
    ]
    factors = [f for f in rows[0].factors if f.function != "[·]"] if len(rows) == 1 else []
    if len(factors) != 1 or factors[0].stored != 0:
        return None
    return factors[0]


class _Made(NamedTuple):
    """What made a value of 0: the cause, a clause, and where."""

    cause: str
    text: str
    where: Element | None = None


def _made_zero(terms: Terms) -> _Made:
    """What made a value of 0, which was not handed on."""
    if terms.given:
        return _Made("given", f"{terms.element} was given so")
    node = terms.step.system.producer[terms.name]
    if isinstance(node.equation, LossEquation):
        which = "every prediction that counts" if node.equation.weight else "every prediction"
        return _Made("saturated", f"{which} is its target to the last bit")
    if not len(terms):
        return _Made("no window", f"no window of {node.name} reaches it")
    row, operand = terms[0], terms.parts[0].operands[0].factor
    first = row.factors[0]
    place = Element(first.side, first.name, first.index)
    if len(terms) == 1 and isinstance(operand, Applied):
        relu = operand.function.name.startswith("relu")
        cause, verb = ("relu closed", "closes it") if relu else ("flat", "is flat there")
        text = f"{row.layer} {verb}, its input {first} is {number_text(first.stored)}"
        return _Made(cause, text, place)
    if terms.magnitude > 0:
        made = _cancelled(terms)
        return _Made(made.cause, made.text.rstrip("."))
    return _operands_zero(terms)


def _operands_zero(terms: Terms) -> _Made:
    """Which factors of a sum of zeros are 0: the mask, the weights, or what is read."""
    parameters = terms.step.system.parameters
    widest = max(len(part.operands) for part in terms.parts)
    zeros: dict[str, int] = {}
    first: dict[str, Element] = {}
    count = 0
    for part in (p for p in terms.parts if len(p.operands) == widest):
        count += len(part)
        for block in part.points.blocks(BLOCK):
            sizes = tuple(s.stop - s.start for s in block)
            for operand in part.operands:
                zero = np.broadcast_to(operand.values(part.points, block) == 0, sizes)
                kind = "weights" if operand.name in parameters else "inputs"
                kind = "mask" if operand.name.endswith(".mask") else kind
                zeros[kind] = zeros.get(kind, 0) + int(zero.sum())
                if zero.any() and kind not in first:
                    at = part.points.start(block) + int(np.flatnonzero(zero)[0])
                    point = part.points.at(at)
                    first[kind] = Element(operand.side, operand.name, operand.element(point))
    layer = terms.parts[0].sum.layer
    if zeros.get("mask"):
        return _Made("dropped", f"{layer} dropped it, {first['mask']} is 0", first["mask"])
    if zeros.get("inputs", 0) == count:
        text = f"everything that {layer} reads for it is 0"
        return _Made("zero inputs", text, first["inputs"])
    if zeros.get("weights", 0) == count:
        what = f"all weights of {layer} that it is made with are 0"
        return _Made("zero weights", what, first["weights"])
    told = [f"{n:,} times {k}" for k, n in zeros.items() if n]
    what = f"in each of its {count:,} products a factor is 0: {' and '.join(told)}"
    return _Made("zero products", what, next(iter(first.values())))


def _dominance(terms: Terms) -> str:
    """A number that is not 0: how many products, how much cancels, what dominates."""
    count = "one product" if len(terms) == 1 else f"the sum of {len(terms):,} products"
    said = f"{terms.element} = {number_text(terms.value)} is {count}"
    if len(terms) == 1:
        return f"{said}: {product_text(terms[0])}."
    said += f" with Σ|products| = {number_text(terms.magnitude)}{cancellation_text(terms)}. "
    return said + _strongest(terms)


def _strongest(terms: Terms) -> str:
    """Which samples, positions or channels bring most."""
    moving = {
        name
        for part in terms.parts
        for group in part.points.groups
        if len(group) > 1
        for name in group.names
    }
    told = []
    samples = next((n for n in ("n", "n′") if n in moving), None)
    if samples is not None:
        best = terms.by(samples).present().top(3)
        parts = [f"sample {n} {number_text(v)}" for n, v in best.items()]
        told += [f"Most comes from {', '.join(parts)}"] if parts else []
    places = next(
        (pair for pair in (("y", "x"), ("h", "w"), ("y′", "x′")) if set(pair) <= moving), None
    )
    names = places or next(((n,) for n in ("c", "k", "f") if n in moving), None)
    shares = None if names is None else terms.by(*names).present()
    if names is not None and shares is not None and len(shares):
        best = shares.top(1)
        key, value = best.values_of(0), float(best.sums[0])
        what = {"c": "channel", "k": "output", "f": "feature"}.get(names[0], "position")
        place = f"({key[0]},{key[1]})" if len(key) > 1 else str(key[0])
        share = percent_text(value / terms.magnitude)
        told.append(
            f"{'the strongest' if told else 'The strongest'} {what} is {place} with "
            f"{number_text(value)} ({share} of Σ|products|)"
        )
    row = terms.top(1)[0]
    strongest = f"{'the' if told else 'The'} strongest product is {number_text(row.product)}"
    told.append(f"{strongest}: {product_text(row)}")
    return "; ".join(told) + "."
