"""To PyTorch as source text: a file that builds the same module and needs no gradtrail."""

from __future__ import annotations

import keyword
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ...network import Network
from .torch_calls import ForwardCall
from .torch_export import TorchModule, are_numbered, calls_of

_SIGNS = {
    **{"operator.add": "+", "operator.sub": "-", "operator.mul": "*", "operator.truediv": "/"},
    **{"operator.pow": "**", "operator.gt": ">", "operator.le": "<="},
}
_TAKEN = ("self", "torch", "nn", "x")

_FILE = '''"""A network for samples of {samples}, with {parameters:,} parameters.

load() gives it with the weights in {weights}, which lies beside this file.
It takes them as float{bits}, {batches}.
"""

from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import nn


class Network(nn.Module):
    def __init__(self):
        super().__init__()
{modules}

    def forward(self, {inputs}):
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
    made, calls, results = calls_of(network)
    names = _variables(calls, list(network.inputs))
    modules = [f"self.{name} = {_built(module)}" for name, module in made.items()]
    lines = [f"{names[call.name]} = {_written(call, names, True)}" for call in calls if call.name]
    double = network.dtype == np.float64
    shapes = {name: ", ".join(map(str, shape)) for name, shape in network.inputs.items()}
    return _FILE.format(
        samples=_listed(shapes, "({})"),
        batches=_listed(shapes, "(N, {})"),
        inputs=", ".join(names[name] for name in network.inputs),
        parameters=sum(array.size for array in network.parameters.values()),
        weights=weights,
        bits=64 if double else 32,
        modules="\n".join(" " * 8 + line for line in modules) or " " * 8 + "# nothing to keep",
        lines="\n".join(" " * 8 + line for line in lines),
        result=_returned({name: names[call.name] for name, call in results.items()}),
        dtype=".double()" if double else "",
    )


def _listed(shapes: Mapping[str, str], pattern: str) -> str:
    """The inputs' shapes; of several with their names."""
    if len(shapes) == 1:
        return pattern.format(*shapes.values())
    return ", ".join(f"{name} {pattern.format(shape)}" for name, shape in shapes.items())


def _returned(results: Mapping[str, str]) -> str:
    """What forward returns, by the outputs' names."""
    if len(results) == 1:
        return next(iter(results.values()))
    if are_numbered(results):
        return ", ".join(results.values())
    return f"{{{', '.join(f'{name!r}: {result}' for name, result in results.items())}}}"


def _variables(calls: tuple[ForwardCall, ...], inputs: Sequence[str]) -> Mapping[str | None, str]:
    """A variable for each result: its name, unless the file means something else by it."""
    found: dict[str | None, str] = {inputs[0]: "x"} if len(inputs) == 1 else {}
    named = [*(inputs if len(inputs) > 1 else ()), *(call.name for call in calls)]
    taken = {*_TAKEN, *named}
    for name in named:
        variable = str(name)
        while (
            keyword.iskeyword(variable)
            or variable in _TAKEN
            or (variable != name and variable in taken)
        ):
            variable += "_"
        taken.add(variable)
        found[name] = variable
    return found


def _built(module: TorchModule) -> str:
    """`nn.Conv2d(1, 16, 3, padding=1)`."""
    named = [f"{name}={value!r}" for name, value in module.keywords]
    if module.arrays:
        held = (f"{name!r}: torch.zeros({', '.join(map(str, sh))})" for name, sh in module.arrays)
        return f"nn.{module.kind}({{{', '.join(held)}}})"
    return f"nn.{module.kind}({', '.join([*map(repr, module.arguments), *named])})"


def _place(part: Any) -> str:
    """A slice, a position or a list of them as it is written between brackets."""
    if not isinstance(part, slice):
        return repr(part)
    bounds = ["" if bound is None else str(bound) for bound in (part.start, part.stop, part.step)]
    return ":".join(bounds if part.step is not None else bounds[:2])


def _written(argument: Any, names: Mapping[str | None, str], whole: bool = False) -> str:
    """A call, or what stands in one; `whole` is a line's own call rather than its result."""
    if isinstance(argument, list):
        return f"[{', '.join(_written(entry, names) for entry in argument)}]"
    if isinstance(argument, float) and not math.isfinite(argument):
        return f"float({str(argument)!r})"
    if not isinstance(argument, ForwardCall):
        return repr(argument)
    if argument.name is not None and not whole:
        return names[argument.name]
    if argument.op == "get_attr":
        return f"self.{argument.target}"
    first, *others = (_written(entry, names) for entry in argument.arguments)
    if argument.target in _SIGNS:
        sum_ = f"{first} {_SIGNS[argument.target]} {others[0]}"
        return sum_ if whole else f"({sum_})"
    inside = ", ".join(others)
    if argument.op == "call_method":
        return f"{first}.{argument.target}({inside})"
    if argument.target == "operator.getitem":
        taken = argument.arguments[1]
        places = taken if isinstance(taken, tuple) else (taken,)
        return f"{first}[{', '.join(map(_place, places))}]"
    called = f"self.{argument.target}" if argument.op == "call_module" else argument.target
    called = called.replace("torch.nn.", "nn.")
    return f"{called}({', '.join([first, *others])})"
