"""Slopes that are read off results: told by what a function is, not by its name."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import pytest
from comparing import FLOAT32, assert_all_close

import gradtrail as gt
from gradtrail.engines.cpu.epilogue import is_unit
from gradtrail.equation.frozen import frozen
from gradtrail.equation.scalar import Function, Variable, maximum, sigmoid, tanh, where
from gradtrail.layers.activations import Activation

x = Variable("x")


@frozen
class Own(Activation):
    """A layer as a user writes one, with a function of any name."""

    prefix: ClassVar[str] = "own"

    which: str
    name: str | None = None

    @property
    def function(self) -> Function:
        return OWN[self.which]


OWN = {
    "relu from −1 on": Function("relu", maximum(x, -1.0)),
    "relu of another variable's place": Function("relu", maximum(2 * x - 1, 0.0)),
    "half of x": Function("relu", 0.5 * x),
    "twice a sigmoid": Function("sigmoid", 2 * sigmoid(x)),
    "a tanh of 3x": Function("tanh", tanh(3 * x)),
    "leaky the other way": Function("leaky_relu", where(x, 0.1 * x, x)),
    "leaky by minus": Function("leaky_relu", where(x, x, -0.5 * x)),
    "a relu with its 0 first": Function("relu", maximum(0.0, x)),
    "a step, a slope": Function("relu", where(x, 1.0, 0.25 * x)),
    "a relu by another name": Function("positive", maximum(x, 0.0)),
}


@pytest.mark.parametrize("called", OWN)
def test_a_function_that_borrows_a_name_keeps_its_own_slope(called: str) -> None:
    layers = [gt.Conv2d(3, 3), Own(called), gt.Flatten(), gt.Linear(3)]
    net = gt.Network((2, 6, 6), layers, seed=0)
    draw = np.random.Generator(np.random.PCG64(1))
    samples = draw.standard_normal((20, 2, 6, 6)).astype(np.float32)
    labels = np.arange(20) % 3
    before = {name: array.copy() for name, array in net.parameters.items()}
    right = gt.trace(net, samples, labels, engine="reference").grad
    gt.train(net, (samples, labels), optimizer=gt.SGD(1.0), batch_size=20, progress=False)
    moved = {
        name: before[name].astype(np.float64) - array for name, array in net.parameters.items()
    }
    assert_all_close(moved, {name: right[name] for name in moved}, 10 * FLOAT32)


def test_only_a_step_needs_no_product() -> None:
    assert is_unit(gt.ReLU().function.derivative)
    assert not is_unit(Function("relu", 2 * maximum(x, 0.0)).derivative)
    assert not is_unit(Function("relu′", x))


def test_the_usual_ones_are_fused_as_before() -> None:
    """The convolution applies the function as it stores: the layer has no call of its own."""
    for layer in (gt.ReLU(), gt.LeakyReLU(0.1), gt.Sigmoid(), gt.Tanh()):
        net = gt.Network((1, 6, 6), [gt.Conv2d(2, 3), layer, gt.Flatten(), gt.Linear(3)])
        first = net.explain(f"{layer.prefix}1").calls[0]
        assert first.does == f"conv1, forward, with {layer.prefix}1"
