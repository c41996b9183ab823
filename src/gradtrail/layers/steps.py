"""Layers in order: the steps of a network, flat, named, and tied together by array names."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..equation.frozen import frozen
from ..errors import ArgumentError
from .layer import Layer

INPUT, LOSS = "input", "loss"


@frozen
class Step:
    """One layer in the flat graph.

    Args:
        name: such as `conv1`.
        layer: its settings.
        sources: the names of the arrays it reads, in order.
    """

    name: str
    layer: Layer
    sources: tuple[str, ...]

    @property
    def output(self) -> str:
        """The name of the array it makes."""
        return f"{self.name}.output"


def flat(layers: Sequence[Any]) -> tuple[Step, ...]:
    """The layers in topological order, named and tied together.

    Raises:
        ArgumentError: a name that is taken, or that cannot be told from an array's.
    """
    counts: dict[str, int] = {}
    steps: list[Step] = []

    def add(layer: Layer, sources: tuple[str, ...]) -> str:
        counts[layer.prefix] = counts.get(layer.prefix, 0) + 1
        name = layer.name or f"{layer.prefix}{counts[layer.prefix]}"
        if not isinstance(name, str) or not name.isidentifier() or name in (INPUT, LOSS):
            raise ArgumentError(
                f"a layer's name is a word of letters, digits and _, and not {INPUT} or {LOSS}; "
                f"got {name!r}"
            )
        if any(step.name == name for step in steps):
            raise ArgumentError(f"two layers are called {name!r}; give one another name")
        steps.append(Step(name, layer, sources))
        return steps[-1].output

    def follow(chained: Sequence[Any], source: str) -> str:
        for entry in chained:
            if isinstance(entry, Layer):
                source = add(entry, (source,))
            else:
                ends = tuple([follow(branch, source) for branch in entry.branches])
                source = add(entry.join, ends)
        return source

    follow(layers, INPUT)
    return tuple(steps)
