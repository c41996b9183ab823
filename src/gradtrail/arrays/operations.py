"""The functions of an equation's scalars on NumPy's arrays."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

_erf64 = np.vectorize(math.erf, otypes=[np.float64])


def _erf(x: np.ndarray) -> np.ndarray:
    return np.asarray(_erf64(x)).astype(np.asarray(x).dtype)


def _sigmoid(x: np.ndarray) -> np.ndarray:
    decay = np.exp(-np.abs(x))
    return np.asarray(np.where(x >= 0, 1.0 / (1.0 + decay), decay / (1.0 + decay)))


def _softplus(x: np.ndarray) -> np.ndarray:
    return np.asarray(np.maximum(x, 0.0) + np.log1p(np.exp(-np.abs(x))))


OPERATIONS: Mapping[str, Callable[..., Any]] = {
    "add": np.add,
    "sub": np.subtract,
    "mul": np.multiply,
    "div": np.divide,
    "pow": np.power,
    "exp": np.exp,
    "expm1": np.expm1,
    "log": np.log,
    "log1p": np.log1p,
    "sqrt": np.sqrt,
    "tanh": np.tanh,
    "sigmoid": _sigmoid,
    "softplus": _softplus,
    "erf": _erf,
    "abs": np.abs,
    "sign": np.sign,
    "floor": np.floor,
    "round": np.rint,  # ties to even
    "max": np.maximum,  # a NaN wins
    "min": np.minimum,
    "step": lambda x: np.where(x <= 0, 0.0, 1.0),
    "where": lambda condition, x, y: np.where(condition > 0, x, y),
}
"""The operations of `equation.scalar` on arrays."""
