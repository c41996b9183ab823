"""What made a value 0: what it was handed on from, or which of its factors are 0."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from ..equation import Applied, LossEquation
from ..equation.scalar import Function, is_rectifier
from .element import Element
from .element_term import ElementTerm, Operand
from .facts import Fact, Held
from .terms import ProductFactor, Terms
from .traced_step import TracedStep

_WINDOW = 4096
"""How many elements a window has at most whose greatest is looked for one by one."""


@dataclass(frozen=True)
class Reason:
    """What made a zero a zero.

    Args:
        cause: one of `clauses.CAUSES`, or `given`.
        fact: what completes "conv1.output[0,2,5,7] is 0: …", or says so itself.
        where: elements to look at.
        blocked: how many products the cause closes.
    """

    cause: str
    fact: Fact
    where: tuple[Element, ...] = ()
    blocked: Mapping[str, int] = field(default_factory=dict)


def reason_of_cancelling(terms: Terms) -> Reason:
    """Products that are not 0, and a sum that is."""
    element, total, nonzero = terms.element, terms.sum(), terms.nonzero
    smallest = float(np.finfo(terms.step.array(terms.side, terms.name).dtype).tiny)
    if total != 0 and terms.magnitude < smallest:
        return Reason("underflow", Fact("underflow", element=element, total=total))
    if abs(total) > 0.5 * terms.magnitude:
        functions = (o.factor for part in terms.parts for o in part.operands)
        flat = any(isinstance(factor, Applied) for factor in functions)
        rounded = Fact("rounded", element=element, nonzero=nonzero, total=total)
        return Reason("flat" if flat else "underflow", rounded)
    cancelled = Fact("cancelled", element=element, nonzero=nonzero, magnitude=terms.magnitude)
    return Reason("cancelled", cancelled, blocked={"cancelled": nonzero})


def source_of_zero(terms: Terms) -> ProductFactor | None:
    """The one element whose 0 this is: copied, the greatest of a window, or a function of it."""
    if terms.given or len(terms) > _WINDOW:
        return None
    rows = [
        row for row in terms if not any(f.function == "[·]" and f.value == 0 for f in row.factors)
    ]
    factors = [f for f in rows[0].factors if f.function != "[·]"] if len(rows) == 1 else []
    return factors[0] if len(factors) == 1 and factors[0].stored == 0 else None


def reason_of_zero(terms: Terms) -> Reason:
    """What made a value of 0, which was not handed on."""
    if terms.given:
        return Reason("given", Fact("value given", element=terms.element))
    node = terms.step.system.producer[terms.name]
    if isinstance(node.equation, LossEquation):
        return Reason("saturated", Fact("value saturated", weighted=bool(node.equation.weight)))
    if not len(terms):
        return Reason("no window", Fact("value no window", layer=node.name))
    if len(terms) == 1 and isinstance(applied := terms.parts[0].operands[0].factor, Applied):
        return _function_zero(terms, applied.function)
    if terms.magnitude > 0:
        return reason_of_cancelling(terms)
    return _operands_zero(terms)


def _function_zero(terms: Terms, function: Function) -> Reason:
    """A function of one element that is not 0 itself."""
    row = terms[0]
    first = row.factors[0]
    where = (Element(first.side, first.name, first.index),)
    about: dict[str, Held] = {"layer": row.layer, "element": str(first), "value": first.stored}
    if is_rectifier(function):
        return Reason("relu closed", Fact("value relu closed", **about), where)
    return Reason("flat", Fact("value flat", function=function.name, **about), where)


def _operands_zero(terms: Terms) -> Reason:
    """Which factors of a sum of zeros are 0: the mask, the weights, or what is read."""
    widest = max(len(part.operands) for part in terms.parts)
    parts = [part for part in terms.parts if len(part.operands) == widest]
    count = sum(map(len, parts))
    zeros: dict[str, int] = {}
    first: dict[str, Element] = {}
    for part in parts:
        for operand in part.operands:
            kind = _kind(operand.name, terms.step)
            times, element = _zeros(part, operand)
            zeros[kind] = zeros.get(kind, 0) + times
            if element is not None:
                first.setdefault(kind, element)
    layer = terms.parts[0].sum.layer
    if zeros.get("mask"):
        fact = Fact("value dropped", layer=layer, element=str(first["mask"]))
        return Reason("dropped", fact, (first["mask"],))
    for kind in ("inputs", "weights"):
        if zeros.get(kind, 0) == count:
            return Reason(f"zero {kind}", Fact(f"value zero {kind}", layer=layer), (first[kind],))
    if not first:
        return Reason("underflow", Fact("underflow", element=terms.element, total=0.0))
    factors = tuple(Fact("zero factors", count=n, what=kind) for kind, n in zeros.items() if n)
    fact = Fact("value zero products", count=count, factors=factors)
    return Reason("zero products", fact, (next(first[kind] for kind in zeros if kind in first),))


def _zeros(part: ElementTerm, operand: Operand) -> tuple[int, Element | None]:
    """In how many products an operand is 0, and where first."""
    times, first = 0, None
    for block in part.points.blocks():
        zero = operand.zeros(part.points, block)
        if first is None and zero.any():
            at = part.points.start(block) + int(np.flatnonzero(zero)[0])
            first = Element(operand.side, operand.name, operand.element(part.points.at(at)))
        times += int(zero.sum())
    return times, first


def _kind(name: str, step: TracedStep) -> str:
    """What an array is to the layer that reads it."""
    if step.is_mask(name):
        return "mask"
    return "weights" if name in step.system.parameters else "inputs"
