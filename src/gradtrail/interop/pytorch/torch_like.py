"""Weights back into the class that somebody wrote: a trained network in a copy of their module."""

from __future__ import annotations

from typing import Any

from ...errors import ArgumentError
from ...graph.difference import difference
from ...machine.packages import optional_package
from ...network import Network
from .torch_fx import as_container, copy_module
from .torch_import import import_module


def _at_variance(module: Any) -> bool:
    """Whether parts of a module that trains are in evaluation mode."""
    return bool(module.training) and not all(inner.training for inner in module.modules())


def fill_like(network: Network, module: Any) -> Any:
    """A copy of a module with a network's weights and running statistics under its own names.

    The module is imported as `from_torch` imports it, comparison included; so where each array
    belongs is known, and that the two compute alike.

    Args:
        network: what `from_torch` made of this module or of one like it, trained since; or any
            other with the same layers, whatever they are called.
        module: stays as it is.

    Raises:
        ArgumentError: it is another network; the first layer that differs is named.
    """
    torch = optional_package("torch", "to_torch")
    first, *others = network.inputs.values()
    shapes: Any = (first, *others) if others else first
    for keeps in (True, False):  # dropouts in evaluation are layers of one of the two
        found = import_module(module, shapes, "to_torch", keeps=keeps)
        apart = difference(found.network, network, named=False)
        if apart is None or not _at_variance(module):
            break
    if apart is not None:
        raise ArgumentError(f"to_torch: like is another network: {apart}")
    names = dict(zip((s.name for s in found.network.steps), network.steps, strict=True))
    made = copy_module(module, torch)
    parts = as_container(made, torch)
    state = {**dict(parts.named_parameters()), **dict(parts.named_buffers())}
    held = {**network.parameters, **network.buffers}
    with torch.no_grad():
        for name, path in found.arrays.items():
            layer, _, key = name.rpartition(".")
            known = f"{names[layer].name}.{key}"
            array = torch.from_numpy(held[known].copy())
            state[path].copy_(array.reshape(state[path].shape))
            if isinstance(state[path], torch.nn.Parameter):
                state[path].requires_grad_(known not in network.frozen)
            elif parts.training and known in network.buffers:
                owner = parts.get_submodule(path.rpartition(".")[0])
                owner.train(known not in network.frozen)
    for parameter in made.parameters():
        parameter.grad = None
    return made
