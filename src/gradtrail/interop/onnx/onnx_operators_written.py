"""How each layer is written in ONNX's operators; to add one, add it to a table.

A writer takes the model in the making and a step of the network. Windows, norms, shapes and
formulas have files of their own, each with its table.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ... import layers as available
from ...layers import (
    Dropout,
    Layer,
    Linear,
    LogSoftmax,
    MatMul,
    Normalize,
    Pointwise,
    PReLU,
    Softmax,
)
from ...layers.joins import Add, Multiply
from ...layers.sample_axes import checked_axes, some_axes
from ...layers.steps import Step
from ..known_activations import ACTIVATIONS, KnownActivation
from .onnx_expressions import write_expression
from .onnx_norms_written import NORM_WRITERS
from .onnx_shapes_written import SHAPE_WRITERS
from .onnx_windows_written import WINDOW_WRITERS, of_every_rank
from .onnx_writing import Writer, Writing, one_operator

# -- sums and products ----------------------------------------------------------------------------


def _folded(operator: str) -> Writer:
    """An operator over all inputs, from the first to the last."""

    def write(w: Writing, step: Step) -> None:
        found, *others = w.met(step)
        for place, other in enumerate(others, 1):
            part = "" if place == len(others) else "of_some"
            found = w.node(operator, step, [found, other], part=part)

    return write


def _linear(w: Writing, step: Step) -> None:
    """Before version 11 Gemm wants a bias; without one it is a product, of the weight turned."""
    name = f"{step.owner}.weight"
    if w.opset < 11 and not step.layer.bias:  # type: ignore[attr-defined]
        weight = w.array(name, w.network.parameters[name].T)
        w.node("MatMul", step, [*step.sources, weight])
        return
    w.node("Gemm", step, [*step.sources, *w.held(step, "weight", "bias")], transB=1)


def _matmul(w: Writing, step: Step) -> None:
    layer: Any = step.layer
    count = len(w.shape(step))
    turned = [*range(count - 2), count - 1, count - 2]
    flags = zip(step.sources, (layer.transpose_a, layer.transpose_b), strict=True)
    read = [w.ordered(step, x, turned, part="turned") if flag else x for x, flag in flags]
    w.node("MatMul", step, read)


def _reduction(operator: str) -> Writer:
    """The mean, the sum or the maximum over axes."""

    def write(w: Writing, step: Step) -> None:
        layer: Any = step.layer
        axes = sorted(checked_axes(some_axes(layer, layer.axes), w.shape(step)))
        w.told(operator, step, step.sources, {"axes": axes}, keepdims=int(layer.keepdim))

    return write


# -- element by element ---------------------------------------------------------------------------


def _activation(known: KnownActivation) -> Writer:
    """One operator with its settings, where there is one, else one for each operation."""

    def write(w: Writing, step: Step) -> None:
        layer: Any = step.layer
        if known.operator is None or not known.is_operator(layer, w.opset):
            write_expression(w, step, layer.function.body, {"x": step.sources[0]})
            return
        attributes = {theirs: getattr(layer, ours) for ours, theirs in known.attributes.items()}
        attributes |= {name: value for name, (value, _) in known.there.fixed.items()}
        w.node(known.operator, step, step.sources, **attributes)

    return write


def _pointwise(w: Writing, step: Step) -> None:
    layer: Any = step.layer
    write_expression(w, step, layer.body, dict(zip(layer.inputs, w.met(step), strict=True)))


def _prelu(w: Writing, step: Step) -> None:
    """The slopes stand along the channels, as they do in the sample's shape."""
    sizes = [-1, *[1] * (len(w.shape(step)) - 2)]
    w.node("PRelu", step, [*step.sources, w.laid(step, f"{step.owner}.weight", sizes)])


def _normalize(w: Writing, step: Step) -> None:
    layer: Any = step.layer
    rank = len(w.shape(step))

    def constants(name: str, numbers: Any) -> str:
        values = np.asarray(numbers)
        shaped = values.reshape(-1, *[1] * (rank - 2)) if values.ndim else values
        return w.constant(step, name, shaped)

    centred = w.node("Sub", step, [*step.sources, constants("mean", layer.mean)], part="centred")
    w.node("Div", step, [centred, constants("std", layer.std)])


def _softmax(operator: str) -> Writer:
    """Before version 13 it is over all axes from one on: the one that is meant is made the last."""

    def write(w: Writing, step: Step) -> None:
        layer: Any = step.layer
        (source,), count = step.sources, len(w.shape(step))
        axis = layer.dim % count
        if w.opset >= 13 or axis == count - 1:
            w.node(operator, step, [source], axis=axis)
            return
        order = list(range(count))
        order[axis], order[-1] = order[-1], order[axis]
        turned = w.ordered(step, source, order, part="last")
        w.ordered(step, w.node(operator, step, [turned], part="along", axis=count - 1), order)

    return write


# -- what is random in training -------------------------------------------------------------------


def _dropout(w: Writing, step: Step) -> None:
    """Without its input `training_mode` it hands on what it gets; p is there for whoever trains."""
    p: Any = step.layer.p  # type: ignore[attr-defined]
    if w.opset >= 12:
        ratio = w.array(f"{step.name}.p", np.array(p, np.float32))
        w.node("Dropout", step, [*step.sources, ratio])
    else:
        w.node("Dropout", step, step.sources, ratio=p)


WRITERS: Mapping[type[Layer], Writer] = {
    **SHAPE_WRITERS,
    **WINDOW_WRITERS,
    **NORM_WRITERS,
    **{known.layer: _activation(known) for known in ACTIVATIONS},
    **of_every_rank("Dropout", _dropout),
    Add: _folded("Add"),
    Dropout: _dropout,
    Linear: _linear,
    LogSoftmax: _softmax("LogSoftmax"),
    MatMul: _matmul,
    available.Max: _reduction("ReduceMax"),
    available.Mean: _reduction("ReduceMean"),
    Multiply: _folded("Mul"),
    Normalize: _normalize,
    PReLU: _prelu,
    Pointwise: _pointwise,
    Softmax: _softmax("Softmax"),
    available.StochasticDepth: one_operator("Identity"),
    available.Sum: _reduction("ReduceSum"),
}
"""By layer."""
