"""Where one network is another than the other: layers, settings and ties, not weights."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import fields

from ..layers.steps import Step
from .graph import Graph


def difference(one: Graph, other: Graph, *, named: bool = True) -> str | None:
    """Where one network is another than the other, as a clause about the first; None if nowhere.

    Args:
        one: a network.
        other: a network.
        named: whether the layers' names count.
    """
    if list(one.inputs.values()) != list(other.inputs.values()):
        return f"it takes samples of {_shapes(one)}, not {_shapes(other)}"
    for number, pair in enumerate(zip(one.steps, other.steps, strict=False), 1):
        apart = _layer_difference(pair, (one, other), named)
        if apart is not None:
            return f"layer {number} '{pair[0].name}' ({pair[0].layer.kind}) {apart}"
    if len(one.steps) != len(other.steps):
        longer, has = (one, "has") if len(one.steps) > len(other.steps) else (other, "lacks")
        extra = longer.steps[min(len(one.steps), len(other.steps))]
        return f"it {has} the layer '{extra.name}' ({extra.layer.kind}) behind the last"
    ends = [[_places(n)[array] for array in n.outputs.values()] for n in (one, other)]
    if ends[0] != ends[1]:
        mine, theirs = (_told(network.outputs.values()) for network in (one, other))
        return f"it gives {mine}, not {theirs}"
    if one.dtype != other.dtype:
        return f"its numbers are {one.dtype}, not {other.dtype}"
    return None


def _layer_difference(
    pair: tuple[Step, Step], networks: tuple[Graph, Graph], named: bool
) -> str | None:
    """Where a layer is another than the one in its place."""
    step, wanted = pair
    if step.layer.kind != wanted.layer.kind or (named and step.name != wanted.name):
        return f"is '{wanted.name}' ({wanted.layer.kind}) in the other"
    for field in fields(step.layer):  # type: ignore[arg-type]
        mine, theirs = getattr(step.layer, field.name), getattr(wanted.layer, field.name)
        if field.name != "name" and mine != theirs:
            return f"has {field.name}={mine!r}, not {theirs!r}"
    places = [_places(network) for network in networks]
    numbered = [*zip(places, pair, strict=True)]
    reads = [[known[source] for source in one.sources] for known, one in numbered]
    if reads[0] != reads[1]:
        mine, theirs = (_told(one.sources) for one in pair)
        return f"reads {mine}, not {theirs}"
    owners = [known[f"{one.owner}.output"] for known, one in numbered]
    if owners[0] != owners[1]:
        mine, theirs = (one.shares and f"those of {one.shares}" for one in pair)
        return f"uses {mine or 'weights of its own'}, not {theirs or 'weights of its own'}"
    return None


def _places(network: Graph) -> dict[str, int]:
    """A number for each array: inputs below 0, outputs from 0 on."""
    inputs = {name: -place for place, name in enumerate(network.inputs, 1)}
    return inputs | {step.output: place for place, step in enumerate(network.steps)}


def _told(arrays: Iterable[str]) -> str:
    """Arrays in words, by the layers that they are of."""
    return " and ".join(name.removesuffix(".output") for name in arrays)


def _shapes(network: Graph) -> str:
    """What samples a network takes, in words."""
    return " and ".join(map(str, network.inputs.values()))
