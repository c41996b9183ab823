"""Why an element is what it is, in words: what dominates it, or what made it zero or not finite.

    t.grad.why("conv1.weight", (2, 0, 1, 1))
    dconv1.weight[2,0,1,1] = −0.0179 is the sum of 46,656 products, …

An `Answer` has the sentence, and the cause by name for those who ask by program.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from ..equation import Applied
from ..tables import number, percent
from .clauses import Closed
from .closing import closed_paths
from .origin import origin_text
from .step import Side, Step
from .tables import cancelling
from .terms import Row, Terms

__all__ = ["Answer", "why"]


@dataclass(frozen=True)
class Answer:
    """What was asked, and the answer; prints as its sentences.

    Args:
        element: as it is written.
        value: what is stored.
        cause: `sum` for a number that is not 0, `given`, `not finite`, or one of
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
    where: tuple[tuple[Side, str, tuple[int, ...]], ...] = ()

    def __str__(self) -> str:
        return self.text

    def __repr__(self) -> str:
        return self.text

    def to_dict(self) -> dict[str, object]:
        """The answer as JSON has it."""
        where = [{"side": s, "name": n, "index": list(i)} for s, n, i in self.where]
        value = self.value if np.isfinite(self.value) else str(self.value)
        return {
            "element": self.element, "value": value, "cause": self.cause, "text": self.text,
            "blocked": dict(self.blocked), "where": where,
        }  # fmt: skip


def why(step: Step, side: Side, name: str, index: object) -> Answer:
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
    if not np.isfinite(terms.value):
        text, where = origin_text(step, side, name, terms.index)
        return Answer(terms.element, terms.value, "not finite", text, where=where)
    if terms.given:
        text = f"{terms.element} = {number(terms.value)} was given; no layer computed it."
        return Answer(terms.element, terms.value, "given", text)
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
    if total != 0 and terms.magnitude < smallest:
        text = (
            f"{terms.element} is 0, since the sum of its products, {number(total)}, is smaller "
            "than any number of its precision."
        )
        return Answer(terms.element, 0.0, "underflow", text)
    text = (
        f"{terms.element} is 0, since its {terms.nonzero:,} products that are not 0 cancel: "
        f"Σ|products| = {number(terms.magnitude)}."
    )
    return Answer(terms.element, 0.0, "cancelled", text, {"cancelled": terms.nonzero})


def _closed(terms: Terms, found: list[Closed]) -> Answer:
    """Every path from the loss is closed somewhere."""
    blocked: dict[str, int] = {}
    for closed in found:
        blocked[closed.cause] = blocked.get(closed.cause, 0) + closed.count
    if not found:  # nothing is closed: what comes back from the loss cancels on the way
        text = f"{terms.element} is 0, since what comes back to it cancels on the way."
        return Answer(terms.element, 0.0, "cancelled", text)
    order = sorted(found, key=lambda c: (c.trivial, -c.count))
    cause = order[0].cause
    told = [closed.text for closed in order[:3]]
    if len(order) > 3:
        told.append(f"and {len(order) - 3} more causes stop the rest")
    text = f"{terms.element} is 0: {'; '.join(told)}."
    if cause == "zero inputs":
        made = why(terms.step, *order[0].example)
        text += f" There, {made.text}" if made.cause != "given" else ""
    return Answer(terms.element, 0.0, cause, text, blocked, tuple(c.example for c in order[:3]))


def _zero_value(terms: Terms) -> Answer:
    """A value that is 0: the chain of what it was handed on from, down to what made it so."""
    asked, chain = terms.element, list[str]()
    while True:
        rows = [row for row in terms if not _shut(row)] if len(terms) <= 4096 else []
        handed = rows[0].factors[-1] if len(rows) == 1 and len(rows[0].factors) <= 2 else None
        moves = handed is not None and not handed.function and not _multiplied(rows[0])
        if handed is None or not moves:
            break
        chain.append(str(handed))
        terms = Terms(terms.step, handed.side, handed.name, handed.index)
    handed_on = f", handed on from {' and that from '.join(chain)}" if chain else ""
    cause, text, where = _made_zero(terms)
    return Answer(asked, 0.0, cause, f"{asked} is 0{handed_on}: {text}.", where=where)


def _shut(row: Row) -> bool:
    """Whether a row is a position of a window that did not win."""
    return any(f.function == "[·]" and f.value == 0 for f in row.factors)


def _multiplied(row: Row) -> bool:
    """Whether a row multiplies its element with another that is no gate."""
    return len([f for f in row.factors if f.function != "[·]"]) > 1


def _made_zero(
    terms: Terms,
) -> tuple[str, str, tuple[tuple[Side, str, tuple[int, ...]], ...]]:
    """The cause of a value of 0, a clause, and where."""
    if terms.given:
        return "given", f"{terms.element} was given so", ()
    row = terms[0]
    first = row.factors[0]
    where = ((first.side, first.name, first.index),)
    if len(terms) == 1 and isinstance(terms.parts[0].operands[0].factor, Applied):
        closes = f"{row.layer} closes it, its input {first} is {number(first.stored)}"
        return "relu closed", closes, where
    if terms.magnitude > 0:
        return "cancelled", f"its products cancel, Σ|products| = {number(terms.magnitude)}", ()
    return _operands_zero(terms)


def _operands_zero(
    terms: Terms,
) -> tuple[str, str, tuple[tuple[Side, str, tuple[int, ...]], ...]]:
    """Which factors of a sum of zeros are 0: the mask, the weights, or what is read."""
    masks = trained = read = 0
    parameters = {n.array_of[a] for n in terms.step.system.nodes for a in n.parameters}
    rows = terms[: 1 << 12]
    for row in [r for r in rows if len(r.factors) > 1] or rows:
        zero = [f for f in row.factors if f.value == 0]
        masks += any(f.name.endswith(".mask") for f in zero)
        trained += any(f.name in parameters for f in zero)
        read += any(f.name not in parameters and not f.name.endswith(".mask") for f in zero)
    row = max(rows, key=lambda r: len(r.factors))
    factor = next(f for f in row.factors if f.value == 0)
    where = ((factor.side, factor.name, factor.index),)
    if masks:
        return "dropped", f"{row.layer} dropped it, {factor} is 0", where
    if trained > read:
        return "zero weights", f"all weights of {row.layer} that it is made with are 0", where
    return "zero inputs", f"everything that {row.layer} reads for it is 0", where


def _dominance(terms: Terms) -> str:
    """A number that is not 0: how many products, how much cancels, what dominates."""
    count = "one product" if len(terms) == 1 else f"the sum of {len(terms):,} products"
    said = f"{terms.element} = {number(terms.value)} is {count}"
    if len(terms) == 1:
        factors = " · ".join(f"{f} = {number(f.stored)}" for f in terms[0].factors)
        return f"{said}: {factors}."
    said += f" with Σ|products| = {number(terms.magnitude)}{cancelling(terms)}. "
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
    if "n" in moving:
        best = terms.by("n").top(3)
        parts = [f"sample {n} {number(v)}" for n, v in best.items()]
        told.append(f"Most comes from {', '.join(parts)}")
    places = next((pair for pair in (("y", "x"), ("h", "w")) if set(pair) <= moving), None)
    names = places or next(((n,) for n in ("c", "k", "f") if n in moving), None)
    if names is not None:
        best = terms.by(*names).top(1)
        key, value = best.values_of(0), float(best.sums[0])
        what = {"c": "channel", "k": "output", "f": "feature"}.get(names[0], "position")
        place = f"({key[0]},{key[1]})" if len(key) > 1 else str(key[0])
        share = percent(value / terms.magnitude)
        told.append(
            f"{'the strongest' if told else 'The strongest'} {what} is {place} with "
            f"{number(value)} ({share} of Σ|products|)"
        )
    row = terms.top(1)[0]
    factors = " · ".join(f"{f} = {number(f.stored)}" for f in row.factors)
    told.append(f"{'the' if told else 'The'} strongest product is {number(row.product)}: {factors}")
    return "; ".join(told) + "."
