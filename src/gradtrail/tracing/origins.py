"""Where a number is from that no sum explains: what is given, and what is not finite."""

from __future__ import annotations

import numpy as np

from ..equation import LossEquation, Node, Selection, SoftmaxEquation
from .element import Element, Side, element_text
from .facts import Fact
from .term_tables import product_text
from .terms import Terms
from .traced_step import TracedStep


def origin_of(terms: Terms) -> Fact:
    """Where an element that is no sum is from: given, or made as a winner or a probability."""
    node = terms.step.system.producer.get(terms.name) if terms.side == "value" else None
    if node is None:
        return Fact("from outside")
    if isinstance(node.equation, Selection):
        return Fact("winner", layer=node.name)
    return Fact(_made_as(node, terms.name), source=node.inputs[0], layer=node.name)


def _made_as(node: Node, name: str) -> str:
    """What a layer makes of its source that is no sum."""
    equation = node.equation
    if isinstance(equation, LossEquation):
        kinds = {
            equation.weight: "target sum",
            equation.elements: "loss element",
            equation.slopes: "loss slope",
            equation.probabilities: "sigmoid" if equation.rule == "sigmoid overlap" else "softmax",
        }
        return next(
            kind for letter, kind in kinds.items() if letter and node.array_of[letter] == name
        )
    log = isinstance(equation, SoftmaxEquation) and equation.log
    return "log softmax" if log else "softmax"


def nonfinite_source(
    step: TracedStep, side: Side, name: str, index: tuple[int, ...]
) -> tuple[Fact, tuple[Element, ...]]:
    """Which element is the first that is not finite, and what it was made of.

    Args:
        step: the step.
        side: of the element asked for.
        name: its array.
        index: which element; it is not finite.

    Returns:
        The fact, and the elements on the way to the first one.
    """
    way = [Element(side, name, index)]
    terms = Terms(step, side, name, index)
    while isinstance(made := _made_of(terms), Element):
        way.append(made)
        terms = Terms(step, made.side, made.name, made.index)
    node = step.system.owner.get(terms.name)
    fact = Fact(
        "not finite",
        asked=str(way[0]) if len(way) > 1 else None,
        was=float(step.array(side, name)[index]),
        element=terms.element,
        value=terms.value,
        layer=node.name if node else None,
        type=node.kind if node else None,
        sample=terms.index[0] if terms.name in step.system.by_sample else None,
        made=made,
    )
    return fact, tuple(way)


def _made_of(terms: Terms) -> Element | Fact:
    """An operand that is not finite either; or what the element was made of."""
    if terms.given:
        return _unsummed(terms)
    most = float(np.finfo(terms.step.array(terms.side, terms.name).dtype).max)
    start = _first(terms, most)
    if start is None:
        return Fact("overflow", products=len(terms), total=terms.sum())
    row = terms[start]
    for factor in sorted(row.factors, key=lambda f: f.side == "grad"):
        if not np.isfinite(factor.stored):
            return Element(factor.side, factor.name, factor.index)
    return Fact("arises", product=product_text(row))


def _first(terms: Terms, most: float) -> int | None:
    """The first product that is not finite."""
    for start, products in terms.blocks():
        wrong = np.flatnonzero(~(np.abs(products) <= most))
        if len(wrong):
            return start + int(wrong[0])
    return None


def _unsummed(terms: Terms) -> Element | Fact:
    """What was given, or is no sum: a softmax of its outputs."""
    step = terms.step
    node = step.system.producer.get(terms.name)
    if node is None or terms.side == "grad":
        return Fact("so before" if terms.name in step.system.parameters else "given so")
    source = node.inputs[0]
    row = step.array("value", source)[terms.index[:1]]
    wrong = np.argwhere(~np.isfinite(row))
    if len(wrong):
        return Element("value", source, (*terms.index[:1], *map(int, wrong[0])))
    return Fact("finite source", source=element_text("value", source, terms.index[:1]))
