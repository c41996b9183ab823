"""To ONNX: the graph that a network computes in evaluation, as a file.

Operator set 20 (ONNX 1.15, November 2023) is the first in which GELU is an operator, and every
ONNX Runtime since 1.17 takes it; what came later brings nothing that a convolutional network here
uses. From 13 on, all other operators have the form in which they are written here; before 20, GELU
is written as arithmetic. Arrays have our names (`input`, `conv1.weight`, `conv1.output`), nodes
those of the layers.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from .. import layers as available
from ..checking.calls import call_example, checked_path
from ..equation import Margin
from ..errors import ArgumentError, FileError
from ..layers import (
    Dropout,
    Flatten,
    Layer,
    Linear,
    LogSoftmax,
    Normalize,
    Pointwise,
    PReLU,
    Softmax,
)
from ..layers.joins import Add, Join
from ..layers.steps import Step
from ..layers.windows import Windows
from ..machine.packages import optional_package
from ..network import Network
from ..storage.files import write_bytes
from .known_activations import ACTIVATIONS, KnownActivation
from .onnx_expressions import write_expression
from .onnx_file import CLASSES

OPSET = 20
OPSETS = range(13, 29)
"""What can be written; the tests hold every one to ONNX's checker and to ONNX Runtime."""

_MOST_BYTES = (1 << 31) - 1  # what a protocol buffer can hold


@call_example('gt.to_onnx(network, "model.onnx")')
def to_onnx(network: Network, path: str | os.PathLike[str], *, opset: int = OPSET) -> None:
    """Write what a network computes in evaluation as an ONNX file.

    Running statistics are in it, and dropout hands on what it gets; the batch may have any size.
    The numbers keep the network's dtype. ONNX Runtime convolves float32 only, so a network of
    float64 is for other tools, and for `from_onnx`.

    Args:
        network: any network.
        path: of the file; one that is there is replaced once the new one is complete.
        opset: the version of the operators, 13 to 28, for programs that want another one.

    Raises:
        ArgumentError: ONNX is missing or older than the operators, no path, or no such version.
        FileError: the file cannot be written, or would exceed the 2 GiB that ONNX allows.
    """
    onnx = optional_package("onnx", "to_onnx")
    checked_path("to_onnx", path, what="a file to write")
    if not isinstance(opset, int) or opset not in OPSETS:
        raise ArgumentError(
            f"to_onnx: opset must be from {OPSETS[0]} to {OPSETS[-1]}, got {opset!r}"
        )
    if opset > (newest := onnx.defs.onnx_opset_version()):
        raise ArgumentError(
            f"to_onnx: onnx {onnx.__version__} knows operators up to version {newest}, not "
            f"{opset}; update it, or take opset={newest}"
        )
    size = sum(array.nbytes for array in (*network.parameters.values(), *network.buffers.values()))
    if size > _MOST_BYTES - (1 << 24):
        raise FileError(f"cannot write {path}: {size:,} bytes of weights, and ONNX allows 2 GiB")
    model = Writing(network, onnx, opset).model()
    onnx.checker.check_model(model, full_check=True)
    write_bytes(path, model.SerializeToString(deterministic=True))


class Writing:
    """One network on its way into a model.

    Args:
        network: that is written.
        onnx: the package.
        opset: the version of the operators.
    """

    def __init__(self, network: Network, onnx: Any, opset: int) -> None:
        self.network, self.helper, self.opset = network, onnx.helper, opset
        self.shapes = network.system(1).shapes
        self.arrays: list[Any] = []
        self.nodes: list[Any] = []

    def model(self) -> Any:
        """The model."""
        for step in self.network.steps:
            write = _WRITERS.get(type(step.layer))
            if write is None:
                raise ArgumentError(f"to_onnx: ONNX has no operator for {step.layer.kind}")
            write(self, step)
        helper, network = self.helper, self.network
        graph = helper.make_graph(
            self.nodes,
            "network",
            [self.description_of(network.input_name)],
            [self.description_of(network.output_name)],
            self.arrays,
        )
        operators = [helper.make_opsetid("", self.opset)]
        model = helper.make_model(
            graph,
            ir_version=helper.find_min_ir_version_for(operators),
            opset_imports=operators,
            producer_name="gradtrail",
        )
        if self.network.classes is not None:
            names = json.dumps(list(self.network.classes), ensure_ascii=False)
            helper.set_model_props(model, {CLASSES: names})
        return model

    def description_of(self, name: str) -> Any:
        """An array's name, dtype and shape; the batch is N."""
        kind = self.helper.np_dtype_to_tensor_dtype(self.network.dtype)
        return self.helper.make_tensor_value_info(name, kind, ["N", *self.shapes[name][1:]])

    def held(self, step: Step, *keys: str) -> list[str]:
        """Put a layer's parameters or running statistics into the model, those that there are."""
        names = [f"{step.name}.{key}" for key in keys]
        sides = (self.network.parameters, self.network.buffers)
        return [self.array(name, side[name]) for name in names for side in sides if name in side]

    def array(self, name: str, values: np.ndarray) -> str:
        """Put an array into the model."""
        kind = self.helper.np_dtype_to_tensor_dtype(values.dtype)
        content = np.ascontiguousarray(values).astype(values.dtype.newbyteorder("<")).tobytes()
        self.arrays.append(self.helper.make_tensor(name, kind, values.shape, content, raw=True))
        return name

    def node(
        self,
        operator: str,
        step: Step,
        inputs: list[str],
        *,
        part: str = "",
        **attributes: Any,
    ) -> str:
        """Append a node; one that is only a part of a layer has its name behind the layer's."""
        name = f"{step.name}.{part}" if part else step.name
        output = name if part else step.output
        self.nodes.append(
            self.helper.make_node(operator, inputs, [output], name=name, **attributes)
        )
        return output


_Writer = Callable[[Writing, Step], None]


def _sizes(window: Windows, margins: Sequence[Margin] = ()) -> dict[str, Any]:
    """A window's settings as attributes, with its own margins or with others."""
    before, behind = zip(*(margins or window.margins), strict=True)
    return {
        "kernel_shape": list(window.kernel),
        "strides": list(window.stride),
        "pads": [*before, *behind],
    }


def _dilated(window: Windows) -> dict[str, Any]:
    return _sizes(window) | {"dilations": list(window.dilation)}


def _conv_transpose(layer: Any) -> dict[str, Any]:
    """What the window crops behind is less by the output padding; ONNX takes the two apart.

    ONNX Runtime wants output padding below the stride, even with a dilation. Where it is not, less
    is cropped behind instead, as far as anything is cropped.
    """
    window = layer.windows
    before, extra = [p for p, _ in window.margins], layer.added
    behind = [q + e for (_, q), e in zip(window.margins, extra, strict=True)]
    less = [
        min(q, e) if e >= s else 0 for q, e, s in zip(behind, extra, window.stride, strict=True)
    ]
    return {
        **_dilated(window),
        "group": layer.groups,
        "pads": [*before, *(q - a for q, a in zip(behind, less, strict=True))],
        "output_padding": [e - a for e, a in zip(extra, less, strict=True)],
    }


def _max_pool(w: Writing, step: Step) -> None:
    """What `ceil_mode` reaches behind is padding, which never wins."""
    layer: Any = step.layer
    reached = layer.reached(w.shapes[step.sources[0]])
    dilations = list(layer.windows.dilation)
    w.node("MaxPool", step, [*step.sources], **_sizes(layer.windows, reached), dilations=dilations)


def _average_pool(w: Writing, step: Step) -> None:
    """What `ceil_mode` reaches behind is padding that does not count, so that none may count."""
    layer: Any = step.layer
    reached = layer.reached(w.shapes[step.sources[0]])
    beyond, padded = reached != layer.windows.margins, any(map(any, layer.windows.margins))
    counted = layer.count_include_pad and padded
    if layer.divisor_override is not None or (beyond and counted):
        what = "divisor_override" if layer.divisor_override is not None else "ceil_mode"
        raise ArgumentError(f"to_onnx: ONNX's AveragePool has no {what} as {layer!r} has it")
    counts = counted if beyond else layer.count_include_pad
    settings = {**_sizes(layer.windows, reached), "count_include_pad": int(counts)}
    w.node("AveragePool", step, [*step.sources], **settings)


def _global(operator: str) -> _Writer:
    """A pooling of whole maps, whose axes of size 1 are left out."""

    def write(w: Writing, step: Step) -> None:
        pooled = w.node(operator, step, [*step.sources], part="maps")
        w.node("Flatten", step, [pooled], axis=1)

    return write


def _norm(w: Writing, step: Step) -> None:
    """ONNX wants a scale and a shift in any case, and counts momentum from the other end."""
    layer: Any = step.layer
    affine = w.held(step, "weight", "bias")
    if not affine:
        channels = w.shapes[step.sources[0]][1]
        ones = np.ones(channels, w.network.dtype)
        affine = [w.array(f"{step.name}.ones", ones), w.array(f"{step.name}.zeros", 0 * ones)]
    running = w.held(step, "running_mean", "running_var")
    settings = {"epsilon": layer.eps, "momentum": 1 - layer.momentum}
    w.node("BatchNormalization", step, [*step.sources, *affine, *running], **settings)


def _instance_norm(w: Writing, step: Step) -> None:
    """With running statistics it normalises by them, as a batch norm does."""
    layer: Any = step.layer
    if layer.track_running_stats:
        _norm(w, step)
        return
    affine = w.held(step, "weight", "bias")
    if not affine:
        ones = np.ones(w.shapes[step.sources[0]][1], w.network.dtype)
        affine = [w.array(f"{step.name}.ones", ones), w.array(f"{step.name}.zeros", 0 * ones)]
    w.node("InstanceNormalization", step, [*step.sources, *affine], epsilon=layer.eps)


def _layer_norm(w: Writing, step: Step) -> None:
    """ONNX normalises over the last axes; one axis that is not the last is exchanged with it."""
    layer: Any = step.layer
    if w.opset < 17:
        raise ArgumentError(f"to_onnx: LayerNorm needs opset=17 or later, not {w.opset}")
    (source,) = step.sources
    shape = w.shapes[source]
    count = len(shape)
    given = range(1, count) if layer.axes is None else np.atleast_1d(layer.axes)
    over = sorted(int(axis) % count for axis in given)
    last = over == list(range(over[0], count))
    if not last and len(over) > 1:
        raise ArgumentError(f"to_onnx: ONNX has no norm over axes {over} of {count}, not the last")
    order = [*(axis for axis in range(count) if axis not in over), *over]
    read = source if last else w.node("Transpose", step, [source], part="last", perm=order)
    held = w.held(step, "weight", "bias")
    if not held:
        held = [w.array(f"{step.name}.ones", np.ones([shape[a] for a in over], w.network.dtype))]
    settings = {"axis": count - len(over), "epsilon": layer.eps}
    name = "" if last else "normed"
    found = w.node("LayerNormalization", step, [read, *held], part=name, **settings)
    if not last:
        w.node("Transpose", step, [found], perm=[order.index(axis) for axis in range(count)])


def _dropout(w: Writing, step: Step) -> None:
    """Without its input `training_mode` it hands on what it gets; p is there for whoever trains."""
    p = np.array(step.layer.p, np.float32)  # type: ignore[attr-defined]
    w.node("Dropout", step, [*step.sources, w.array(f"{step.name}.p", p)])


def _normalize(w: Writing, step: Step) -> None:
    layer: Any = step.layer
    (source,) = step.sources
    rank = len(w.shapes[source])

    def constants(name: str, numbers: Any) -> str:
        values = np.asarray(numbers, w.network.dtype)
        shaped = values.reshape(-1, *[1] * (rank - 2)) if values.ndim else values
        return w.array(f"{step.name}.{name}", shaped)

    centred = w.node("Sub", step, [source, constants("mean", layer.mean)], part="centred")
    w.node("Div", step, [centred, constants("std", layer.std)])


def _operator(
    operator: str, attributes: Callable[[Any], Mapping[str, Any]] = lambda layer: {}
) -> _Writer:
    """A layer that is one operator, which reads its weight and bias behind its inputs."""

    def write(w: Writing, step: Step) -> None:
        inputs = [*step.sources, *w.held(step, "weight", "bias")]
        w.node(operator, step, inputs, **attributes(step.layer))

    return write


def _activation(known: KnownActivation) -> _Writer:
    """One operator with its settings, where there is one, else one for each operation."""

    def write(w: Writing, step: Step) -> None:
        layer: Any = step.layer
        if known.operator is None or not known.is_operator(layer, w.opset):
            write_expression(w, step, layer.function.body, {"x": step.sources[0]})
            return
        attributes = {theirs: getattr(layer, ours) for ours, theirs in known.attributes.items()}
        attributes |= {name: value for name, (value, _) in known.there.fixed.items()}
        w.node(known.operator, step, [*step.sources], **attributes)

    return write


def _pointwise(w: Writing, step: Step) -> None:
    layer: Any = step.layer
    write_expression(w, step, layer.body, dict(zip(layer.inputs, step.sources, strict=True)))


def _prelu(w: Writing, step: Step) -> None:
    """The slopes stand along the channels, as they do in the sample's shape."""
    (source,) = step.sources
    slopes = w.network.parameters[f"{step.name}.weight"]
    shaped = slopes.reshape(-1, *[1] * (len(w.shapes[source]) - 2))
    w.node("PRelu", step, [source, w.array(f"{step.name}.weight", shaped)])


def _of_every_rank(kind: str, write: _Writer) -> dict[type[Layer], _Writer]:
    """The classes of a layer over one, two and three axes, which are written alike."""
    return {getattr(available, f"{kind}{rank}d"): write for rank in (1, 2, 3)}


_WRITERS: Mapping[type[Layer], _Writer] = {
    **{known.layer: _activation(known) for known in ACTIVATIONS},
    **_of_every_rank("AvgPool", _average_pool),
    **_of_every_rank("BatchNorm", _norm),
    **_of_every_rank(
        "Conv", _operator("Conv", lambda layer: {**_dilated(layer.windows), "group": layer.groups})
    ),
    **_of_every_rank("ConvTranspose", _operator("ConvTranspose", _conv_transpose)),
    **_of_every_rank("Dropout", _dropout),
    **_of_every_rank("GlobalAvgPool", _global("GlobalAveragePool")),
    **_of_every_rank("GlobalMaxPool", _global("GlobalMaxPool")),
    **_of_every_rank("InstanceNorm", _instance_norm),
    **_of_every_rank("MaxPool", _max_pool),
    Add: _operator("Add"),
    Dropout: _dropout,
    Flatten: _operator("Flatten", lambda layer: {"axis": 1}),
    Join: _operator("Concat", lambda layer: {"axis": 1}),
    available.LayerNorm: _layer_norm,
    Linear: _operator("Gemm", lambda layer: {"transB": 1}),
    LogSoftmax: _operator("LogSoftmax", lambda layer: {"axis": layer.dim}),
    Normalize: _normalize,
    PReLU: _prelu,
    Pointwise: _pointwise,
    Softmax: _operator("Softmax", lambda layer: {"axis": layer.dim}),
}
"""How each layer is written."""
