"""Random graphs: branches that cross, layers in several places, joins, several inputs, over one,
two or three axes of places, and every kind of layer.

`graph` draws one for `random_networks.drawn`, which draws its samples and says what can be
compared.
"""

from __future__ import annotations

import warnings
from typing import Any

from random_layers import any_layer, fronted, joined
from random_networks import Draws, Shape, fitting

import gradtrail as gt
from gradtrail.layers.functional import GraphNode

_LARGEST = 1500
"""Elements of a sample's array."""

_BY_PLACE = (gt.Equation, gt.LayerNorm, gt.RMSNorm)
"""Layers whose parameters may follow from more than the channels."""


def graph(draw: Draws) -> tuple[gt.Network, bool]:
    """A network whose ends are all read by one linear layer, or a map; whether of classes."""
    inputs, _, last, seed, classes = _grown(draw)
    return gt.Network(inputs, last, seed=seed), classes


def forked_graph(draw: Draws) -> tuple[gt.Network, bool]:
    """The same with one or two outputs more, anywhere in it."""
    inputs, nodes, last, seed, classes = _grown(draw)
    inside = [node for node in nodes if node.sources] or [gt.ReLU()(last)]
    more = [draw.one(*inside) for _ in range(draw.one(1, 1, 2))]
    outputs = {f"end{place}": node for place, node in enumerate([last, *more])}
    return gt.Network(inputs, outputs, seed=seed), classes


def _grown(draw: Draws) -> tuple[list[gt.Input], list[GraphNode], GraphNode, int, bool]:
    """Inputs, all nodes, what all ends lead to, a seed, and whether it is of classes."""
    inputs = _inputs(draw)
    nodes: list[GraphNode] = [*inputs]
    if draw.chance(0.15):
        nodes.append(fronted(draw, inputs[0]))
    used: list[tuple[Any, Shape]] = []
    for _ in range(draw.whole(2, 8)):
        made = draw.one(_called, _called, _again, _joined, _joined)(draw, nodes, used)
        if made is not None and _size(made) <= _LARGEST:
            nodes.append(made)
    read = {id(source) for node in nodes for source in node.sources}
    ends = [node for node in nodes if id(node) not in read]
    seed, classes = draw.whole(0, 2**31), bool(draw.chance(0.6))
    if len(ends) == 1 and len(ends[0].shape) > 1 and not isinstance(ends[0], gt.Input):
        return inputs, nodes, ends[0], seed, classes
    rows = [gt.Flatten()(end) if len(end.shape) > 1 else end for end in ends]
    row = rows[0] if len(rows) == 1 else gt.concat(*rows)
    last = gt.Linear(draw.whole(2, 7), bias=draw.chance(0.8))
    return inputs, nodes, last(row), seed, classes


def _inputs(draw: Draws) -> list[gt.Input]:
    """One to three of one size most of the time, and at times a row."""
    rank = draw.one(1, 2, 2, 2, 3)
    most = {1: 16, 2: 8, 3: 4}[rank]
    shape = draw.one(1, 2, 3, 4, 17), *(draw.whole(2, most) for _ in range(rank))
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
    layer, _ = fitting(draw, node.shape, any_layer)
    used.append((layer, node.shape))
    return layer(node)


def _again(draw: Draws, nodes: list[GraphNode], used: list[tuple[Any, Shape]]) -> GraphNode | None:
    """A layer that stands in the graph already, on a node of as many channels."""
    fits = [
        (layer, node)
        for layer, shape in used
        for node in nodes
        if len(node.shape) == len(shape)
        and (node.shape[0] == shape[0] if not isinstance(layer, _BY_PLACE) else node.shape == shape)
    ]
    if not fits:
        return None
    layer, node = draw.one(*fits)
    try:
        return layer(node)
    except gt.ShapeError:  # a window that does not fit, or another number of features
        return None


def _joined(draw: Draws, nodes: list[GraphNode], used: list[tuple[Any, Shape]]) -> GraphNode | None:
    """Nodes made one, where they fit."""
    try:
        return joined(draw, nodes)
    except (gt.ArgumentError, gt.ShapeError):
        return None


def _size(node: GraphNode) -> int:
    size = 1
    for extent in node.shape:
        size *= extent
    return size
