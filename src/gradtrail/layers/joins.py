"""Joins: layers that make one array of several, and the functions that call them on nodes."""

from __future__ import annotations

from dataclasses import field
from typing import ClassVar, final

from ..equation import Array, Number, contraction, index, term
from ..equation.frozen import frozen
from ..errors import ArgumentError, ShapeError
from .broadcasting import LETTERS, met, nth
from .functional import GraphNode, checked_nodes
from .layer import Declaration, Layer, Shape, elementwise, times

Z = Array("Z")


def add(*nodes: GraphNode, name: str | None = None) -> GraphNode:
    """The sum of nodes of one shape; `a + b` is that of two. `Residual` has its equations.

    Args:
        *nodes: two or more.
        name: of the layer, instead of add1, add2, …

    Raises:
        ArgumentError: fewer than two, or something that is no node.
        ShapeError: sizes that are neither equal nor 1.
    """
    return Add(name=name)(*nodes)


def multiply(*nodes: GraphNode, name: str | None = None) -> GraphNode:
    """The product of nodes, element by element; `a * b` is that of two.

    Forward:
        Z[n,c,y,x] = A[n,c,y,x]·B[n,c,y,x]

    Adjoints:
        dA[n,c,y,x] = dZ[n,c,y,x]·B[n,c,y,x]
        dB[n,c,y,x] = A[n,c,y,x]·dZ[n,c,y,x]

    A gate may stand still along some axes: (N, C) or (N, C, 1, 1) is a number for each channel,
    (N, 1, H, W) one for each place.
        Z[n,c,y,x] = A[n,c,y,x]·B[n,c]
        dB[n,c] = Σ_{y,x} A[n,c,y,x]·dZ[n,c,y,x]

    Args:
        *nodes: two or more.
        name: of the layer, instead of mul1, mul2, …

    Raises:
        ArgumentError: fewer than two, or something that is no node.
        ShapeError: sizes that are neither equal nor 1.

    Source: J. Hu et al., "Squeeze-and-excitation networks" (2017), eq. 4.
    """
    return Multiply(name=name)(*nodes)


def concat(*nodes: GraphNode, name: str | None = None) -> GraphNode:
    """Nodes side by side, their channels one after another. `Concat` has its equations.

    Args:
        *nodes: two or more, which may differ in channels only.
        name: of the layer, instead of concat1, concat2, …

    Raises:
        ArgumentError: fewer than two, or something that is no node.
        ShapeError: their shapes differ in more than channels.
    """
    return Join(name=name)(*nodes)


def maximum(*nodes: GraphNode, name: str | None = None) -> GraphNode:
    """The greatest of nodes, element by element. Of two it is two layers:

    Forward:
        D[n,c,y,x] = A[n,c,y,x] − B[n,c,y,x]
        Z[n,c,y,x] = A[n,c,y,x]·f(D[n,c,y,x]) + B[n,c,y,x]·g(D[n,c,y,x])

    with f(d) = ½ + ½·sign d and g(d) = ½ − ½·sign d, which are 1, 0 or ½ and flat everywhere. So Z
    is one of them to the last bit, and what comes back goes there alone; of equal elements each
    gets half, as in PyTorch. A NaN in either makes Z a NaN, and so do two equal infinities. Nodes
    may stand still along some axes as those of `multiply` may; more than two are joined in turn.

    Args:
        *nodes: two or more.
        name: of the layer that gives Z, and with `_difference` behind it that of D; by default
            pointwise1, …

    Raises:
        ArgumentError: fewer than two, or something that is no node.
        ShapeError: sizes that are neither equal nor 1.
    """
    return _chosen("maximum", nodes, GREATER, name)


def minimum(*nodes: GraphNode, name: str | None = None) -> GraphNode:
    """The least of nodes, element by element; see `maximum`, whose f and g change places.

    Args:
        *nodes: two or more.
        name: as for `maximum`.

    Raises:
        ArgumentError: fewer than two, or something that is no node.
        ShapeError: sizes that are neither equal nor 1.
    """
    return _chosen("minimum", nodes, LESSER, name)


GREATER = "a*(0.5 + 0.5*sign(d)) + b*(0.5 - 0.5*sign(d))"
"""The greater of a and b, where d is their difference."""

LESSER = "a*(0.5 - 0.5*sign(d)) + b*(0.5 + 0.5*sign(d))"
"""The lesser of them."""


def _chosen(what: str, nodes: tuple[GraphNode, ...], formula: str, name: str | None) -> GraphNode:
    """One of nodes at each place, two after two."""
    from .pointwise import Pointwise  # only where it is asked for

    if len(nodes) < 2:
        raise ArgumentError(f"{what} takes two or more nodes, got {len(nodes)}")
    found, *others = checked_nodes(what, nodes)
    for place, other in enumerate(others, 1):
        own = name if name is None or place == len(others) else f"{name}_{place}"
        apart = None if own is None else f"{own}_difference"
        difference = Pointwise("a - b", name=apart)(found, other)
        found = Pointwise(formula, name=own)(found, difference, other)
    return found


@final
@frozen
class Add(Layer):
    """The sum of arrays, element by element; see `add`.

    Args:
        name: instead of add1, add2, …
    """

    prefix: ClassVar[str] = "add"
    joined_by: ClassVar[str] = "add"
    takes: ClassVar[tuple[int, int]] = (2, len(LETTERS))

    name: str | None = field(default=None, kw_only=True)

    def declare(self, *sources: Shape, training: bool) -> Declaration:
        """See `Layer.declare`; two or more inputs that are equal or stand still along an axis."""
        first = sources[0][1:]
        result, summands = met(
            sources,
            "a sum needs one shape",
            "Give it layers that end in one shape, such as a "
            f"Conv2d({first[0]}, 1, stride=…) on the way that is to be another",
        )
        shapes = dict(zip(LETTERS, sources, strict=False))
        total = (term(result, summand) for summand in summands)
        return Declaration(contraction(*total, ranges={}, shapes=shapes), sources=tuple(shapes))


@final
@frozen
class Multiply(Layer):
    """The product of arrays, element by element; see `multiply`.

    Args:
        name: instead of mul1, mul2, …
    """

    prefix: ClassVar[str] = "mul"
    joined_by: ClassVar[str] = "multiply"
    takes: ClassVar[tuple[int, int]] = (2, len(LETTERS))

    name: str | None = field(default=None, kw_only=True)

    def declare(self, *sources: Shape, training: bool) -> Declaration:
        """See `Layer.declare`; two or more inputs that are equal or stand still along an axis."""
        result, factors = met(sources, "a product element by element needs one shape, or 1")
        shapes = dict(zip(LETTERS, sources, strict=False))
        product = contraction(term(result, *factors), ranges={}, shapes=shapes)
        return Declaration(product, sources=tuple(shapes))


@final
@frozen
class Join(Layer):
    """Arrays side by side, their channels one after another; see `concat`.

    Args:
        name: instead of concat1, concat2, …
    """

    prefix: ClassVar[str] = "concat"
    joined_by: ClassVar[str] = "concat"
    kind: ClassVar[str] = "Concat"
    takes: ClassVar[tuple[int, int]] = (2, len(LETTERS))

    name: str | None = field(default=None, kw_only=True)

    def declare(self, *sources: Shape, training: bool) -> Declaration:
        """See `Layer.declare`; two or more inputs that differ in channels only."""
        letters = tuple(LETTERS[: len(sources)])
        terms, behind = [], 0
        for place, (letter, shape) in enumerate(zip(letters, sources, strict=True), 1):
            if shape[2:] != sources[0][2:] or len(shape) != len(sources[0]):
                raise ShapeError(
                    f"{nth(1)} is {times(sources[0][1:])} but {nth(place)} is {times(shape[1:])}; "
                    "only the channels may differ",
                    "Change padding or stride so that the maps have one size",
                )
            n, _, *rest = elementwise(shape)
            c = index(f"c{place}")
            at = c + Number(behind, f"o{place}") if behind else c
            terms.append(term(Z[n, at, *rest], Array(letter)[n, c, *rest]))
            behind += shape[1]
        shapes = dict(zip(letters, sources, strict=True))
        return Declaration(contraction(*terms, ranges={}, shapes=shapes), sources=letters)
