"""The same networks in PyTorch: layers as its functions, whole networks as closures."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from cases import Case, arrays
from torch.nn import functional as F

import gradtrail as gt
from gradtrail.layers.branches import Add, Join
from gradtrail.network import Network

Tensors = Mapping[str, torch.Tensor]


def tensors(
    arrays: Mapping[str, np.ndarray], dtype: torch.dtype = torch.float64
) -> dict[str, torch.Tensor]:
    return {name: torch.tensor(array, dtype=dtype) for name, array in arrays.items()}


def layer(
    kind: Any, name: str, inputs: list[torch.Tensor], held: Tensors, training: bool
) -> torch.Tensor:
    """One layer's output."""
    w, b = held.get(f"{name}.weight"), held.get(f"{name}.bias")
    x = inputs[0]
    match kind:
        case gt.Conv2d():
            return F.conv2d(x, w, b, kind.stride, kind.padding, kind.dilation, kind.groups)
        case gt.ConvTranspose2d():
            return F.conv_transpose2d(
                x, w, b, kind.stride, kind.padding, kind.output_padding, kind.groups, kind.dilation
            )
        case gt.Linear():
            return F.linear(x, w, b)
        case gt.MaxPool2d():
            return F.max_pool2d(x, kind.kernel_size, kind.stride, kind.padding, kind.dilation)
        case gt.AvgPool2d():
            counted = kind.count_include_pad
            return F.avg_pool2d(x, kind.kernel_size, kind.stride, kind.padding, False, counted)
        case gt.GlobalAvgPool2d():
            return F.adaptive_avg_pool2d(x, 1).flatten(1)
        case gt.ReLU():
            return F.relu(x)
        case gt.LeakyReLU():
            return F.leaky_relu(x, kind.negative_slope)
        case gt.Sigmoid():
            return torch.sigmoid(x)
        case gt.Tanh():
            return torch.tanh(x)
        case gt.GELU():
            return F.gelu(x, approximate=kind.approximate)
        case gt.SiLU():
            return F.silu(x)
        case gt.BatchNorm2d():
            mean, var = held[f"{name}.running_mean"], held[f"{name}.running_var"]
            return F.batch_norm(x, mean, var, w, b, training, kind.momentum, kind.eps)
        case gt.Dropout():
            return (
                F.dropout(x, kind.p, training=False) if not training else x * held[f"{name}.mask"]
            )
        case gt.Normalize():
            mean, std = (
                torch.tensor(given, dtype=x.dtype).reshape(-1, *[1] * (x.ndim - 2))
                for given in (kind.mean, kind.std)
            )
            return (x - mean) / std
        case gt.Flatten():
            return x.flatten(1)
        case gt.Slice():
            for axis, (start, stop, step) in slices(kind):
                taken = range(*slice(start, stop, step).indices(x.shape[axis]))
                x = x.index_select(axis, torch.tensor(list(taken)))
            return x
        case gt.Permute():
            return x.permute(kind.dims)
        case gt.Reshape():
            return x.reshape(len(x), *np.atleast_1d(kind.shape).tolist())
        case gt.PixelShuffle():
            return pixel_shuffle(x, kind.upscale_factor)
        case gt.PixelUnshuffle():
            return pixel_unshuffle(x, kind.downscale_factor)
        case gt.ChannelShuffle():
            return F.channel_shuffle(x, kind.groups)
        case gt.Mean():
            return x.mean(kind.axes, kind.keepdim)
        case gt.Pad():
            padding = kind.padding
            sides = padding if isinstance(padding, tuple) else (padding,) * (2 * x.ndim - 4)
            value = {"value": kind.value} if kind.mode == "constant" else {}
            return F.pad(x, sides, kind.mode, **value)
        case Add():
            return inputs[0] + inputs[1]
        case Join():
            return torch.cat(inputs, dim=1)
    raise TypeError(f"no peer for {kind!r}")


def slices(kind: gt.Slice) -> list[tuple[int, tuple[Any, ...]]]:
    """Each axis with its start, stop and step."""
    axes = kind.axis if isinstance(kind.axis, tuple) else (kind.axis,)
    bounds = (
        b if isinstance(b, tuple) else (b,) * len(axes) for b in (kind.start, kind.stop, kind.step)
    )
    return [(axis, bound) for axis, *bound in zip(axes, *bounds, strict=True)]


def pixel_shuffle(x: torch.Tensor, r: int) -> torch.Tensor:
    """PyTorch's for any number of axes of places, which has it for two."""
    if x.ndim == 4:
        return F.pixel_shuffle(x, r)
    rank = x.ndim - 2
    apart = x.unflatten(1, (-1, *(r,) * rank))
    order = [axis for at in range(rank) for axis in (2 + rank + at, 2 + at)]
    sizes = [size * r for size in x.shape[2:]]
    return apart.permute(0, 1, *order).reshape(len(x), -1, *sizes)


def pixel_unshuffle(x: torch.Tensor, r: int) -> torch.Tensor:
    """See `pixel_shuffle`."""
    if x.ndim == 4:
        return F.pixel_unshuffle(x, r)
    rank = x.ndim - 2
    for axis in range(rank):
        x = x.unflatten(2 + 2 * axis, (-1, r))
    offsets, places = ([2 + 2 * at + more for at in range(rank)] for more in (1, 0))
    return x.permute(0, 1, *offsets, *places).flatten(1, 1 + rank)


def run(network: Network, x: torch.Tensor, held: Tensors, training: bool) -> torch.Tensor:
    """The network's output, computed by PyTorch."""
    made = {network.input_name: x}
    for step in network.steps:
        inputs = [made[name] for name in step.sources]
        made[step.output] = layer(step.layer, step.name, inputs, held, training)
    return made[network.output_name]


def theirs(case: Case) -> dict[str, np.ndarray]:
    """What PyTorch makes of a case in float64: output and gradients."""
    given = arrays(case)
    held = tensors({**given.network.parameters, **given.network.buffers})
    for name in given.network.parameters:
        held[name].requires_grad_()
    x = torch.tensor(given.x, requires_grad=True)
    output = run(given.network, x, held, case.training)
    output.backward(torch.tensor(given.upstream))
    found = {"output": output.detach().numpy(), "dX": x.grad.numpy()}
    return found | {"d" + n: held[n].grad.numpy() for n in given.network.parameters}
