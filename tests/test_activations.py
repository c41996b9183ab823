"""Every activation and its slope: PyTorch's in float64, at kinks, ±0, ±∞ and a NaN, too."""

from __future__ import annotations

import numpy as np
import pytest

import gradtrail as gt
from gradtrail.arrays.operations import OPERATIONS
from gradtrail.equation.scalar import Function, Variable, evaluate_scalar, maximum, minimum
from gradtrail.interop.known_activations import ACTIVATIONS
from gradtrail.layers.activations import Activation

POINTS = np.array(
    [
        *(-np.inf, -1e4, -30, -20.5, -6, -3.0000001, -3, -2.5, -1, -0.75, -0.5, -0.25, -0.2, -1e-8),
        *(-0.0, 0.0, 1e-300, 1e-8, 0.1, 0.125, 0.25, 0.5, 0.75, 1, 2, 2.5, 3, 3.5, 6, 6.5, 10, 20),
        *(20.5, 40, 1e4, np.inf, np.nan),
    ]
)

FURTHER: tuple[Activation, ...] = (
    *(gt.Hardtanh(-0.5, 2.0), gt.ELU(0.3), gt.CELU(0.5), gt.CELU(-0.5), gt.Softplus(2.0, 5.0)),
    *(gt.Hardshrink(0.25), gt.Softshrink(0.0), gt.Threshold(0.125, 2.0), gt.Threshold(-1, 0)),
    *(gt.LeakyReLU(-0.5), gt.GELU(approximate="tanh")),
)
EVERY = (*(k.layer() for k in ACTIVATIONS if k.layer is not gt.Threshold), *FURTHER)


def computed(layer: Activation, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Values and slopes, on NumPy's arrays."""
    function = layer.function
    with np.errstate(all="ignore"):
        found = [
            evaluate_scalar(f.body, {"x": x}, OPERATIONS) for f in (function, function.derivative)
        ]
    return found[0], np.broadcast_to(found[1], x.shape)


def told(layer: Activation) -> dict:
    return {k: v for k, v in layer.settings().items() if k not in ("type", "name")}


@pytest.mark.torch
@pytest.mark.parametrize("layer", EVERY, ids=repr)
def test_values_and_slopes_are_pytorchs(layer: Activation) -> None:
    """Slopes are compared where PyTorch's is a number and x is finite."""
    torch = pytest.importorskip("torch")
    module = getattr(torch.nn, type(layer).__name__)(**told(layer)).double()
    x = torch.tensor(POINTS, requires_grad=True)
    y = module(x)
    y.backward(torch.ones_like(y))
    values, slopes = computed(layer, POINTS)
    np.testing.assert_allclose(values, y.detach().numpy(), rtol=1e-13, atol=1e-300)
    assert np.isnan(values[-1])
    finite = np.isfinite(POINTS)
    # PyTorch multiplies by 1/6 in float32 in the hard sigmoid's slope
    tolerance = 5e-8 if isinstance(layer, gt.Hardsigmoid) else 1e-7 if far(layer) else 1e-12
    np.testing.assert_allclose(slopes[finite], x.grad.numpy()[finite], rtol=tolerance, atol=1e-15)


def far(layer: Activation) -> bool:
    """Whether the slope is 1 − tanh², which loses digits far out, in PyTorch as here."""
    return isinstance(layer, gt.Tanh | gt.Mish | gt.Tanhshrink)


BOUNDED = [layer for layer in EVERY if layer != gt.CELU(-0.5)]  # which grows as exp(−2x) does


@pytest.mark.parametrize("layer", BOUNDED, ids=repr)
def test_nothing_overflows_within_ten_thousand(layer: Activation) -> None:
    x = np.linspace(-1e4, 1e4, 201)
    for number in (*computed(layer, x), *computed(layer, x.astype(np.float32))):
        assert np.isfinite(number).all()


def test_a_slope_of_the_other_side_of_a_kink_would_be_seen() -> None:
    """As `torch.clamp` has it at 0 and at 6; the points hold both, and the values are the same."""
    x = Variable("x")
    clamped = Function("clamped", minimum(6, maximum(0, x)))
    right, wrong = gt.ReLU6().function, clamped
    differ = {at for at in POINTS[:-1] if right.derivative(at) != wrong.derivative(at)}
    assert differ == {0.0, 6.0}
    assert all(right(at) == wrong(at) for at in POINTS[:-1])


REFUSED = {
    "ELU: alpha must be finite": lambda: gt.ELU(float("nan")),
    "Hardtanh: min_val must be below max_val, got 1 and 1": lambda: gt.Hardtanh(1, 1),
    "CELU: alpha must not be 0": lambda: gt.CELU(0),
    "Softplus: beta must not be 0": lambda: gt.Softplus(0),
    "Softshrink: lambd must be at least 0, got -1": lambda: gt.Softshrink(-1),
    "Threshold needs value; write gt.Threshold": lambda: gt.Threshold(1),
    "PReLU: num_parameters must be at least 1, got 0": lambda: gt.PReLU(0),
    "PReLU: init must be finite, got inf": lambda: gt.PReLU(init=float("inf")),
}


@pytest.mark.parametrize("message", REFUSED)
def test_settings_that_mean_nothing(message: str) -> None:
    with pytest.raises(gt.ArgumentError, match=message):
        REFUSED[message]()


def test_a_prelu_has_as_many_slopes_as_channels() -> None:
    with pytest.raises(gt.ShapeError, match=r"has 2 slopes but gets 3 channels from the input"):
        gt.Network((3, 4, 4), [gt.PReLU(2)])
    net = gt.Network((3, 4, 4), [gt.PReLU(3, init=0.1)])
    np.testing.assert_array_equal(net.parameters["prelu1.weight"], np.float32([0.1] * 3))


def test_names_count_by_kind() -> None:
    layers = [gt.ReLU6(), gt.ReLU6(), gt.Hardswish(), gt.PReLU(), gt.Pointwise("2*x")]
    names = [step.name for step in gt.Network((2,), layers).steps]
    assert names == ["relu6_1", "relu6_2", "hardswish1", "prelu1", "pointwise1"]
