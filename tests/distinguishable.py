"""What can be compared in float32: no kink is near, nothing cancels; see `random_networks`."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from comparing import FLOAT32

from gradtrail.arrays.einsum import windows
from gradtrail.arrays.operations import OPERATIONS
from gradtrail.engines import Computed
from gradtrail.equation import Applied, Contraction, LossEquation, Node, Selection, System
from gradtrail.equation.scalar import evaluate_scalar, switches


def near_kinks(system: System, values: dict[str, np.ndarray]) -> np.ndarray:
    """The samples that come too close to a kink somewhere, (N,) bool."""
    found = np.zeros(len(values[system.input]), dtype=bool)
    for node in system.nodes:
        for gap in _gaps(node, values):
            near = (gap != 0) & (np.abs(gap) <= 1)
            found |= near.reshape(len(found), -1).any(axis=1)
    return found


def _gaps(node: Node, values: dict[str, np.ndarray]) -> Iterator[np.ndarray]:
    """Distances from kinks, 1 being the nearest at which an engine may not err."""
    equation = node.equation
    if isinstance(equation, Selection):
        source = values[node.inputs[0]]
        yield _lead(equation, source) / (2 * FLOAT32 * _magnitude(source))
    if isinstance(equation, Contraction):
        for factor in (f for t in equation.terms for f in t.factors if isinstance(f, Applied)):
            name = node.array_of[factor.access.array]
            operand, samples = values[name], len(values[node.output])
            for switch in switches(factor.function.body):
                argument = np.asarray(evaluate_scalar(switch, {"x": operand}, OPERATIONS))
                gap = argument / (FLOAT32 * _magnitude(operand))
                if name in node.inputs:
                    yield gap
                else:  # a function of a parameter is the same for every sample
                    least = np.abs(gap[gap != 0]).min(initial=np.inf)
                    yield np.full(samples, least)
    if isinstance(equation, LossEquation) and equation.rule == "pointwise" and equation.penalty:
        z, t = values[node.inputs[0]], values[node.array_of[equation.labels]]
        for switch in switches(equation.penalty.body):
            argument = np.asarray(evaluate_scalar(switch, {"z": z, "t": t}, OPERATIONS))
            yield argument / (FLOAT32 * _magnitude(z))


def _lead(equation: Selection, source: np.ndarray) -> np.ndarray:
    """By how much each window's maximum exceeds the next that does not equal it."""
    flat = windows(equation, source, -np.inf)
    below = flat.max(axis=-1, keepdims=True) - flat
    below[below == 0] = np.inf
    return np.asarray(below.min(axis=-1))


def _magnitude(array: np.ndarray) -> float:
    return max(float(np.abs(array).max(initial=0.0)), 1e-30)


def conditioned(one: Computed, other: Computed) -> bool:
    """Whether a rounding for each array moves none by much."""
    for ours, theirs in ((one.values, other.values), (one.gradients, other.gradients)):
        for name, array in ours.items():
            if np.abs(array - theirs[name]).max(initial=0.0) > FLOAT32 / 30 * _magnitude(array):
                return False
    return True
