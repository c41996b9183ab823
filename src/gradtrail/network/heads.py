"""A network's head replaced: its last layer with parameters, for other outputs."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from ..checking.calls import in_short
from ..errors import ArgumentError, ShapeError, UnknownNameError, unknown
from ..graph import Graph
from ..layers import Layer
from ..layers.functional import GraphNode, GraphPart, Input, called


def with_head(network: Graph, layer: Any, name: str | None) -> Graph:
    """A graph like the network with another layer in one place, and the network's other arrays.

    Arguments and errors are those of `Network.replace_head`.
    """
    if not isinstance(layer, Layer):
        raise ArgumentError(
            f"replace_head: takes one layer such as gt.Linear(5), got {in_short(layer)}"
        )
    owners = list(dict.fromkeys(array.rpartition(".")[0] for array in network.parameters))
    if name is not None and name not in owners:
        raise UnknownNameError(f"replace_head: {unknown('layer with parameters', name, owners)}")
    if not owners:
        raise ArgumentError("replace_head: no layer of the network has parameters")
    old = name or owners[-1]
    new = layer if layer.name else replace(layer, name=old)  # type: ignore[type-var]
    try:
        made = _rebuilt(network, old, new)
    except ShapeError as cause:
        raise ShapeError(f"replace_head: in the place of '{old}', {cause}") from None
    _hand_on(network, made, old, new.name or old)
    return made


def _rebuilt(network: Graph, old: str, new: Layer) -> Graph:
    """The same steps with another layer for one of them, and for those that share its weights."""
    settings: dict[str, Any] = {"seed": network.seed, "dtype": network.dtype}
    listed = _as_list(network, old, new)
    if listed is not None:
        return Graph(network.input_shape, listed, **settings)
    inputs = [Input(shape, name=name) for name, shape in network.inputs.items()]
    nodes: dict[str, GraphNode] = dict(zip(network.inputs, inputs, strict=True))
    for step in network.steps:
        layer = new if step.owner == old else step.layer
        named = new.name if step.name == old and new.name else step.name
        nodes[step.output] = called(layer, [nodes[s] for s in step.sources], named)
    ends = {name: nodes[array] for name, array in network.outputs.items()}
    several = list(ends) != ["output"]
    return Graph(inputs, ends if several else ends["output"], **settings)


def _as_list(network: Graph, old: str, new: Layer) -> list[GraphPart] | None:
    """A network's list of layers with another one in it, where that changes no other's name."""
    names = [step.name for step in network.steps]
    behind = network.steps[names.index(old) :]
    prefix = behind[0].layer.prefix
    if not network.is_chain or any(step.layer.prefix == prefix for step in behind[1:]):
        return None
    *before, found = network.layers[: len(network.layers) - len(behind) + 1]
    after = network.layers[len(before) + 1 :]
    plain = all(isinstance(part, Layer) for part in (found, *after))
    return [*before, new, *after] if plain else None


def _hand_on(network: Graph, made: Graph, old: str, new: str) -> None:
    """Give what the layers besides have: arrays, and what of them is frozen."""
    for mine, theirs in ((network.parameters, made.parameters), (network.buffers, made.buffers)):
        for array in mine:
            if array.rpartition(".")[0] != old and array in theirs:
                theirs[array] = mine[array]
    made.frozen = [n for n in network.frozen if n.rpartition(".")[0] != old]
    made.drawn = network.drawn
    made.replaced.update(network.replaced | {new: object()})
