"""From a layer's declaration to a node of the equations: its letters tied to array names."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any

import numpy as np

from ..checking.arguments import is_whole
from ..checking.calls import in_short
from ..equation import Access, Node, Normalisation
from ..errors import ArgumentError, DataError, ShapeError
from ..layers import Declaration, Loss
from ..layers.steps import LOSS, Step

LARGEST = 1 << 28
"""The most numbers that one array has for one sample."""


def checked_shape(input_shape: Any) -> tuple[int, ...]:
    """The shape of one sample, checked.

    Raises:
        ArgumentError: it is none, or no memory would hold such samples.
    """
    if isinstance(input_shape, np.ndarray) and input_shape.ndim == 1 and len(input_shape) <= 4:
        input_shape = input_shape.tolist()
    shape = tuple(input_shape) if isinstance(input_shape, Sequence) else (input_shape,)
    if not all(is_whole(s, 1) for s in shape) or not 1 <= len(shape) <= 4:
        raise ArgumentError(
            "Network: input_shape is one sample's (channels, height, width) or (features,), whole "
            f"numbers ≥ 1 and without the batch, got {in_short(input_shape)}"
        )
    if prod(shape) > LARGEST:
        raise ArgumentError(
            f"Network: one sample of {shape} has {prod(shape):,} numbers; at most {LARGEST:,} are "
            "taken, more would not fit into memory"
        )
    return tuple(int(s) for s in shape)


def layer_node(step: Step, declaration: Declaration) -> Node:
    """A layer's equation with its letters tied to array names."""
    return _node(step.name, step.layer.kind, declaration, step.sources, step.output)


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
    return _node(LOSS, kind, declaration, (last.output,), LOSS)


def _node(
    name: str, kind: str, declaration: Declaration, sources: Sequence[str], target: str
) -> Node:
    """A declaration tied: to the arrays that are read, its own behind its name, and the target."""
    named: dict[str, str] = {}
    for letters in (declaration.parameters, declaration.buffers):
        named |= {letter: entry.name for letter, entry in letters.items()}
    named |= {**declaration.given, **declaration.saved}
    tied = dict(zip(declaration.sources, sources, strict=True))
    tied |= {letter: f"{name}.{array}" for letter, array in named.items()}
    tied[declaration.equation.target.array] = target
    equation, parameters = declaration.equation, tuple(declaration.parameters)
    return Node(name, kind, equation, tuple(tied.items()), declaration.sources, parameters)


def check_counts(nodes: Sequence[Node]) -> None:
    """Refuse a batch norm that would take its statistics over a single number.

    Raises:
        DataError: there is one, which is named.
    """
    for node in nodes:
        if isinstance(node.equation, Normalisation) and node.equation.count.integer == 1:
            raise DataError(
                f"layer '{node.name}' ({node.kind}) normalises over samples and positions, but "
                "a batch of 1 sample has 1 position there; choose a batch_size that leaves at "
                "least 2 samples to every batch"
            )


def largest_array(declaration: Declaration) -> int:
    """The most numbers of one sample in a layer's output or input, padding included."""
    equation = declaration.equation
    kept = {equation.target.array, *declaration.sources}
    met = (equation.target, *(a for a in equation.accesses if a.array in kept))
    return max(_padded(access, equation.shape_of[access.array]) for access in met)


def check_bounded(declaration: Declaration) -> None:
    """Refuse an output or an input, with the padding that its accesses declare, beyond any memory.

    A plan, which counts positions that are read, would not fit either.

    Raises:
        ShapeError: it is so.
    """
    count = largest_array(declaration)
    if count > LARGEST:
        numbers = f"{count:,}" if count < 10**15 else "more than 10¹⁵"
        raise ShapeError(
            f"takes and gives at most {LARGEST:,} numbers for one sample, but would make {numbers}",
            "Use fewer channels or features, less padding, or a smaller input",
        )


def _padded(access: Access, shape: tuple[int, ...]) -> int:
    """How many numbers of one sample an access may look for, the padding included."""
    margins = (access.margin(axis) for axis in range(1, len(shape)))
    sizes = zip(shape[1:], margins, strict=True)
    return prod(size + max(p, 0) + max(q, 0) for size, (p, q) in sizes)
