"""Layers of every kind over any places, and joins: what random graphs are made of.

`EXCLUDED` says which layers no drawing gives, and why; a test holds that there are no others.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import numpy as np
from random_formulas import formula_for
from random_networks import Draws, Shape, image_layer
from random_ranks import of_rank, windowed
from random_shapes import rearranged

import gradtrail as gt
from gradtrail.layers.functional import GraphNode

EXCLUDED = {
    "Tanhshrink": "x − tanh(x) loses digits near 0; its own comparison takes that into account",
    "Normalize": "a network has it in front of all others; drawn so by `fronted`",
}


def any_layer(draw: Draws, shape: Shape) -> Any:
    """A layer for a sample of any shape, which need not fit."""
    if len(shape) == 1:
        return draw.one(image_layer, image_layer, _formula, _pointwise)(draw, shape)
    kinds: tuple[Callable[..., Any], ...] = (windowed, windowed, windowed, rearranged, rearranged)
    if len(shape) == 3:
        kinds += (image_layer,) * 3
    rare = (_formula, _pointwise, _activation, _surrounded, _selected, _resized, _ending)
    return draw.one(*kinds, *rare)(draw, shape)


def _formula(draw: Draws, shape: Shape) -> Any:
    return formula_for(shape, draw.generator)


def _pointwise(draw: Draws, shape: Shape) -> Any:
    return gt.Pointwise(draw.one("x*sigmoid(x)", "exp(-x*x)", "clip(x, -0.5, 0.75)**2", "x/2 + 1"))


def _activation(draw: Draws, shape: Shape) -> Any:
    """Those that images have seldom."""
    return draw.one(
        *(gt.Threshold(0.1, -0.3), gt.Softshrink(0.2), gt.LogSoftmax(1), gt.LeakyReLU(0.2)),
        *(gt.GELU(), gt.PReLU(), gt.ReLU6(), gt.Hardswish(), gt.Mish(), gt.SELU()),
    )


def _surrounded(draw: Draws, shape: Shape) -> Any:
    """A convolution with something else than zeros around."""
    rank = len(shape) - 1
    mode = draw.one("reflect", "replicate", "circular")
    return of_rank("Conv", rank)(
        draw.whole(1, 5), 3, stride=draw.one(1, 2), padding=draw.one(1, 2), padding_mode=mode
    )


def _selected(draw: Draws, shape: Shape) -> Any:
    axis = draw.whole(1, len(shape))
    size = shape[axis - 1]
    return gt.IndexSelect(
        tuple(draw.whole(-size, size - 1) for _ in range(draw.whole(1, 6))), axis=axis
    )


def _resized(draw: Draws, shape: Shape) -> Any:
    """As ONNX resizes, where PyTorch can do the same."""
    if len(shape) == 2:
        return gt.Resize(draw.whole(1, 6), positions="asymmetric")
    if len(shape) == 4:
        raise gt.ShapeError("PyTorch has no peer over three axes")
    size, mode = (draw.whole(1, 6), draw.whole(1, 6)), draw.one("linear", "cubic")
    if draw.chance(0.5):
        return gt.Resize(size, mode, cubic=-0.5, antialias=True, exclude_outside=True)
    return gt.Resize(size, mode, positions=draw.one("half_pixel", "align_corners"))


def _ending(draw: Draws, shape: Shape) -> Any:
    """No places are left."""
    return of_rank(draw.one("GlobalAvgPool", "GlobalMaxPool"), len(shape) - 1)()


def fronted(draw: Draws, node: GraphNode) -> GraphNode:
    """A node normalised by given numbers."""
    count = node.shape[0]
    mean, std = draw.uniform((count,)), draw.uniform((count,), 0.5, 2.0)
    return gt.Normalize(tuple(mean.tolist()), tuple(std.tolist()))(node)


# -- joins ------------------------------------------------------------------------------------


def joined(draw: Draws, nodes: Sequence[GraphNode]) -> GraphNode:
    """Several nodes, or one with itself, made one; sizes need not fit."""
    first = draw.one(*nodes)
    equal = [node for node in nodes if node.shape == first.shape]
    return draw.one(*dict.fromkeys(JOINS.values()))(draw, first, equal, nodes)


def _sum(draw: Draws, first: GraphNode, equal: list[GraphNode], nodes: Any) -> GraphNode:
    return gt.add(first, *(draw.one(*equal) for _ in range(draw.one(1, 1, 2))))


def _product(draw: Draws, first: GraphNode, equal: list[GraphNode], nodes: Any) -> GraphNode:
    return gt.multiply(first, draw.one(*equal))


def _side_by_side(draw: Draws, first: GraphNode, equal: Any, nodes: Any) -> GraphNode:
    alike = [node for node in nodes if node.shape[1:] == first.shape[1:]]
    return gt.concat(first, *(draw.one(*alike) for _ in range(draw.one(1, 1, 2))))


def _gate(draw: Draws, first: GraphNode, equal: list[GraphNode], nodes: Any) -> GraphNode:
    """A number for each channel, as a row or as maps of one, or for each place."""
    rank = len(first.shape) - 1
    if not rank:
        return gt.multiply(first, gt.Sigmoid()(gt.Linear(first.shape[0])(first)))
    source = draw.one(*equal)
    kind = draw.one("row", "maps", "place")
    if kind == "place":
        gate = gt.Sigmoid()(of_rank("Conv", rank)(1, 1)(source))
    elif kind == "row":
        pooled = of_rank("GlobalAvgPool", rank)()(source)
        gate = gt.Hardsigmoid()(gt.Linear(first.shape[0])(pooled))
    else:
        gate = gt.Sigmoid()(of_rank("AdaptiveAvgPool", rank)((1,) * rank)(source))
    return gt.multiply(first, gate) if draw.chance(0.5) else gt.multiply(gate, first)


def _formula_of_two(draw: Draws, first: GraphNode, equal: Any, nodes: Any) -> GraphNode:
    text = draw.one("a*sigmoid(b) - b/2", "tanh(a)*b + a", "(1 - a)*exp(-b*b)")
    return gt.Pointwise(text)(first, draw.one(*equal))


def _matrices(draw: Draws, first: GraphNode, equal: list[GraphNode], nodes: Any) -> GraphNode:
    """Queries and keys, in one order or the other."""
    flags = {draw.one("transpose_a", "transpose_b"): True}
    return gt.MatMul(**flags)(first, draw.one(*equal))


def _chosen(draw: Draws, first: GraphNode, equal: list[GraphNode], nodes: Any) -> GraphNode:
    """The greatest or the least of several."""
    return draw.one(gt.maximum, gt.minimum)(first, *(draw.one(*equal) for _ in range(2)))


def _cut(draw: Draws, first: GraphNode, equal: Any, nodes: Any) -> GraphNode:
    """Channels cut in two and put together the other way round."""
    front = draw.whole(1, max(1, first.shape[0] - 1))
    parts = gt.split(first, [front, first.shape[0] - front])
    return gt.concat(gt.Tanh()(parts[1]), parts[0])


JOINS: dict[str, Callable[..., GraphNode]] = {
    "add": _sum,
    "multiply": _product,
    "concat": _side_by_side,
    "gate": _gate,
    "pointwise": _formula_of_two,
    "matmul": _matrices,
    "maximum": _chosen,
    "minimum": _chosen,
    "split": _cut,
}


# -- what there is ----------------------------------------------------------------------------


def within(layer: Any) -> Iterator[Any]:
    """A layer, and those in its branches."""
    yield layer
    inside: Iterable[Any] = vars(layer).values() if not isinstance(layer, gt.Linear) else ()
    for held in inside:
        for one in held if isinstance(held, list | tuple) else ():
            for each in one if isinstance(one, list | tuple) else (one,):
                if hasattr(each, "settings"):
                    yield from within(each)


def drawn_until(wanted: set[str], most: int = 9000) -> set[str]:
    """The names of the classes that draws give, over every number of axes, until all are there."""
    draw, found = Draws(np.random.Generator(np.random.PCG64(99))), set[str]()
    for at in range(most):
        if wanted <= found:
            break
        shape = (draw.one(2, 3, 4), *(draw.whole(3, 6) for _ in range(at % 4)))
        try:
            layer = any_layer(draw, shape)
        except (gt.ArgumentError, gt.ShapeError):
            continue
        found |= {type(one).__name__ for one in within(layer)}
    return found
