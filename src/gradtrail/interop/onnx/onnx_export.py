"""To ONNX: the graph that a network computes in evaluation, as a file.

Unless another version is asked for, the operators are those of the lowest one that has all which
the network needs, so that as many programs as possible take the file. Version 9 (ONNX 1.4, January
2019) is the first in which weights are constants of the file, which programs may fold and fuse,
and not inputs that somebody could replace. What a later version has as one operator (GELU, a layer
norm) is one from then on, and arithmetic before.
"""

from __future__ import annotations

import json
import os
from typing import Any

from ...checking.calls import call_example, checked_path
from ...errors import ArgumentError, FileError
from ...machine.packages import optional_package
from ...network import Network
from ...storage.files import write_bytes
from .onnx_file import CLASSES
from .onnx_formulas_written import write_equation
from .onnx_operators_written import WRITERS
from .onnx_writing import LaterVersionError, Writing

OPSETS = range(9, 29)
"""What can be written; the tests hold every one to ONNX's checker and to ONNX Runtime."""

_MOST_BYTES = (1 << 31) - 1  # what a protocol buffer can hold
_FIRST_FORMAT = 4  # of files, in which weights are constants


@call_example('gt.to_onnx(network, "model.onnx")')
def to_onnx(network: Network, path: str | os.PathLike[str], *, opset: int | None = None) -> None:
    """Write what a network computes in evaluation as an ONNX file.

    Running statistics are in it, and dropout hands on what it gets; the batch may have any size.
    The numbers keep the network's dtype. ONNX Runtime convolves float32 only, so a network of
    float64 is for other tools, and for `from_onnx`.

    Args:
        network: any network; inputs and outputs have its names.
        path: of the file; one that is there is replaced once the new one is complete.
        opset: the version of the operators, 9 to 28; by default the lowest that has what the
            network needs.

    Raises:
        ArgumentError: ONNX is missing or older than the operators, no path, no such version, or a
            layer that ONNX has no operators for, in this version or at all.
        FileError: the file cannot be written, or would exceed the 2 GiB that ONNX allows.
    """
    onnx = optional_package("onnx", "to_onnx")
    checked_path("to_onnx", path, what="a file to write")
    if opset is not None and (not isinstance(opset, int) or opset not in OPSETS):
        raise ArgumentError(
            f"to_onnx: opset must be from {OPSETS[0]} to {OPSETS[-1]}, got {opset!r}"
        )
    if opset is not None and opset > (newest := onnx.defs.onnx_opset_version()):
        raise ArgumentError(
            f"to_onnx: onnx {onnx.__version__} knows operators up to version {newest}, not "
            f"{opset}; update it, or take opset={newest}"
        )
    size = sum(array.nbytes for array in (*network.parameters.values(), *network.buffers.values()))
    if size > _MOST_BYTES - (1 << 24):
        raise FileError(f"cannot write {path}: {size:,} bytes of weights, and ONNX allows 2 GiB")
    model = _lowest(network, onnx) if opset is None else _exactly(network, onnx, opset)
    onnx.checker.check_model(model, full_check=True)
    write_bytes(path, model.SerializeToString(deterministic=True))


def _exactly(network: Network, onnx: Any, opset: int) -> Any:
    """The model in the operators of one version."""
    try:
        return _model(network, onnx, opset)
    except LaterVersionError as cause:
        step = cause.step
        raise ArgumentError(
            f"to_onnx: layer {step.name!r} ({step.layer.kind}) needs operators of version "
            f"{cause.version}, not {opset}; take opset={cause.version}, or leave it out"
        ) from None


def _lowest(network: Network, onnx: Any) -> Any:
    """The model in the operators of the lowest version that has what it needs."""
    opset = OPSETS[0]
    while True:
        try:
            return _model(network, onnx, opset)
        except LaterVersionError as cause:
            opset = cause.version


def _model(network: Network, onnx: Any, opset: int) -> Any:
    """The model.

    Raises:
        LaterVersionError: the version lacks an operator.
    """
    w, helper = Writing(network, onnx, opset), onnx.helper
    for step in network.steps:
        WRITERS.get(type(step.layer), write_equation)(w, step)
    outputs = {name: name for name in network.outputs.values()}
    if len(network.outputs) > 1:
        outputs = dict(network.outputs)
        for name, array in outputs.items():
            w.nodes.append(helper.make_node("Identity", [array], [name], name=name))
    graph = helper.make_graph(
        w.nodes,
        "network",
        [w.description_of(name) for name in network.inputs],
        [w.description_of(name, array) for name, array in outputs.items()],
        list(w.arrays.values()),
    )
    operators = [helper.make_opsetid("", opset)]
    model = helper.make_model(
        graph,
        ir_version=max(_FIRST_FORMAT, helper.find_min_ir_version_for(operators)),
        opset_imports=operators,
        producer_name="gradtrail",
    )
    if network.classes is not None:
        names = json.dumps(list(network.classes), ensure_ascii=False)
        helper.set_model_props(model, {CLASSES: names})
    return model
