"""Layers that rearrange, resample or take axes together, for one to three axes of places.

Each network is two or three such layers and a linear one; values and gradients are the reference's,
with every array kept and in a training step, and those of the reference are PyTorch's.
"""

from __future__ import annotations

import numpy as np
import pytest
from comparing import FLOAT32, FLOAT64, assert_close
from random_networks import Drawn, Draws, built, fitting
from random_shapes import rearranged
from tails import beginning, searched

import gradtrail as gt
from gradtrail.engines import CPU, Batch, Reference

from .agreeing import assert_agree
from .targets import loops_here
from .test_random_networks import training_agrees

COUNT = len(searched(40))


def network(number: int) -> gt.Network:
    """One axis of places, two or three, in turn."""
    draw = Draws(np.random.Generator(np.random.PCG64([17, number])))
    shape = (draw.one(2, 3, 4, 8, 17), *(draw.whole(1, 6) for _ in range(1 + number % 3)))
    start, layers = shape, []
    for _ in range(draw.one(1, 2, 3)):
        layer, shape = fitting(draw, shape, rearranged)
        layers.append(layer)
    return built(start, [*layers, gt.Flatten(), gt.Linear(2)], seed=number)


def drawn(number: int) -> Drawn:
    net, loss = network(number), gt.MeanSquaredError()
    draw = np.random.Generator(np.random.PCG64([18, number]))
    x, y = draw.uniform(-1, 1, (5, *net.input_shape)), draw.uniform(-1, 1, (5, 2))
    batch = Batch.of(net, net.checked(x), y, loss)
    expected = Reference().compute(net, batch, loss, training=True)
    return Drawn(number, net, loss, batch, True, expected)


@pytest.mark.parametrize("number", beginning(3, range(COUNT)))
def test_it_agrees_with_the_reference(number: int) -> None:
    net, targets = drawn(number), loops_here()
    engine = CPU(threads=1, target=targets[number % len(targets)])
    assert_agree(engine.compute(net.network, net.batch, net.loss, training=True), net.expected)
    for count in (1, len(net.batch)):  # a single sample has lanes of its own
        predicted = net.network.predict(net.batch.x[:count], engine=engine)
        expected = net.expected.values[net.network.output_name][:count]
        assert_close(predicted, expected, FLOAT32, "prediction")
    training_agrees(net, engine)  # the last: its weights are gradients then


@pytest.mark.torch
@pytest.mark.parametrize("number", beginning(12, range(COUNT)))
def test_the_reference_agrees_with_pytorch(number: int) -> None:
    torch = pytest.importorskip("torch")
    import torch_peer

    drawn_here = network(number)
    net = gt.Network(drawn_here.input_shape, drawn_here.layers, dtype=np.float64, seed=number)
    draw = np.random.Generator(np.random.PCG64([18, number]))
    x, y = draw.uniform(-1, 1, (2, *net.input_shape)), draw.uniform(-1, 1, (2, 2))
    t = gt.trace(net, x, y, loss=gt.MeanSquaredError(), engine="reference")
    held = torch_peer.tensors(net.parameters)
    for array in held.values():
        array.requires_grad_()
    image = torch.tensor(x, requires_grad=True)
    output = torch_peer.run(net, image, held, True)
    torch.nn.functional.mse_loss(output, torch.tensor(y)).backward()
    assert_close(t.value[net.output_name], output.detach().numpy(), FLOAT64)
    assert_close(t.grad["input"], image.grad.numpy(), FLOAT64)
    for name, array in held.items():
        assert_close(t.grad[name], array.grad.numpy(), FLOAT64, name)
