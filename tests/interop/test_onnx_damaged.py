"""Damaged files: whatever the bytes, there is a network or one FileError, and never a wait."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from tails import beginning

import gradtrail as gt

onnx = pytest.importorskip("onnx")

Draw = np.random.Generator


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A file with a layer of each kind."""
    layers = [
        *(gt.Normalize((0.1, 0.2), 0.5), gt.Conv2d(4, 3, padding=1, stride=2), gt.BatchNorm2d()),
        *(gt.ReLU(), gt.Residual([gt.Conv2d(4, 3, padding="same", groups=2), gt.GELU()])),
        *(gt.ConvTranspose2d(3, 2, stride=2), gt.LeakyReLU(0.2), gt.MaxPool2d(2)),
        *(gt.Concat([gt.SiLU()], [gt.AvgPool2d(3, 1, 1)]), gt.Dropout(0.1), gt.Flatten()),
        *(gt.Linear(5), gt.Tanh(), gt.Linear(3)),
    ]
    path = tmp_path_factory.mktemp("whole") / "net.onnx"
    gt.to_onnx(gt.Network((2, 9, 8), layers, seed=3), path)
    return path.read_bytes()


def flipped(content: bytes, draw: Draw) -> bytes:
    """One to eight bits."""
    changed = bytearray(content)
    for _ in range(draw.integers(1, 9)):
        changed[draw.integers(len(changed))] ^= 1 << int(draw.integers(8))
    return bytes(changed)


def cut(content: bytes, draw: Draw) -> bytes:
    return content[: draw.integers(len(content))]


def overwritten(content: bytes, draw: Draw) -> bytes:
    """Some bytes that are drawn, or all ones."""
    at, length = int(draw.integers(len(content))), int(draw.integers(1, 17))
    drawn = draw.bytes(length) if draw.random() < 0.5 else b"\xff" * length
    return content[:at] + drawn + content[at + length :]


def moved(content: bytes, draw: Draw) -> bytes:
    """A piece somewhere else, once more, or gone."""
    start, end, to = sorted(int(at) for at in draw.integers(len(content), size=3))
    piece = content[start:end][:200]
    kept = content[:start] + content[start + len(piece) :]
    return [content[:to] + piece + content[to:], kept, kept[:to] + piece + kept[to:]][
        draw.integers(3)
    ]


def fields(content: bytes, draw: Draw) -> bytes:
    """A model whose fields are changed, which stays a protocol buffer."""
    model = onnx.ModelProto.FromString(content)
    graph = model.graph
    for _ in range(draw.integers(1, 4)):
        _one_field(graph, model, draw)
    return model.SerializeToString()


NUMBERS = (-(1 << 63), -(1 << 31), -2, -1, 0, 1, 2, 3, 7, 1000, 1 << 31, 1 << 40, (1 << 63) - 1)


def _one_field(graph: onnx.GraphProto, model: onnx.ModelProto, draw: Draw) -> None:
    def one(things: object) -> object:
        return things[int(draw.integers(len(things)))]  # type: ignore[index,arg-type]

    node, array, number = one(graph.node), one(graph.initializer), one(NUMBERS)
    match int(draw.integers(14)):
        case 0 if array.dims:
            array.dims[int(draw.integers(len(array.dims)))] = number
        case 1:
            array.dims.append(number)
        case 2:
            array.data_type = int(draw.integers(-1, 25))
        case 3:
            array.name = one(graph.initializer).name
        case 4:
            array.raw_data = array.raw_data[: draw.integers(len(array.raw_data) + 1)]
        case 5:
            node.op_type = one(graph.node).op_type
        case 6 if node.input:
            node.input[int(draw.integers(len(node.input)))] = one(
                [*(name for n in graph.node for name in n.input), "nothing", ""]
            )
        case 7:
            node.output[0] = one([*(n.output[0] for n in graph.node), "", "input"])
        case 8 if node.attribute:
            attribute = one(node.attribute)
            if attribute.ints:
                attribute.ints[int(draw.integers(len(attribute.ints)))] = number
            attribute.i = number
            attribute.f = one((float("nan"), float("inf"), -1.0, 0.0, 1e30, 1e-30))
        case 9 if node.attribute:
            one(node.attribute).type = int(draw.integers(15))
        case 10 if node.attribute:
            one(node.attribute).name = one(["axis", "pads", "group", "", "alpha", "strides", "é"])
        case 11:
            dims = graph.input[0].type.tensor_type.shape.dim
            one(dims).dim_value = number
        case 12:
            one(model.opset_import).version = number
        case _:
            del graph.node[int(draw.integers(len(graph.node)))]
            graph.node.append(one(graph.node))


@pytest.mark.parametrize(
    "numbers", beginning(1, [range(33), range(33, 200)]), ids=["beginning", "rest"]
)
@pytest.mark.parametrize("damage", [flipped, cut, overwritten, moved, fields])
def test_damaged_bytes(
    damage: Callable[[bytes, Draw], bytes], numbers: range, whole: bytes, tmp_path: Path
) -> None:
    """33 files for each kind of damage, and up to 200 in the long tail."""
    path, messages, slowest = tmp_path / "damaged.onnx", [], 0.0
    for number in numbers:
        draw = np.random.Generator(np.random.PCG64([number, len(damage.__name__)]))
        path.write_bytes(damage(whole, draw))
        began = time.process_time()
        try:
            network = gt.from_onnx(path)
        except gt.FileError as error:
            messages.append(str(error))
        else:
            assert network.steps
        slowest = max(slowest, time.process_time() - began)
    assert slowest < 5
    assert len(messages) > len(numbers) // 8  # of the long tail alone more than 20
    assert all(str(path) in message and len(message) < 1500 for message in messages)
