"""Local response normalisation: PyTorch's, on both engines, saved, and what it refuses."""

from __future__ import annotations

import json

import numpy as np
import pytest
from comparing import FLOAT64, assert_all_close
from cpu.test_planning_mutants import Patch, compare

import gradtrail as gt
from gradtrail.engines import CPU, Reference
from gradtrail.engines.cpu.planning import work
from gradtrail.graph.description import arguments_from


@pytest.mark.torch
@pytest.mark.parametrize(("size", "shape"), [(3, (4, 3)), (4, (5, 2, 3)), (5, (2, 2, 1, 3))])
def test_it_is_pytorchs(size: int, shape: tuple[int, ...]) -> None:
    torch = pytest.importorskip("torch")
    settings = {"alpha": 0.3, "beta": 0.6, "k": 1.5}
    net = gt.Network(shape, [gt.LocalResponseNorm(size, **settings)], dtype=np.float64)
    draw = np.random.Generator(np.random.PCG64(size))
    x, upstream = draw.random((2, *shape)) - 0.5, draw.random((2, *shape)) - 0.5
    system = net.system(2, training=True)
    values = Reference().run(system, {"input": x})
    found = Reference().gradients(system, values, {net.output_name: upstream})
    image = torch.tensor(x, requires_grad=True)
    output = torch.nn.functional.local_response_norm(image, size, **settings)
    output.backward(torch.tensor(upstream))
    got = {"z": values[net.output_name], "x": found["input"]}
    assert_all_close(got, {"z": output.detach().numpy(), "x": image.grad.numpy()}, FLOAT64)


def network() -> gt.Network:
    """Behind a convolution, and beside a product of two arrays that both lead to one."""
    x = gt.Input((3, 4, 5))
    z = gt.LocalResponseNorm(3, alpha=0.5)(gt.Conv2d(3, 1)(x))
    gated = gt.multiply(z, gt.Sigmoid()(gt.Conv2d(3, 3, padding=1)(z)))
    return gt.Network(x, gt.Linear(4)(gt.Flatten()(gated)), seed=1)


def test_a_training_step_is_the_references() -> None:
    """The gradient of a product leads to each factor, so none may keep it for itself."""
    compare(CPU(threads=1), network())


def test_a_factor_that_keeps_it_is_caught(monkeypatch: Patch) -> None:
    monkeypatch.setattr(work, "Counter", lambda names: dict.fromkeys(names, 1))
    with pytest.raises(AssertionError, match=r"got .*, not "):
        compare(CPU(threads=1), network())


def test_it_is_saved_by_its_settings() -> None:
    net = gt.Network((4, 3), [gt.LocalResponseNorm(5, k=2, name="damped")])
    data = json.loads(json.dumps(net.architecture()))
    assert data["layers"] == [{"type": "LocalResponseNorm", "size": 5, "k": 2.0, "name": "damped"}]
    assert arguments_from(data)["layers"] == [gt.LocalResponseNorm(5, k=2, name="damped")]
    assert [step.name for step in net.steps] == ["equation1", "damped"]


def test_each_square_can_be_asked_for() -> None:
    x = np.arange(1.0, 5).reshape(1, 4, 1)
    net = gt.Network((4, 1), [gt.LocalResponseNorm(3)], dtype=np.float64)
    t = gt.trace(net, x, np.zeros((1, 4, 1)), loss=gt.MeanSquaredError())
    assert [row.product for row in t.value.terms("equation1.output", (0, 0, 0))] == [1.0, 4.0]
    assert [row.product for row in t.value.terms("equation1.output", (0, 2, 0))] == [4.0, 9.0, 16.0]


def test_what_it_refuses() -> None:
    with pytest.raises(gt.ArgumentError, match="size must be a whole number ≥ 1, got 0"):
        gt.LocalResponseNorm(0)
    with pytest.raises(gt.ArgumentError, match="alpha must be a finite number, got nan"):
        gt.LocalResponseNorm(3, alpha=float("nan"))
    with pytest.raises(gt.ShapeError, match="places behind their channels, but gets 4"):
        gt.Network((4,), [gt.LocalResponseNorm(3)])
