"""The flat graph that an importer builds, and the network that it becomes."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ...errors import ShapeError
from ...layers import Flatten, Layer
from ...layers.bounds import LARGEST, largest_array
from ...layers.functional import GraphNode, Input
from ...layers.layer import buffer_shape
from ...network import Network
from ...showing.axis_names import name_axis
from .constants import CONSTANT
from .refusals import LimitReached, Refusal, Refusals
from .values import Shape, Tensor, Weights

INPUT = -1
_MOST_NODES = 8000  # a residual network of 1,001 layers with gates has 5,300

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
        self.inputs = [self.input]
        self.input_names: list[str | None] = [None]
        self.nodes: list[LayerNode] = []
        self._times: dict[str, int] = {}
        self.placed: dict[int, str] = {}
        """What the nodes that ended in the network are called there."""
        self.input_places: dict[int, str] = {}
        """What the inputs that are read are called there, by their place among all."""
        self.owners: dict[int, str] = {}
        """The same of those with arrays of their own."""

    def add_input(self, shape: Sequence[int], name: str | None) -> Tensor:
        """A further input.

        Args:
            shape: of one sample.
            name: what it is to be called, or None.

        Raises:
            ArgumentError: it is no shape.
        """
        checked = Network(shape, [Flatten()]).input_shape
        self.inputs.append(Tensor(-1 - len(self.inputs), checked))
        self.input_names.append(name)
        return self.inputs[-1]

    def reach(self, where: str) -> None:
        """A node of the model is read next; layers are in the order of the nodes they come from."""
        self._times.setdefault(where, len(self._times))

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
                    f"{layer.kind} takes a {key} of shape {wanted.get(key)} for samples of "
                    f"{sources[0].shape}, but the model has {got}"
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
        if len(self.nodes) >= _MOST_NODES:
            raise LimitReached(
                f"comes after {_MOST_NODES:,} layers, which is the most that is taken"
            )

    def output_of(self, node: int) -> Tensor:
        """What a node gives; the inputs for −1, −2, …"""
        return Tensor(node, self.nodes[node].shape) if node >= 0 else self.inputs[-1 - node]

    def network(self, output: Tensor, dtype: np.dtype[Any], reasons: Refusals) -> Network:
        """The network that ends with `output`; what it does not need is left out.

        Args:
            output: what the last layer gives.
            dtype: of a network without arrays.
            reasons: what was refused so far, to which these are added.

        Raises:
            Refusal: there were reasons, or: no layers, arrays that several layers share, mixed
                dtypes.
        """
        needed = self._needed_for(output)
        held = [w for at in needed for w in self.nodes[at].weights.values()]
        owners = self._owners(needed, reasons)
        with reasons.noting():
            _copied_within_reason(held)
        with reasons.noting():
            dtype = _dtype(held, dtype)
        if output.node < 0:
            reasons.note("hands its input on: there is no layer in it", "the model")
        reasons.check()
        return self._made(needed, owners, output, dtype)

    def _needed_for(self, output: Tensor) -> list[int]:
        """The nodes that an output depends on, its own included, in order; not the input."""
        found, waiting = set[int](), [output.node]
        while waiting:
            at = waiting.pop()
            if at >= 0 and at not in found:
                found.add(at)
                waiting += self.nodes[at].sources
        times: dict[int, int] = {}  # what waited, as a permutation does, comes after its sources
        for at in sorted(found):
            sources = (times.get(source, 0) for source in self.nodes[at].sources)
            times[at] = max((self._times.get(self.nodes[at].where, 0), *sources))
        return sorted(found, key=lambda at: (times[at], at))

    def _made(
        self, needed: Sequence[int], owners: Mapping[int, int], output: Tensor, dtype: np.dtype[Any]
    ) -> Network:
        """The network of nodes without stand-ins, with its arrays."""
        inputs = self._inputs_of(needed)
        values: dict[int, GraphNode] = {self.inputs[at].node: inputs[at] for at in inputs}
        first = list(inputs.values())
        taken = {name for node in first if (name := node.name) is not None}
        names = dict(zip(needed, _names([self.nodes[at] for at in needed], taken), strict=True))
        layers: dict[int, Layer] = {}
        for at in needed:
            owner, node = owners.get(at, at), self.nodes[at]
            if owner == at:
                layers[at] = replace(node.layer, name=names[at])  # type: ignore[type-var, assignment]
            values[at] = layers[owner](*(values[source] for source in node.sources))
        network = Network(first if len(first) > 1 else first[0], values[output.node], dtype=dtype)
        self.placed = {at: step.name for at, step in zip(needed, network.steps, strict=True)}
        self.input_places = dict(zip(inputs, network.inputs, strict=True))
        self.owners = {at: self.placed[at] for at in layers}
        frozen = list[str]()
        for at in layers:
            for key, weights in self.nodes[at].weights.items():
                name = f"{self.placed[at]}.{key}"
                side = network.parameters if name in network.parameters else network.buffers
                side[name] = weights.values
                frozen += [name] * weights.frozen
        network.frozen = tuple(frozen)
        return network

    def _inputs_of(self, needed: Sequence[int]) -> dict[int, Input]:
        """The inputs that some nodes read, by place; several keep names that inputs may have."""
        read = {source for at in needed for source in self.nodes[at].sources}
        used = [at for at, tensor in enumerate(self.inputs) if tensor.node in read]
        kept = [name if len(used) > 1 and name != "loss" else None for name in self.input_names]
        return {at: Input(self.inputs[at].shape, name=kept[at]) for at in used}

    def _owners(self, nodes: Sequence[int], reasons: Refusals) -> dict[int, int]:
        """The node whose layer another uses again, because both train the same arrays.

        In a file nothing is trained, and exporters write equal arrays once: there each node gets a
        copy. Nodes that share some arrays, but are not one layer, are noted.
        """
        first: dict[str, int] = {}
        owners: dict[int, int] = {}
        for at in nodes:
            node = self.nodes[at]
            trained = {key: w.name for key, w in node.weights.items() if w.trained}
            met = {first[name] for name in trained.values() if name in first}
            owner = min(met, default=at)
            if met and _is_again(node, self.nodes[owner]) and len(met) == 1:
                owners[at] = owner
            elif met:
                name = next(name for name in trained.values() if name in first)
                other = self.nodes[first[name]].where
                reasons.note(
                    f"shares the array {name!r} with {other}, of which it is no second call: its "
                    "settings or its other arrays differ, so no one layer is both"
                    if other != node.where
                    else f"is read in several places, with other arrays beside {name!r} in each of "
                    "them, so no one layer is all of it",
                    node.where,
                )
            for name in trained.values():
                first.setdefault(name, at)
        return owners


def _is_again(node: LayerNode, other: LayerNode) -> bool:
    """Whether two nodes are two calls of one layer."""
    arrays = [{key: w.name for key, w in n.weights.items()} for n in (node, other)]
    return node.layer == other.layer and arrays[0] == arrays[1]


def _names(nodes: Sequence[LayerNode], inputs: Collection[str]) -> list[str | None]:
    """A name for each layer, None for the one it has anyway; none that an input has.

    What the model calls it comes first; a name for two goes to the first. The others are counted as
    a network counts them, past what is taken.
    """
    given: dict[str, int] = {}
    for place, node in enumerate(nodes):
        name = node.name
        if name is not None and name.isidentifier() and name not in {*_RESERVED, *inputs}:
            given.setdefault(name, place)
    wanted = {place: name for name, place in given.items()}
    counts: dict[str, int] = {}
    taken, names = {*given, *inputs}, list[str | None]()
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
        if held.name != CONSTANT:  # it is cast
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
