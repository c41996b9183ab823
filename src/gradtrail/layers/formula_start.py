"""How the parameters of a formula start, read off the terms that they stand in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import prod

from ..equation import Contraction, Selection, Term
from .layer import Parameter


def starts(
    equation: Contraction | Selection, parameters: Sequence[str], inputs: Sequence[str]
) -> dict[str, Parameter]:
    """The parameters by letter, each with its initialization and its fans; weights before biases.

    Args:
        equation: solved.
        parameters: their letters.
        inputs: the letters of what is no parameter.
    """
    terms = equation.terms if isinstance(equation, Contraction) else ()
    found = {}
    for letter in parameters:
        own = [t for t in terms if any(f.access.array == letter for f in t.factors)]
        found[letter] = _start(letter, own, inputs, equation.range_of)
    return dict(sorted(found.items(), key=lambda pair: pair[1].initialization == "zeros"))


def _start(
    letter: str, terms: Sequence[Term], inputs: Sequence[str], ranges: Mapping[str, int]
) -> Parameter:
    """Zeros for a bias, ones for a scale, he_normal for a weight.

    Where several weights are multiplied, they share what one alone would start with.
    """
    if all(len(t.factors) == 1 for t in terms):
        return Parameter(letter)
    products = {t: prod(ranges[n] for n in t.summed) for t in terms}
    term = max(products, key=products.__getitem__)
    if products[term] == 1:
        return Parameter(letter, "ones")
    beside = [f for f in term.factors if f.access.array not in inputs]
    fan_in = round(2 * (products[term] / 2) ** (1 / len(beside)))
    shown = next(f for f in beside if f.access.array == letter).names
    read = {n for f in term.factors if f.access.array in inputs for n in f.names}
    given = prod(ranges[n] for n in shown if n in read and n in term.summed and _bare(term, n))
    fan_out = prod(ranges[n] for n in shown) // max(given, 1)
    return Parameter(letter, "he_normal", max(fan_in, 1), max(fan_out, 1))


def _bare(term: Term, name: str) -> bool:
    """Whether an index stands alone at an axis of everything that shows it."""
    positions = (p for f in term.factors for p in f.access.positions if name in p.names)
    return all(p.plain == name for p in positions)
