"""Which side of every kink the elements of a step are on: winners of maxima, signs at ReLUs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from ..arrays.einsum import contract
from ..arrays.operations import OPERATIONS
from ..engines.batch import Arrays
from ..equation import Applied, Contraction, Node, Selection, System, Term
from ..equation.scalar import evaluate_scalar, switches


def patterns(system: System, values: Arrays) -> dict[str, list[np.ndarray]]:
    """For every node with kinks, the arrays that change when an element changes sides."""
    found = {n.name: [side for _, side in _kink_sides(n, values)] for n in system.nodes}
    return {name: arrays for name, arrays in found.items() if arrays}


def _kink_sides(node: Node, values: Arrays) -> Iterator[tuple[str, np.ndarray]]:
    """Winners, and for each function with a kink on which side of it its argument is.

    Args:
        node: any node.
        values: the arrays of the step by name.

    Yields:
        The letter of the operand, and an array of integers or booleans.
    """
    equation = node.equation
    if isinstance(equation, Selection):
        yield equation.source.array, values[node.array_of[equation.winner]]
    if isinstance(equation, Contraction):
        for factor in (f for t in equation.terms for f in t.factors):
            if isinstance(factor, Applied):
                operand = values[node.array_of[factor.access.array]]
                for switch in switches(factor.function.body):
                    side = np.asarray(evaluate_scalar(switch, {"x": operand}, OPERATIONS)) > 0
                    yield factor.access.array, side


def first_switched(
    before: Mapping[str, list[np.ndarray]], after: Mapping[str, list[np.ndarray]]
) -> str:
    """The first node with an element on another side, or nothing."""
    for name, arrays in before.items():
        if not all(map(np.array_equal, arrays, after[name])):
            return name
    return ""


def elements_crossing(node: Node, letter: str, one: Arrays, other: Arrays) -> np.ndarray:
    """The elements of an operand that take part where two computations are on different sides.

    Args:
        node: the node that reads the operand.
        letter: the operand's.
        one: the arrays of one computation by name.
        other: those of the other.

    Returns:
        A boolean array of the operand's shape.
    """
    equation = node.equation
    found = np.zeros(equation.shape_of[letter], dtype=bool)
    for (source, first), (_, second) in zip(
        _kink_sides(node, one), _kink_sides(node, other), strict=True
    ):
        if source != letter:
            continue
        if isinstance(equation, Selection):
            windows = Contraction(
                (Term(equation.source, (equation.result,)),),
                ranges=equation.ranges,
                shapes=equation.shapes,
            )
            changed = (first != second).astype(np.float64)
            found |= contract(windows, {equation.result.array: changed}) > 0
        else:
            found |= first != second
    return found
