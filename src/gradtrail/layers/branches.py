"""Branches: a residual sum and a concatenation along channels, as blocks of lists of layers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import field
from typing import Any, final

from ..checking.calls import call_example, in_short, is_of_torch
from ..equation.frozen import frozen
from ..errors import ArgumentError
from .functional import Block, GraphNode, GraphPart, chained
from .loss_functions import Loss

_MOST = 25


@final
@call_example("gt.Residual([layer, …])")
@frozen
class Residual(Block):
    """A body with a way around it; the two are added.

    Shapes: body and shortcut must give the same shape.

    Forward:
        Z[n,c,y,x] = A[n,c,y,x] + B[n,c,y,x]

    Adjoints:
        dA[n,c,y,x] = dZ[n,c,y,x]
        dB[n,c,y,x] = dZ[n,c,y,x]

    A is what the body gives, B what the shortcut gives; where the input feeds both, its gradient
    is the sum of what comes back through each.

    Args:
        body: a list of layers, at least one.
        shortcut: a list of layers; None for the input itself.
        name: of the layer that adds, instead of add1, add2, …

    Raises:
        ArgumentError: an empty body, or something that is not a layer.

    Source: K. He et al., "Deep residual learning for image recognition" (2015), eq. 1 and 2.
    """

    body: tuple[Any, ...]
    shortcut: tuple[Any, ...] | None = None
    name: str | None = field(default=None, kw_only=True)

    def __init__(
        self,
        body: Sequence[Any],
        shortcut: Sequence[Any] | None = None,
        *,
        name: str | None = None,
    ) -> None:
        object.__setattr__(self, "body", chain("Residual", body))
        object.__setattr__(self, "shortcut", chain("Residual", shortcut) if shortcut else None)
        object.__setattr__(self, "name", name)
        if not self.body:
            raise ArgumentError("Residual: the body needs at least one layer, got none")

    def forward(self, *nodes: GraphNode) -> GraphNode:
        """See `Block.forward`."""
        from .joins import add

        (node,) = nodes
        inside = chained(self.body, node)
        return add(inside, chained(self.shortcut or (), node), name=self.name)


@final
@call_example("gt.Concat([layer, …], [layer, …])")
@frozen
class Concat(Block):
    """Branches side by side, their channels one after another.

    Shapes: the branches may differ in channels only.

    Forward:
        Z[n,c1,y,x] = A[n,c1,y,x]
        Z[n,c2+o2,y,x] = B[n,c2,y,x]

    Adjoints:
        dA[n,c1,y,x] = dZ[n,c1,y,x]
        dB[n,c2,y,x] = dZ[n,c2+o2,y,x]

    o2 is where the second branch's channels begin; further branches C, D, … follow at o3, o4, …

    Args:
        *branches: two or more lists of layers; an empty one hands the input on.
        name: of the layer that joins, instead of concat1, …

    Raises:
        ArgumentError: fewer than two branches, or something that is not a layer.
    """

    branches: tuple[tuple[Any, ...], ...]
    name: str | None = field(default=None, kw_only=True)

    def __init__(self, *branches: Sequence[Any], name: str | None = None) -> None:
        object.__setattr__(self, "branches", tuple(chain("Concat", b) for b in branches))
        object.__setattr__(self, "name", name)
        if not 2 <= len(branches) <= _MOST:
            raise ArgumentError(
                f"Concat: takes 2 to {_MOST} lists of layers, got {len(branches)}; write "
                "Concat([…], […])"
            )

    def __repr__(self) -> str:
        inside = ", ".join(repr(list(b)) for b in self.branches)
        return f"Concat({inside}{f', name={self.name!r}' if self.name else ''})"

    def forward(self, *nodes: GraphNode) -> GraphNode:
        """See `Block.forward`."""
        from .joins import concat

        (node,) = nodes
        return concat(*(chained(branch, node) for branch in self.branches), name=self.name)


def chain(kind: str, layers: object) -> tuple[Any, ...]:
    """A list of layers as a tuple.

    Raises:
        ArgumentError: it is not a list, or holds something that is not a layer.
    """
    if not isinstance(layers, Sequence) or isinstance(layers, str):
        raise ArgumentError(f"{kind}: expects a list of layers, got {_came(layers)}")
    for place, layer in enumerate(layers):
        if not isinstance(layer, GraphPart):
            raise ArgumentError(f"{kind}: entry {place} is not a layer but {_came(layer)}")
    return tuple(layers)


def _came(thing: object) -> str:
    """What came instead of layers, and what to write."""
    if isinstance(thing, GraphPart):
        return f"{thing!r}; put it in brackets, [{type(thing).__name__}(…)]"
    if isinstance(thing, type) and not is_of_torch(thing):
        return f"{thing!r} (call it: write its brackets)"
    if is_of_torch(thing):
        from ..checking.other_libraries import name_for  # only where a layer is none

        kind = thing if isinstance(thing, type) else type(thing)
        here = name_for(kind.__name__, ()) or "the layer that gt has under its name"
        return (
            f"{in_short(thing)} of PyTorch; write {here}, or have the whole module made a network "
            "by gt.from_torch(module, input_shape)"
        )
    if isinstance(thing, Loss):
        return f"{thing!r}, a loss; it is given to gt.train(loss=…)"
    if isinstance(thing, str):
        return f"{thing!r}; layers are objects such as gt.ReLU()"
    if isinstance(thing, list | tuple):
        return f"{in_short(thing)}; write its layers among the others"
    return in_short(thing) + ("; write list(…) around it" if isinstance(thing, Iterator) else "")
