"""Where one network is another than the other: layers, settings and ties, not weights."""

from __future__ import annotations

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
    if one.input_shape != other.input_shape:
        return f"it takes samples of {one.input_shape}, not {other.input_shape}"
    for number, pair in enumerate(zip(one.steps, other.steps, strict=False), 1):
        apart = _layer_difference(pair, (one, other), named)
        if apart is not None:
            return f"layer {number} '{pair[0].name}' ({pair[0].layer.kind}) {apart}"
    if len(one.steps) != len(other.steps):
        longer, has = (one, "has") if len(one.steps) > len(other.steps) else (other, "lacks")
        extra = longer.steps[min(len(one.steps), len(other.steps))]
        return f"it {has} the layer '{extra.name}' ({extra.layer.kind}) behind the last"
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
    places = [[known.output for known in network.steps] for network in networks]
    numbers, told = [], []
    for outputs, one in zip(places, pair, strict=True):
        numbers.append([outputs.index(s) if s in outputs else -1 for s in one.sources])
        told.append(" and ".join(source.removesuffix(".output") for source in one.sources))
    return None if numbers[0] == numbers[1] else f"reads {told[0]}, not {told[1]}"
