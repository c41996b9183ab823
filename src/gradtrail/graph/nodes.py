"""From a layer's declaration to a node of the equations: its letters tied to array names."""

from __future__ import annotations

from math import prod

from ..equation import Access, Node
from ..errors import ShapeError
from ..layers import Declaration
from ..layers.steps import LOSS, Step

__all__ = ["LARGEST", "check_bounded", "layer_node", "loss_node"]

LARGEST = 1 << 28
"""The most numbers that one array has for one sample."""


def layer_node(step: Step, declaration: Declaration) -> Node:
    """A layer's equation with its letters tied to array names."""
    named: dict[str, str] = {}
    for letters in (declaration.parameters, declaration.buffers):
        named |= {letter: entry.name for letter, entry in letters.items()}
    named |= {**declaration.given, **declaration.saved}
    named[declaration.equation.target.array] = "output"
    tied = dict(zip(declaration.sources, step.sources, strict=True))
    tied |= {letter: f"{step.name}.{name}" for letter, name in named.items()}
    return Node(
        step.name,
        step.layer.kind,
        declaration.equation,
        tuple(tied.items()),
        declaration.sources,
        tuple(declaration.parameters),
    )


def loss_node(kind: str, declaration: Declaration, prediction: str) -> Node:
    """The loss, which is called just `loss`."""
    equation = declaration.equation
    named = {**declaration.given, **declaration.saved}
    tied = {declaration.sources[0]: prediction}
    tied |= {letter: f"{LOSS}.{name}" for letter, name in named.items()}
    tied[equation.target.array] = LOSS
    return Node(LOSS, kind, equation, tuple(tied.items()), declaration.sources)


def check_bounded(declaration: Declaration) -> None:
    """Refuse an output or an input, with the padding that its accesses declare, beyond any memory.

    A plan, which counts positions that are read, would not fit either.

    Raises:
        ShapeError: it is so.
    """
    equation = declaration.equation
    kept = {equation.target.array, *declaration.sources}
    met = (equation.target, *(a for a in equation.accesses if a.array in kept))
    count = max(_padded(access, equation.shape_of[access.array]) for access in met)
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
