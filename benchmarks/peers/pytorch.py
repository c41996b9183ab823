"""PyTorch: eager, eager with channels last, and compiled."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Mapping
from itertools import cycle
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.func import functional_call, grad, vmap
from torch.nn import functional

import gradtrail as gt
from gradtrail.layers.joins import Add
from gradtrail.network import Network

from ..task import Task, UnavailableError
from .base import Peer, limited

__all__ = ["PyTorch", "make", "module_for"]

EAGER, CHANNELS_LAST, COMPILED = "eager", "channels_last", "compile"


class _Sum(nn.Module):
    """The sum of two branches."""

    def forward(self, a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        """Both (N, C, H, W)."""
        return a + b


class _Graph(nn.Module):
    """A network's layers in topological order."""

    def __init__(self, network: Network) -> None:
        super().__init__()
        shapes = network.system(1).shapes
        self.parts = nn.ModuleList(
            _part(step.layer, [shapes[s] for s in step.sources]) for step in network.steps
        )
        self.wiring = [(step.sources, step.output) for step in network.steps]
        self.start = network.input_name

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, C, H, W) → (N, classes)."""
        made = {self.start: x}
        for part, (sources, output) in zip(self.parts, self.wiring, strict=True):
            x = part(*[made[name] for name in sources])
            made[output] = x
        return x


def _part(layer: Any, shapes: list[tuple[int, ...]]) -> nn.Module:
    """One layer as PyTorch has it."""
    channels = shapes[0][1]
    match layer:
        case gt.Conv2d():
            settings = (layer.stride, layer.padding, layer.dilation, layer.groups, layer.bias)
            return nn.Conv2d(channels, layer.out_channels, layer.kernel_size, *settings)
        case gt.Linear():
            return nn.Linear(channels, layer.out_features, layer.bias)
        case gt.MaxPool2d():
            return nn.MaxPool2d(layer.kernel_size, layer.stride, layer.padding, layer.dilation)
        case gt.BatchNorm2d():
            return nn.BatchNorm2d(channels, layer.eps, layer.momentum)
        case gt.Dropout():
            return nn.Dropout(layer.p)
        case gt.ReLU():
            return nn.ReLU()
        case gt.Flatten():
            return nn.Flatten()
        case gt.GlobalAvgPool2d():
            return nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())
        case Add():
            return _Sum()
    raise UnavailableError(f"the peer has no {layer.kind}")


def module_for(network: Network) -> nn.Module:
    """The network as a module with the same weights and running statistics."""
    module = _Graph(network)
    named = {**network.parameters, **network.buffers}
    with torch.no_grad():
        for step, part in zip(network.steps, module.parts, strict=True):
            held = {**dict(part.named_parameters()), **dict(part.named_buffers())}
            for name, tensor in held.items():
                if name != "num_batches_tracked":
                    tensor.copy_(torch.from_numpy(np.array(named[f"{step.name}.{name}"])))
    return module


class PyTorch(Peer):
    """See the module."""

    name = "PyTorch"
    modes = (EAGER, CHANNELS_LAST, COMPILED)
    predicting = (EAGER, CHANNELS_LAST)

    def __init__(self, threads: int) -> None:
        self.version = torch.__version__
        self.begin(threads)

    def begin(self, threads: int) -> None:
        """See `Peer.begin`."""
        torch.set_num_threads(threads)

    def learner(self, mode: str, task: Task) -> Callable[[], float]:
        """See `Peer.learner`; SGD in its fused form, its fastest."""
        module = module_for(task.network).train()
        order = _order(mode, module)
        batches = [(order(torch.from_numpy(x)), torch.from_numpy(y)) for x, y in task.batches]
        optimizer = torch.optim.SGD(
            module.parameters(), task.lr, momentum=task.momentum, fused=True
        )

        def loss_of(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
            return functional.cross_entropy(module(x), y)

        called = _compiled(loss_of, batches[0], module) if mode == COMPILED else loss_of
        count = 0

        def step() -> float:
            nonlocal count
            x, y = batches[count % len(batches)]
            optimizer.zero_grad()
            loss = called(x, y)
            loss.backward()
            optimizer.step()
            count += 1
            return float(loss.item())

        return step

    def predictor(self, mode: str, task: Task, x: np.ndarray) -> Callable[[], object]:
        """See `Peer.predictor`."""
        module = module_for(task.network).eval()
        samples = _order(mode, module)(torch.from_numpy(x))

        def run() -> object:
            with torch.inference_mode():
                return module(samples)

        return run

    def sampler(self, task: Task) -> Callable[[], Mapping[str, Any]]:
        """See `Peer.sampler`; by `torch.func`."""
        if any(isinstance(step.layer, gt.BatchNorm2d) for step in task.network.steps):
            raise UnavailableError("vmap lets no samples meet, as they do in batch norm")
        module = module_for(task.network).train()
        held = {name: tensor.detach() for name, tensor in module.named_parameters()}
        names = _names(task.network, module)

        def loss_of(weights: Any, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
            return functional.cross_entropy(functional_call(module, weights, x[None]), y[None])

        each = vmap(grad(loss_of), in_dims=(None, 0, 0), randomness="different")
        turns = cycle([(torch.from_numpy(x), torch.from_numpy(y)) for x, y in task.batches])

        def run() -> dict[str, torch.Tensor]:
            return {names[name]: found for name, found in each(held, *next(turns)).items()}

        return run


def _names(network: Network, module: Any) -> dict[str, str]:
    """The module's names of parameters and ours."""
    return {
        f"parts.{place}.{name}": f"{step.name}.{name}"
        for place, (step, part) in enumerate(zip(network.steps, module.parts, strict=True))
        for name, _ in part.named_parameters()
    }


def _order(mode: str, module: nn.Module) -> Callable[[torch.Tensor], torch.Tensor]:
    """What brings samples into a mode's order in memory; the module's weights are brought along."""
    if mode != CHANNELS_LAST:
        return lambda x: x
    module.to(memory_format=torch.channels_last)
    return lambda x: x.contiguous(memory_format=torch.channels_last)


def _compiled(function: Any, example: Any, module: nn.Module) -> Any:
    """The compiled forward and backward pass, after compiling; the module's state is as before."""
    compilers = (os.environ.get("CXX") or "c++", "g++", "clang++", "cl")
    if not any(map(shutil.which, compilers)):
        raise UnavailableError("torch.compile needs a C++ compiler, and none is here")
    before = {name: value.clone() for name, value in module.state_dict().items()}
    compiled = torch.compile(function)
    try:
        with limited("torch.compile"):
            compiled(*example).backward()
    except UnavailableError:
        raise
    except Exception as cause:  # whatever its many parts raise: the mode does not work here
        first = str(cause).strip().splitlines() or [""]
        raise UnavailableError(
            f"torch.compile failed: {type(cause).__name__}: {first[0]}"
        ) from cause
    module.zero_grad(set_to_none=True)
    module.load_state_dict(before)
    return compiled


def make(threads: int) -> Peer:
    """The peer."""
    return PyTorch(threads)
