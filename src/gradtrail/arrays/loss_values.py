"""Losses on NumPy's arrays, in float64: the whole, and each sample's share in it."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from ..equation import LossEquation
from ..equation.scalar import evaluate_scalar
from .operations import OPERATIONS

Letters = Mapping[str, np.ndarray]


def log_softmax(outputs: np.ndarray) -> np.ndarray:
    """The logarithms of the softmax over axis 1, by log-sum-exp; (N, K, …) as the outputs."""
    shifted = outputs - outputs.max(axis=1, keepdims=True)
    return np.asarray(shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True)))


def lose(equation: LossEquation, arrays: Letters) -> dict[str, np.ndarray]:
    """The loss, and what it saves, by letter.

    Args:
        equation: the loss's.
        arrays: outputs, targets, weights and constants by letter, float64.
    """
    each, saved = _each(equation, arrays)
    share = 1.0 / equation.mean.integer
    return {equation.result.array: np.asarray(share * each.sum()), **saved}


def sample_losses(equation: LossEquation, arrays: Letters) -> np.ndarray:
    """Each sample's own loss, (N,): the loss is their mean."""
    each, _ = _each(equation, arrays)
    return np.asarray(each.reshape(len(each), -1).sum(axis=1) * (len(each) / equation.mean.integer))


def _each(equation: LossEquation, arrays: Letters) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """What the loss is the mean of, (N, …), and what is saved."""
    if equation.rule == "squared error":
        return _squares(equation, arrays), {}
    if equation.rule == "pointwise":
        return _penalties(equation, arrays)
    source, target = arrays[equation.source.array], arrays[equation.labels]
    assert equation.probabilities is not None
    if equation.rule == "sigmoid overlap":
        chances = np.asarray(OPERATIONS["sigmoid"](source))
        each, slopes = _overlaps(equation, chances, target)
        slopes = slopes * chances * (1 - chances)
    else:
        logarithms = log_softmax(source)
        chances = np.exp(logarithms)
        if equation.rule == "softmax cross-entropy":
            # a class without weight adds nothing, however improbable it is
            each = np.where(target == 0, 0.0, 0.0 - target * logarithms)
            return each, {equation.probabilities: chances}
        if equation.rule == "softmax pointwise":
            each, slopes = _of_logarithms(equation, logarithms, target)
            slopes = slopes - chances * slopes.sum(axis=1, keepdims=True)
        else:
            each, slopes = _overlaps(equation, chances, target)
            slopes = chances * (slopes - (chances * slopes).sum(axis=1, keepdims=True))
    return each, {equation.probabilities: chances, **_saved(equation, each, slopes)}


def _saved(equation: LossEquation, each: np.ndarray, slopes: np.ndarray) -> dict[str, np.ndarray]:
    assert equation.elements is not None
    assert equation.slopes is not None
    return {equation.elements: each, equation.slopes: slopes}


def _squares(equation: LossEquation, arrays: Letters) -> np.ndarray:
    """(Z − T)², times the sample's weight where there is one."""
    source = arrays[equation.source.array]
    squares = np.square(source - arrays[equation.labels])
    for factor in equation.factors:
        squares *= arrays[factor.array].reshape(-1, *[1] * (source.ndim - 1))
    return np.asarray(squares)


def _penalties(equation: LossEquation, arrays: Letters) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """The penalty of every element, and its slope."""
    assert equation.penalty is not None
    source = arrays[equation.source.array]
    variables = {"z": source, "t": arrays[equation.labels]}
    for variable, access in equation.constants:
        sizes = [
            size if position.plain in access.names else 1
            for size, position in zip(source.shape, equation.source.positions, strict=True)
        ]
        variables[variable] = arrays[access.array].reshape(sizes)
    each, slopes = (
        np.array(np.broadcast_to(evaluate_scalar(body, variables, OPERATIONS), source.shape))
        for body in (equation.penalty.body, equation.penalty.slope)
    )
    return each, _saved(equation, each, slopes)


def _of_logarithms(
    equation: LossEquation, logarithms: np.ndarray, target: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """T·φ(log P), and its derivative along log P; both 0 where T is."""
    assert equation.penalty is not None
    each, slopes = (
        np.where(target == 0, 0.0, target * evaluate_scalar(body, {"z": logarithms}, OPERATIONS))
        for body in (equation.penalty.body, equation.penalty.slope)
    )
    return each, slopes


def _overlaps(
    equation: LossEquation, chances: np.ndarray, target: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """1 − the overlap of every sample and class, (N, K), and its derivative along P."""
    places = tuple(range(2, chances.ndim))
    both = 2 * (chances * target).sum(axis=places, keepdims=True) + equation.smooth
    whole = (chances + target).sum(axis=places, keepdims=True) + equation.smooth
    each = 1 - both / whole
    return each.reshape(each.shape[:2]), (both - 2 * target * whole) / whole**2
