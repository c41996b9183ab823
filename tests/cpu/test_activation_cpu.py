"""Slopes that are read off results: told by what a function is, not by its name."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import pytest
from comparing import FLOAT32, assert_all_close

import gradtrail as gt
from gradtrail.engines.cpu.activation import _slope
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


READ = (
    *(gt.ReLU6(), gt.Hardtanh(-0.5, 0.75), gt.Hardsigmoid(), gt.ELU(0.7), gt.ELU(), gt.SELU()),
    *(gt.CELU(0.5), gt.CELU(), gt.Softplus(), gt.Softplus(2.0), gt.LogSigmoid(), gt.Softsign()),
    *(gt.Hardshrink(0.1), gt.Softshrink(0.1), gt.Threshold(0.1, -0.5)),
)
"""Those whose slope their value tells."""

KEPT = (
    *(gt.SiLU(), gt.Hardswish(), gt.Mish(), gt.GELU(), gt.Tanhshrink(), gt.ELU(-1.0)),
    *(gt.Threshold(0.1, 0.5), gt.Pointwise("x*sigmoid(1.702*x) + 0.5*x")),
)
"""Those whose slope needs what they are applied to."""


def test_slopes_are_read_off_values_where_they_can_be() -> None:
    """Everywhere, at kinks and far out; of the others nothing is claimed."""
    points = [-30.0, -6.5, -3.0, -0.75, -0.5, -0.1, -0.0, 0.0, 0.05, 0.1, 0.3, 0.75, 3.0, 6.0, 30.0]
    for layer in (*READ, gt.LeakyReLU(), gt.Tanh(), gt.Sigmoid()):
        function = layer.function
        slope = _slope(function.body)
        assert slope is not None, layer
        read = Function("read", slope)
        for at in points:
            expected = function.derivative(at)
            assert read(function(at)) == pytest.approx(expected, rel=1e-9, abs=1e-12), (layer, at)
    for layer in KEPT:
        assert _slope(layer.function.body) is None


def moved_and_right(net: gt.Network, size: int = 19) -> tuple[dict, dict]:
    """How far a step of training moves the weights, and the reference's gradients."""
    draw = np.random.Generator(np.random.PCG64(4))
    x = draw.standard_normal((size, *net.input_shape)).astype(np.float32)
    y = draw.standard_normal((size, 2)).astype(np.float32)
    loss = gt.MeanSquaredError()
    right = gt.trace(net, x, y, loss=loss, engine="reference").grad
    before = {name: array.astype(np.float64) for name, array in net.parameters.items()}
    settings = {"batch_size": size, "epochs": 1, "progress": False}
    gt.train(net, (x, y), loss=loss, optimizer=gt.SGD(1.0), **settings)
    moved = {name: before[name] - array for name, array in net.parameters.items()}
    return moved, {name: right[name] for name in moved}


@pytest.mark.parametrize(
    ("several", "norm"),
    [
        (READ[:8], False),
        (READ[8:], False),
        ((*READ[:2], *READ[3:5]), True),
        (KEPT, False),
        (KEPT, True),
    ],
    ids=["read", "read too", "read behind norms", "kept", "kept behind norms"],
)
def test_a_step_applies_them_as_it_stores(several: tuple, norm: bool) -> None:
    """Behind convolutions and batch norms, one after another, the gradients are right."""
    layers: list = []
    for layer in several:
        layers += [gt.Conv2d(3, 1, bias=not norm)] + ([gt.BatchNorm2d()] if norm else []) + [layer]
    net = gt.Network((2, 3, 2), [*layers, gt.Flatten(), gt.Linear(2)], seed=1)
    moved, right = moved_and_right(net)
    assert_all_close(moved, right, 200 * FLOAT32)
    first = "norm1" if norm else "conv1"
    does = [call.does for call in net.explain(first).calls]
    assert any(f"with {net.steps[2 if norm else 1].name}" in line for line in does)


def test_what_a_slope_needs_is_stored_beside_by_winograds_algorithm_too() -> None:
    """And no pool takes the maxima before it is."""
    layers = [gt.Conv2d(20, 3, padding=1), gt.SiLU(), gt.MaxPool2d(2), gt.Conv2d(20, 3, padding=1)]
    layers += [gt.Hardswish(), gt.Flatten(), gt.Linear(2)]
    net = gt.Network((16, 12, 12), layers, seed=1)
    moved, right = moved_and_right(net)
    assert_all_close(moved, right, 400 * FLOAT32)


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


def test_a_network_without_parameters_is_trained() -> None:
    """Which moves nothing, and says the loss."""
    net = gt.Network((2, 3, 2), [gt.ReLU6(), gt.Flatten()])
    x, y = np.ones((4, 2, 3, 2), np.float32), np.zeros((4, 12))
    settings = {"epochs": 1, "batch_size": 4, "progress": False, "optimizer": gt.SGD(0.1)}
    history = gt.train(net, (x, y), loss=gt.MeanSquaredError(), **settings)
    assert history.step_losses == [1.0]


def test_places_that_no_sum_reaches_hold_the_functions_value_at_0() -> None:
    """A transposed convolution without bias, whose stride leaves places out."""
    x = np.random.Generator(np.random.PCG64(0)).normal(size=(3, 2, 3, 2)).astype(np.float32)
    for layer, nothing in ((gt.Softplus(), np.log(2.0)), (gt.Sigmoid(), 0.5), (gt.SiLU(), 0.0)):
        net = gt.Network((2, 3, 2), [gt.ConvTranspose2d(2, 1, stride=2, bias=False), layer])
        found = net.predict(x)
        np.testing.assert_allclose(found, net.predict(x, engine="reference"), atol=1e-6)
        np.testing.assert_allclose(found[:, :, 1::2], nothing, atol=1e-6)
