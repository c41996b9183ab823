"""Where a NaN or an infinity comes from: the first element on the way, and what it was made of."""

from __future__ import annotations

import numpy as np

from ..showing.numbers import number_text
from .element import Element, Side, element_text
from .term_tables import product_text
from .terms import Terms
from .traced_step import TracedStep

__all__ = ["nonfinite_source"]


def nonfinite_source(
    step: TracedStep, side: Side, name: str, index: tuple[int, ...]
) -> tuple[str, tuple[Element, ...]]:
    """A sentence: which element is the first that is not finite, and its operands.

    Args:
        step: the step.
        side: of the element asked for.
        name: its array.
        index: which element; it is not finite.

    Returns:
        The sentence, and the elements on the way to the first one.
    """
    here = Element(side, name, index)
    way = [here]
    while True:
        terms = Terms(step, here.side, here.name, here.index)
        following, made = _further(step, terms)
        if following is None or following in way:
            break
        way.append(following)
        here = following
    asked = float(step.array(side, name)[index])
    since = f"{way[0]} is {number_text(asked)}, since " if len(way) > 1 else ""
    first = f"{here} is {number_text(terms.value)}{_layer(step, here)}{_sample(step, here)}"
    return f"{since}{first}: {made}.", tuple(way)


def _further(step: TracedStep, terms: Terms) -> tuple[Element | None, str]:
    """An operand that is not finite either; or none, and what the element was made of."""
    if terms.given:
        return _unsummed(step, terms)
    most = float(np.finfo(step.array(terms.side, terms.name).dtype).max)
    start = _first(terms, most)
    if start is None:
        return None, (
            f"its {len(terms):,} products are finite, but their sum {number_text(terms.sum())} is "
            "beyond its precision"
        )
    row = terms[start]
    for factor in sorted(row.factors, key=lambda f: f.side == "grad"):
        if not np.isfinite(factor.stored):
            return Element(factor.side, factor.name, factor.index), ""
    return None, f"it is the first that is not finite, made of {product_text(row)}"


def _first(terms: Terms, most: float) -> int | None:
    """The first product that is not finite."""
    for start, products in terms.blocks():
        wrong = np.flatnonzero(~(np.abs(products) <= most))
        if len(wrong):
            return start + int(wrong[0])
    return None


def _unsummed(step: TracedStep, terms: Terms) -> tuple[Element | None, str]:
    """What was given, or is no sum: a softmax of its outputs."""
    node = step.system.producer.get(terms.name)
    if node is None or terms.side == "grad":
        trained = terms.name in step.system.parameters
        return None, "it was so before this step" if trained else "it was given so"
    source = node.inputs[0]
    row = step.array("value", source)[terms.index[:1]]
    wrong = np.argwhere(~np.isfinite(row))
    if len(wrong):
        return Element("value", source, (*terms.index[:1], *map(int, wrong[0]))), ""
    return None, f"it is made of {element_text('value', source, terms.index[:1])}, which is finite"


def _layer(step: TracedStep, element: Element) -> str:
    node = next((n for n in step.system.nodes if n.name == element.name.partition(".")[0]), None)
    return f" in layer '{node.name}' ({node.kind})" if node is not None else ""


def _sample(step: TracedStep, element: Element) -> str:
    """`, sample 3` for an array whose first axis counts samples."""
    by_sample = element.name in step.system.by_sample
    return f", sample {element.index[0]}" if by_sample else ""
