"""How a training network is: the size of its weights and gradients, and what is dead in it."""

from __future__ import annotations

from typing import Any

from ..equation import Applied, Contraction, Normalisation, System
from ..tracing.overview import root_mean_square
from ..tracing.records import json_number
from ..tracing.trace import Trace


def health(traced: Trace) -> list[dict[str, Any]]:
    """One entry for each parameter, in forward order.

    Args:
        traced: a step.

    Returns:
        `layer`; `name`, the parameter's; `weight` and `gradient`, their root mean squares; `dead`,
        the share of the units that are closed for every sample in the activation that reads the
        layer, directly or behind a batch norm, or None where no such activation can be closed.
    """
    system = traced.system
    dead = {entry.layer: entry.dead / entry.units for entry in traced.dead()}
    found = []
    for name in (n for n in traced.value if n in system.parameters):
        layer = name.partition(".")[0]
        activation = _activation(system, f"{layer}.output")
        found.append(
            {
                "layer": layer,
                "name": name,
                "weight": json_number(root_mean_square(traced.value[name])),
                "gradient": json_number(root_mean_square(traced.grad[name])),
                "dead": None if activation is None else dead.get(activation),
            }
        )
    return found


def _activation(system: System, output: str) -> str | None:
    """The activation that alone reads an array, directly or behind a batch norm."""
    readers = [node for node in system.nodes if output in node.inputs]
    if len(readers) != 1:
        return None
    (node,) = readers
    if isinstance(node.equation, Normalisation):
        return _activation(system, node.output)
    equation = node.equation
    if not isinstance(equation, Contraction) or equation.kind != "pointwise":
        return None
    return node.name if isinstance(equation.terms[0].factors[0], Applied) else None
