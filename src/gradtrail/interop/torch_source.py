"""To PyTorch as source text: a file that builds the same module and needs no gradtrail."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ..network import Network
from .torch_calls import ForwardCall
from .torch_export import INPUT, TorchModule, calls_of

_SIGNS = {
    **{"operator.add": "+", "operator.sub": "-", "operator.mul": "*", "operator.truediv": "/"},
    **{"operator.pow": "**", "operator.gt": ">", "operator.le": "<="},
}
_TAKEN = ("self", "torch", "nn", "x")

_FILE = '''"""A network for samples of ({input}), with {parameters:,} parameters.

load() gives it with the weights in {weights}, which lies beside this file.
It takes them as float{bits}, (N, {input}).
"""

from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import nn


class Network(nn.Module):
    def __init__(self):
        super().__init__()
{modules}

    def forward(self, x):
{lines}
        return {result}


def load(path=Path(__file__).with_name({weights!r})):
    """The network with its weights, ready to evaluate; .train() makes it ready to train on."""
    network = Network(){dtype}
    network.load_state_dict(load_file(path))
    return network.eval()
'''


def torch_source(network: Network, weights: str) -> str:
    """A Python file with the network as a `torch.nn.Module`, and a function that loads its weights.

    Args:
        network: any network.
        weights: the name of the file that `Network.save` wrote.

    Raises:
        ArgumentError: a layer has a name that a module cannot have.
    """
    made, calls = calls_of(network)
    names = _variables(calls)
    modules = [f"self.{name} = {_built(module)}" for name, module in made.items()]
    lines = [f"{names[call.name]} = {_written(call, names, True)}" for call in calls if call.name]
    double = network.dtype == np.float64
    return _FILE.format(
        input=", ".join(map(str, network.input_shape)),
        parameters=sum(array.size for array in network.parameters.values()),
        weights=weights,
        bits=64 if double else 32,
        modules="\n".join(" " * 8 + line for line in modules) or " " * 8 + "# nothing to keep",
        lines="\n".join(" " * 8 + line for line in lines),
        result=names[calls[-1].name],
        dtype=".double()" if double else "",
    )


def _variables(calls: tuple[ForwardCall, ...]) -> Mapping[str | None, str]:
    """A variable for each result: its name, unless the file means something else by it."""
    found: dict[str | None, str] = {INPUT.name: "x"}
    taken = {*_TAKEN, *(call.name for call in calls)}
    for call in calls:
        variable = str(call.name)
        while variable in _TAKEN or (variable != call.name and variable in taken):
            variable += "_"
        taken.add(variable)
        found[call.name] = variable
    return found


def _built(module: TorchModule) -> str:
    """`nn.Conv2d(1, 16, 3, padding=1)`."""
    named = [f"{name}={value!r}" for name, value in module.keywords]
    return f"nn.{module.kind}({', '.join([*map(repr, module.arguments), *named])})"


def _place(part: slice) -> str:
    """A slice as it is written between brackets."""
    bounds = ["" if bound is None else str(bound) for bound in (part.start, part.stop, part.step)]
    return ":".join(bounds if part.step is not None else bounds[:2])


def _written(argument: Any, names: Mapping[str | None, str], whole: bool = False) -> str:
    """A call, or what stands in one; `whole` is a line's own call rather than its result."""
    if isinstance(argument, list):
        return f"[{', '.join(_written(entry, names) for entry in argument)}]"
    if not isinstance(argument, ForwardCall):
        return repr(argument)
    if argument.name is not None and not whole:
        return names[argument.name]
    first, *others = (_written(entry, names) for entry in argument.arguments)
    if argument.target in _SIGNS:
        sum_ = f"{first} {_SIGNS[argument.target]} {others[0]}"
        return sum_ if whole else f"({sum_})"
    inside = ", ".join(others)
    if argument.op == "call_method":
        return f"{first}.{argument.target}({inside})"
    if argument.target == "operator.getitem":
        return f"{first}[{', '.join(map(_place, argument.arguments[1]))}]"
    called = f"self.{argument.target}" if argument.op == "call_module" else argument.target
    called = called.replace("torch.nn.", "nn.")
    return f"{called}({', '.join([first, *others])})"
