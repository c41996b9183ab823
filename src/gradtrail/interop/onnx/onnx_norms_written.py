"""Norms as ONNX's operators, or as the arithmetic that they are in versions without them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ... import layers as available
from ...layers import Layer
from ...layers.sample_axes import checked_axes, some_axes
from ...layers.steps import Step
from .onnx_windows_written import of_every_rank
from .onnx_writing import SINCE, Writer, Writing


def _scale_and_shift(w: Writing, step: Step, count: int) -> list[str]:
    """A norm's weight and bias; ONNX wants both in any case."""
    found = w.held(step, "weight", "bias")
    ones = np.ones(count)
    return found or [w.constant(step, "ones", ones), w.constant(step, "zeros", 0 * ones)]


def _batch_norm(w: Writing, step: Step) -> None:
    """ONNX counts momentum from the other end."""
    layer: Any = step.layer
    affine = _scale_and_shift(w, step, w.shape(step)[1])
    running = w.held(step, "running_mean", "running_var")
    settings = {"epsilon": layer.eps, "momentum": 1 - layer.momentum}
    w.node("BatchNormalization", step, [*step.sources, *affine, *running], **settings)


def _instance_norm(w: Writing, step: Step) -> None:
    """With running statistics it normalises by them, as a batch norm does."""
    layer: Any = step.layer
    if layer.track_running_stats:
        _batch_norm(w, step)
        return
    affine = _scale_and_shift(w, step, w.shape(step)[1])
    w.node("InstanceNormalization", step, [*step.sources, *affine], epsilon=layer.eps)


def _group_norm(w: Writing, step: Step) -> None:
    """Before version 21 the groups are laid out as channels, each of which is normalised."""
    layer: Any = step.layer
    (source,), shape, groups = step.sources, w.shape(step), layer.num_groups
    if w.opset >= SINCE["GroupNormalization"]:
        affine = _scale_and_shift(w, step, shape[1])
        settings = {"epsilon": layer.eps, "num_groups": groups}
        w.node("GroupNormalization", step, [source, *affine], **settings)
        return
    laid = w.reshaped(step, source, [groups, -1], part="groups")
    plain = [w.constant(step, name, np.full(groups, n)) for name, n in (("ones", 1), ("zeros", 0))]
    settings = {"epsilon": layer.eps}
    normed = w.node("InstanceNormalization", step, [laid, *plain], part="normed", **settings)
    back = w.reshaped(step, normed, shape[1:], part="back" if layer.affine else "")
    if layer.affine:
        _multiplied(w, step, back, (shape[1], *[1] * (len(shape) - 2)))


def _multiplied(w: Writing, step: Step, normed: str, sizes: tuple[int, ...]) -> None:
    """The layer's output: what is normed times the weight, plus the bias, where there are any.

    Args:
        w: the model.
        step: the layer's.
        normed: the array's name.
        sizes: how weight and bias lie along the axes of a sample.
    """
    keys = [key for key in ("weight", "bias") if f"{step.owner}.{key}" in w.network.parameters]
    for operator, key in zip(("Mul", "Add"), keys, strict=False):
        factor = w.laid(step, f"{step.owner}.{key}", sizes)
        normed = w.node(operator, step, [normed, factor], part="" if key == keys[-1] else "scaled")


def _axes_of(layer: Any, shape: tuple[int, ...]) -> list[int]:
    """The axes that a norm is over, in order."""
    given = range(1, len(shape)) if layer.axes is None else layer.axes
    return sorted(checked_axes(some_axes(layer, given), shape))


def _over_last(operator: str) -> Writer:
    """A norm over the last axes; others are brought there, and back behind it."""

    def write(w: Writing, step: Step) -> None:
        layer: Any = step.layer
        (source,), shape = step.sources, w.shape(step)
        over, count = _axes_of(layer, shape), len(shape)
        if w.opset < SINCE[operator]:
            _spelt_out(w, step, over, centred=operator == "LayerNormalization")
            return
        last = over == list(range(over[0], count))
        order = [*(axis for axis in range(count) if axis not in over), *over]
        read = source if last else w.ordered(step, source, order, part="last")
        held = w.held(step, "weight", "bias")
        held = held or [w.constant(step, "ones", np.ones([shape[a] for a in over]))]
        settings = {"axis": count - len(over), "epsilon": layer.eps}
        part = "" if last else "normed"
        found = w.node(operator, step, [read, *held], part=part, **settings)
        if not last:
            w.ordered(step, found, [order.index(axis) for axis in range(count)])

    return write


def _spelt_out(w: Writing, step: Step, over: list[int], *, centred: bool) -> None:
    """A norm as arithmetic: (x − mean)/√(mean of squares + ε), times the weight, plus the bias.

    As PyTorch's exporter writes it for versions without the operator.
    """
    layer: Any = step.layer
    (source,), shape = step.sources, w.shape(step)
    axes: dict[str, Any] = {"axes": over}
    inner = source
    if centred:
        mean = w.told("ReduceMean", step, [source], axes, part="mean", keepdims=1)
        inner = w.node("Sub", step, [source, mean], part="centred")
    square = w.node("Mul", step, [inner, inner], part="square")
    variance = w.told("ReduceMean", step, [square], axes, part="variance", keepdims=1)
    eps = w.constant(step, "eps", layer.eps)
    shifted = w.node("Add", step, [variance, eps], part="shifted")
    root = w.node("Sqrt", step, [shifted], part="root")
    held = f"{step.owner}.weight" in w.network.parameters
    normed = w.node("Div", step, [inner, root], part="normed" if held else "")
    if held:
        sizes = tuple(size if axis in over else 1 for axis, size in enumerate(shape[1:], 1))
        _multiplied(w, step, normed, sizes[over[0] - 1 :])


NORM_WRITERS: Mapping[type[Layer], Writer] = {
    **of_every_rank("BatchNorm", _batch_norm),
    **of_every_rank("InstanceNorm", _instance_norm),
    available.GroupNorm: _group_norm,
    available.LayerNorm: _over_last("LayerNormalization"),
    available.RMSNorm: _over_last("RMSNormalization"),
}
"""By layer."""
