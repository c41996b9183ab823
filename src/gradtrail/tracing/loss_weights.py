"""What a loss counts, and where what it compares differs."""

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


def over_classes(weights: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Weights of samples or positions with the axes of the predictions (N, K, …).

    Args:
        weights: (N,) or (N, …).
        shape: of the predictions.
    """
    places = weights.shape[1:] or (1,) * (len(shape) - 2)
    return weights.reshape(shape[0], 1, *places)


def differing(step: TracedStep, node: Node, samples: slice = slice(None)) -> np.ndarray:
    """Where a prediction is not its target, or the loss changes with it: (N, K, …) of bool.

    Args:
        step: the step.
        node: a loss.
        samples: those that matter.
    """
    equation = node.equation
    assert isinstance(equation, LossEquation)

    def value(letter: str) -> np.ndarray:
        return step.array("value", node.array_of[letter])[samples]

    if equation.slopes is not None:
        return np.asarray(value(equation.slopes) != 0)
    found = value(equation.probabilities or equation.source.array)
    if equation.weight and not equation.factors:  # the targets hold it
        found = found * over_classes(value(equation.weight), found.shape)
    return np.asarray(found != value(equation.labels))
