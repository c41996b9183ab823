"""PyTorch's own samples for its modules and functions, through `gt.from_torch`.

The samples are those that PyTorch tests itself with (`torch.testing`): arguments of each module or
function with inputs. Outputs and all gradients are compared in float64.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import numpy as np

import gradtrail as gt
from gradtrail.interop.pytorch.torch_import import import_module

from ..zoo.comparison import gradient_pairs, in_dtype
from .outcome import Outcome, apart, listed_names, tried

__all__ = ["torch_outcomes"]

_EXACT = 1e-8
_STATISTICS = ("running_mean", "running_var")


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
            if len(called.args) != 1 or called.kwargs or not _usual(kind, called.args[0]):
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
            if not _usual(kind, sample.input):
                continue
            seen[kind] = number = seen.get(kind, -1) + 1
            module = _module_of(kind, info.op, sample, torch)
            yield _outcome(kind, f"{kind} {number}", module, sample.input)


def _module_of(kind: str, function: Any, sample: Any, torch: Any) -> Any:
    """A module whose forward is the function: arrays are its parameters, or buffers of a norm."""
    rest: dict[str, Any] = {}

    def take(value: Any, called: str = "") -> Any:
        if not isinstance(value, torch.Tensor):
            return value
        kept = called in _STATISTICS
        name = called if kept else f"array{len(rest)}"
        array = value.detach().clone()
        rest[name] = array if kept else torch.nn.Parameter(array)
        return _Held(name)

    placed = _STATISTICS if kind in ("batch_norm", "instance_norm") else ()
    called = [*placed, *[""] * len(sample.args)]
    arguments = [take(value, name) for value, name in zip(sample.args, called, strict=False)]
    keywords = {name: take(value, name) for name, value in sample.kwargs.items()}

    class Called(torch.nn.Module):  # type: ignore[misc,name-defined]
        def forward(self, x: Any) -> Any:
            def given(value: Any) -> Any:
                return getattr(self, value.name) if isinstance(value, _Held) else value

            return function(
                x, *(given(a) for a in arguments), **{k: given(v) for k, v in keywords.items()}
            )

    made = Called()
    for name, array in rest.items():
        if isinstance(array, torch.nn.Parameter):
            setattr(made, name, array)
        else:
            made.register_buffer(name, array)
    return made


class _Held:
    def __init__(self, name: str) -> None:
        self.name = name


def _usual(kind: str, x: Any) -> bool:
    """Whether it is samples of real numbers: an axis of samples, one of features, none empty.

    PyTorch's windows take one sample without that axis, too, which no network does.
    """
    import torch

    known = isinstance(x, torch.Tensor) and x.dtype == torch.float64
    if not known or not 2 <= x.ndim <= 5 or not x.numel():
        return False
    ranked = re.search(r"([123])d$", kind)
    rows = kind == "BatchNorm1d" and x.ndim == 2
    return ranked is None or rows or x.ndim == int(ranked[1]) + 2


def _outcome(kind: str, name: str, module: Any, x: Any) -> Outcome:
    return tried(kind, name, _EXACT, lambda: _compared(module, x))


def _compared(module: Any, x: Any) -> float:
    """How far outputs and gradients are from PyTorch's, in evaluation and in training."""
    import torch

    imported = import_module(module, tuple(x.shape[1:]), "from_torch", 0)
    network = in_dtype(imported.network, "float64")  # also without arrays
    worst = 0.0
    for training in (False, True):
        torch.manual_seed(0)
        module.train(training)
        image = x.detach().clone().requires_grad_()
        module.zero_grad()
        output = module(image)
        output = output[0] if isinstance(output, tuple) else output
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
        pairs = gradient_pairs(imported, step, module, image)
        worst = max(worst, *(apart(ours, theirs) for ours, theirs in pairs.values()))
    return worst
