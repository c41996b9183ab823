"""Equations written down with open ranges and shapes, which inference fills in."""

from __future__ import annotations

from collections.abc import Sequence

from .access import Access, Sparse, Term
from .infer import Shapes, Sizes, infer
from .kinds import (
    Contraction,
    LossEquation,
    LossRule,
    Selection,
    element_positions,
    weight_positions,
)
from .over_axes import Normalisation, SoftmaxEquation
from .scalar import Penalty


def contraction(*terms: Term, ranges: Sizes, shapes: Shapes) -> Contraction:
    """A `Contraction` whose open ranges and shapes are inferred; see `infer`."""
    found = infer([a for t in terms for a in t.accesses], ranges, shapes)
    return Contraction(terms, ranges=found.ranges, shapes=found.shapes)


def selection(
    result: Access,
    source: Access,
    *,
    over: Sequence[str],
    winner: str,
    within: Sequence[Sparse] = (),
    ranges: Sizes,
    shapes: Shapes,
) -> Selection:
    """A `Selection` whose open ranges and shapes are inferred; see `infer`."""
    windows = [one.access for one in within]
    found = infer([result, source, result.to(winner), *windows], ranges, shapes)
    return Selection(
        result,
        source,
        tuple(over),
        winner,
        tuple(within),
        ranges=found.ranges,
        shapes=found.shapes,
    )


def normalisation(
    result: Access,
    source: Access,
    statistic: Access,
    *,
    epsilon: float,
    scale: Access | None,
    shift: Access | None,
    letters: tuple[str | None, str, str],
    ranges: Sizes | None = None,
    shapes: Shapes,
) -> Normalisation:
    """A `Normalisation` whose ranges and shapes are inferred; see `infer`.

    `letters` are those of the mean, or None without one, of 1/√(v + ε), and of what is normalised.
    """
    mean, inverse, normalised = letters
    per_statistic = [s for s in (mean, statistic.array, inverse) if s is not None]
    parameters = [p for p in (scale, shift) if p is not None]
    accesses = [result, source, result.to(normalised), *parameters]
    accesses += map(statistic.to, per_statistic)
    found = infer(accesses, ranges or {}, shapes)
    return Normalisation(
        result,
        source,
        statistic,
        epsilon,
        scale,
        shift,
        mean,
        inverse,
        normalised,
        ranges=found.ranges,
        shapes=found.shapes,
    )


def softmax(
    result: Access, source: Access, *, along: Sequence[str], log: bool = False, shapes: Shapes
) -> SoftmaxEquation:
    """A `SoftmaxEquation` whose ranges and shapes are inferred; see `infer`."""
    found = infer([result, source], {}, shapes)
    return SoftmaxEquation(
        result, source, tuple(along), log, ranges=found.ranges, shapes=found.shapes
    )


def loss(
    rule: LossRule,
    result: Access,
    source: Access,
    labels: str,
    *,
    probabilities: str | None = None,
    weight: str | None = None,
    penalty: Penalty | None = None,
    elements: str | None = None,
    slopes: str | None = None,
    constants: tuple[tuple[str, Access], ...] = (),
    smooth: float = 0.0,
    shapes: Shapes,
) -> LossEquation:
    """A `LossEquation` whose ranges and shapes are inferred; arguments as there."""
    alike = [letter for letter in (labels, probabilities, slopes) if letter is not None]
    accesses = [result, source, *map(source.to, alike), *(access for _, access in constants)]
    if elements is not None:
        accesses.append(Access(elements, element_positions(rule, source)))
    if weight is not None:
        accesses.append(Access(weight, weight_positions(rule, source)))
    found = infer(accesses, {}, shapes)
    return LossEquation(
        rule,
        result,
        source,
        labels,
        probabilities,
        weight,
        penalty,
        elements,
        slopes,
        constants,
        smooth,
        ranges=found.ranges,
        shapes=found.shapes,
    )
