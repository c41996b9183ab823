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
        case Add():
            return inputs[0] + inputs[1]
        case Join():
            return torch.cat(inputs, dim=1)
    raise TypeError(f"no peer for {kind!r}")


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
