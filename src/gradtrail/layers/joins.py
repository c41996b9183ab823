"""Joins: layers that make one array of several, and the functions that call them on nodes."""

from __future__ import annotations

from dataclasses import field
from typing import ClassVar, final

from ..equation import Array, Number, contraction, index, term
from ..equation.frozen import frozen
from ..errors import ShapeError
from .functional import GraphNode
from .layer import Declaration, Layer, Shape, elementwise, times

Z = Array("Z")

LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXY"
"""What the arrays that are joined are called in the equations, in order."""


def add(*nodes: GraphNode, name: str | None = None) -> GraphNode:
    """The sum of nodes of one shape; `a + b` is that of two. `Residual` has its equations.

    Args:
        *nodes: two or more.
        name: of the layer, instead of add1, add2, …

    Raises:
        ArgumentError: fewer than two, or something that is no node.
        ShapeError: their shapes differ.
    """
    return Add(name=name)(*nodes)


def multiply(*nodes: GraphNode, name: str | None = None) -> GraphNode:
    """The product of two nodes of one shape, element by element; `a * b` is the same.

    Forward:
        Z[n,c,y,x] = A[n,c,y,x]·B[n,c,y,x]

    Adjoints:
        dA[n,c,y,x] = dZ[n,c,y,x]·B[n,c,y,x]
        dB[n,c,y,x] = A[n,c,y,x]·dZ[n,c,y,x]

    Args:
        *nodes: two.
        name: of the layer, instead of mul1, mul2, …

    Raises:
        ArgumentError: not two, or something that is no node.
        ShapeError: their shapes differ.
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


@final
@frozen
class Add(Layer):
    """The sum of arrays of one shape; see `add`.

    Args:
        name: instead of add1, add2, …
    """

    prefix: ClassVar[str] = "add"
    takes: ClassVar[tuple[int, int]] = (2, len(LETTERS))

    name: str | None = field(default=None, kw_only=True)

    def declare(self, *sources: Shape, training: bool) -> Declaration:
        """See `Layer.declare`; two or more inputs of one shape."""
        first, letters = sources[0], tuple(LETTERS[: len(sources)])
        for place, shape in enumerate(sources[1:], 2):
            if shape != first:
                raise ShapeError(
                    f"{nth(1)} is {times(first[1:])} but {nth(place)} is {times(shape[1:])}; a sum "
                    "needs one shape",
                    "Give it layers that end in one shape, such as a "
                    f"Conv2d({first[1]}, 1, stride=…) on the way that is to be another",
                )
        each = elementwise(first)
        total = (term(Z[each], Array(letter)[each]) for letter in letters)
        shapes = dict(zip(letters, sources, strict=True))
        return Declaration(contraction(*total, ranges={}, shapes=shapes), sources=letters)


@final
@frozen
class Multiply(Layer):
    """The product of two arrays of one shape, element by element; see `multiply`.

    Args:
        name: instead of mul1, mul2, …
    """

    prefix: ClassVar[str] = "mul"
    takes: ClassVar[tuple[int, int]] = (2, 2)

    name: str | None = field(default=None, kw_only=True)

    def declare(self, *sources: Shape, training: bool) -> Declaration:
        """See `Layer.declare`; two inputs of one shape."""
        first, second = sources
        if first != second:
            raise ShapeError(
                f"{nth(1)} is {times(first[1:])} but {nth(2)} is {times(second[1:])}; a product "
                "element by element needs one shape"
            )
        each = elementwise(first)
        product = term(Z[each], Array("A")[each], Array("B")[each])
        equation = contraction(product, ranges={}, shapes={"A": first, "B": second})
        return Declaration(equation, sources=("A", "B"))


@final
@frozen
class Join(Layer):
    """Arrays side by side, their channels one after another; see `concat`.

    Args:
        name: instead of concat1, concat2, …
    """

    prefix: ClassVar[str] = "concat"
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


def nth(place: int) -> str:
    """An input of a join in messages, counted from 1; a plan puts the layer's name instead."""
    return f"input {place}"
