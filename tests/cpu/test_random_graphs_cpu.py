"""Random graphs of every kind of layer: whatever branches, shared layers and inputs meet, and
whichever loss is asked, the engines agree.

Each is computed with every array kept and in the programs that users run, and compared with the
reference; the reference's values and gradients are PyTorch's.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from comparing import FLOAT32, FLOAT64, assert_all_close
from random_graphs import forked_graph, graph
from random_losses import any_loss, each_loss
from random_networks import drawn
from tails import beginning, searched

from gradtrail.engines import CPU, Reference
from gradtrail.graph.step_arrays import given_arrays

from .agreeing import assert_agree
from .targets import loops_here
from .test_random_networks import evaluation_agrees, training_agrees

COUNT = len(searched(25))
SERIES = 7_000
"""Where the numbers begin, so that no graph has a network's."""


DRAWN = [(graph, any_loss), (forked_graph, each_loss)]


@pytest.mark.parametrize("kind", DRAWN, ids=["one output", "several"])
@pytest.mark.parametrize("number", beginning(2, range(COUNT)))
def test_it_agrees_with_the_reference(number: int, kind: Any) -> None:
    net, targets = drawn(SERIES + number, *kind), loops_here()
    engine = CPU(threads=1 + number % 2, target=targets[number % len(targets)])
    try:
        got = engine.compute(net.network, net.batch, net.loss, training=net.training)
        assert_agree(got, net.expected)
        arguments = net.network, net.batch, net.loss
        shares = engine.per_sample(*arguments, training=net.training)
        right = Reference().per_sample(*arguments, training=net.training)
        assert_all_close(dict(shares), dict(right), FLOAT32)
        (training_agrees if net.training else evaluation_agrees)(net, engine)
    except Exception as failure:
        raise AssertionError(f"{failure}\n{engine}, network:\n{net.network!r}\n{net}") from failure


@pytest.mark.torch
@pytest.mark.filterwarnings("ignore:Using padding='same'")
@pytest.mark.parametrize("kind", DRAWN, ids=["one output", "several"])
@pytest.mark.parametrize("number", beginning(8, range(COUNT)))
def test_the_reference_agrees_with_pytorch(number: int, kind: Any) -> None:
    """The gradients of what the loss sends back, or of a weighted sum of PyTorch's losses."""
    import torch
    from torch_peer import loss_of, run_all, tensors

    net = drawn(SERIES + number, *kind)
    network, system = net.network, net.network.system(len(net.batch), training=net.training)
    given = given_arrays(network, system, seed=net.batch.seed, step=net.batch.step)
    held = tensors({**network.parameters, **network.buffers, **given})
    inputs = tensors(network.by_input(net.batch.x))
    learned = {**{name: held[name] for name in network.parameters}, **inputs}
    for tensor in learned.values():
        tensor.requires_grad_()
    made = run_all(network, inputs, held, net.training)
    ours, values = {name: net.expected.gradients[name] for name in learned}, net.expected.values
    ends = [*network.outputs.values()]
    if net.loss.parts:
        y, total = net.batch.y, torch.zeros((), dtype=torch.float64)
        for part, end in zip(net.loss.parts, ends, strict=True):
            own = loss_of(part.loss, made[end], y[part.name])
            np.testing.assert_allclose(values[part.array], own.item(), rtol=1e-10)
            total = total + part.weight * own
        total.backward()
    else:
        made[ends[0]].backward(torch.tensor(net.expected.gradients[ends[0]]))
    theirs = {
        name: np.zeros(t.shape) if t.grad is None else t.grad.numpy() for name, t in learned.items()
    }
    assert_all_close(
        ours | {end: values[end] for end in ends},
        theirs | {end: made[end].detach().numpy() for end in ends},
        FLOAT64,
    )
