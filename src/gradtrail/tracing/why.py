"""Why an element is what it is: what dominates it, or what made it zero or not finite.

    t.grad.why("conv1.weight", (2, 0, 1, 1))
    dconv1.weight[2,0,1,1] = −0.0179 is the sum of 46,656 products, …

An `Answer` has what was found as facts, which print as sentences, and the cause by name for those
who ask by program.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

from ..equation import Equation, Normalisation
from ..errors import UnknownNameError, unknown
from ..showing.shown import Printed
from .clauses import Closure
from .closed_paths import closed_paths
from .element import Element, Side
from .facts import Fact, Held
from .origins import nonfinite_source, origin_of
from .records import json_data, json_number
from .term_tables import cancelled_share, product_text
from .terms import Terms
from .traced_step import TracedStep
from .wording import LANGUAGES, say
from .zero_values import meets_target, reason_of_cancelling, reason_of_zero, source_of_zero

_PLACES = (
    *(("z", "y", "x"), ("t", "h", "w"), ("z′", "y′", "x′")),
    *(("y", "x"), ("h", "w"), ("y′", "x′"), ("x",), ("w",), ("x′",), ("c",), ("k",), ("f",)),
)
"""Indices that say where in an array something lies; the first that vary are told."""


@dataclass(frozen=True)
class Answer(Printed):
    """What was asked, and the answer; prints as its sentences.

    Args:
        element: as it is written.
        value: what is stored.
        cause: `sum` for a number that is not 0, `given`, `no sum`, `not finite`, or one of
            `clauses.CAUSES`.
        fact: what was found, with all that is inside it.
        blocked: for a zero, how many products or positions each cause closes.
        where: elements that the sentences point at: side, name, index.
        language: what it prints in.
    """

    element: str
    value: float
    cause: str
    fact: Fact
    blocked: Mapping[str, int] = field(default_factory=dict)
    where: tuple[Element, ...] = ()
    language: str = "en"

    def __post_init__(self) -> None:
        if self.language not in LANGUAGES:
            raise UnknownNameError(unknown("language", self.language, LANGUAGES))

    @property
    def text(self) -> str:
        """One or more sentences."""
        return say(self.fact, self.language)

    def __str__(self) -> str:
        return self.text

    def to_dict(self) -> dict[str, object]:
        """The answer as JSON has it."""
        return {
            "element": self.element,
            "value": json_number(self.value),
            "cause": self.cause,
            "text": self.text,
            "fact": self.fact.to_dict(),
            "blocked": dict(self.blocked),
            "where": json_data(self.where),
        }


def why(step: TracedStep, side: Side, name: str, index: object, language: str = "en") -> Answer:
    """Why an element is what it is.

    Args:
        step: the step.
        side: value or gradient.
        name: the array's.
        index: which element.
        language: what the answer prints in.

    Raises:
        UnknownNameError: no array has this name, or there are no words in this language.
        ArgumentError: an index that does not fit the array.
    """
    terms = Terms(step, side, name, index)
    found, norms = replace(_answer(terms), language=language), _norms_behind(terms)
    if not norms or found.cause == "not finite":
        return found
    layer = terms.parts[0].sum.layer
    return replace(found, fact=Fact("taken off", answer=found.fact, norms=norms, layer=layer))


def _norms_behind(terms: Terms) -> tuple[str, ...]:
    """The norms that alone read what a bias was added to and take it off; else none."""
    system = terms.step.system
    if terms.side == "value" or terms.name not in system.parameters or len(terms.parts) != 1:
        return ()
    (part,) = terms.parts
    node, factors, positions = part.sum.node, part.term.factors, part.term.target.positions
    if node is None or len(factors) != 1 or len(positions) != 1:
        return ()
    if positions[0] != factors[0].access.positions[1]:  # the same for a whole channel
        return ()
    readers = [n for n in system.nodes if node.output in n.inputs]
    alone = all(_takes_off(n.equation) for n in readers)
    return tuple(n.name for n in readers) if alone else ()


def _takes_off(equation: Equation) -> bool:
    """Whether a mean is subtracted in which what is added to a whole channel is all there is."""
    if not isinstance(equation, Normalisation) or equation.mean is None:
        return False
    moving = {n for n in equation.source.positions[1].names if equation.range_of[n] > 1}
    return moving <= set(equation.statistic.names)


def _answer(terms: Terms) -> Answer:
    """What there is to say of the element's products."""
    step, side, name, element = terms.step, terms.side, terms.name, terms.element
    if not math.isfinite(terms.value):
        fact, where = nonfinite_source(step, side, name, terms.index)
        return Answer(element, terms.value, "not finite", fact, where=where)
    if terms.given:
        fact = Fact("given", element=element, value=terms.value, origin=origin_of(terms))
        cause = "no sum" if side == "value" and name in step.system.producer else "given"
        return Answer(element, terms.value, cause, fact)
    if terms.value != 0:
        return Answer(element, terms.value, "sum", _dominance(terms))
    if terms.magnitude > 0 and not meets_target(terms):
        lost = reason_of_cancelling(terms)
        return Answer(element, 0.0, lost.cause, lost.fact, lost.blocked)
    if side == "grad":
        return _closed(terms, closed_paths(step, name, terms.index))
    return _zero_value(terms)


def _closed(terms: Terms, found: list[Closure]) -> Answer:
    """Every path from the loss is closed somewhere."""
    if not found:
        return _lost_on_the_way(terms)
    blocked: dict[str, int] = {}
    for closure in found:
        blocked[closure.cause] = blocked.get(closure.cause, 0) + closure.count
    order = sorted(found, key=lambda c: (c.rank, -c.count))
    first = order[0]
    there = None
    if first.cause == "zero inputs":
        made = why(terms.step, first.example.side, first.example.name, first.example.index)
        there = made.fact if made.cause != "given" else None
    fact = Fact(
        "closed",
        element=terms.element,
        clauses=tuple(c.fact for c in order[:3]),
        more=max(0, len(order) - 3),
        there=there,
    )
    where = tuple(c.example for c in order[:3])
    return Answer(terms.element, 0.0, first.cause, fact, blocked, where)


def _lost_on_the_way(terms: Terms) -> Answer:
    """No path is closed: nearer to the loss, some sum of products that are not 0 is 0."""
    asked = terms.element
    while terms.magnitude == 0:
        further = next(_open(terms), None)
        if further is None:  # smaller than any float64
            return Answer(asked, 0.0, "underflow", Fact("too small", element=asked))
        terms = further
    lost = reason_of_cancelling(terms)
    fact = Fact("made of", element=asked, further=terms.element, made=lost.fact)
    where = (Element(terms.side, terms.name, terms.index),)
    return Answer(asked, 0.0, lost.cause, fact, lost.blocked, where)


def _open(terms: Terms) -> Iterator[Terms]:
    """The gradients behind an element's open products from which a path leads to the loss."""
    seen = set()
    for row in (row for row in terms if row.scale):
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
    while (factor := source_of_zero(terms)) is not None:
        chain.append(str(factor))
        terms = Terms(terms.step, factor.side, factor.name, factor.index)
    made = reason_of_zero(terms)
    fact = Fact("zero value", element=asked, chain=tuple(chain), made=made.fact)
    return Answer(asked, 0.0, made.cause, fact, where=made.where)


def _dominance(terms: Terms) -> Fact:
    """A number that is not 0: how many products, how much cancels, what dominates."""
    row = terms.top(1)[0]
    about: dict[str, Held] = {"element": terms.element, "value": terms.value}
    about["product"] = product_text(row)
    if len(terms) == 1:
        return Fact("one product", **about)
    return Fact(
        "sum",
        **about,
        products=len(terms),
        magnitude=terms.magnitude,
        cancels=cancelled_share(terms),
        strongest=row.product,
        **_strongest(terms),
    )


def _strongest(terms: Terms) -> dict[str, Held]:
    """Which samples, positions or channels bring most."""
    groups = (group for part in terms.parts for group in part.points.groups)
    moving = {name for group in groups if len(group) > 1 for name in group.names}
    samples: tuple[Fact, ...] = ()
    for name in (n for n in ("n", "n′") if n in moving):
        best = terms.by(name).present().top(3)
        samples = tuple(Fact("sample share", sample=n, sum=v) for n, v in best.items())
    names = next((pair for pair in _PLACES if set(pair) <= moving), None)
    shares = None if names is None else terms.by(*names).present()
    if names is None or shares is None or not len(shares):
        return {"samples": samples, "place": None}
    best = shares.top(1)
    key, value = best.values_of(0), float(best.sums[0])
    where = f"({','.join(map(str, key))})" if len(key) > 1 else str(key[0])
    share = value / terms.magnitude
    place = Fact("place share", axis=names[0], place=where, sum=value, share=share)
    return {"samples": samples, "place": place}
