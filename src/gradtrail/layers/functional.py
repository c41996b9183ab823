"""The functional language: a layer called on nodes gives a node, and nodes make a network.

`Input` gives the first nodes; `Layer.__call__` and `Block.__call__` give the others. A chain, a
list of layers, is a short way to write such calls, and is laid out by `chained`. What a network
makes of nodes is in `steps.py`.
"""

from __future__ import annotations

import copy
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import MISSING, fields
from itertools import count
from typing import TYPE_CHECKING, Any, ClassVar, final

import numpy as np

from ..checking.calls import asked_inside, call_example, in_short
from ..errors import ArgumentError, ShapeError
from ..showing.axis_names import name_axis
from .bounds import check_bounded, checked_shape, warn_if_channels_last

if TYPE_CHECKING:
    from .layer import Declaration, Layer

_numbers = count()


class GraphNode:
    """An array of a network that is being written down: an input, or what a layer gives.

    `a + b` and `a * b` are `gt.add(a, b)` and `gt.multiply(a, b)`.

    Args:
        shape: one sample's.
        sources: the nodes that it is made of.
    """

    __array_ufunc__ = None  # an array beside it leaves the operators to it

    def __init__(self, shape: tuple[int, ...], sources: tuple[GraphNode, ...] = ()) -> None:
        self.shape, self.sources = shape, sources
        self.number = next(_numbers)  # nodes are made in an order in which they can be computed

    def __add__(self, other: object) -> GraphNode:
        from .joins import add

        return add(self, _beside("+", self, other))

    def __mul__(self, other: object) -> GraphNode:
        from .joins import multiply

        return multiply(self, _beside("*", self, other))

    def __radd__(self, other: object) -> GraphNode:
        return _beside("+", self, other) + self

    def __rmul__(self, other: object) -> GraphNode:
        return _beside("*", self, other) * self


@final
@call_example("gt.Input((3, 64, 64))")
class Input(GraphNode):
    """An input of a network, as a node that layers are called on.

    Args:
        shape: one sample without the batch axis: (channels, height, width) or (features,).
        name: of the array; by default `input`, or `input1`, `input2`, … where there are several.

    Raises:
        ArgumentError: no shape, or one that no memory would hold.

    Example:
        >>> x = Input((3, 32, 32))
        >>> y = Conv2d(8, 3)(x)
        >>> y.shape
        (8, 30, 30)
        >>> net = Network(x, Linear(2)(Flatten()(ReLU()(y))), seed=0)
    """

    def __init__(self, shape: Sequence[int], *, name: str | None = None) -> None:
        super().__init__(checked_shape("Input: shape", shape))
        if name is not None and not isinstance(name, str):
            raise ArgumentError(f"Input: name must be a word, got {in_short(name)}")
        if not asked_inside(__file__):  # a person wrote it
            warn_if_channels_last("Input: shape", self.shape)
        self.name = name

    def __repr__(self) -> str:
        return f"Input({self.shape}{f', name={self.name!r}' if self.name else ''})"


@final
class LayerCall(GraphNode):
    """What a layer gives for some nodes.

    Args:
        layer: the layer. The same object in several calls shares its parameters among them.
        sources: what it is called on.
        declaration: its equation there, for one sample in training.
        name: of the step, where it is not to follow from the layer.
    """

    def __init__(
        self,
        layer: Layer,
        sources: tuple[GraphNode, ...],
        declaration: Declaration | None,
        name: str | None = None,
    ) -> None:
        shape: tuple[int, ...] = ()
        if declaration is not None:
            equation = declaration.equation
            shape = equation.shape_of[equation.target.array][1:]
        super().__init__(shape, sources)
        self.layer, self.declaration, self.name = layer, declaration, name

    def __repr__(self) -> str:
        read = " and ".join(str(source.shape) for source in self.sources)
        return f"<node of {self.layer!r}: {read} → {self.shape}>"


class MisfitError(ShapeError):
    """A layer that does not fit the nodes it was called on.

    Args:
        call: the layer and its nodes; it has no declaration.
        cause: why, in the layer's words.
    """

    def __init__(self, call: LayerCall, cause: ShapeError) -> None:
        axes = max(len(source.shape) for source in call.sources) + 1
        told = name_axis(cause.cause, cause.axis, axes)
        on = " and ".join(_came(source) for source in call.sources)
        super().__init__(f"{call.layer!r} on {on}: {told}", cause.remedy)
        self.call, self.clause = call, cause


class GraphPart(ABC):
    """What can be called on nodes: a layer, or a block of several."""

    takes: ClassVar[tuple[int, int]] = (1, 1)
    """The fewest and the most nodes that it is called on."""

    name: str | None

    def __call__(self, *nodes: GraphNode) -> GraphNode:
        """The node that it gives for these nodes.

        Raises:
            ArgumentError: too few or too many, or something that is no node.
            ShapeError: it does not fit them.
        """
        checked = _checked(self, nodes)
        made = _made.get()
        return (self if made is None else made.again(self))._applied(checked)

    @abstractmethod
    def _applied(self, nodes: tuple[GraphNode, ...]) -> GraphNode:
        """The node, for nodes that were looked at."""

    def settings(self) -> dict[str, Any]:
        """The settings as JSON: the type and the arguments that differ from their defaults."""
        given: dict[str, Any] = {"type": type(self).__name__}
        for known in fields(self):  # type: ignore[arg-type]
            value = getattr(self, known.name)
            if known.default is MISSING or value != known.default:
                given[known.name] = as_json(value)
        return given


class Block(GraphPart):
    """Settings that several layers follow from: a part of a network, written as a function.

    A block called twice shares its weights as a layer does. Where `forward` makes layers anew in
    each call, those of the second call are taken to be those of the first, in their order.
    """

    @abstractmethod
    def forward(self, *nodes: GraphNode) -> GraphNode:
        """What it gives for these nodes, layer by layer.

        Raises:
            ShapeError: the settings do not fit the nodes.
        """

    def _applied(self, nodes: tuple[GraphNode, ...]) -> GraphNode:
        return in_parts(self, self.forward, nodes)


def in_parts(
    part: GraphPart, forward: Callable[..., GraphNode], nodes: tuple[GraphNode, ...]
) -> GraphNode:
    """What a function gives for nodes, calling parts; in its next call for `part` it meets those.

    Args:
        part: whose parts they are.
        forward: calls parts, which it may make anew each time.
        nodes: what it is called on.
    """
    token = _made.set(_Made(vars(part).setdefault(_MADE, [])))
    try:
        return forward(*nodes)
    finally:
        _made.reset(token)


class _Made:
    """The parts that a block's `forward` has called, to be met again in its next call.

    Args:
        parts: in the order of the calls.
    """

    def __init__(self, parts: list[GraphPart]) -> None:
        self.parts, self.place = parts, 0

    def again(self, part: GraphPart) -> GraphPart:
        """The part of an earlier call in this place, if it has the same settings."""
        self.place += 1
        if self.place > len(self.parts):
            self.parts.append(part)
        known = self.parts[self.place - 1]
        return known if known == part else part


_MADE = "_made"
_made: ContextVar[_Made | None] = ContextVar("made", default=None)
_laid_out: ContextVar[list[LayerCall] | None] = ContextVar("laid_out", default=None)


@contextmanager
def laying_out() -> Iterator[list[LayerCall]]:
    """Where calls are made by a network, which is told of each, also if one does not fit."""
    calls: list[LayerCall] = []
    token = _laid_out.set(calls)
    try:
        yield calls
    finally:
        _laid_out.reset(token)


def apply(layer: Layer, sources: tuple[GraphNode, ...], name: str | None = None) -> LayerCall:
    """A layer called on nodes that were looked at.

    Args:
        layer: is not copied: the same object shares its parameters.
        sources: as many as it takes.
        name: of the step, where it is not to follow from the layer.

    Raises:
        ShapeError: it does not fit, or would make what no memory holds.
    """
    try:
        shapes = ((1, *source.shape) for source in sources)
        declaration = layer.declare(*shapes, training=True)
        check_bounded(declaration)
    except ShapeError as cause:
        raise MisfitError(LayerCall(layer, sources, None, name), cause) from None
    call = LayerCall(layer, sources, declaration, name)
    calls = _laid_out.get()
    if calls is not None:
        calls.append(call)
    return call


def called(layer: Layer, sources: Sequence[GraphNode], name: str) -> LayerCall:
    """A layer called on nodes, as a step of a given name.

    Raises:
        ArgumentError: too few nodes or too many.
        ShapeError: it does not fit them.
    """
    return apply(layer, _checked(layer, sources), name)


def chained(layers: Sequence[GraphPart], node: GraphNode) -> GraphNode:
    """A list of layers, each called on what the one before it gives.

    A layer that stands in a list twice is two layers, and so is one of two lists.
    """
    for entry in layers:
        node = _alone(entry)(node)
    return node


def _alone(part: GraphPart) -> GraphPart:
    """A part with its settings, but no weights shared with another."""
    fresh = copy.copy(part)
    vars(fresh).pop(_MADE, None)
    return fresh


def checked_nodes(what: str, nodes: Sequence[object]) -> tuple[GraphNode, ...]:
    """Nodes as a caller gave them.

    Args:
        what: whoever takes them, for messages.
        nodes: what came.

    Raises:
        ArgumentError: something else is among them.
    """
    for node in nodes:
        if not isinstance(node, GraphNode):
            raise ArgumentError(f"{what} takes nodes, got {in_short(node)}{_hint(node)}")
    return tuple(nodes)  # type: ignore[arg-type]


def _checked(part: GraphPart, nodes: Sequence[object]) -> tuple[GraphNode, ...]:
    """The nodes that a part is called on, looked at."""
    checked = checked_nodes(repr(part), nodes)
    fewest, most = part.takes
    if not fewest <= len(checked) <= most:
        wanted = (
            "1 node"
            if most == 1
            else f"{fewest} to {most} nodes"
            if fewest < most
            else (f"{fewest} nodes")
        )
        joined = "; gt.concat, gt.add or gt.multiply make one of them" if most == 1 else ""
        raise ArgumentError(f"{part!r} takes {wanted}, got {len(checked)}{joined}")
    return checked


def _hint(thing: object) -> str:
    """What to write instead of something that is no node."""
    if isinstance(thing, list | tuple) and thing and isinstance(thing[0], GraphNode):
        return "; write them one after another, without the brackets"
    if isinstance(thing, GraphPart):
        return "; call it on a node first"
    if isinstance(thing, np.ndarray):
        return "; gt.Input(shape) gives the first node, and network.predict takes arrays"
    return "; gt.Input(shape) gives the first one"


def _beside(sign: str, node: GraphNode, other: object) -> GraphNode:
    """The other side of an operator."""
    if not isinstance(other, GraphNode):
        raise ArgumentError(
            f"{node!r} {sign} {in_short(other)}: both must be nodes; "
            f'a number stands in a formula, such as gt.Pointwise("x {sign} 2")(node)'
        )
    return other


def _came(node: GraphNode) -> str:
    """A node in messages: its shape and where it is from."""
    return f"{node.shape} of {node.layer!r}" if isinstance(node, LayerCall) else repr(node)


def as_json(value: Any) -> Any:
    """A setting as JSON has it: NumPy's numbers as Python's, tuples as lists, layers as theirs."""
    if isinstance(value, tuple | list):
        return [as_json(entry) for entry in value]
    if isinstance(value, GraphPart):
        return value.settings()
    return value.item() if isinstance(value, np.generic) else value
