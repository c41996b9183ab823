"""ONNX's own cases for its operators, through `gt.from_onnx`.

A case is a model of one node (or, `expanded`, of the nodes that define it) with inputs and outputs.
Its first input is the samples; the others, weights and settings, become arrays of the file.
"""

from __future__ import annotations

import tempfile
import warnings
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

import gradtrail as gt

from .outcome import Outcome, apart, listed_names, tried

__all__ = ["onnx_outcomes"]


_NEAR = 1e-4
"""The cases are in float32, and some are written down with four digits."""


def onnx_outcomes() -> Iterator[Outcome]:
    """Every case with samples of floating-point numbers, one after the other."""
    with warnings.catch_warnings(), tempfile.TemporaryDirectory() as folder:
        warnings.simplefilter("ignore")  # some of onnx's own cases overflow while they are made
        from onnx.backend.test.case.node import collect_testcases

        cases, wanted = collect_testcases(None), listed_names("onnx_operators")
        operators = {_stem(c.name): c.model.graph.node[0].op_type for c in cases if _single(c)}
        for case in cases:
            kind = operators.get(_stem(case.name))
            if kind in wanted and _floating(case):
                path = Path(folder) / "case.onnx"
                yield tried(kind, case.name, _NEAR, lambda: _compared(case, path))  # noqa: B023


def _stem(name: str) -> str:
    """A case's name without what tells that it is written out in other operators."""
    return name.partition("_expanded")[0]


def _single(case: Any) -> bool:
    return len(case.model.graph.node) == 1 and "_expanded" not in case.name


def _floating(case: Any) -> bool:
    """Whether the first input is samples: floats with an axis of samples and one of features."""
    inputs, outputs = case.data_sets[0]
    arrays = [*inputs[:1], *outputs[:1]]
    usual = len(arrays) == 2 and all(isinstance(a, np.ndarray) and a.ndim > 1 for a in arrays)
    return usual and all(a.dtype in (np.float32, np.float64) and a.size for a in arrays)


def _compared(case: Any, path: Path) -> float:
    """How far the first output is from the case's, read in one of the ways in which it may be.

    Raises:
        GradtrailError: it is refused in each of them; the reason is the first one's.
    """
    first: gt.GradtrailError | None = None
    for several, batched in product((False, True), (True, False)):
        try:
            return _read(case, path, batched=batched, several=several)
        except gt.GradtrailError as cause:
            first = first or cause
    assert first is not None
    raise first


def _read(case: Any, path: Path, *, batched: bool, several: bool) -> float:
    """The same, read in one way.

    Args:
        case: that is read.
        path: of a file for it.
        batched: whether the first axis is that of the samples; else all of it is one sample.
        several: whether floats of as many samples are inputs, too; else they are arrays.
    """
    import onnx
    from onnx import numpy_helper

    model = onnx.ModelProto()
    model.CopyFrom(case.model)
    inputs, outputs = case.data_sets[0]
    first, *others = list(model.graph.input)
    x = {first.name: inputs[0]}
    for value, array in zip(others, inputs[1:], strict=True):
        alike = np.ndim(array) > 1 and len(array) == len(inputs[0]) and array.dtype.kind == "f"
        if several and (alike or (not batched and np.ndim(array) > 0 and array.dtype.kind == "f")):
            x[value.name] = array
        elif array is not None:
            model.graph.initializer.append(numpy_helper.from_array(np.asarray(array), value.name))
            model.graph.input.remove(value)
    path.write_bytes(model.SerializeToString())
    network = gt.from_onnx(path, output=model.graph.output[0].name, batched=batched)
    theirs = outputs[0].astype(np.float64)
    ours = _outputs(network, [a if batched else a[None] for a in x.values()], _trains(case))
    ours = ours if batched else ours[0]
    if _trains(case) and model.graph.node[0].op_type == "Dropout" and ours.shape == theirs.shape:
        kept = (ours != 0) & (theirs != 0)  # each has drawn for itself
        return apart(ours * kept, theirs * kept) if kept.any() else float("inf")
    return apart(ours, theirs)


def _trains(case: Any) -> bool:
    """Whether the case computes as in training."""
    inputs = case.data_sets[0][0]
    told = any(a.name == "training_mode" and a.i for a in case.model.graph.node[0].attribute)
    return told or (len(inputs) == 3 and np.asarray(inputs[2]).dtype == bool and inputs[2].all())


def _outputs(network: gt.Network, x: list[np.ndarray], training: bool) -> np.ndarray:
    """What a network gives, in evaluation or in training, in float64."""
    given = x[0] if len(x) == 1 else tuple(x)
    if not training:
        return network.predict(given, engine="reference").astype(np.float64)
    shape = network.system(len(x[0])).shapes[network.output_name]
    step = gt.trace(network, given, np.zeros(shape), loss=gt.MeanSquaredError(), engine="reference")
    return np.asarray(step.value[network.output_name], np.float64)
