"""From ONNX: a file's nodes are read in order, and become layers."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from heapq import heappop, heappush
from math import prod
from typing import Any

from ...checking.calls import call_example, checked_path
from ...errors import ArgumentError, FileError, GradtrailError, ShapeError
from ...machine.packages import optional_package
from ...network import Network
from ..reading.building import Builder
from ..reading.refusals import UNKNOWN, Refusal, Refusals
from ..reading.values import OneSample, Shape, Value
from .onnx_file import Model, Operation, read_model
from .onnx_folding import folded
from .onnx_one_sample import output_of, read_node
from .onnx_operators import OPERATORS
from .onnx_sizes import Converter
from .onnx_view import View

_NAMES = (
    "Abs Add BatchNormalization Celu Clip Cos Div Dropout Elu Erf Exp Gelu GroupNormalization "
    "HardSigmoid HardSwish InstanceNormalization LRN LayerNormalization LeakyRelu Log LogSoftmax "
    "LpNormalization Max Min Mish Mul Neg PRelu Pow Reciprocal Relu Selu Sigmoid Sign Sin Softmax "
    "Softplus Softsign Sqrt Sub Sum Swish Tanh ThresholdedRelu"
)
_WEIGHING = ("BatchNormalization", "Conv", "ConvTranspose", "Gemm", "MatMul")
_SCOPES = re.compile(r"/(?P<module>[^/].*)/(?P<operator>[A-Za-z]+)")
_SHAPE_KEEPING = frozenset(_NAMES.split())
"""Operators, those without a layer among them, that give the shape of their largest input."""


@call_example('gt.from_onnx("model.onnx")')
def from_onnx(
    path: str | os.PathLike[str],
    *,
    input_shape: Sequence[int] | Mapping[str, Sequence[int]] | None = None,
    output: str | None = None,
    batched: bool = True,
) -> Network:
    """The network in an ONNX file, with its weights and running statistics.

    A layer with weights is called what they are called there, with dots as underscores
    (`layer1.0.conv1.weight` makes `layer1_0_conv1`), another one like its node, if those are names
    at all; where the file says which of PyTorch's modules a node was, like that module (but for a
    convolution with a batch norm folded into it, which keeps its own name). Otherwise
    `conv1, relu1, …` as always. A softmax at the end is left out, since `CrossEntropy` includes it:
    the network gives the logits. Arithmetic that is a layer (a GELU written with erf, x·sigmoid(x),
    a bias that is added, the normalisation of the input) becomes that layer.

    Args:
        path: of the file, at most 1 GiB. Arrays may lie in files beside it, as PyTorch writes
            them, at most 1 GiB of them; no file outside of its folder is opened.
        input_shape: of one sample, where the file leaves sizes open; of several inputs by name.
        output: with which of several outputs the network ends, by its name in the file; what only
            leads to others is not looked at.
        batched: whether the first axis of the file's input is that of the samples; False for a
            file that takes one sample without such an axis, as (channels, height, width).

    Returns:
        A network of the file's dtype, float32 or float64.

    Raises:
        FileError: no such file, damaged, too large, or something in it that no layer here
            computes; the message names the file and every node with its reason.
        ArgumentError: ONNX is missing, no path, or an `input_shape` that is none.

    Example:
        >>> net = gt.from_onnx("model.onnx")
    """
    onnx = optional_package("onnx", "from_onnx")
    source = checked_path("from_onnx", path, what="a file")
    given = _shapes_given(input_shape)
    reasons = Refusals()
    try:
        with reasons.gathering():
            model = read_model(source, onnx, reasons, output)
            try:
                return _network(model, given, reasons, batched)
            except Refusal as cause:
                _note_weights(model, cause, reasons)
                raise
    except Refusal as cause:
        raise FileError(f"{path}: {cause.sentence}") from cause
    except (ArgumentError, ShapeError) as cause:
        raise FileError(f"{path}: {cause}") from cause


def _note_weights(model: Model, cause: Refusal, reasons: Refusals) -> None:
    """Where inputs may be a model's weights, say so.

    PyTorch's older exporter writes such a file with export_params=False.
    """
    constant = any(operation.operator == "Constant" for operation in model.operations)
    if len(model.inputs) > 1 and not model.arrays and not constant:
        if not cause.complete:
            reasons.note(cause, "the model")
        what = f"has {len(model.inputs)} inputs and no arrays; if they are its weights, export "
        reasons.note(f"{what}the model with them", "the model")
        raise reasons.refusal() from cause


def _shapes_given(given: Any) -> Any:
    """Shapes of samples, checked: None, one, or several by name."""
    if isinstance(given, Mapping):
        return {name: Builder(shape).input.shape for name, shape in given.items()}
    return None if given is None else Builder(given).input.shape


def _network(model: Model, given: Any, reasons: Refusals, batched: bool) -> Network:
    """The network that a model computes."""
    dtype, shape = model.inputs[0][1], model.inputs[0][2] or (None,)
    batch = shape[0] if batched else None
    builder, inputs = _begun(model, given, reasons, batched)
    known: dict[str, Any] = {**model.arrays, **inputs}
    for operation in _needed(model):
        builder.at(operation.where, *_called(operation))
        view = View(
            operation,
            known,
            model.opset,
            batch or None,
            dtype,
            one_sample=not batched or batch == 1,
        )
        results = _given(builder, view, model.shapes)
        with reasons.noting():
            _keep(operation, results, known)
    with reasons.noting():
        if model.output not in known:
            raise Refusal(f"has the output {model.output!r:.80}, which no layer gives")
    last = output_of(builder, known.get(model.output, UNKNOWN), batched=batched)
    network = builder.network(last, dtype)
    if model.classes is not None and network.system(1).shapes[network.output_name][1:] == (
        len(model.classes),
    ):
        network.classes = model.classes
    return network


def _needed(model: Model) -> list[Operation]:
    """The nodes that the output depends on, in order; all, where no node gives it."""
    wanted, found = {model.output}, []
    operations = _sorted(model.operations)
    for operation in reversed(operations):
        if not wanted.isdisjoint(operation.outputs):
            found.append(operation)
            wanted.update(operation.inputs)
    return found[::-1] or operations


def _sorted(operations: Sequence[Operation]) -> list[Operation]:
    """Nodes behind what they read, else in the file's order; in a circle they stay where they are.

    A file is to have them so, but programs that turn one into float16 append their casts.
    """
    makers: dict[str, int] = {}
    for place, operation in enumerate(operations):
        for name in operation.outputs:
            makers.setdefault(name, place)
    readers: list[list[int]] = [[] for _ in operations]
    missing = [0] * len(operations)
    for place, operation in enumerate(operations):
        for maker in {makers[name] for name in operation.inputs if name and name in makers}:
            readers[maker].append(place)
            missing[place] += 1
    ready = [place for place, count in enumerate(missing) if not count]
    order: list[int] = []
    while ready:
        order.append(heappop(ready))
        for reader in readers[order[-1]]:
            missing[reader] -= 1
            if not missing[reader]:
                heappush(ready, reader)
    order += [place for place, count in enumerate(missing) if count]
    return [operations[place] for place in order]


def _called(operation: Operation) -> tuple[str | None, str | None]:
    """What a node is called, and the module that it was; a function of a module has no name.

    PyTorch's older exporter calls a node like the scopes around it, as `/layer1/layer1.0/conv/Conv`
    for `layer1.0.conv`. Where it has weights, the innermost scope is their module.
    """
    if operation.module is not None:
        return None, operation.module.replace(".", "_") or None
    scopes = _SCOPES.fullmatch(operation.name)
    if not scopes or not scopes["operator"] == operation.operator in _WEIGHING:
        return operation.name, None
    path: list[str] = []
    for scope in scopes["module"].split("/"):
        if path and scope.startswith(f"{path[-1]}."):  # a sequence's own name is repeated
            path.pop()
        path.append(scope)
    return "_".join(path).replace(".", "_"), None


def _begun(
    model: Model, given: Any, reasons: Refusals, batched: bool
) -> tuple[Builder, dict[str, Any]]:
    """A builder, and the model's inputs by name.

    Args:
        model: that is read.
        given: shapes of samples, one or by name, or None.
        reasons: to which is added what is refused.
        batched: whether the inputs have an axis of samples.
    """
    names = [name for name, _, _ in model.inputs]
    by_name = given if isinstance(given, Mapping) else {names[0]: given}
    if unknown := [name for name in by_name if name not in names]:
        raise Refusal(f"has no input {unknown[0]!r:.80}; it has {', '.join(map(repr, names[:8]))}")
    if len({dtype for _, dtype, _ in model.inputs}) > 1:
        raise Refusal("takes inputs of several dtypes; make the model one dtype first")
    first, *others = (
        _shape_of_input(
            told[1:] if batched else told, by_name.get(name), name if len(names) > 1 else ""
        )
        for name, _, told in model.inputs
    )
    words = [_word(name) for name in names]
    try:
        builder = Builder(first, reasons)
        builder.graph.input_names = words[:1]
        for shape, word in zip(others, words[1:], strict=True):
            builder.graph.add_input(shape, word)
    except GradtrailError as cause:
        raise Refusal(str(cause)) from cause
    read = builder.graph.inputs
    made = zip(names, read if batched else map(OneSample, read), strict=True)
    return builder, dict(made)


def _word(name: str) -> str | None:
    """A name in the file that an input here may have, too."""
    return name if name.isidentifier() and name.isascii() else None


def _shape_of_input(sizes: Sequence[int | None], given: Shape | None, name: str) -> Shape:
    """The shape of a sample, open sizes filled from what is given."""
    where = f" as its input {name!r:.80}" if name else ""
    if given is not None:
        fits = len(given) == len(sizes) and all(
            size in (None, 0, told) for size, told in zip(sizes, given, strict=True)
        )
        if sizes and not fits:
            raise Refusal(f"takes samples of {tuple(sizes)}{where}, not of input_shape={given}")
        return given
    if not sizes or not all(sizes):
        advice = f"{{{name!r}: (channels, height, width)}}" if name else "(channels, height, width)"
        raise Refusal(
            f"leaves the shape of a sample open{where}, {tuple(size or '?' for size in sizes)}; "
            f"give input_shape={advice}"
        )
    return tuple(size for size in sizes if size)


def _given(builder: Builder, view: View, shapes: Mapping[str, Shape]) -> list[Any]:
    """What one node gives; where that is refused, stand-ins for all its outputs.

    A node that reads what is lost is not looked at further: whatever it is, that is no reason.

    Args:
        builder: that the layer is added to.
        view: of the node.
        shapes: of one sample, by name, as far as the file tells them.
    """
    operation = view.operation
    read = [view.known.get(name) for name in operation.inputs]
    lost = any(value is UNKNOWN for value in read)
    with builder.reasons.noting(operation.where, operation.operator):
        convert = OPERATORS.get(operation.operator, _unknown)
        if operation.fault:
            raise Refusal(operation.fault)
        if not operation.outputs or not operation.outputs[0]:
            raise Refusal("gives nothing that has a name")
        if not lost:
            found = _converted(builder, convert, view)
            return list(found) if isinstance(found, tuple) else [found]
    alike = not lost and operation.operator in _SHAPE_KEEPING
    largest = max((x.shape for x in read if isinstance(x, Value)), key=prod, default=None)
    told = [shapes.get(name) for name in operation.outputs]
    if alike and told and told[0] is None:
        told[0] = largest
    return [builder.stand_in(read, shape) for shape in told]


def _unknown(b: Builder, n: View) -> Any:
    raise Refusal("has an operator for which there is no layer here")


def _converted(builder: Builder, convert: Converter, view: View) -> Any:
    """What a node gives; whatever is wrong with it is a refusal."""
    try:
        result = folded(builder, view)
        if result is None:
            result = read_node(builder, view, convert)
    except Refusal:
        raise
    except GradtrailError as cause:
        raise Refusal(str(cause)) from cause
    view.check_all_asked()
    return result


def _keep(operation: Operation, results: Sequence[Any], known: dict[str, Any]) -> None:
    """Note what a node gives, by name; outputs without a result must not be read.

    Raises:
        Refusal: another node gave it before.
    """
    for name, result in zip(operation.outputs, results, strict=False):
        if name and name in known:
            raise Refusal(f"gives {name!r:.80} a second time", operation.where)
        if name:
            known[name] = result
