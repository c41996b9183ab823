"""An ONNX file as plain nodes and arrays, checked before memory is taken.

A file comes from outside. Its size is bounded before it is read; an array's announced shape must
be that of the bytes which are there (`onnx_arrays.py`); and an operator from another domain is
refused, whatever it is called.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from ...errors import FileError
from ...storage.files import open_file, read_at_most
from ...storage.foreign_files import reader_of
from ..reading.arithmetic import shortest_decimal
from ..reading.refusals import UNKNOWN, Refusal, Refusals, Unknown
from ..reading.values import Shape, Weights
from .onnx_arrays import DTYPES, HALVES, MOST_BYTES, REMEDY, Arrays, checked_name, dtype_name

CLASSES = "gradtrail.classes"
"""The remark that holds the classes' names, as a list in JSON."""

_OPSETS = range(1, 29)
_MOST_NODES = 20_000
_REMARK = 1 << 20
_DOMAINS = ("", "ai.onnx")
_REMARKS = ("pkg.torch.onnx.name_scopes", "pkg.torch.onnx.class_hierarchy")
_LISTED = re.compile(r"\['[^']*'(, '[^']*')*\]")


@dataclass(frozen=True, eq=False)
class Operation:
    """One node of the file.

    Args:
        operator: such as `Conv`.
        name: its own, which may be empty.
        inputs: the names of what it reads; empty for one left out.
        outputs: the names of what it gives; empty for one that nobody wants.
        attributes: numbers, words, lists of them, arrays.
        module: the path of the PyTorch module that it was, such as `layer1.0.conv1`; empty if it
            was a function, None if the file does not say it.
        fault: why it cannot be taken, whatever its operator does; empty if it can.
    """

    operator: str
    name: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: Mapping[str, Any]
    module: str | None = None
    fault: str = ""

    @property
    def where(self) -> str:
        """What it is called in messages."""
        at = f" at {self.module!r:.80}" if self.module else ""
        return f"node {self.name or next(iter(self.outputs), ''):.80} ({self.operator:.40}{at})"


@dataclass(frozen=True, eq=False)
class Model:
    """What a file holds.

    Args:
        operations: in order.
        arrays: by name; those that cannot be read are lost.
        shapes: of one sample, by name, as far as the file tells them; nobody has checked them.
        inputs: names, dtype, and sizes, batch first; None where they are open.
        output: its name.
        opset: the version of the operators.
        classes: the names that `to_onnx` wrote down; None where there are none.
    """

    operations: Sequence[Operation]
    arrays: Mapping[str, Weights | Unknown]
    shapes: Mapping[str, Shape]
    inputs: Sequence[tuple[str, np.dtype[Any], tuple[int | None, ...]]]
    output: str
    opset: int
    classes: tuple[str, ...] | None = None


def read_model(path: Path, onnx: Any, reasons: Refusals, output: str | None = None) -> Model:
    """The model in a file.

    Args:
        path: of the file.
        onnx: the package.
        reasons: to which is added what is damaged or not taken, but does not hinder reading on.
        output: with which of several outputs the network is to end.

    Raises:
        FileError: no such file, too large, or no ONNX model.
        Refusal: something in it that is damaged or not taken; the place is named.
    """
    from google.protobuf.message import DecodeError

    content = _content(path)
    try:
        model = onnx.ModelProto.FromString(content)
    except DecodeError as cause:
        what = reader_of(path)
        if what is not None and "gt.from_onnx" not in what:
            raise FileError(f"cannot read {path}: not an ONNX file; {what}") from cause
        raise FileError(f"{path} is not an ONNX file, or is damaged: {cause}") from cause
    del content
    graph, arrays = model.graph, Arrays(path.parent)
    if not graph.node:
        raise FileError(f"{path} holds no ONNX graph with nodes; is it an ONNX file at all?")
    if len(graph.node) > _MOST_NODES:
        raise Refusal(f"has {len(graph.node):,} nodes; at most {_MOST_NODES:,} are taken")
    opset = _opset(model)
    if graph.sparse_initializer:
        reasons.note("holds sparse arrays, which are not taken", "the model")
    held = _initializers(graph, arrays, reasons)
    return Model(
        [_operation(node, arrays) for node in graph.node],
        held,
        _shapes(graph),
        _inputs(graph, held, onnx.TensorProto),
        _output(graph, reasons, output),
        opset,
        _classes(model),
    )


def _initializers(graph: Any, arrays: Arrays, reasons: Refusals) -> dict[str, Weights | Unknown]:
    """The arrays that the graph begins with."""
    held: dict[str, Weights | Unknown] = {}
    for tensor in graph.initializer:
        name = checked_name(tensor.name)
        if name in held:
            raise Refusal(f"holds two arrays called {name!r:.80}")
        held[name] = UNKNOWN
        with reasons.noting(f"array {name!r:.80}", "array"):
            held[name] = Weights(name, arrays.array(tensor))
    return held


def _shapes(graph: Any) -> dict[str, Shape]:
    """What the file says about the shapes of its tensors, one sample each."""
    found: dict[str, Shape] = {}
    for entry in (*graph.value_info, *graph.output):
        dims = entry.type.tensor_type.shape.dim
        if isinstance(entry.name, str) and all(dim.dim_value > 0 for dim in dims[1:]):
            found[entry.name] = tuple(dim.dim_value for dim in dims[1:])
    return found


def _classes(model: Any) -> tuple[str, ...] | None:
    """The classes' names among the remarks; what others may have put there is none of ours."""
    for entry in model.metadata_props:
        if entry.key == CLASSES and len(entry.value) <= _REMARK:
            try:
                names = json.loads(entry.value)
            except (ValueError, RecursionError):
                return None
            if isinstance(names, list) and all(isinstance(name, str) for name in names):
                return tuple(names)
    return None


def _content(path: Path) -> bytes:
    """The file's bytes, at most as many as are taken."""
    with open_file(path) as file:
        content = read_at_most(file, MOST_BYTES)
    if content is None:
        raise FileError(f"{path} is larger than 1 GiB, which is the most that is taken")
    return content


def _opset(model: Any) -> int:
    """The version of the standard operators."""
    versions = [entry.version for entry in model.opset_import if entry.domain in _DOMAINS]
    if not versions:
        raise Refusal("names no version of the standard operators")
    if max(versions) not in _OPSETS:
        raise Refusal(
            f"has operators of version {max(versions)}; versions {_OPSETS[0]} to {_OPSETS[-1]} are "
            "taken"
        )
    return int(max(versions))


def _inputs(
    graph: Any, held: Mapping[str, Any], arrays: Any
) -> list[tuple[str, np.dtype[Any], tuple[int | None, ...]]]:
    """The inputs that are no arrays of the file.

    Args:
        graph: of the model.
        held: the arrays by name.
        arrays: the class of ONNX's arrays.
    """
    entries = [entry for entry in graph.input if checked_name(entry.name) not in held]
    if not entries:
        raise Refusal("has no input; a network takes one")
    found: list[tuple[str, np.dtype[Any], tuple[int | None, ...]]] = []
    for entry in entries:
        kind = entry.type.tensor_type
        number = kind.elem_type
        dtype = np.dtype(np.float32) if number in HALVES else DTYPES.get(number)
        if dtype is None or dtype.kind != "f":
            raise Refusal(
                f"takes something else than floating-point numbers as its input {entry.name!r:.80} "
                f"({dtype_name(arrays, number)}); {REMEDY}"
            )
        sizes = tuple(map(_size, kind.shape.dim))
        if any(size is not None and size < 0 for size in sizes):
            raise Refusal(f"says that its input has the shape {sizes}")
        found.append((entry.name, dtype, sizes))
    return found


def _size(dim: Any) -> int | None:
    """A size of an input, None where it is open, for which Paddle writes −1."""
    told = dim.WhichOneof("value") == "dim_value" and dim.dim_value != -1
    return int(dim.dim_value) if told else None


def _output(graph: Any, reasons: Refusals, wanted: str | None) -> str:
    """The output that the network ends with: the one that is asked for, or the only one."""
    if not graph.output:
        raise Refusal("has no output; a network gives one")
    names = [checked_name(entry.name) for entry in graph.output]
    listed = ", ".join(map(repr, names[:8]))
    if wanted is not None:
        if wanted not in names:
            raise Refusal(f"has no output {wanted!r:.80}; it has {listed}")
        return wanted
    if len(names) > 1:
        reasons.note(f"has {len(names)} outputs; choose one by output=, of {listed}", "the model")
    return names[0]


def _operation(node: Any, arrays: Arrays) -> Operation:
    """A node, with its attributes as Python has them."""
    inputs, outputs = (tuple(map(checked_name, names)) for names in (node.input, node.output))
    made = Operation(
        checked_name(node.op_type), checked_name(node.name), inputs, outputs, {}, _module(node)
    )
    try:
        if node.domain not in _DOMAINS:
            raise Refusal(
                f"is of the domain {node.domain!r:.60}; only standard operators are taken"
            )
        return replace(made, attributes=_attributes(node, arrays))
    except Refusal as cause:
        return replace(made, fault=str(cause))


def _module(node: Any) -> str | None:
    """The path of the module that a node was; empty for a function, None where nobody says it.

    PyTorch's exporter remarks the scopes around a node, from the whole model to its operator, and
    the class of each. A convolution into which it folded a batch norm has the norm's.
    """
    told: dict[str, list[str]] = {}
    for entry in getattr(node, "metadata_props", ()):  # onnx before 1.16 has none
        if entry.key in _REMARKS and _LISTED.fullmatch(entry.value[:_REMARK]):
            told[entry.key] = re.findall(r"'([^']*)'", entry.value)
    scopes, classes = (told.get(key, []) for key in _REMARKS)
    if not len(scopes) == len(classes) >= 2:
        return None
    folded = ".batchnorm." in classes[-2] and node.op_type != "BatchNormalization"
    return scopes[-2] if classes[-2].startswith("torch.nn.modules.") and not folded else ""


def _attributes(node: Any, arrays: Arrays) -> dict[str, Any]:
    attributes: dict[str, Any] = {}
    for entry in node.attribute:
        if entry.name in attributes:
            raise Refusal(f"has the attribute {entry.name!r:.60} twice")
        attributes[checked_name(entry.name)] = _attribute(entry, arrays)
    return attributes


def _attribute(entry: Any, arrays: Arrays) -> Any:
    """An attribute's value: a number, a word, a list, an array."""
    if entry.ref_attr_name:
        raise Refusal(f"takes the attribute {entry.name!r:.60} from a function around it")
    match entry.type:
        case 1:
            return shortest_decimal(entry.f)
        case 2:
            return int(entry.i)
        case 3:
            return entry.s.decode("utf-8", "replace")
        case 4:
            try:
                return arrays.array(entry.t)
            except Refusal as cause:
                raise Refusal(f"has an attribute {entry.name!r:.60} that {cause}") from cause
        case 6:
            return [shortest_decimal(number) for number in entry.floats]
        case 7:
            return [int(number) for number in entry.ints]
    raise Refusal(f"has the attribute {entry.name!r:.60} of a kind that is not taken")
