"""What made a value 0: what it was handed on from, or which of its factors are 0."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from ..equation import Applied, Indicator, LossEquation, Node, Normalisation, Sparse
from ..equation.scalar import is_rectifier
from .clauses import unweighted_cause
from .coefficients import multiplies_by_zero
from .element import Element
from .element_term import ElementTerm, Operand, function_values
from .facts import Fact, Held
from .index_points import Block
from .loss_weights import counted_weights, differing, over_classes
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


def meets_target(terms: Terms) -> bool:
    """Whether a loss, or what it sends back, is 0 since what it compares is the same.

    Multiplied out, products that are not 0 cancel then.
    """
    nodes = {part.sum.node.name: part.sum.node for part in terms.parts if part.sum.node}
    (node, *others) = nodes.values()
    equation = node.equation
    if others or not isinstance(equation, LossEquation) or equation.elements is not None:
        return False
    if terms.side == "grad":
        return terms.sum() == 0
    if equation.rule != "squared error":
        return False
    differs = differing(terms.step, node)
    weights = counted_weights(terms.step, node)
    counts = True if weights is None else over_classes(weights != 0, differs.shape)
    return not (differs & counts).any()


def source_of_zero(terms: Terms) -> ProductFactor | None:
    """The one element whose 0 this is: copied, the greatest of a window, or a function of it.

    A norm scales what it made of its input before.
    """
    if terms.given or len(terms) > _WINDOW:
        return None
    node = terms.step.system.producer[terms.name]
    if isinstance(node.equation, Normalisation) and terms.name == node.output:
        normalised = node.equation.normalised
        made = next(f for f in terms[0].factors if f.letter == normalised)
        return made if made.stored == 0 else None
    rows = [
        row for row in terms if not any(f.function == "[·]" and f.value == 0 for f in row.factors)
    ]
    if len(rows) != 1 or _by_coefficient(terms, node):
        return None
    factors = [f for f in rows[0].factors if f.function != "[·]"]
    return factors[0] if len(factors) == 1 and factors[0].stored == 0 else None


def _by_coefficient(terms: Terms, node: Node) -> bool:
    """Whether a coefficient of 0 stands before each product."""
    return all(
        part.scale == 0
        or any(isinstance(f, Applied) and multiplies_by_zero(node, f) for f in part.term.factors)
        for part in terms.parts
        if len(part)
    )


def reason_of_zero(terms: Terms) -> Reason:
    """What made a value of 0, which was not handed on."""
    if terms.given:
        return Reason("given", Fact("value given", element=terms.element))
    node = terms.step.system.producer[terms.name]
    if isinstance(node.equation, LossEquation):
        return _loss_zero(terms.step, node, node.equation)
    if not len(terms):
        return Reason("no window", Fact("value no window", layer=node.name))
    if len(terms) == 1:
        first, *others = next(part for part in terms.parts if len(part)).operands
        if isinstance(first.factor, Applied) and not others:
            return _function_zero(terms, first.factor)
    if terms.magnitude > 0:
        return reason_of_cancelling(terms)
    return _operands_zero(terms)


def _loss_zero(step: TracedStep, node: Node, equation: LossEquation) -> Reason:
    """A loss of 0: nothing counts in it, all is as it should be, or no element adds anything."""
    weights = counted_weights(step, node)
    if weights is not None and not weights.any():
        cause = unweighted_cause(equation, weights.ndim > 1)
        return Reason(cause, Fact("value uncounted"))
    if equation.elements is None:
        return Reason("saturated", Fact("value saturated", weighted=weights is not None))
    return Reason("level", Fact("value level", elements=node.array_of[equation.elements]))


def _function_zero(terms: Terms, applied: Applied) -> Reason:
    """A function of one element that is not 0 itself."""
    row, node = terms[0], terms.step.system.producer[terms.name]
    first = row.factors[0]
    where = (Element(first.side, first.name, first.index),)
    if multiplies_by_zero(node, applied):
        return Reason("zero coefficient", Fact("value zero coefficient", layer=row.layer), where)
    about: dict[str, Held] = {"layer": row.layer, "element": str(first), "value": first.stored}
    if is_rectifier(applied.function):
        return Reason("relu closed", Fact("value relu closed", **about), where)
    about["function"] = applied.function.name
    kind = "flat" if _slope(terms, applied, first.stored) == 0 else "zero function"
    return Reason(kind, Fact(f"value {kind}", **about), where)


def _slope(terms: Terms, applied: Applied, at: float) -> float:
    """A function's slope, in the precision of its layer."""
    stored = np.asarray(at, terms.step.array(terms.side, terms.name).dtype)
    slope = Applied(applied.function.derivative, applied.access)
    return float(function_values(slope, stored))


@dataclass
class _Zeros:
    """What is 0 of one kind: in how many products, and the first operand of the first of them."""

    count: int = 0
    operand: Operand | None = None
    element: Element | None = None


def _operands_zero(terms: Terms) -> Reason:
    """Which factors of a sum of zeros are 0: a coefficient, the mask, weights, or what is read.

    A bias of 0 beside products of more is passed over.
    """
    widest = max(len(part.operands) for part in terms.parts)
    all_count = any(part.scale == 0 for part in terms.parts)
    parts = [part for part in terms.parts if all_count or len(part.operands) == widest]
    count, zeros = sum(map(len, parts)), _zeros_by_kind(parts, terms.step)
    for kind, found in zeros.items():
        if found.count == count or (kind == "mask" and found.count):
            return _reason_of_kind(terms, kind, found, _reads_zeros(parts, terms.step))
    some = {kind: found for kind, found in zeros.items() if found.count}
    if not some:
        return Reason("underflow", Fact("underflow", element=terms.element, total=0.0))
    factors = tuple(
        Fact("zero factors", count=found.count, what=kind, element=str(found.element or ""))
        for kind, found in some.items()
    )
    fact = Fact("value zero products", count=count, factors=factors)
    where = tuple(found.element for found in some.values() if found.element)
    return Reason("zero products", fact, where[:1])


def _reason_of_kind(terms: Terms, kind: str, zeros: _Zeros, everything: bool) -> Reason:
    """One kind of factor is 0 in every product."""
    layer, operand, element = terms.parts[0].sum.layer, zeros.operand, zeros.element
    if operand is None or element is None:
        return Reason("zero coefficient", Fact("value zero coefficient", layer=layer))
    about: dict[str, Held] = {"layer": layer, "element": str(element)}
    where = (element,)
    match kind:
        case "mask":
            return Reason("dropped", Fact("value dropped", **about), where)
        case "weights":
            return Reason("zero weights", Fact("value zero weights", layer=layer), where)
        case "inputs":
            fact = Fact("value zero inputs", every=everything, count=zeros.count, **about)
            return Reason("zero inputs", fact, where)
    assert isinstance(operand.factor, Applied)
    function = operand.factor.function
    about["value"] = float(operand.array[element.index])
    if is_rectifier(function):
        return Reason("relu closed", Fact("value relu closed", **about), where)
    return Reason(
        "zero function", Fact("value zero function", function=function.name, **about), where
    )


_KINDS = ("coefficient", "mask", "inputs", "functions", "weights")
"""What may be 0 in a product, as it is looked at; `functions` of what is not 0."""


def _zeros_by_kind(parts: Sequence[ElementTerm], step: TracedStep) -> dict[str, _Zeros]:
    """What is 0 of each kind."""
    found = {kind: _Zeros() for kind in _KINDS}
    for part in parts:
        found["coefficient"].count += len(part) if part.scale == 0 else 0
        for block in part.points.blocks():
            shut: dict[str, list[tuple[Operand, np.ndarray]]] = {}
            for operand in part.operands:
                for kind, zero in _zeros(operand, part, block, step).items():
                    shut.setdefault(kind, []).append((operand, zero))
            for kind, by_operand in shut.items():
                _count(found[kind], part, block, by_operand)
    return found


def _zeros(
    operand: Operand, part: ElementTerm, block: Block, step: TracedStep
) -> dict[str, np.ndarray]:
    """Where an operand is 0, by what it is there to the layer that reads it."""
    zero = operand.zeros(part.points, block)
    if step.is_mask(operand.name):
        return {"mask": zero}
    if operand.name in step.system.parameters:
        return {"weights": zero}
    if not isinstance(operand.factor, Applied):
        return {"inputs": zero}
    stored = operand.array.ravel()[operand.places(part.points, block)] == 0
    return {"inputs": zero & stored, "functions": zero & ~stored}


def _count(
    found: _Zeros, part: ElementTerm, block: Block, by_operand: list[tuple[Operand, np.ndarray]]
) -> None:
    """Add the products of a block in which one of some operands is 0."""
    any_zero = np.logical_or.reduce([zero for _, zero in by_operand])
    if found.element is None and any_zero.any():
        at = int(np.flatnonzero(any_zero)[0])
        found.operand = next(operand for operand, zero in by_operand if zero.ravel()[at])
        point = part.points.at(part.points.start(block) + at)
        found.element = Element(
            found.operand.side, found.operand.name, found.operand.element(point)
        )
    found.count += int(any_zero.sum())


def _reads_zeros(parts: Sequence[ElementTerm], step: TracedStep) -> bool:
    """Whether all that is read is 0, weights and masks aside."""
    return all(
        not operand.array.ravel()[operand.places(part.points, block)].any()
        for part in parts
        for operand in part.operands
        if not isinstance(operand.factor, Indicator | Sparse)
        if not step.is_mask(operand.name) and operand.name not in step.system.parameters
        for block in part.points.blocks()
    )
