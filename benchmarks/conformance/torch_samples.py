"""PyTorch's own samples for its modules and functions, through `gt.from_torch`.

The samples are those that PyTorch tests itself with (`torch.testing`): arguments of each module or
function with inputs. Outputs and all gradients are compared in float64.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

import gradtrail as gt
from gradtrail.network.architecture import network_from

from .outcome import Outcome, apart, listed_names, tried

__all__ = ["torch_outcomes"]

_EXACT = 1e-8


def torch_outcomes() -> Iterator[Outcome]:
    """Every sample with an axis of samples, one after the other."""
    yield from _of_modules()
    yield from _of_functions()


def _of_modules() -> Iterator[Outcome]:
    import torch
    from torch.testing._internal.common_modules import module_db

    known = {info.name.removeprefix("nn."): info for info in module_db}
    for kind in listed_names("torch_modules"):
        if kind not in known:
            continue
        info = known[kind]
        samples = info.module_inputs_func(
            info, device="cpu", dtype=torch.float64, requires_grad=False, training=True
        )
        for number, sample in enumerate(samples):
            made, called = sample.constructor_input, sample.forward_input
            if len(called.args) != 1 or called.kwargs or not _usual(called.args[0]):
                continue
            torch.manual_seed(number)
            keywords = {**made.kwargs, "dtype": torch.float64}
            try:
                module = info.module_cls(*made.args, **keywords)
            except TypeError:  # one without arrays
                module = info.module_cls(*made.args, **made.kwargs)
            x = called.args[0]
            yield _outcome(kind, f"{kind} {number}", torch.nn.Sequential(module), x)


def _of_functions() -> Iterator[Outcome]:
    import torch
    from torch.testing._internal.common_methods_invocations import op_db

    seen: dict[str, int] = {}
    functions = listed_names("torch_functions")
    for info in op_db:
        kind = info.name.removeprefix("nn.functional.")
        if not info.name.startswith("nn.functional.") or kind not in functions:
            continue
        for sample in info.sample_inputs("cpu", torch.float64, requires_grad=False):
            if not _usual(sample.input):
                continue
            seen[kind] = number = seen.get(kind, -1) + 1
            module = _module_of(info.op, sample, torch)
            yield _outcome(kind, f"{kind} {number}", module, sample.input)


def _module_of(function: Any, sample: Any, torch: Any) -> Any:
    """A module whose forward is the function: arrays are its parameters, or buffers of a norm."""
    held, rest = torch.nn.Module(), []

    def take(value: Any) -> Any:
        if not isinstance(value, torch.Tensor):
            return value
        name = f"array{len(rest)}"
        rest.append(name)
        setattr(held, name, torch.nn.Parameter(value.detach().clone()))
        return _Held(name)

    arguments = [take(value) for value in sample.args]
    keywords = {name: take(value) for name, value in sample.kwargs.items()}

    class Called(type(held)):  # type: ignore[misc]
        def forward(self, x: Any) -> Any:
            def given(value: Any) -> Any:
                return getattr(self, value.name) if isinstance(value, _Held) else value

            return function(
                x, *(given(a) for a in arguments), **{k: given(v) for k, v in keywords.items()}
            )

    made = Called()
    for name in rest:
        setattr(made, name, getattr(held, name))
    return made


class _Held:
    def __init__(self, name: str) -> None:
        self.name = name


def _usual(x: Any) -> bool:
    """Whether it is samples of real numbers: an axis of samples, one of features, none empty."""
    import torch

    known = isinstance(x, torch.Tensor) and x.dtype == torch.float64
    return known and 2 <= x.ndim <= 5 and x.numel() > 0


def _outcome(kind: str, name: str, module: Any, x: Any) -> Outcome:
    return tried(kind, name, _EXACT, lambda: _compared(module, x))


def _compared(module: Any, x: Any) -> float:
    """How far outputs and gradients are from PyTorch's, in evaluation and in training."""
    import torch

    found = gt.from_torch(module, tuple(x.shape[1:]), frozen="train")
    network = network_from({**found.architecture(), "dtype": "float64"})  # also without arrays
    for held, given in ((network.parameters, found.parameters), (network.buffers, found.buffers)):
        for name in given:
            held[name] = given[name]
    worst = 0.0
    for training in (False, True):
        torch.manual_seed(0)
        module.train(training)
        image = x.detach().clone().requires_grad_()
        module.zero_grad()
        output = module(image)
        target = np.random.default_rng(0).normal(size=tuple(output.shape))
        ((output - torch.from_numpy(target)) ** 2).mean().backward()
        step = gt.trace(
            network,
            x.numpy(),
            target,
            loss=gt.MeanSquaredError(),
            training=training,
            engine="reference",
        )
        worst = max(worst, apart(step.value[network.output_name], output.detach().numpy()))
        theirs = _gradients(module, image)
        mine = [step.grad["input"], *(step.grad[name] for name in network.parameters)]
        for ours in mine:
            fitting = [t for t in theirs if t.size == ours.size]
            near = min((apart(ours.reshape(t.shape), t) for t in fitting), default=float("inf"))
            worst = max(worst, near)
    return worst


def _gradients(module: Any, image: Any) -> list[np.ndarray]:
    """Of the input and of all parameters."""
    found: list[np.ndarray] = [image.grad.numpy()]
    found += [p.grad.numpy() for p in module.parameters() if p.grad is not None]
    return found
