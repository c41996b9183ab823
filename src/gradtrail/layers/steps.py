"""The steps of a network: its layers in order, flat, named, and tied together by array names."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from ..equation.frozen import frozen
from ..errors import ArgumentError
from .functional import GraphNode, Input, LayerCall
from .layer import Declaration, Layer, Shape

INPUT: Final = "input"
LOSS: Final = "loss"


@frozen
class Step:
    """One layer in the flat graph.

    Args:
        name: such as `conv1`.
        layer: its settings.
        sources: the names of the arrays it reads, in order.
        shares: the step whose parameters and running statistics it uses; None for its own.
    """

    name: str
    layer: Layer
    sources: tuple[str, ...]
    shares: str | None = None

    @property
    def output(self) -> str:
        """The name of the array it makes."""
        return f"{self.name}.output"

    @property
    def owner(self) -> str:
        """The name of the step that its parameters are called by."""
        return self.shares or self.name


@frozen
class Wiring:
    """Nodes as steps.

    Args:
        inputs: the inputs' shapes by name.
        steps: the layers in order.
        arrays: for each node, by its number, the name of the array that it is.
        declared: each step's declaration for one sample in training.
    """

    inputs: Mapping[str, Shape]
    steps: tuple[Step, ...]
    arrays: Mapping[int, str]
    declared: Mapping[str, Declaration]


def wired(inputs: Sequence[Input], calls: Sequence[LayerCall]) -> Wiring:
    """Calls in the order they were made, named and tied together.

    Layers without a name count per prefix. A layer with arrays of its own that is called again
    shares them, and its calls are told apart by numbers: conv1, conv1_2, conv1_3.

    Args:
        inputs: the nodes that the first calls read.
        calls: each reads inputs and calls before it; the last may have no declaration.

    Raises:
        ArgumentError: a name that is taken, or that cannot be told from an array's.
    """
    arrays = {node.number: name for node, name in zip(inputs, _input_names(inputs), strict=True)}
    taken, counts, uses = {*arrays.values()}, dict[str, int](), dict[int, list[str]]()
    steps: list[Step] = []
    declared: dict[str, Declaration] = {}
    for call in calls:
        layer, declaration = call.layer, call.declaration
        known = uses.setdefault(id(layer), [])
        holds = bool(layer.running or (declaration and declaration.parameters))
        again = bool(known) and (holds or bool(layer.name))
        if again:
            name = call.name or f"{known[0]}_{len(known) + 1}"
        else:
            counts[layer.prefix] = counts.get(layer.prefix, 0) + 1
            name = call.name or layer.name or f"{layer.prefix}{counts[layer.prefix]}"
        _check_name(name, taken, "layer")
        taken.add(name)
        known.append(name)
        sources = tuple(arrays[source.number] for source in call.sources)
        step = Step(name, layer, sources, known[0] if again and holds else None)
        steps.append(step)
        arrays[call.number] = step.output
        if declaration is not None:
            declared[name] = declaration
    shapes = {arrays[node.number]: node.shape for node in inputs}
    return Wiring(shapes, tuple(steps), arrays, declared)


def calls_behind(nodes: Iterable[GraphNode]) -> tuple[list[Input], list[LayerCall]]:
    """The inputs and the calls that nodes follow from, in the order they were made."""
    found = {node.number: node for node in nodes}
    waiting = list(found.values())
    while waiting:
        for source in waiting.pop().sources:
            if source.number not in found:
                found[source.number] = source
                waiting.append(source)
    ordered = [found[number] for number in sorted(found)]
    inputs = [node for node in ordered if isinstance(node, Input)]
    return inputs, [node for node in ordered if isinstance(node, LayerCall)]


def _input_names(inputs: Sequence[Input]) -> list[str]:
    """What the inputs' arrays are called."""
    names: list[str] = []
    for place, node in enumerate(inputs, 1):
        name = node.name or (INPUT if len(inputs) == 1 else f"{INPUT}{place}")
        _check_name(name, names, "input", (LOSS,))
        names.append(name)
    return names


def _check_name(
    name: object, taken: Iterable[str], what: str, reserved: Sequence[str] = (INPUT, LOSS)
) -> None:
    """Refuse a name that cannot be told from another."""
    if not isinstance(name, str) or not name.isidentifier() or name in reserved:
        raise ArgumentError(
            f"a{'n' * (what[0] in 'aeiou')} {what}'s name is a word of letters, digits and _, and "
            f"not {' or '.join(reserved)}; got {name!r}"
        )
    if name in taken:
        raise ArgumentError(f"two {what}s are called {name!r}; give one another name")
