"""Which activation some arithmetic is: what is nearly one, or one but for far numbers, is none."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import gradtrail as gt
from gradtrail.equation.scalar import Expression, erf, exp, maximum, minimum, sqrt
from gradtrail.interop.reading.arithmetic import X, curve_of, layer_of, shortest_decimal

ALIKE: dict[str, tuple[Expression, gt.layers.Layer | None]] = {
    "relu": (maximum(X, 0), gt.ReLU()),
    "relu as a root": ((X + sqrt(X * X)) / 2, gt.ReLU()),
    "relu with an upper bound far away": (maximum(minimum(X, 20), 0), gt.Hardtanh(0.0, 20.0)),
    "relu with one for halves": (maximum(minimum(X, 65504), 0), gt.Hardtanh(0.0, 65504.0)),
    "leaky": (maximum(X, X * 0.1), gt.LeakyReLU(0.1)),
    "leaky with float32's slope": (maximum(X, X * float(np.float32(0.3))), gt.LeakyReLU(0.3)),
    "leaky with a lower bound far away": (maximum(maximum(X, X * 0.1), -10), None),
    "gelu in six digits": (0.5 * X * (1 + erf(X / 1.41421)), gt.GELU()),
    "silu": (X / (1 + exp(-X)), gt.SiLU()),
    "identity and a little": (X + 1e-6, None),
    "identity but for a little": (X * 0.999999 + 1e-9, None),
    "relu and a little": (maximum(X, 0) + 1e-6, None),
    "relu from a little on": (maximum(X, 1e-6), None),
    "sigmoid and a little": (1 / (1 + exp(-X)) + 1e-7, None),
    "sigmoid from a little on": (maximum(1 / (1 + exp(-X)), 1e-7), None),
    "silu and a little": (X / (1 + exp(-X)) + 1e-6, None),
}


@pytest.mark.parametrize("name", ALIKE)
def test_which_layer_arithmetic_is(name: str) -> None:
    body, layer = ALIKE[name]
    assert layer_of(curve_of(body)) == layer


def test_float64_keeps_its_digits() -> None:
    assert shortest_decimal(float(np.float32(0.1))) == 0.1
    assert shortest_decimal(0.1 + 1e-17) == 0.1
    assert shortest_decimal(0.1 + 0.2) == 0.3
    assert shortest_decimal(1 / 3) == 1 / 3


def test_an_epsilon_stays_before_a_logarithm(tmp_path: Path) -> None:
    """It was dropped with an identity whose slope was 0.999999, and left −∞ where x is 0."""
    pytest.importorskip("onnx")
    from onnx_models import model, node, written

    nodes = [node("Relu", "x", "r"), node("Add", "r e", "s"), node("Log", "s", "y")]
    arrays = {"e": np.array(1e-6, np.float32)}
    network = gt.from_onnx(written(model(nodes, arrays), tmp_path / "model.onnx"))
    x = np.full((1, 3, 8, 9), -1.0, np.float32)
    np.testing.assert_allclose(network.predict(x, engine="reference"), np.log(1e-6), rtol=1e-6)


def test_a_bound_beyond_the_samples_of_the_comparison_stays() -> None:
    torch = pytest.importorskip("torch")
    from torch_models import Function

    network = gt.from_torch(Function(lambda x: x.clamp(max=20).clamp(min=0)), (2,))
    x = np.array([[-30.0, 30.0], [5.0, 21.0]], np.float32)
    expected = torch.tensor(x).clamp(0, 20).numpy()
    np.testing.assert_array_equal(network.predict(x, engine="reference"), expected)
