"""One small graph in every form that its operators had, from version 1 on, reads alike."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from interchange import agree, layers_of, onnx_outputs, outputs, samples

import gradtrail as gt

pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")
from onnx_models import drawn, model, node, written
from onnx_spellings import B, W, ints

NEWEST = 25
S, T = np.abs(drawn(3, seed=3)) + 0.5, drawn(3, seed=4)
FLOAT = np.float32
STATISTICS = {"g": S, "b": T, "m": T, "v": S}

Nodes = list[Any]
Form = Callable[[int], Nodes]
Arrays = Mapping[str, np.ndarray]


def told(operator: str, since: int, **settings: Sequence[int] | float) -> Form:
    """A node whose settings are attributes at first, and inputs from a version on."""

    def form(opset: int) -> Nodes:
        if opset < since:
            return [node(operator, "x", "y", **settings)]
        return [node(operator, " ".join(["x", *settings]), "y")]

    return form


def constants(**settings: Any) -> dict[str, np.ndarray]:
    """The arrays that such settings are."""
    return {
        name: np.array(value, FLOAT if isinstance(value, float) else np.int64)
        for name, value in settings.items()
    }


def added(opset: int) -> Nodes:
    if opset < 7:
        return [node("Add", "x t", "a", broadcast=1, axis=1), node("Relu", "a", "y")]
    axes = node("Unsqueeze", "t i", "u")
    if opset < 13:
        axes = node("Unsqueeze", "t", "u", axes=[1, 2])
    return [axes, node("Add", "x u", "a"), node("Relu", "a", "y")]


def normed(opset: int) -> Nodes:
    test = {"is_test": 1} if opset < 7 else {}
    return [node("BatchNormalization", "x g b m v", "y", **test)]


def dropped(opset: int) -> Nodes:
    if opset < 12:
        return [node("Dropout", "x", "d", ratio=0.25), node("Relu", "d", "y")]
    return [node("Dropout", "x r", "d"), node("Relu", "d", "y")]


def reshaped(opset: int) -> Nodes:
    made = node("Reshape", "x", "r", shape=[0, 24, 9]) if opset < 5 else node("Reshape", "x s", "r")
    return [made, node("Relu", "r", "y")]


def resized(opset: int) -> Nodes:
    match opset:
        case 1 | 6:
            return [node("Upsample", "x", "y", height_scale=2.0, width_scale=3.0, mode="nearest")]
        case 7 | 8:
            return [node("Upsample", "x", "y", scales=[1.0, 1.0, 2.0, 3.0])]
        case 9:
            return [node("Upsample", "x f", "y")]
        case 10:
            return [node("Resize", "x f", "y")]
    asked = {"coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}
    return [node("Resize", "x . f" if opset > 12 else "x e f", "y", **asked)]


def sloped(opset: int) -> Nodes:
    if opset < 7:
        return [node("PRelu", "x t", "y")]
    axes = {"axes": [1, 2]} if opset < 13 else {}
    return [node("Unsqueeze", "t" if axes else "t i", "u", **axes), node("PRelu", "x u", "y")]


def softened(opset: int) -> Nodes:
    return [
        node("Flatten", "x", "f"),
        node("Softmax", "f", "s") if opset < 13 else node("Softmax", "f", "s", axis=1),
        node("Relu", "s", "y"),
    ]


def reduced(operator: str, since: int) -> tuple[Form, Arrays]:
    return told(operator, since, axes=[2, 3]), constants(axes=[2, 3])


FORMS: dict[str, tuple[Form, Arrays, Sequence[int]]] = {
    "Add along channels": (added, {"t": T, "i": ints(1, 2)}, (1, 6, 7, 13, NEWEST)),
    "BatchNormalization": (normed, STATISTICS, (1, 6, 7, 9, 14, 15, NEWEST)),
    "Clip": (told("Clip", 11, min=-0.25, max=0.5), constants(min=-0.25, max=0.5),
             (1, 6, 11, 12, 13, NEWEST)),
    "Dropout": (dropped, {"r": np.array(0.25, FLOAT)}, (1, 6, 7, 10, 12, 13, NEWEST)),
    "Pad": (told("Pad", 11, pads=[0, 0, 1, 0, 0, 0, 0, 2]),
            constants(pads=[0, 0, 1, 0, 0, 0, 0, 2]), (2, 11, 13, 18, 19, NEWEST)),
    "PRelu of channels": (sloped, {"t": T, "i": ints(1, 2)}, (1, 6, 7, 9, 13, 16, NEWEST)),
    "ReduceMax": (*reduced("ReduceMax", 18), (1, 11, 13, 18, NEWEST)),
    "ReduceMean": (*reduced("ReduceMean", 18), (1, 11, 13, 18, NEWEST)),
    "ReduceSum": (*reduced("ReduceSum", 13), (1, 11, 13, NEWEST)),
    "Reshape": (reshaped, {"s": ints(0, 24, 9)}, (1, 5, 13, 14, 19, NEWEST)),
    "Resize": (resized, {"f": np.array([1, 1, 2, 3], FLOAT), "e": np.zeros(0, FLOAT)},
               (1, 6, 7, 9, 10, 11, 13, 18, 19, NEWEST)),
    "Slice": (told("Slice", 10, starts=[1], ends=[7], axes=[2]),
              constants(starts=[1], ends=[7], axes=[2]), (1, 10, 11, 13, NEWEST)),
    "Softmax": (softened, {}, (1, 11, 13, NEWEST)),
    "Conv": (lambda opset: [node("Conv", "x w b", "y", pads=[1, 1, 1, 1])], {"w": W, "b": B},
             (1, 6, 11, 22, NEWEST)),
    "MaxPool": (lambda opset: [node("MaxPool", "x", "y", kernel_shape=[2, 2], strides=[2, 2])], {},
                (1, 8, 10, 11, 12, 22, NEWEST)),
    "AveragePool": (lambda opset: [node("AveragePool", "x", "y", kernel_shape=[2, 3])], {},
                    (1, 7, 10, 11, 19, 22, NEWEST)),
}  # fmt: skip


@pytest.mark.parametrize("name", FORMS)
def test_every_form_reads_alike(name: str, tmp_path: Path) -> None:
    form, arrays, versions = FORMS[name]
    path, read, expected = tmp_path / "model.onnx", [], None
    for opset in versions:
        nodes = form(opset)
        used = {name for made in nodes for name in made.input}
        held = {name: array for name, array in arrays.items() if name in used}
        written(model(nodes, held, opset=opset), path)
        network = gt.from_onnx(path)
        x = samples(network)
        read.append((layers_of(network), outputs(network, x)))
        if opset in (13, NEWEST):
            expected = onnx_outputs(path, x)
            agree(read[-1][1], expected)
    assert expected is not None
    for layers, given in read:
        assert layers == read[0][0]
        np.testing.assert_array_equal(given, read[0][1])


def test_a_softmax_over_several_axes_at_once(tmp_path: Path) -> None:
    """Until version 12 it was over all axes from one on; those of one position are none."""
    for nodes, kinds in (
        ([node("Softmax", "x", "s", axis=2), node("Mul", "s s", "y")], 3),
        ([node("MaxPool", "x", "m", kernel_shape=[8, 9]), node("Softmax", "m", "y")], 1),
    ):
        path = written(model(nodes, opset=11), tmp_path / "model.onnx")
        network = gt.from_onnx(path)
        assert len(layers_of(network)) >= kinds
        x = samples(network)
        given = outputs(network, x)
        if kinds == 1:  # the last softmax is left out
            given = np.exp(given) / np.exp(given).sum(axis=1, keepdims=True)
        agree(given, onnx_outputs(path, x))
