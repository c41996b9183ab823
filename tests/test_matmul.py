"""The product of two arrays: as PyTorch's, on both engines, and where it does not fit."""

from __future__ import annotations

import numpy as np
import pytest
from comparing import FLOAT32, FLOAT64, assert_all_close
from cpu.agreeing import assert_agree

import gradtrail as gt
from gradtrail.engines import CPU, Batch, Reference


def attention(dtype: type = np.float64) -> gt.Network:
    """Queries and keys of one input's positions, weighed by a softmax: values are summed."""
    x = gt.Input((3, 5))
    q, k, v = (gt.Conv1d(4, 1, bias=False)(x) for _ in range(3))
    weights = gt.Softmax(-1)(gt.MatMul(transpose_a=True)(q, k))
    return gt.Network(x, gt.MatMul(transpose_b=True)(v, weights), seed=3, dtype=dtype)


def batch(net: gt.Network, count: int) -> tuple[Batch, gt.Loss]:
    draw = np.random.Generator(np.random.PCG64(2))
    x, y = draw.random((count, 3, 5)) * 2 - 1, draw.random((count, 4, 5))
    loss = gt.MeanSquaredError()
    return Batch.of(net, net.checked(x), y, loss), loss


@pytest.mark.torch
def test_attention_is_pytorchs() -> None:
    torch = pytest.importorskip("torch")
    net = attention()
    step, loss = batch(net, 3)
    found = Reference().compute(net, step, loss, training=True)
    held = {n: torch.tensor(a, requires_grad=True) for n, a in net.parameters.items()}
    x = torch.tensor(np.asarray(step.x, np.float64), requires_grad=True)
    q, k, v = (torch.nn.functional.conv1d(x, held[f"conv{i}.weight"]) for i in (1, 2, 3))
    z = v @ torch.softmax(q.transpose(1, 2) @ k, -1).transpose(1, 2)
    z.backward(torch.tensor(found.gradients[net.output_name]))
    assert_all_close(
        {"z": found.values[net.output_name], "x": found.gradients["input"]}
        | {n: found.gradients[n] for n in held},
        {"z": z.detach().numpy(), "x": x.grad.numpy()}
        | {n: h.grad.numpy() for n, h in held.items()},
        FLOAT64,
    )


def test_attention_as_machine_code() -> None:
    net = attention(np.float32)
    step, loss = batch(net, 19)
    expected = Reference().compute(net, step, loss, training=True)
    assert_agree(CPU(threads=1).compute(net, step, loss, training=True), expected)
    got, right = net.predict(step.x), net.predict(step.x, engine="reference")
    assert_all_close({"output": got}, {"output": right}, FLOAT32)


def test_what_does_not_fit() -> None:
    a, b, flat = gt.Input((2, 3)), gt.Input((4, 5)), gt.Input((3,))
    with pytest.raises(gt.ShapeError, match="sums over 3 columns of the first array but over 4"):
        gt.MatMul()(a, b)
    with pytest.raises(gt.ShapeError, match="matrices on the last two axes"):
        gt.MatMul()(a, flat)
    with pytest.raises(gt.ArgumentError, match="takes 2 nodes, got 1"):
        gt.MatMul()(a)
