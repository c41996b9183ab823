"""Networks over one, two and three axes of places, with windows in every setting, and with draws.

Values and gradients are the reference's, with every array kept, in a training step, and for one
sample alone; those of the reference are PyTorch's.
"""

from __future__ import annotations

import numpy as np
import pytest
from comparing import FLOAT64, assert_close
from random_networks import Draws, drawn
from random_ranks import ranked_network
from tails import beginning, searched

import gradtrail as gt
from gradtrail.engines import CPU
from gradtrail.graph.step_arrays import given_arrays

from .agreeing import assert_agree
from .targets import loops_here
from .test_random_networks import evaluation_agrees, training_agrees

COUNT = len(searched(30))


@pytest.mark.parametrize("number", beginning(3, range(COUNT)))
def test_it_agrees_with_the_reference(number: int) -> None:
    net, targets = drawn(number, ranked_network(1 + number % 3)), loops_here()
    engine = CPU(threads=1 + number % 2, target=targets[number // 3 % len(targets)])
    try:
        got = engine.compute(net.network, net.batch, net.loss, training=net.training)
        assert_agree(got, net.expected)
        (training_agrees if net.training else evaluation_agrees)(net, engine)
    except Exception as failure:
        raise AssertionError(f"{failure}\n{engine}, network:\n{net}") from failure


@pytest.mark.torch
@pytest.mark.filterwarnings("ignore:Using padding='same'", "ignore:Network. input_shape")
@pytest.mark.parametrize("number", beginning(12, range(2 * COUNT)))
def test_the_reference_agrees_with_pytorch(number: int) -> None:
    torch = pytest.importorskip("torch")
    import torch_peer

    draw = Draws(np.random.Generator(np.random.PCG64([number, 1])))
    made, _ = ranked_network(1 + number % 3)(draw)
    net = gt.Network(made.input_shape, made.layers, dtype=np.float64, seed=number)
    x = draw.uniform((3, *net.input_shape))
    y = draw.uniform(net.system(3).shapes[net.output_name])
    t = gt.trace(net, x, y, loss=gt.MeanSquaredError(), engine="reference", seed=number)
    masks = given_arrays(net, net.system(3, training=True), seed=number)
    held = torch_peer.tensors({**net.parameters, **net.buffers, **masks})
    for name in net.parameters:
        held[name].requires_grad_()
    image = torch.tensor(x, requires_grad=True)
    output = torch_peer.run(net, image, held, True)
    torch.nn.functional.mse_loss(output, torch.tensor(y)).backward()
    if not np.isfinite(t.value[net.output_name]).all():  # a norm of a window of padding alone
        assert not torch.isfinite(output).all()
        return
    assert_close(t.value[net.output_name], output.detach().numpy(), FLOAT64)
    for name in ("input", *net.parameters):
        theirs = (image if name == "input" else held[name]).grad.numpy()
        if np.abs(theirs).max() < 1e-13:  # 0 in theory, such as that of a bias before a norm
            assert np.abs(t.grad[name]).max() < 1e-13
        else:
            assert_close(t.grad[name], theirs, FLOAT64, name)
