"""Layers as users write them, with the names that layers here have and other equations."""

from __future__ import annotations

from typing import ClassVar, final

import numpy as np

import gradtrail as gt
from gradtrail.equation import Array, contraction, term
from gradtrail.equation.frozen import frozen
from gradtrail.equation.scalar import Function, Variable, maximum
from gradtrail.layers.activations import Activation
from gradtrail.layers.layer import Declaration, Layer, Parameter, Shape, elementwise

x = Variable("x")

DOUBLED = Function("relu", 2 * maximum(x, 0.0))
"""Called as ReLU's is, and twice as much."""

POSITIVE = Function("positive", maximum(x, 0.0))
"""ReLU's, and called otherwise."""

TURNED = Function("turned", maximum(0.0, x))
"""The same with its arguments the other way round."""


@final
@frozen
class Own(Activation):
    """An activation by its function."""

    prefix: ClassVar[str] = "own"

    applied: Function
    name: str | None = None

    @property
    def function(self) -> Function:
        return self.applied


W, X, Z = map(Array, "WXZ")


@final
@frozen
class Masked(Layer):
    """Each feature times a weight that is trained, and called `mask`."""

    prefix: ClassVar[str] = "masked"

    name: str | None = None

    def declare(self, *sources: Shape, training: bool) -> Declaration:
        (shape,) = sources
        n, c = elementwise(shape)
        equation = contraction(
            term(Z[n, c], W[c], X[n, c]), ranges={}, shapes={"X": shape, "W": shape[1:]}
        )
        return Declaration(equation, parameters={"W": Parameter("mask", "ones")})


def traced(*applied: Function) -> gt.Trace:
    """Two samples and a mask whose first entry is 0; the last feature is once below 0.

    fc1 hands on (1, 1, −3) and (1, 4, 2), masked1 (0, 1, −3) and (0, 4, 2).
    """
    activations = [Own(function) for function in applied]
    net = gt.Network((3,), [gt.Linear(3), Masked(), *activations, gt.Linear(2)], dtype=np.float64)
    net.parameters["fc1.weight"] = np.eye(3)
    net.parameters["masked1.mask"] = [0.0, 1.0, 1.0]
    net.parameters["fc2.weight"] = [[1.0, 2.0, 3.0], [-1.0, 1.0, 2.0]]
    return gt.trace(net, [[1.0, 1.0, -3.0], [1.0, 4.0, 2.0]], [0, 1], engine="reference")


@final
@frozen
class Mirrored(Layer):
    """Z[n,c,y,x] = X[n,c,y,x] + 3·X[n,c,H−1−y,x]: each term alone reaches all of X."""

    prefix: ClassVar[str] = "mirrored"

    name: str | None = None

    def declare(self, *sources: Shape, training: bool) -> Declaration:
        (shape,) = sources
        n, c, y, x = elementwise(shape)
        back = term(Z[n, c, y, x], X[n, c, -1 * y + shape[2] - 1, x], scale=3)
        here = term(Z[n, c, y, x], X[n, c, y, x])
        return Declaration(contraction(here, back, ranges={}, shapes={"X": shape}))
