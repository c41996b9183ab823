"""The core knows no rank: layers for sequences and volumes are a line each, and right."""

from __future__ import annotations

from typing import ClassVar, final

import numpy as np
import pytest
from cases import uniform
from comparing import FLOAT64, assert_close

import gradtrail as gt
from gradtrail.engines import Reference
from gradtrail.equation import text
from gradtrail.equation.frozen import frozen
from gradtrail.layers.conv import ConvNd
from gradtrail.layers.conv_transpose import ConvTransposeNd
from gradtrail.layers.pooling import AvgPool, MaxPool


def of_rank(base: type, rank: int) -> type:
    class Ranked(base):  # type: ignore[misc, valid-type]
        pass

    Ranked.rank = rank
    return final(frozen(Ranked))


@final
@frozen
class Conv1d(ConvNd):
    rank: ClassVar[int] = 1


@final
@frozen
class Conv3d(ConvNd):
    rank: ClassVar[int] = 3


def test_the_equation_has_as_many_axes() -> None:
    one = Conv1d(2, 3, stride=2).declare((2, 3, 9), training=True).equation
    assert text(one) == "Z[n,k,x] = b[k] + Σ_{c,j} W[k,c,j]·X[n,c,x·s+j·d−p]"
    three = Conv3d(2, 3).declare((2, 3, 5, 6, 7), training=True).equation
    assert text(three) == (
        "Z[n,k,z,y,x] = b[k] + Σ_{c,l,i,j} W[k,c,l,i,j]·X[n,c,z·s+l·d−p,y·s+i·d−p,x·s+j·d−p]"
    )


LAYERS = {
    "convolution": (ConvNd, {"out_channels": 3, "kernel_size": 3, "stride": 2, "padding": 1}),
    "transposed": (ConvTransposeNd, {"out_channels": 2, "kernel_size": 3, "stride": 2}),
    "max pool": (MaxPool, {"kernel_size": 3, "stride": 2, "padding": 1}),
    "average pool": (AvgPool, {"kernel_size": 3, "stride": 2, "padding": 1}),
}
SHAPES = {1: (2, 3, 8), 3: (2, 3, 5, 4, 6)}


@pytest.mark.torch
@pytest.mark.parametrize("rank", [1, 3])
@pytest.mark.parametrize("name", LAYERS)
def test_sequences_and_volumes_agree_with_pytorch(name: str, rank: int) -> None:
    torch = pytest.importorskip("torch")
    F = torch.nn.functional
    base, settings = LAYERS[name]
    layer = of_rank(base, rank)(**settings)
    shape = SHAPES[rank]
    network = gt.Network(shape[1:], [layer], dtype=np.float64, seed=rank)
    draw = np.random.Generator(np.random.PCG64(rank))
    x = uniform(draw, shape)
    system = network.system(2)
    values = Reference().run(system, {"input": x, **network.parameters})
    upstream = uniform(draw, values[network.output_name].shape)
    gradients = Reference().gradients(system, values, {network.output_name: upstream})
    image = torch.tensor(x, requires_grad=True)
    held = {
        n.split(".")[1]: torch.tensor(a, requires_grad=True) for n, a in network.parameters.items()
    }
    kinds = {
        "convolution": lambda: getattr(F, f"conv{rank}d")(image, *held.values(), 2, 1),
        "transposed": lambda: getattr(F, f"conv_transpose{rank}d")(image, *held.values(), 2),
        "max pool": lambda: getattr(F, f"max_pool{rank}d")(image, 3, 2, 1),
        "average pool": lambda: getattr(F, f"avg_pool{rank}d")(image, 3, 2, 1),
    }
    held = {k: held[k] for k in ("weight", "bias") if k in held}
    output = kinds[name]()
    output.backward(torch.tensor(upstream))
    assert_close(values[network.output_name], output.detach().numpy(), FLOAT64, "output")
    assert_close(gradients["input"], image.grad.numpy(), FLOAT64, "dX")
    for parameter in network.parameters:
        theirs = held[parameter.split(".")[1]].grad.numpy()
        assert_close(gradients[parameter], theirs, FLOAT64, parameter)


def test_a_network_for_sequences_trains() -> None:
    layers = [Conv1d(4, 3), gt.ReLU(), gt.Flatten(), gt.Linear(2)]
    network = gt.Network((1, 12), layers, dtype=np.float64)
    draw = np.random.Generator(np.random.PCG64(0))
    x, y = uniform(draw, (60, 1, 12)), draw.integers(0, 2, 60)
    x[y == 1, :, ::2] += 1
    gt.check_gradients(network, x[:4], y[:4])
    history = gt.train(
        network, (x, y), epochs=8, batch_size=8, optimizer=gt.Adam(0.02), progress=False
    )
    assert history.accuracy[-1] > 0.9
