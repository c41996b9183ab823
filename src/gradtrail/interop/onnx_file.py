"""An ONNX file as plain nodes and arrays, checked before memory is taken.

A file comes from outside. Its size is bounded before it is read; an array's announced shape must
be that of the bytes which are there; arrays in other files are refused, so that no path in a model
is ever opened; and an operator from another domain is refused, whatever it is called.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import FileError
from .graph import MOST_NODES
from .pointwise import shortest
from .values import Refused, Weights

__all__ = ["CLASSES", "Model", "Operation", "read_model"]

CLASSES = "gradtrail.classes"
"""The remark that holds the classes' names, as a list in JSON."""

_MOST_BYTES = 1 << 30
_OPSETS = range(7, 29)
_MOST_AXES = 8
_REMARK = 1 << 20
_DOMAINS = ("", "ai.onnx")


@dataclass(frozen=True, eq=False)
class Operation:
    """One node of the file.

    Args:
        operator: such as `Conv`.
        name: its own, which may be empty.
        inputs: the names of what it reads; empty for one left out.
        outputs: the names of what it gives; empty for one that nobody wants.
        attributes: numbers, words, lists of them, arrays.
    """

    operator: str
    name: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: Mapping[str, Any]

    @property
    def where(self) -> str:
        """What it is called in messages."""
        return f"node {self.name or next(iter(self.outputs), ''):.80} ({self.operator:.40})"


@dataclass(frozen=True, eq=False)
class Model:
    """What a file holds.

    Args:
        operations: in order.
        arrays: by name.
        input: its name, its dtype, and its sizes, batch first; None where it is open.
        output: its name.
        opset: the version of the operators.
        classes: the names that `to_onnx` wrote down; None where there are none.
    """

    operations: Sequence[Operation]
    arrays: Mapping[str, Weights]
    input: tuple[str, np.dtype[Any], tuple[int | None, ...]]
    output: str
    opset: int
    classes: tuple[str, ...] | None = None


def read_model(path: Path, onnx: Any) -> Model:
    """The model in a file.

    Args:
        path: of the file.
        onnx: the package.

    Raises:
        FileError: no such file, too large, or no ONNX model.
        Refused: something in it that is damaged or not taken; the place is named.
    """
    content = _content(path)
    decode_error = _decode_error()
    try:
        model = onnx.ModelProto.FromString(content)
    except decode_error as cause:
        raise FileError(f"{path} is not an ONNX file, or is damaged: {cause}") from cause
    del content
    graph = model.graph
    if not graph.node:
        raise FileError(f"{path} holds no ONNX graph with nodes; is it an ONNX file at all?")
    if len(graph.node) > 4 * MOST_NODES:
        raise Refused(f"has {len(graph.node):,} nodes; at most {4 * MOST_NODES:,} are taken")
    if graph.sparse_initializer:
        raise Refused("holds sparse arrays, which are not taken")
    arrays: dict[str, Weights] = {}
    for tensor in graph.initializer:
        name = _text(tensor.name)
        if name in arrays:
            raise Refused(f"holds two arrays called {name!r:.80}")
        arrays[name] = Weights(name, _array(tensor, f"array {name!r:.80}"))
    return Model(
        [_operation(node) for node in graph.node],
        arrays,
        _input(graph, arrays),
        _output(graph),
        _opset(model),
        _classes(model),
    )


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
    if not os.path.isfile(path):  # a pipe or a device would not end
        raise FileError(f"cannot read {path}: there is no such file")
    try:
        with path.open("rb") as file:
            content = file.read(_MOST_BYTES + 1)
    except OSError as cause:
        raise FileError(f"cannot read {path}: {cause.strerror or cause}") from cause
    if len(content) > _MOST_BYTES:
        raise FileError(f"{path} is larger than 1 GiB, which is the most that is taken")
    return content


def _decode_error() -> Any:
    """What protocol buffers raise for bytes that are none."""
    from google.protobuf.message import DecodeError

    return DecodeError


def _opset(model: Any) -> int:
    """The version of the standard operators."""
    versions = [entry.version for entry in model.opset_import if entry.domain in _DOMAINS]
    if not versions:
        raise Refused("names no version of the standard operators")
    if max(versions) not in _OPSETS:
        raise Refused(
            f"has operators of version {max(versions)}; versions {_OPSETS[0]} to {_OPSETS[-1]} are "
            "taken"
        )
    return int(max(versions))


def _input(
    graph: Any, arrays: Mapping[str, Weights]
) -> tuple[str, np.dtype[Any], tuple[int | None, ...]]:
    """The one input that is no array of the file."""
    inputs = [entry for entry in graph.input if _text(entry.name) not in arrays]
    if len(inputs) != 1:
        raise Refused(f"has {len(inputs)} inputs; a network takes one")
    kind = inputs[0].type.tensor_type
    dtype = _DTYPES.get(kind.elem_type)
    if dtype is None or dtype.kind != "f":
        raise Refused("takes something else than numbers of float32 or float64 as its input")
    sizes = tuple(
        dim.dim_value if dim.WhichOneof("value") == "dim_value" else None for dim in kind.shape.dim
    )
    if any(size is not None and size < 0 for size in sizes):
        raise Refused(f"says that its input has the shape {sizes}")
    return inputs[0].name, dtype, sizes


def _output(graph: Any) -> str:
    if len(graph.output) != 1:
        raise Refused(f"has {len(graph.output)} outputs; a network gives one")
    return _text(graph.output[0].name)


def _text(name: Any) -> str:
    """A name of the file, which protocol buffers hand over as bytes where it is no UTF-8."""
    if not isinstance(name, str):
        raise Refused(f"holds a name that is no text, {name!r:.80}")
    return name


_DTYPES: Mapping[int, np.dtype[Any]] = {  # by ONNX's numbers
    1: np.dtype("<f4"),
    6: np.dtype("<i4"),
    7: np.dtype("<i8"),
    9: np.dtype("?"),
    10: np.dtype("<f2"),
    11: np.dtype("<f8"),
}
_FIELDS = {  # where numbers lie that are not raw
    1: "float_data",
    6: "int32_data",
    7: "int64_data",
    9: "int32_data",
    10: "int32_data",
    11: "double_data",
}


def _array(tensor: Any, where: str) -> np.ndarray:
    """An array, read-only, once its shape and its bytes agree."""
    if tensor.data_location != 0 or tensor.external_data:
        raise Refused(
            "lies in another file, which is never opened; save the model with its arrays inside",
            where,
        )
    dtype, shape = _DTYPES.get(tensor.data_type), tuple(tensor.dims)
    if dtype is None:
        raise Refused(f"has the unknown or unsuited dtype number {tensor.data_type}", where)
    if len(shape) > _MOST_AXES or any(size < 0 for size in shape):
        raise Refused(f"says that its shape is {shape!r:.80}", where)
    numbers = getattr(tensor, _FIELDS[tensor.data_type])
    if tensor.raw_data and len(numbers):
        raise Refused("holds its numbers twice", where)
    held = len(tensor.raw_data) / dtype.itemsize if tensor.raw_data else len(numbers)
    if held != prod(shape):
        raise Refused(
            f"announces {' × '.join(map(str, shape))} = {prod(shape):,} numbers, but {held:,g} "
            "follow",
            where,
        )
    if tensor.raw_data:
        found = np.frombuffer(tensor.raw_data, dtype)
    elif tensor.data_type == 10:
        raise Refused("holds numbers of float16", where)
    else:
        found = np.fromiter(numbers, dtype, count=len(numbers))
    return found.reshape(shape).astype(dtype.newbyteorder("="), copy=False)


def _operation(node: Any) -> Operation:
    """A node, with its attributes as Python has them."""
    inputs, outputs = (tuple(map(_text, names)) for names in (node.input, node.output))
    made = Operation(_text(node.op_type), _text(node.name), inputs, outputs, {})
    if node.domain not in _DOMAINS:
        raise Refused(
            f"is of the domain {node.domain!r:.60}; only standard operators are taken", made.where
        )
    attributes: dict[str, Any] = {}
    for entry in node.attribute:
        if entry.name in attributes:
            raise Refused(f"has the attribute {entry.name!r:.60} twice", made.where)
        attributes[_text(entry.name)] = _attribute(entry, made.where)
    return Operation(made.operator, made.name, made.inputs, made.outputs, attributes)


def _attribute(entry: Any, where: str) -> Any:
    """An attribute's value: a number, a word, a list, an array."""
    if entry.ref_attr_name:
        raise Refused(f"takes the attribute {entry.name!r:.60} from a function around it", where)
    match entry.type:
        case 1:
            return shortest(entry.f)
        case 2:
            return int(entry.i)
        case 3:
            return entry.s.decode("utf-8", "replace")
        case 4:
            return _array(entry.t, f"{where}, attribute {entry.name!r:.60},")
        case 6:
            return [shortest(number) for number in entry.floats]
        case 7:
            return [int(number) for number in entry.ints]
    raise Refused(f"has the attribute {entry.name!r:.60} of a kind that is not taken", where)
