"""From a layer's declaration to a node of the equations: its letters tied to array names."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from ..equation import Node, Normalisation
from ..equation.system import JOINT
from ..errors import DataError, ShapeError
from ..layers import Declaration, Loss
from ..layers.steps import LOSS, Step


def layer_node(step: Step, declaration: Declaration) -> Node:
    """A layer's equation with its letters tied to array names."""
    held = {a: f"{step.owner}.{entry.name}" for a, entry in declaration.parameters.items()}
    held |= {a: f"{step.owner}.{entry.name}" for a, entry in declaration.buffers.items()}
    return _node(step.name, step.layer.kind, declaration, step.sources, step.output, held)


def loss_nodes(loss: Loss, outputs: Mapping[str, str], nodes: Sequence[Node]) -> Iterator[Node]:
    """The loss, which is called just `loss`; of several outputs one for each, and then their sum.

    Args:
        loss: its settings.
        outputs: the outputs' names, each with its array's.
        nodes: of the layers.

    Raises:
        ShapeError: the outputs are not what the loss compares.
    """
    numbers = {node.output: number for number, node in enumerate(nodes, 1)}
    for part in loss.parts:
        number = numbers[outputs[part.name]]
        made = _loss_node(part.loss, nodes[number - 1], number, part.array)
        yield replace(made, equation=replace(made.equation, part=True))  # type: ignore[call-arg]
    if loss.parts:
        read = [part.array for part in loss.parts]
        yield _node(LOSS, JOINT, loss.declare(()), read, LOSS, {})
        return
    (output,) = outputs.values()
    yield _loss_node(loss, nodes[numbers[output] - 1], numbers[output], LOSS)


def _loss_node(loss: Loss, last: Node, number: int, name: str) -> Node:
    """The loss of one output.

    Args:
        loss: its settings.
        last: the node whose output it reads.
        number: of that node's layer.
        name: what it is called.

    Raises:
        ShapeError: the output is not what the loss compares.
    """
    kind = type(loss).__name__
    try:
        declaration = loss.declare(last.equation.shape_of[last.equation.target.array])
    except ShapeError as cause:
        place = f"layer {number} '{last.name}'"
        raise ShapeError(f"{name} ({kind}): {cause.cause} from {place}", cause.remedy) from None
    return _node(name, kind, declaration, (last.output,), name, {})


def _node(
    name: str,
    kind: str,
    declaration: Declaration,
    sources: Sequence[str],
    target: str,
    held: Mapping[str, str],
) -> Node:
    """A declaration tied: to the arrays that are read, those that are held, and the target."""
    tied = dict(zip(declaration.sources, sources, strict=True))
    own = {**declaration.given, **declaration.saved}
    tied |= {**held, **{letter: f"{name}.{array}" for letter, array in own.items()}}
    tied[declaration.equation.target.array] = target
    equation, parameters = declaration.equation, tuple(declaration.parameters)
    return Node(name, kind, equation, tuple(tied.items()), declaration.sources, parameters)


def check_counts(nodes: Sequence[Node]) -> None:
    """Refuse a norm that would take a batch's statistics over a single number.

    Raises:
        DataError: there is one, which is named.
    """
    for node in nodes:
        equation = node.equation
        single = isinstance(equation, Normalisation) and equation.count.integer == 1
        if single and equation.ties_samples:
            raise DataError(
                f"layer '{node.name}' ({node.kind}) normalises over samples and positions, but "
                "a batch of 1 sample has 1 position there; choose a batch_size that leaves at "
                "least 2 samples to every batch"
            )
