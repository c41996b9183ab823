"""Normalisation of the input by fixed numbers: each channel less its mean, over its deviation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from typing import Any, ClassVar, final

import numpy as np

from ..checking.arguments import is_finite
from ..checking.calls import call_example
from ..equation import Array, Equation, contraction, term
from ..equation.frozen import frozen
from ..errors import ArgumentError, ShapeError
from ..showing.axis_names import size_names
from .layer import Declaration, Draws, Layer, Shape, canonical, elementwise

X, Z, μ, s = map(Array, "XZμs")

_LEAST = 1e-38
"""The least deviation: one over it is a float32."""


@final
@call_example("gt.Normalize(mean, std)")
@frozen
class Normalize(Layer):
    """Takes each channel's mean off and divides by its standard deviation; both are given.

    The first layer of a network that was trained on normalised images: so the numbers are kept with
    the weights, and whoever uses the network hands in pixels as they are.

    Shapes: X and Z (N, C, H, W); the means μ and the scales s = 1/std (C,). Or X and Z (N, K), μ
    and s (K,).

    Forward:
        Z[n,c,y,x] = s[c]·X[n,c,y,x] − s[c]·μ[c]

    Adjoints:
        dX[n,c,y,x] = s[c]·dZ[n,c,y,x]

    Args:
        mean: of each channel, or one number for all.
        std: the standard deviation of each channel, above 0; or one number for all.
        name: instead of normalize1, …

    Raises:
        ArgumentError: an argument out of its range.
    """

    prefix: ClassVar[str] = "normalize"

    mean: float | tuple[float, ...]
    std: float | tuple[float, ...]
    name: str | None = field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        for name in ("mean", "std"):
            object.__setattr__(self, name, _numbers(name, getattr(self, name)))
        canonical(self)

    def declare(self, *sources: Shape, training: bool) -> Declaration:
        """See `Layer.declare`; any shape."""
        (shape,) = sources
        for name in ("mean", "std"):
            given = getattr(self, name)
            if isinstance(given, tuple) and len(given) != shape[1]:
                what = size_names(len(shape))[1]
                raise ShapeError(
                    f"has a {name} for each of {len(given)} {what} but gets {shape[1]}",
                    f"Give {shape[1]} numbers, or one for all",
                )
        each = elementwise(shape)
        z, c = Z[each], each[1]
        terms = term(z, s[c], X[each]), term(z, s[c], μ[c], scale=-1)
        equation = contraction(*terms, ranges={}, shapes={"X": shape})
        return Declaration(equation, given={"μ": "mean", "s": "scale"})

    def given(self, equation: Equation, draws: Draws) -> Mapping[str, np.ndarray]:
        """See `Layer.given`: the means, and one over the deviations."""
        mean, std = (
            np.broadcast_to(np.asarray(numbers, np.float64), equation.shape_of["μ"])
            for numbers in (self.mean, self.std)
        )
        return {"μ": mean, "s": 1 / std}


def _numbers(name: str, given: Any) -> float | tuple[float, ...]:
    """One number or several, checked."""
    several = isinstance(given, tuple | list | np.ndarray) and np.ndim(given) == 1
    numbers = list(given) if several else [given]
    hint = "; a channel that never changes has the deviation 0: give 1" if name == "std" else ""
    kind = f"number above 0 (at least {_LEAST})" if name == "std" else "finite number"
    for number in numbers:
        if not is_finite(number) or (name == "std" and not float(number) >= _LEAST):
            raise ArgumentError(
                f"Normalize: {name} must be one {kind} or one for each channel, got {given!r}"
                + (hint if number == 0 else "")
            )
    if not numbers:
        raise ArgumentError(f"Normalize: {name} has no number")
    return tuple(map(float, numbers)) if several else float(given)
