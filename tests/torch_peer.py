"""The same networks in PyTorch: layers as its functions, whole networks as closures."""

from __future__ import annotations

from collections.abc import Mapping
from functools import reduce
from typing import Any

import numpy as np
import torch
from cases import Case, arrays
from formulas import FORMULAS
from random_formulas import DRAWN, laid_out
from torch import nn
from torch.nn import functional as F

import gradtrail as gt
from gradtrail.graph.step_arrays import given_arrays
from gradtrail.layers.activations import Activation
from gradtrail.layers.conv import ConvNd
from gradtrail.layers.conv_transpose import ConvTransposeNd
from gradtrail.layers.dropout import DropoutNd
from gradtrail.layers.global_max_pooling import GlobalMaxPool
from gradtrail.layers.joins import Add, Join, Multiply
from gradtrail.layers.pooling import AvgPool, GlobalAvgPool, MaxPool
from gradtrail.network import Network

Tensors = Mapping[str, torch.Tensor]


def tensors(
    arrays: Mapping[str, np.ndarray], dtype: torch.dtype = torch.float64
) -> dict[str, torch.Tensor]:
    return {name: torch.tensor(array, dtype=dtype) for name, array in arrays.items()}


def in_pairs(padding: Any) -> bool:
    """Whether it differs before and behind, which PyTorch's layers do not know."""
    return isinstance(padding, tuple) and any(isinstance(p, tuple) for p in padding)


def padded(x: torch.Tensor, margins: Any, value: float = 0.0) -> torch.Tensor:
    """An input with so much before and behind each of its last axes."""
    sides = [side for margin in reversed(margins) for side in margin]
    return F.pad(x, sides, value=value)


def averages(kind: AvgPool, x: torch.Tensor) -> torch.Tensor:
    """Average pooling; where PyTorch has no such setting, sums over counts."""
    run = getattr(F, f"avg_pool{kind.rank}d")
    divisor = () if kind.divisor_override is None else (kind.divisor_override,)
    asked, reached = kind.windows.margins, kind.reached(tuple(x.shape))
    sizes = zip(x.shape[2:], kind.windows.kernel, strict=True)
    wide = kind.rank == 3 and any(size < k for size, k in sizes)  # padded or not
    if not in_pairs(kind.padding) and not (kind.rank == 1 and divisor) and not wide:
        settings = kind.stride, kind.padding, kind.ceil_mode, kind.count_include_pad
        return run(x, kind.kernel_size, *settings, *divisor)
    beyond = [(0, more - side) for (_, more), (_, side) in zip(reached, asked, strict=True)]
    counted = padded(padded(torch.ones_like(x), asked, float(kind.count_include_pad)), beyond)
    sums, counts = (run(y, kind.kernel_size, kind.stride) for y in (padded(x, reached), counted))
    return sums * (float(np.prod(kind.windows.kernel)) / divisor[0]) if divisor else sums / counts


def layer(
    kind: Any, name: str, inputs: list[torch.Tensor], held: Tensors, training: bool
) -> torch.Tensor:
    """One layer's output."""
    w, b = held.get(f"{name}.weight"), held.get(f"{name}.bias")
    x = inputs[0]
    match kind:
        case ConvNd():
            padding = kind.padding
            if in_pairs(padding):
                x, padding = padded(x, kind.windows.margins), 0
            run = getattr(F, f"conv{kind.rank}d")
            return run(x, w, b, kind.stride, padding, kind.dilation, kind.groups)
        case ConvTransposeNd():
            run = getattr(F, f"conv_transpose{kind.rank}d")
            crop, extra = kind.padding, kind.output_padding
            if not in_pairs(crop):
                return run(x, w, b, kind.stride, crop, extra, kind.groups, kind.dilation)
            y = run(x, w, None, kind.stride, 0, 0, kind.groups, kind.dilation)
            y = padded(y, [(-before, -behind) for before, behind in kind.windows.margins])
            return y if b is None else y + b.reshape(-1, *[1] * kind.rank)
        case gt.Linear():
            return F.linear(x, w, b)
        case MaxPool():
            run, stride = getattr(F, f"max_pool{kind.rank}d"), kind.stride
            if in_pairs(kind.padding):
                x = padded(x, kind.reached(tuple(x.shape)), -torch.inf)
                return run(x, kind.kernel_size, stride, 0, kind.dilation)
            return run(x, kind.kernel_size, stride, kind.padding, kind.dilation, kind.ceil_mode)
        case AvgPool():
            return averages(kind, x)
        case GlobalAvgPool():
            return x.flatten(2).mean(2)
        case GlobalMaxPool():
            return F.adaptive_max_pool1d(x.flatten(2), 1).flatten(1)
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
        case gt.MaxPool2d():
            return F.max_pool2d(x, kind.kernel_size, kind.stride, kind.padding, kind.dilation)
        case gt.AvgPool2d():
            counted = kind.count_include_pad
            return F.avg_pool2d(x, kind.kernel_size, kind.stride, kind.padding, False, counted)
        case gt.GlobalAvgPool2d():
            return F.adaptive_avg_pool2d(x, 1).flatten(1)
        case gt.Hardsigmoid():  # PyTorch's own slope is 1/6 in float32
            return F.relu6(x + 3) / 6
        case Activation():
            settings = {k: v for k, v in kind.settings().items() if k not in ("type", "name")}
            return getattr(nn, type(kind).__name__)(**settings)(x)
        case gt.PReLU():
            return F.prelu(x, w)
        case gt.Pointwise():
            known = {
                name: getattr(torch, name) for name in ("sigmoid", "exp", "clip", "tanh", "sign")
            }
            return eval(kind.formula, known, dict(zip(kind.inputs, widened(inputs), strict=True)))
        case gt.BatchNorm1d() | gt.BatchNorm2d() | gt.BatchNorm3d():
            mean, var = held[f"{name}.running_mean"], held[f"{name}.running_var"]
            return F.batch_norm(x, mean, var, w, b, training, kind.momentum, kind.eps)
        case DropoutNd():
            if not training:
                return F.dropout(x, kind.p, training=False)
            mask = held[f"{name}.mask"]
            return x * mask.reshape(*mask.shape, *[1] * (x.ndim - mask.ndim))
        case gt.InstanceNorm1d() | gt.InstanceNorm2d() | gt.InstanceNorm3d():
            mean, var = held.get(f"{name}.running_mean"), held.get(f"{name}.running_var")
            own = training or not kind.track_running_stats
            return F.instance_norm(x, mean, var, w, b, own, kind.momentum, kind.eps)
        case gt.GroupNorm():
            return F.group_norm(x, kind.num_groups, w, b, kind.eps)
        case gt.LayerNorm() | gt.RMSNorm():
            return normalised_last(kind, x, w, b)
        case gt.Softmax():
            return F.softmax(x, kind.dim)
        case gt.LogSoftmax():
            return F.log_softmax(x, kind.dim)
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
        case gt.IndexSelect():
            positions = np.array(kind.positions) % x.shape[kind.axis]
            return x.index_select(kind.axis, torch.from_numpy(positions))
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
        case gt.Sum():
            return x.sum(kind.axes, kind.keepdim)
        case gt.Max():
            return maximum(x, kind)
        case gt.Upsample():
            given = kind.size, kind.scale_factor, kind.mode, kind.align_corners
            return F.interpolate(x, *given)
        case gt.Resize():
            return resized(kind, x)
        case gt.AdaptiveAvgPool1d() | gt.AdaptiveAvgPool2d() | gt.AdaptiveAvgPool3d():
            pool = (F.adaptive_avg_pool1d, F.adaptive_avg_pool2d, F.adaptive_avg_pool3d)
            return pool[kind.rank - 1](x, kind.sizes(x.shape))
        case gt.AdaptiveMaxPool1d() | gt.AdaptiveMaxPool2d() | gt.AdaptiveMaxPool3d():
            pool = (F.adaptive_max_pool1d, F.adaptive_max_pool2d, F.adaptive_max_pool3d)
            return pool[kind.rank - 1](x, kind.sizes(x.shape))
        case gt.Pad():
            padding = kind.padding
            sides = padding if isinstance(padding, tuple) else (padding,) * (2 * x.ndim - 4)
            if kind.mode != "constant":  # PyTorch asks for all axes
                sides = (*sides, *(0,) * (2 * x.ndim - 4 - len(sides)))
            value = {"value": kind.value} if kind.mode == "constant" else {}
            return F.pad(x, sides, kind.mode, **value)
        case gt.Equation():
            start = f"{name}."
            own = {n.removeprefix(start): a for n, a in held.items() if n.startswith(start)}
            if kind.text in DRAWN:
                return walked(kind, own | dict(zip(kind.inputs, inputs, strict=True)))
            peers = [f.peer for f in FORMULAS.values() if f.text == kind.text]
            if not peers:  # the squares of a LocalResponseNorm
                known = dict(kind.numbers)
                sides = *(0,) * (2 * x.ndim - 4), known["q"], known["i"] - 1 - known["q"]
                return F.pad(x * x, sides).unfold(1, known["i"], 1).sum(-1)
            return peers[0](torch, own | dict(zip(kind.inputs, inputs, strict=True)))
        case Add():
            return reduce(torch.add, widened(inputs))
        case Multiply():
            return reduce(torch.mul, widened(inputs))
        case Join():
            return torch.cat(inputs, dim=1)
        case gt.MatMul():
            a, b = inputs
            a = a.transpose(-1, -2) if kind.transpose_a else a
            return a @ (b.transpose(-1, -2) if kind.transpose_b else b)
    raise TypeError(f"no peer for {kind!r}")


def resized(kind: gt.Resize, x: torch.Tensor) -> torch.Tensor:
    """PyTorch's resizing where it has one; it has none with positions at y/s."""
    if kind.positions == "asymmetric":
        place = torch.arange(kind.size, dtype=torch.float64) * x.shape[-1] / kind.size
        low = place.floor().long()
        share = place - low
        after = (low + 1).clamp(max=x.shape[-1] - 1)
        return x[..., low] * (1 - share) + x[..., after] * share
    modes = {"nearest": "nearest-exact", "linear": "bilinear", "cubic": "bicubic"}
    corners = kind.positions == "align_corners" if kind.mode != "nearest" else None
    return F.interpolate(x, kind.size, None, modes[kind.mode], corners, antialias=kind.antialias)


def widened(inputs: list[torch.Tensor]) -> list[torch.Tensor]:
    """Arrays with as many axes as the one that has most; (N, C) has one number for a map."""
    most = max(x.ndim for x in inputs)
    return [x.reshape(*x.shape, *[1] * (most - x.ndim)) for x in inputs]


def walked(kind: Any, arrays: Tensors) -> torch.Tensor:
    """A drawn formula by all its points at once, each product added at its place."""
    equation = kind.declare(tuple(arrays["X"].shape), training=True).equation
    target = torch.zeros(equation.shape_of["Z"], dtype=torch.float64)
    shapes = {**{a: tuple(t.shape) for a, t in arrays.items()}, "Z": tuple(target.shape)}
    for term in DRAWN[kind.text].terms:
        where, places, inside = laid_out(term, equation.range_of, shapes)
        there = torch.from_numpy(inside)
        products = torch.full(inside.shape, term.scale, dtype=torch.float64)
        for factor, place in zip(term.factors, places, strict=True):
            at = tuple(map(torch.from_numpy, place))
            held = arrays[factor.letter][at] if at else arrays[factor.letter]
            products = products * (
                getattr(torch, factor.function)(held) if factor.function else held
            )
        target = target.index_put(tuple(map(torch.from_numpy, where)), products[there], True)
    return target


def slices(kind: gt.Slice) -> list[tuple[int, tuple[Any, ...]]]:
    """Each axis with its start, stop and step."""
    axes = kind.axis if isinstance(kind.axis, tuple) else (kind.axis,)
    bounds = (
        b if isinstance(b, tuple) else (b,) * len(axes) for b in (kind.start, kind.stop, kind.step)
    )
    return [(axis, bound) for axis, *bound in zip(axes, *bounds, strict=True)]


def maximum(x: torch.Tensor, kind: gt.Max) -> torch.Tensor:
    """The first maximum: PyTorch's over several axes shares the gradient among the tied."""
    axes = np.atleast_1d(kind.axes).tolist()
    over = sorted(axis % x.ndim for axis in axes)
    kept = [axis for axis in range(x.ndim) if axis not in over]
    laid = x.permute(*kept, *over).flatten(len(kept))
    best = laid.gather(-1, torch.tensor(laid.detach().numpy().argmax(-1)[..., None]))[..., 0]
    return (
        best.reshape([1 if a in over else n for a, n in enumerate(x.shape)])
        if kind.keepdim
        else best
    )


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


def normalised_last(kind: Any, x: torch.Tensor, w: Any, b: Any) -> torch.Tensor:
    """A norm over any axes: PyTorch takes the last ones, so these are moved there and back."""
    axes = range(1, x.ndim) if kind.axes is None else kind.axes
    listed = sorted(a % x.ndim for a in (axes if not isinstance(axes, int) else (axes,)))
    last = tuple(range(x.ndim - len(listed), x.ndim))
    moved = x.movedim(listed, last)
    shape = moved.shape[last[0] :]
    if isinstance(kind, gt.RMSNorm):
        made = F.rms_norm(moved, shape, w, kind.eps)
    else:
        made = F.layer_norm(moved, shape, w, b, kind.eps)
    return made.movedim(last, listed)


def run(network: Network, x: torch.Tensor, held: Tensors, training: bool) -> torch.Tensor:
    """The output of a network with one input, computed by PyTorch."""
    return run_all(network, {network.input_name: x}, held, training)[network.output_name]


def run_all(
    network: Network, inputs: Tensors, held: Tensors, training: bool
) -> dict[str, torch.Tensor]:
    """Every array between the layers of a network, computed by PyTorch."""
    made, held = dict(inputs), dict(held)
    for step in network.steps:
        if step.shares:
            own = {n: held[n] for n in held if n.startswith(f"{step.shares}.")}
            own = {n.replace(step.shares, step.name, 1): array for n, array in own.items()}
            held = own | held  # a mask is the step's own
        read = [made[name] for name in step.sources]
        made[step.output] = layer(step.layer, step.name, read, held, training)
    return made


def loss_of(loss: gt.Loss, output: torch.Tensor, labels: np.ndarray) -> torch.Tensor:
    """A loss of an output, computed by PyTorch's function of it."""
    given = torch.from_numpy(np.ascontiguousarray(labels))
    match loss:
        case gt.CrossEntropy():
            weight = None if loss.weight is None else torch.tensor(loss.weight, dtype=output.dtype)
            left_out = -100 if loss.ignore_index is None else loss.ignore_index
            return F.cross_entropy(output, given, weight, ignore_index=left_out)
        case gt.MeanSquaredError():
            return F.mse_loss(output, given)
        case gt.BCEWithLogits():
            return F.binary_cross_entropy_with_logits(output, given)
        case gt.Huber():
            return F.huber_loss(output, given, delta=loss.delta)
        case gt.L1():
            return F.l1_loss(output, given)
    raise TypeError(f"{loss!r} has no peer here")


def theirs(case: Case) -> dict[str, np.ndarray]:
    """What PyTorch makes of a case in float64: output and gradients."""
    given = arrays(case)
    system = given.network.system(len(given.x), training=case.training)
    held = tensors(
        {
            **given.network.parameters,
            **given.network.buffers,
            **given_arrays(given.network, system),
        }
    )
    for name in given.network.parameters:
        held[name].requires_grad_()
    x = torch.tensor(given.x, requires_grad=True)
    output = run(given.network, x, held, case.training)
    output.backward(torch.tensor(given.upstream))
    found = {"output": output.detach().numpy(), "dX": x.grad.numpy()}
    return found | {"d" + n: held[n].grad.numpy() for n in given.network.parameters}
