"""A graph as the code that makes it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..layers.steps import INPUT

if TYPE_CHECKING:
    from .graph import Graph


def functional_text(network: Graph) -> str:
    """A network in the functional language, a line for each node; every node is called as its step.

    Args:
        network: any.
    """
    lines = []
    for name, shape in network.inputs.items():
        told = "" if [*network.inputs] == [INPUT] else f", name={name!r}"
        lines.append(f"{name} = Input({shape}{told})")
    for step in network.steps:
        read = ", ".join(source.removesuffix(".output") for source in step.sources)
        join = step.layer.joined_by
        layer = f"{step.shares}.layer" if step.shares else repr(step.layer)
        lines.append(f"{step.name} = {join}({read})" if join else f"{step.name} = {layer}({read})")
    ends = {name: array.removesuffix(".output") for name, array in network.outputs.items()}
    starts = ", ".join(network.inputs)
    start = starts if len(network.inputs) == 1 else f"[{starts}]"
    end = ", ".join(f"{name!r}: {node}" for name, node in ends.items())
    end = next(iter(ends.values())) if len(ends) == 1 else f"{{{end}}}"
    return "\n".join([*lines, f"Network({start}, {end}, seed={network.seed})"])
