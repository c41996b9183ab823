"""Constants beside the samples: as numbers, as one for each channel, as what they do to a shift."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .arithmetic import shortest_decimal
from .refusals import Refusal
from .values import Weights

MOST_DECIMALS = 1 << 16


def affine_after(
    name: str, mean: np.ndarray, std: np.ndarray, constant: np.ndarray, constant_first: bool
) -> tuple[np.ndarray, np.ndarray] | None:
    """(mean, std) after (x − mean)/std has met a constant, if it still has that form."""
    match name:
        case "add":
            return mean - constant * std, std
        case "sub" if not constant_first:
            return mean + constant * std, std
        case "mul":
            return mean, std / constant
        case "div" if not constant_first:
            return mean, std * constant
    return None


def as_numbers(x: Any) -> Any:
    """A constant as NumPy takes it; what a training would change is none.

    Raises:
        Refusal: it is a parameter that the model trains, or nothing made of numbers.
    """
    if isinstance(x, Weights):
        if x.trained and not (x.frozen or x.running):
            raise Refusal(
                f"computes with the parameter {x.name!r} in a way in which no layer here trains "
                "it; requires_grad=False makes it a constant"
            )
        return x.values
    known = isinstance(x, int | float | np.ndarray | np.generic) and not isinstance(x, bool)
    if not known or np.asarray(x).dtype.kind not in "fi":
        raise Refusal(f"computes with {x!r:.60}, which is no number")
    return x


def single_number(x: Any) -> float:
    """A constant that is one number."""
    array = np.asarray(as_numbers(x))
    if array.size != 1:
        raise Refusal(f"chooses between constants of shape {array.shape}; one number is a layer")
    return shortest_decimal(float(array.reshape(())))


CONSTANT = "constant"
"""What numbers of the model that are no array of it are called, where a layer holds them."""


def check_trainable(x: Any) -> None:
    """Refuse numbers in the place of an array that a layer here would train.

    Raises:
        Refusal: they are no parameter.
    """
    if isinstance(x, np.ndarray):
        raise Refusal(untrained(x.shape))


def untrained(shape: tuple[int, ...]) -> str:
    """Why constants of a shape are no layer's weights, as a clause."""
    return (
        f"computes with constants of shape {shape} that the model does not hold as a parameter; "
        "here a layer would train them"
    )


def is_by_channel(shape: tuple[int, ...], sample: tuple[int, ...]) -> bool:
    """Whether constants of a shape are one number, or one for each channel."""
    axes = (1,) * (len(sample) + 1 - len(shape)) + shape
    return math.prod(shape) == 1 or axes == (1, sample[0], *(1 for _ in sample[1:]))


def by_channel(x: Any, shape: tuple[int, ...]) -> np.ndarray:
    """A constant as one number, or as one for each channel, (C,); float32 as shortest decimals."""
    array = np.asarray(as_numbers(x))
    axes = (1,) * (len(shape) + 1 - array.ndim) + array.shape
    channels = tuple(size if axis == 1 else 1 for axis, size in enumerate(axes))
    alike = len(axes) == len(shape) + 1 and channels == axes and array.size == shape[0]
    if array.size != 1 and not alike:
        raise Refusal(
            f"computes with constants of shape {array.shape} where samples have {shape}; one "
            "number, or one for each channel, is a layer"
        )
    numbers = array.reshape(-1)
    if array.dtype == np.float32 and array.size <= MOST_DECIMALS:
        numbers = np.array([shortest_decimal(number) for number in numbers])
    return numbers.astype(np.float64).reshape(() if array.size == 1 else -1)
