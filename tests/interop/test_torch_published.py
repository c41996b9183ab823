"""What published classifiers are written with, besides plain layers: read, and compared."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from comparing import assert_close
from interchange import layers_of

import gradtrail as gt

torch = pytest.importorskip("torch")
from torch_models import Function, made  # noqa: E402

nn, F = torch.nn, torch.nn.functional

pytestmark = pytest.mark.torch

MAPS = (4, 5, 6)


def compared(module: Any, shape: tuple[int, ...] = MAPS) -> gt.Network:
    """The network of a module in float64, with the module's outputs and the input's gradient."""
    module = module.to(torch.float64).eval()
    weight = nn.Parameter(torch.ones((), dtype=torch.float64))  # which says what the dtype is
    module.register_parameter("unused", weight)
    network = gt.from_torch(module, shape)
    x = np.random.default_rng(0).normal(size=(3, *shape)).astype(network.dtype)
    image = torch.tensor(x, dtype=torch.float64, requires_grad=True)
    output = module(image)
    y = np.random.default_rng(1).normal(size=output.shape)
    ((output - torch.from_numpy(y)) ** 2).mean().backward()
    options = {"loss": gt.MeanSquaredError(), "training": False, "engine": "reference"}
    t = gt.trace(network, x, y.astype(network.dtype), **options)
    near = 1e-12 if network.dtype == np.float64 else 1e-5
    assert_close(t.value[network.output_name], output.detach().numpy(), near, "output")
    assert_close(t.grad["input"], image.grad.numpy(), near, "input")
    return network


class Chosen(nn.Module):
    """Channels in the order of a buffer, some twice."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("order", torch.tensor([3, 0, 0, 2]))

    def forward(self, x: Any) -> Any:
        return torch.index_select(x, 1, self.order) * x[:, self.order].tanh()


def copied(x: Any) -> Any:
    """Positions one by one are a copy: what is written later is not seen there."""
    x = x * 2
    some = x[:, [2, 0]]
    x += 1
    return torch.cat([some, x[..., [3, 1, 1]].mean(3, keepdim=True).expand(-1, -1, -1, 6)], 1)


def mixed(x: Any) -> Any:
    """Parts in a loop, each by a window of its own; the parts of a part, and their number."""
    parts = x.split(split_size=(1, 3), dim=1)
    found = [F.avg_pool2d(part, 2 * k + 1, 1, k) for k, part in enumerate(parts)]
    first, *others = found[1].chunk(len(parts) + 1, 1)
    rows = x.unbind(2)[1].unsqueeze(2).repeat(1, 2, 5, 1)
    return torch.cat([*found, first * others[0], *rows.chunk(2, 1)], 1)


class Halved(nn.Module):
    """A forward that asks for sizes behind a layer with weights."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(4, 6, 3)

    def forward(self, x: Any) -> Any:
        x = self.conv(x)
        return F.max_pool2d(x, 3 if x.shape[2] > 2 else 2) if x.shape[1] % 2 else x[:, ::2]


class NormAndActivation(nn.BatchNorm2d):
    """A batch norm that counts its batches in a forward of its own."""

    def forward(self, x: Any) -> Any:
        if self.training:
            self.num_batches_tracked.add_(1)
        arrays = self.running_mean, self.running_var, self.weight, self.bias
        return F.relu(F.batch_norm(x, *arrays, self.training, self.momentum, self.eps))


class Scaled(nn.Module):
    """Parameters seen with more axes, and norms with a scale alone or by hand."""

    def __init__(self) -> None:
        super().__init__()
        self.gamma, self.delta = nn.Parameter(torch.rand(4)), nn.Parameter(torch.rand(4))

    def forward(self, x: Any) -> Any:
        x = x * self.gamma.reshape(1, -1, 1, 1) + self.delta[:, None, None]
        normed = F.group_norm(x, 1, self.gamma)
        return normed + x * torch.rsqrt(torch.var(x, dim=1, keepdim=True) + 1e-6)


class More(nn.Module):
    """A forward that may be given more, and keeps what it saw."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.seen = nn.Conv2d(4, 4, 1), None

    def forward(self, x: Any, *others: Any, scale: float = 2.0, **settings: Any) -> Any:
        x = self.conv(x) * scale
        self.seen = x.detach()
        for other in others:
            x = x + other
        mask = settings.get("mask")
        return x if mask is None else x * mask


def shuffled(x: Any) -> Any:
    """As published, with sizes asked of the bare data."""
    b, c, h, w = x.data.size()
    x = x.view(b, 2, c // 2, h, w)
    return torch.transpose(x, 1, 2).contiguous().view(b, -1, h, w)


class Attention(nn.Module):
    """Two heads over places."""

    def __init__(self) -> None:
        super().__init__()
        self.qkv = nn.Conv2d(4, 12, 1)

    def forward(self, x: Any) -> Any:
        b, c, h, w = x.shape
        q, k, v = self.qkv(x).reshape(b, 3, 2, c // 2, h * w).transpose(3, 4).unbind(1)
        return F.scaled_dot_product_attention(q, k, v).transpose(2, 3).reshape(b, c, h, w)


class Shifted(nn.Module):
    """Constants of each channel within functions that are the same for all."""

    def __init__(self) -> None:
        super().__init__()
        self.fixed = nn.Buffer(torch.rand(1, 4, 1, 1) + 0.5)

    def forward(self, x: Any) -> Any:
        y = x - self.fixed
        ways = y**2, y.abs(), torch.exp(y), 1 - y, y * -2, -y / self.fixed, torch.where(y > 0, y, 1)
        first = self.fixed - x, self.fixed / (x * x + 1), self.fixed - y * 2
        return torch.cat([*ways, *first, (x * self.fixed).clamp(min=-0.5)], 1)


FORWARDS: dict[str, Callable[[], Any]] = {
    "positions": Chosen,
    "positions copied": lambda: Function(copied),
    "negative": lambda: Function(lambda x: 1 - x * 2),
    "parts": lambda: Function(mixed),
    "repeated": lambda: Function(lambda x: x.repeat_interleave(2, 3) + x.repeat(1, 1, 1, 2)),
    "sizes": Halved,
    "norm and activation": lambda: nn.Sequential(NormAndActivation(4)),
    "scaled": Scaled,
    "shifted": Shifted,
    "variance": lambda: Function(
        lambda x: x.var((2, 3), keepdim=True) + x.var(1, correction=0)[:, None]
    ),
    "attention": Attention,
    "more": More,
    "shuffled": lambda: Function(shuffled),
    "maxima": lambda: Function(lambda x: x.max(dim=2).values.max(2, keepdim=True).values),
    "lesser": lambda: Function(lambda x: torch.min(x, x * x) + x.min(x.tanh())),
    "many parts": lambda: Function(lambda x: torch.stack([x[:, k % 4] * k for k in range(90)], 2)),
    "zeros": lambda: Function(lambda x: torch.cat([x, torch.zeros_like(x)], 1) + 1),
    "ones": lambda: Function(lambda x: torch.ones_like(x) - x.tanh()),
}


@pytest.mark.parametrize("name", FORWARDS)
def test_a_forward(name: str) -> None:
    compared(made(FORWARDS[name]))


def test_gradients_that_are_nothing_but_rounding_agree() -> None:
    module = nn.Sequential(nn.Conv2d(4, 3, 3), Function(lambda x: x.softmax(1).sum(1)))
    network = gt.from_torch(module, MAPS)
    x = np.ones((1, *MAPS), np.float32)
    np.testing.assert_allclose(network.predict(x, engine="reference"), 1, rtol=1e-6)


def test_positions_that_a_slice_takes_are_one() -> None:
    network = gt.from_torch(Function(lambda x: x[:, [3, 1]] * x[:, [1, 2]]), MAPS)
    assert layers_of(network)[:2] == (gt.Slice(3, 0, -2), gt.Slice(1, 3))
    network = gt.from_torch(Function(lambda x: x[:, [3, 1, 1, -1]]), MAPS)
    assert layers_of(network) == (gt.IndexSelect((3, 1, 1, 3)),)


def test_positions_that_are_refused() -> None:
    for forward, match in (
        (lambda x: x[:, [4]], "takes positions beyond the 4 of axis 1"),
        (lambda x: x[:, [1, 2], [0, 3]], "whole numbers, slices and one row of positions"),
        (lambda x: x[x > 0], "positions that depend on the samples"),
    ):
        with pytest.raises(gt.ArgumentError, match=match):
            gt.from_torch(Function(forward), MAPS)
