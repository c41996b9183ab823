"""Random graphs: branches that cross, layers in several places, joins, several inputs.

`graph` draws one for `random_networks.drawn`, which draws its samples and says what can be
compared.
"""

from __future__ import annotations

import warnings
from typing import Any

from random_networks import Draws, Shape, fitting, image_layer

import gradtrail as gt
from gradtrail.layers.functional import GraphNode

_LARGEST = 1500
"""Elements of a sample's array."""


def graph(draw: Draws) -> tuple[gt.Network, bool]:
    """A network whose ends are all read by one linear layer; whether it tells classes apart."""
    inputs = _inputs(draw)
    nodes: list[GraphNode] = [*inputs]
    used: list[tuple[Any, Shape]] = []
    for _ in range(draw.whole(2, 9)):
        made = draw.one(_called, _called, _again, _again, _joined, _joined)(draw, nodes, used)
        if made is not None and _size(made) <= _LARGEST:
            nodes.append(made)
    read = {id(source) for node in nodes for source in node.sources}
    ends = [node for node in nodes if id(node) not in read]
    rows = [gt.Flatten()(end) if len(end.shape) > 1 else end for end in ends]
    row = rows[0] if len(rows) == 1 else gt.concat(*rows)
    last = gt.Linear(draw.whole(2, 7), bias=draw.chance(0.8))
    seed = draw.whole(0, 2**31)
    return gt.Network(inputs, last(row), seed=seed), draw.chance(0.6)


def _inputs(draw: Draws) -> list[gt.Input]:
    """One to three, images of one size most of the time."""
    shape = draw.one(1, 2, 3, 4, 16, 17), draw.whole(2, 9), draw.whole(2, 9)
    found = [_input(shape) for _ in range(draw.one(1, 1, 1, 2, 2, 3))]
    if draw.chance(0.2):
        found.append(_input((draw.whole(1, 20),)))
    return found


def _input(shape: Shape) -> gt.Input:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", gt.GradtrailWarning)  # it may look like channels last
        return gt.Input(shape)


def _called(draw: Draws, nodes: list[GraphNode], used: list[tuple[Any, Shape]]) -> GraphNode:
    """A new layer on any node."""
    node = draw.one(*nodes)
    layer, _ = fitting(draw, node.shape, image_layer)
    used.append((layer, node.shape))
    return layer(node)


def _again(draw: Draws, nodes: list[GraphNode], used: list[tuple[Any, Shape]]) -> GraphNode | None:
    """A layer that stands in the graph already, on a node of as many channels."""
    fits = [
        (layer, node)
        for layer, shape in used
        for node in nodes
        if len(node.shape) == len(shape) and node.shape[0] == shape[0]
    ]
    if not fits:
        return None
    layer, node = draw.one(*fits)
    try:
        return layer(node)
    except gt.ShapeError:  # a window that does not fit, or another number of features
        return None


def _joined(draw: Draws, nodes: list[GraphNode], used: list[tuple[Any, Shape]]) -> GraphNode | None:
    """A sum, a product or a concatenation of two or three nodes; of one with itself, too."""
    first = draw.one(*nodes)
    equal = [node for node in nodes if node.shape == first.shape]
    alike = [node for node in nodes if node.shape[1:] == first.shape[1:]]
    others = [draw.one(*equal) for _ in range(draw.one(1, 1, 2))]
    beside = [draw.one(*alike) for _ in range(draw.one(1, 1, 2))]
    kind = draw.one("add", "multiply", "concat", "concat")
    if kind == "concat":
        return gt.concat(first, *beside)
    return gt.add(first, *others) if kind == "add" else gt.multiply(first, others[0])


def _size(node: GraphNode) -> int:
    size = 1
    for extent in node.shape:
        size *= extent
    return size
