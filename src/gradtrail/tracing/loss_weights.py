"""What samples count in a loss, or their positions: 0 leaves one out."""

from __future__ import annotations

import numpy as np

from ..equation import LossEquation, Node
from .traced_step import TracedStep


def counted_weights(
    step: TracedStep, node: Node, samples: slice = slice(None)
) -> np.ndarray | None:
    """The weight of each sample (N,), or of each of its positions (N, …); None where all count.

    A loss of classes whose equation has no weight holds it in its targets, as focal loss does:
    what they add up to.

    Args:
        step: the step.
        node: a loss.
        samples: those that matter.
    """
    equation = node.equation
    assert isinstance(equation, LossEquation)
    if equation.weight:
        return step.array("value", node.array_of[equation.weight])[samples]
    if equation.rule == "softmax pointwise":
        return np.asarray(step.array("value", node.array_of[equation.labels])[samples].sum(axis=1))
    return None
