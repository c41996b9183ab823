"""The flat graph that an importer builds, and the network that it becomes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ..errors import ArgumentError, ShapeError
from ..layers import Concat, Flatten, Layer, Residual
from ..layers.bounds import LARGEST, largest_array
from ..layers.joins import Add
from ..layers.layer import buffer_shape
from ..network import Network
from ..showing.axis_names import name_axis
from .refusals import LimitReached, Refusal, Refusals
from .series import INPUT, Chain, Fork, chain_of, needed_for
from .values import Shape, Tensor, Weights

MOST_NODES = 5000

_MOST_COPIES = 1 << 30  # bytes

_RESERVED = ("input", "loss")


@dataclass(frozen=True, eq=False)
class LayerNode:
    """One layer of the graph.

    Args:
        layer: its settings, without a name; None for a stand-in, which ends in no network.
        sources: the nodes that it reads, −1 for the input.
        shape: of its output, one sample.
        weights: its parameters and running statistics by their names here: `weight`.
        name: what it is to be called if that is possible, or None.
        where: what it is called in messages.
    """

    layer: Layer | None
    sources: tuple[int, ...]
    shape: Shape
    weights: Mapping[str, Weights]
    name: str | None
    where: str


class LayerGraph:
    """Layers in the order in which they were read, each behind its sources.

    Args:
        input_shape: of one sample.

    Raises:
        ArgumentError: it is no shape.
    """

    def __init__(self, input_shape: Sequence[int]) -> None:
        self.input = Tensor(INPUT, Network(input_shape, [Flatten()]).input_shape)
        self.nodes: list[LayerNode] = []
        self.placed: dict[int, str] = {}
        """What the nodes that ended in the network are called there."""

    def add(
        self,
        layer: Layer,
        sources: Sequence[Tensor],
        weights: Mapping[str, Weights],
        name: str | None,
        where: str,
    ) -> Tensor:
        """Append a layer; its shapes are checked as a network checks them.

        Raises:
            Refusal: the layer does not fit, or its arrays have other shapes than it needs.
        """
        self._check_room()
        try:
            shapes = [(1, *source.shape) for source in sources]
            declaration = layer.declare(*shapes, training=True)
        except ShapeError as cause:
            raise Refusal(_misfit(layer.kind, cause)) from cause
        equation = declaration.equation
        wanted = {p.name: equation.shape_of[a] for a, p in declaration.parameters.items()}
        wanted |= {b.name: buffer_shape(declaration, a) for a, b in layer.running.items()}
        for key in sorted(wanted.keys() | weights.keys()):
            got = weights[key].values.shape if key in weights else None
            if got != wanted.get(key):
                raise Refusal(
                    f"{layer.kind} takes a {key} of shape {wanted.get(key)}, but the model has "
                    f"{got}"
                )
        shape = equation.shape_of[equation.target.array][1:]
        largest = largest_array(declaration)
        if largest > LARGEST:
            raise Refusal(
                f"{layer.kind} needs an array of {largest:,} numbers for one sample, and at most "
                f"{LARGEST:,} are taken"
            )
        nodes = tuple(source.node for source in sources)
        self.nodes.append(LayerNode(layer, nodes, shape, weights, name, where))
        return Tensor(len(self.nodes) - 1, shape)

    def stand_in(self, sources: Sequence[Tensor], shape: Shape, where: str) -> Tensor:
        """What a refused node would have given, so that what reads it can be looked at, too.

        Raises:
            Refusal: there are as many nodes as are taken.
        """
        self._check_room()
        read = tuple(source.node for source in sources) or (INPUT,)
        self.nodes.append(LayerNode(None, read, shape, {}, None, where))
        return Tensor(len(self.nodes) - 1, shape)

    def _check_room(self) -> None:
        if len(self.nodes) >= MOST_NODES:
            raise LimitReached(
                f"comes after {MOST_NODES:,} layers, which is the most that is taken"
            )

    def output_of(self, node: int) -> Tensor:
        """What a node gives; the input for −1."""
        return Tensor(node, self.nodes[node].shape) if node >= 0 else self.input

    def network(self, output: Tensor, dtype: np.dtype[Any], reasons: Refusals) -> Network:
        """The network that ends with `output`; what it does not need is left out.

        Args:
            output: what the last layer gives.
            dtype: of a network without arrays.
            reasons: what was refused so far, to which these are added.

        Raises:
            Refusal: there were reasons, or: no layers, branches that are not nested, weights used
                twice, mixed dtypes.
        """
        sources = [node.sources for node in self.nodes]
        needed = needed_for(sources, output.node)
        self._unshared(needed, reasons)
        held = [w for at in sorted(needed) for w in self.nodes[at].weights.values()]
        with reasons.noting():
            _copied_within_reason(held)
        with reasons.noting():
            dtype = _dtype(held, dtype)
        chain: Chain = ()
        with reasons.noting():
            if output.node == INPUT:
                raise Refusal("hands its input on: there is no layer in it")
            chain = chain_of(sources, output.node, [node.where for node in self.nodes])
        reasons.check()
        return self._made(chain, dtype)

    def _made(self, chain: Chain, dtype: np.dtype[Any]) -> Network:
        """The network of a chain without stand-ins, with its arrays."""
        order = [self.nodes[at] for at in _flat(chain)]
        names = dict(zip(_flat(chain), _names(order), strict=True))
        network = Network(self.input.shape, self._layers(chain, names), dtype=dtype)
        self.placed = {at: step.name for at, step in zip(names, network.steps, strict=True)}
        for node, step in zip(order, network.steps, strict=True):
            for key, weights in node.weights.items():
                name = f"{step.name}.{key}"
                side = network.parameters if name in network.parameters else network.buffers
                side[name] = weights.values
        return network

    def _unshared(self, nodes: set[int], reasons: Refusals) -> None:
        """Note trained weights that stand in two layers: each would get a gradient of its own.

        In a file nothing is trained, and exporters write equal arrays once: there each gets a copy.
        """
        owner: dict[str, str] = {}
        for at in sorted(nodes):
            where = self.nodes[at].where
            trained = [w.name for w in self.nodes[at].weights.values() if w.trained]
            for name in trained:
                if name in owner:
                    shares = f"shares the array {name!r} with {owner[name]}"
                    if owner[name] == where:  # a bias was added behind it in one of its places
                        shares = (
                            "is read in several places, one of them behind an added parameter, and "
                            f"would become two layers that share {name!r}"
                        )
                    reasons.note(f"{shares}; here each layer has arrays of its own", where)
            owner |= dict.fromkeys(trained, where)

    def _layers(self, chain: Chain, names: Mapping[int, str | None]) -> list[Any]:
        """The layers of a chain, with names, branches nested."""
        return [
            self._joined(entry, names)
            if isinstance(entry, Fork)
            else replace(self.nodes[entry].layer, name=names[entry])  # type: ignore[type-var]
            for entry in chain
        ]

    def _joined(self, fork: Fork, names: Mapping[int, str | None]) -> Residual | Concat:
        node, name = self.nodes[fork.join], names[fork.join]
        branches = [self._layers(branch, names) for branch in fork.branches]
        if not isinstance(node.layer, Add):
            try:
                return Concat(*branches, name=name)
            except ArgumentError as cause:
                raise Refusal(str(cause), node.where) from cause
        body, around = branches if branches[0] else reversed(branches)
        if not body:
            raise Refusal("adds an array to itself, which no layer here does", node.where)
        return Residual(body, around or None, name=name)


def _flat(chain: Chain) -> Iterator[int]:
    """The nodes in the order in which a network lays them out.

    An empty first branch of a sum comes second there, but has no nodes to change places.
    """
    for entry in chain:
        if isinstance(entry, Fork):
            for branch in entry.branches:
                yield from _flat(branch)
            yield entry.join
        else:
            yield entry


def _names(nodes: Sequence[LayerNode]) -> list[str | None]:
    """A name for each layer, None for the one it has anyway.

    What the model calls it comes first; a name for two goes to the first. The others are counted as
    a network counts them, past what is taken.
    """
    given: dict[str, int] = {}
    for place, node in enumerate(nodes):
        if node.name is not None and node.name.isidentifier() and node.name not in _RESERVED:
            given.setdefault(node.name, place)
    wanted = {place: name for name, place in given.items()}
    counts: dict[str, int] = {}
    taken, names = set(given), list[str | None]()
    for place, node in enumerate(nodes):
        assert node.layer is not None, "a stand-in ends in no network"
        prefix = node.layer.prefix
        counts[prefix] = counts.get(prefix, 0) + 1
        usual = f"{prefix}{counts[prefix]}"
        name, number = wanted.get(place, usual), counts[prefix]
        while place not in wanted and name in taken:
            number += 1
            name = f"{prefix}{number}"
        taken.add(name)
        names.append(None if name == usual else name)
    return names


def _copied_within_reason(arrays: Sequence[Weights]) -> None:
    """Check that a small file with one large array in many layers does not need much memory."""
    once = {id(_owner(held.values)): held.values.nbytes for held in arrays}
    copies = sum(held.values.nbytes for held in arrays) - sum(once.values())
    if copies > _MOST_COPIES:
        raise Refusal(
            f"shares arrays among layers, whose copies would need {copies:,} bytes; at most "
            f"{_MOST_COPIES:,} are taken"
        )


def _owner(array: np.ndarray) -> Any:
    """What holds an array's bytes: itself, or what it looks into."""
    held: Any = array
    while getattr(held, "base", None) is not None:
        held = held.base
    return held


def _dtype(arrays: Sequence[Weights], otherwise: np.dtype[Any]) -> np.dtype[Any]:
    """Of the network: that of its arrays, or another where there are none."""
    kinds: dict[np.dtype[Any], str] = {}
    for held in arrays:
        kinds.setdefault(held.values.dtype, held.name)
    if not kinds and otherwise not in (np.float32, np.float64):
        raise Refusal(f"computes in {otherwise}; make the model float32 or float64 first")
    for dtype, name in kinds.items():
        if dtype not in (np.float32, np.float64):
            raise Refusal(f"holds {name!r} as {dtype}; make the model float32 or float64 first")
    if len(kinds) > 1:
        (one, first), (other, second) = list(kinds.items())[:2]
        raise Refusal(
            f"holds {first!r} as {one} but {second!r} as {other}; make the model one dtype first"
        )
    return next(iter(kinds), otherwise).newbyteorder("=")


def _misfit(kind: str, cause: ShapeError) -> str:
    """Why a layer does not fit, with the axis in words."""
    clause = name_axis(cause.cause, cause.axis)
    return f"{kind}{':' if clause.startswith(('a ', 'the ')) else ''} {clause}"
