"""From what a network is made of, a list of layers or nodes, to its steps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..checking.calls import in_short
from ..equation.frozen import frozen
from ..errors import ArgumentError, ShapeError
from ..layers.branches import chain
from ..layers.functional import (
    GraphNode,
    GraphPart,
    Input,
    LayerCall,
    MisfitError,
    chained,
    checked_nodes,
    laying_out,
)
from ..layers.steps import Step, Wiring, calls_behind, wired
from ..plan.plan import Outline

OUTPUT = "output"


@frozen
class GraphForm:
    """The steps of a network, and where it ends.

    Args:
        wiring: inputs, steps and declarations.
        outputs: the outputs' names, each with the array that it is.
        chain: the list of layers that says all of it; None where none does.
    """

    wiring: Wiring
    outputs: Mapping[str, str]
    chain: tuple[GraphPart, ...] | None


def is_node_form(inputs: Any, outputs: Any) -> bool:
    """Whether a network is asked for by nodes; a mixture is refused as such."""
    return any(_has_node(given) for given in (inputs, outputs))


def _has_node(given: Any) -> bool:
    if isinstance(given, Mapping):
        given = list(given.values())
    several = given if isinstance(given, list | tuple) else [given]
    return any(isinstance(entry, GraphNode) for entry in several)


def from_chain(shape: tuple[int, ...], layers: Any) -> GraphForm:
    """A list of layers, each behind the one before it.

    Raises:
        ArgumentError: no list of layers.
        ShapeError: a layer that does not fit; the message holds the plan down to it.
    """
    listed = chain("Network", layers)
    if not listed:
        raise ArgumentError("Network: needs at least one layer, got none")
    start = Input(shape)
    with laying_out() as calls:
        try:
            chained(listed, start)
        except MisfitError as misfit:
            raise _told([start], [*calls, misfit.call], misfit.clause) from None
    wiring = wired([start], calls)
    return GraphForm(wiring, {OUTPUT: wiring.steps[-1].output}, listed)


def _told(inputs: Sequence[Input], calls: Sequence[LayerCall], cause: ShapeError) -> ShapeError:
    """The error of a layer that does not fit, the last of some calls, with the plan down to it."""
    from ..plan.misfit import misfit_error  # most networks fit

    found = wired(inputs, calls)
    return misfit_error(Outline(found.inputs, found.steps, 4), found.declared, cause, 1)


def from_nodes(inputs: Any, outputs: Any) -> GraphForm:
    """What leads from some nodes to others.

    Args:
        inputs: an `Input`, or several in a list.
        outputs: a node, or several in a list or by their names.

    Raises:
        ArgumentError: something else, or outputs that need other inputs.
        ShapeError: a layer whose weights are shared, but would need another shape somewhere.
    """
    starts = _inputs(inputs)
    ends = _outputs(outputs)
    needed, calls = calls_behind(ends.values())
    for node in needed:
        if node not in starts:
            raise ArgumentError(
                f"Network: the output needs {node!r}, which is not among the inputs; list it, too"
            )
    for node in starts:
        if node not in needed:
            raise ArgumentError(f"Network: no output needs {node!r}; leave it out")
    wiring = wired(starts, calls)
    _check_shared(wiring)
    renamed = any(call.name for call in calls)
    chained_layers = None if renamed else _as_chain(wiring)
    arrays = {name: wiring.arrays[end.number] for name, end in ends.items()}
    return GraphForm(wiring, arrays, chained_layers if len(arrays) == 1 else None)


def _inputs(inputs: Any) -> list[Input]:
    """The inputs of a network, looked at."""
    listed = list(inputs) if isinstance(inputs, list | tuple) else [inputs]
    if not listed:
        raise ArgumentError("Network: needs at least one input, got none")
    for node in listed:
        if not isinstance(node, Input):
            got = repr(node) if isinstance(node, GraphNode) else in_short(inputs)
            raise ArgumentError(
                f"Network: inputs are what gt.Input(shape) gives, got {got}; of nodes a network is "
                "gt.Network(x, node), and x the input that they were made of"
            )
    if len({id(node) for node in listed}) < len(listed):
        raise ArgumentError("Network: an input is listed twice")
    return listed


def _outputs(outputs: Any) -> dict[str, GraphNode]:
    """The outputs of a network by name, looked at; those of a list are output1, output2, ….

    Raises:
        ArgumentError: no node, an input, or a name that is no word.
    """
    if isinstance(outputs, Mapping):
        named = dict(outputs)
    elif isinstance(outputs, list | tuple) and len(outputs) != 1:
        named = {f"{OUTPUT}{place}": node for place, node in enumerate(outputs, 1)}
    else:
        named = {OUTPUT: outputs[0] if isinstance(outputs, list | tuple) else outputs}
    if not named:
        raise ArgumentError("Network: needs at least one output, got none")
    for name, node in named.items():
        checked_nodes("Network: outputs", [node])
        if not isinstance(node, LayerCall):
            raise ArgumentError("Network: the output is an input; call at least one layer on it")
        if not isinstance(name, str) or not name.isidentifier():
            raise ArgumentError(f"Network: an output's name is a word, got {name!r}")
    return named


def _check_shared(wiring: Wiring) -> None:
    """Refuse weights that are shared by calls that need other shapes of them.

    Raises:
        ShapeError: naming the array and both calls.
    """
    for place, step in enumerate(wiring.steps, 1):
        if step.shares is None:
            continue
        mine, theirs = (_held(wiring, name, step) for name in (step.name, step.shares))
        for name, shape in mine.items():
            if theirs[name] != shape:
                raise ShapeError(
                    f"layer {place} '{step.name}' ({step.layer.kind}) shares {step.shares}.{name}, "
                    f"which has shape {theirs[name]}, but would need {shape} for what it reads",
                    "Call it on inputs of the same channels, or a layer of its own there",
                )


def _held(wiring: Wiring, name: str, step: Step) -> Mapping[str, tuple[int, ...]]:
    """The shapes of the arrays that a layer holds in one of its calls."""
    declaration = wiring.declared[name]
    shape_of = declaration.equation.shape_of
    found = {p.name: shape_of[a] for a, p in declaration.parameters.items()}
    return found | {b.name: shape_of[a] for a, b in step.layer.running.items()}


def _as_chain(wiring: Wiring) -> tuple[GraphPart, ...] | None:
    """The steps as a list of layers, where each reads the one before it and nothing is shared."""
    if list(wiring.inputs) != ["input"]:
        return None
    before = "input"
    for step in wiring.steps:
        if step.sources != (before,) or step.shares is not None:
            return None
        before = step.output
    return tuple(step.layer for step in wiring.steps)
