"""From a layer's declaration to a node of the equations: its letters tied to array names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ..equation import Node, Normalisation
from ..errors import DataError, ShapeError
from ..layers import Declaration, Loss
from ..layers.steps import LOSS, Step


def layer_node(step: Step, declaration: Declaration) -> Node:
    """A layer's equation with its letters tied to array names."""
    held = {a: f"{step.owner}.{entry.name}" for a, entry in declaration.parameters.items()}
    held |= {a: f"{step.owner}.{entry.name}" for a, entry in declaration.buffers.items()}
    return _node(step.name, step.layer.kind, declaration, step.sources, step.output, held)


def loss_node(loss: Loss, last: Node, number: int) -> Node:
    """The loss, which is called just `loss`.

    Args:
        loss: its settings.
        last: the node whose output it reads.
        number: of that node's layer.

    Raises:
        ShapeError: the outputs are not what the loss compares.
    """
    kind = type(loss).__name__
    try:
        declaration = loss.declare(last.equation.shape_of[last.equation.target.array])
    except ShapeError as cause:
        place = f"layer {number} '{last.name}'"
        raise ShapeError(f"loss ({kind}): {cause.cause} from {place}", cause.remedy) from None
    return _node(LOSS, kind, declaration, (last.output,), LOSS, {})


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
