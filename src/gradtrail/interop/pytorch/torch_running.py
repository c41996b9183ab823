"""A traced graph run node by node, to learn what each gives."""

from __future__ import annotations

import inspect
from collections.abc import Collection, Mapping
from contextlib import suppress
from typing import Any

import numpy as np

from ...machine.packages import optional_package
from ..reading.refusals import Refusal
from ..reading.values import TRACED
from .torch_aten import aten_name, is_aten
from .torch_inputs import input_at

SAMPLES = 2
"""How many run: more than one, so that what mixes them is seen."""


def values_of(
    module: Any, graph: Any, inputs: Mapping[str, Any], nodes: Collection[Any], torch: Any
) -> Mapping[Any, np.ndarray]:
    """What some nodes give at the moment they give it, as float64; dropout drops nothing.

    Args:
        module: that was traced, in evaluation.
        graph: its graph.
        inputs: the samples, by the arguments of forward.
        nodes: whose values are kept.
        torch: the package.
    """
    found: dict[Any, np.ndarray] = {}
    samples = len(next(iter(inputs.values())))

    class Values(optional_package("torch.fx", "from_torch").Interpreter):  # type: ignore[misc]
        def fetch_args_kwargs_from_env(self, node: Any) -> Any:
            """The number of samples is what it is here."""
            arguments, named = super().fetch_args_kwargs_from_env(node)
            if is_aten(node.target) and aten_name(node.target) == "batch_norm":
                arguments = (*arguments[:5], False, *arguments[6:])  # as in evaluation
            return _told(arguments, samples), _told(named, samples)

        def run_node(self, node: Any) -> Any:
            drops = _drops(node.target, torch)
            given = self.env[node.args[0]] if drops else super().run_node(node)
            if node in nodes:
                found[node] = np.array(given.detach().numpy())
            return given

    with torch.no_grad():
        runs = Values(module, graph=graph, garbage_collect_values=False)
        runs.run(*_arguments(module, graph, inputs))
    return found


def _drops(target: Any, torch: Any) -> bool:
    """Whether a function drops elements in training."""
    if is_aten(target):
        return aten_name(target) in ("dropout", "feature_dropout")
    return target is torch.nn.functional.dropout


def _told(argument: Any, samples: int) -> Any:
    """An argument with the number of samples it was traced with replaced."""
    if isinstance(argument, dict):
        return {name: _told(value, samples) for name, value in argument.items()}
    if isinstance(argument, list | tuple) and type(argument) in (list, tuple):
        return type(argument)(_told(value, samples) for value in argument)
    return samples if type(argument) is int and argument == TRACED else argument


def _arguments(module: Any, graph: Any, inputs: Mapping[str, Any]) -> list[Any]:
    """The inputs, and what else forward takes: its default, or None."""
    found: list[Any] = []
    for node in graph.nodes:
        if node.op == "placeholder":
            name = input_at(node, list(inputs))
            found.append(None if name is None else inputs[name])
            with suppress(Refusal):
                found[-1] = default_of(module, node) if name is None else found[-1]
    return found


def default_of(module: Any, node: Any) -> Any:
    """The default of the argument of forward that a node stands for.

    Raises:
        Refusal: it has none.
    """
    parameters = inspect.signature(module.forward).parameters
    name = next((p for p in parameters if node.target in (p, f"{p}_1")), None)
    default = parameters[name].default if name else inspect.Parameter.empty
    if default is inspect.Parameter.empty:
        needed = [p.name for p in parameters.values() if p.default is p.empty]
        named = ", ".join(f"{each!r}: …" for each in needed)
        raise Refusal(f"is an input, too; give all of them by name, as {{{named}}}")
    return default
