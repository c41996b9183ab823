"""What files hold beside layers: several inputs, halves of numbers, the way training was left."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from interchange import agree, layers_of, onnx_outputs, outputs, samples

import gradtrail as gt

pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")
from onnx import TensorProto, helper, numpy_helper
from onnx_models import drawn, model, node, written
from onnx_spellings import B, W, ints
from onnxruntime import InferenceSession

S = np.abs(drawn(3, seed=3)) + 0.5


def with_inputs(made: Any, **shapes: tuple[Any, ...]) -> Any:
    """A model with further inputs."""
    for name, shape in shapes.items():
        made.graph.input.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, shape))
    return made


def test_several_inputs(tmp_path: Path) -> None:
    nodes = [
        node("Conv", "x w b", "c"),
        node("Concat", "c z", "j", axis=1),
        node("Relu", "j", "y"),
    ]
    made = with_inputs(model(nodes, {"w": W, "b": B}), z=("N", 2, "h", 7))
    path = written(made, tmp_path / "model.onnx")
    sentence = r"open as its input 'z', \(2, '\?', 7\); give input_shape={'z': \(channels, height"
    with pytest.raises(gt.FileError, match=sentence):
        gt.from_onnx(path)
    with pytest.raises(gt.FileError, match="has no input 'u'; it has 'x', 'z'"):
        gt.from_onnx(path, input_shape={"u": (2, 6, 7)})
    network = gt.from_onnx(path, input_shape={"z": (2, 6, 7)})
    assert network.inputs == {"x": (3, 8, 9), "z": (2, 6, 7)}
    x = {"x": drawn(2, 3, 8, 9), "z": drawn(2, 2, 6, 7)}
    (expected,) = InferenceSession(path).run(None, x)
    agree(network.predict(x, engine="reference"), expected)


def test_nodes_in_any_order(tmp_path: Path) -> None:
    """As tools leave a file that they turned into float16: with the casts at its end."""
    nodes = [
        node("Conv", "h u b", "c"),
        node("Relu", "c", "r"),
        node("Add", "r s", "y"),
        node("Cast", "x", "h", to=TensorProto.FLOAT),
        node("Identity", "w", "u"),
        node("Sigmoid", "r", "s"),
    ]
    made = model(nodes, {"w": W, "b": B})
    made.graph.output[0].name = "y"
    path = written(made, tmp_path / "model.onnx")
    network = gt.from_onnx(path)
    assert [step.name for step in network.steps] == ["conv1", "relu1", "sigmoid1", "add1"]
    x = samples(network)
    agree(outputs(network, x), onnx_outputs(path, x))


def test_nodes_in_a_circle_are_refused(tmp_path: Path) -> None:
    nodes = [node("Add", "x b", "a"), node("Relu", "a", "b"), node("Relu", "b", "y")]
    with pytest.raises(gt.FileError, match=r"\(Add\) reads 'b', which no layer before it gives$"):
        gt.from_onnx(written(model(nodes), tmp_path / "model.onnx"))


def test_an_input_that_nothing_reads_is_left_out(tmp_path: Path) -> None:
    made = with_inputs(model([node("Relu", "x", "y")], {"w": W}), z=("N", 2))
    network = gt.from_onnx(written(made, tmp_path / "model.onnx"))
    assert network.inputs == {"input": (3, 8, 9)}


def test_inputs_of_several_dtypes(tmp_path: Path) -> None:
    made = model([node("Relu", "x", "y")])
    made.graph.input.append(helper.make_tensor_value_info("z", TensorProto.DOUBLE, ["N", 3]))
    with pytest.raises(gt.FileError, match="takes inputs of several dtypes; make the model one"):
        gt.from_onnx(written(made, tmp_path / "model.onnx"))


@pytest.mark.parametrize("kind", [TensorProto.FLOAT16, TensorProto.BFLOAT16])
@pytest.mark.parametrize("raw", [True, False])
def test_halves_are_read_as_float32(kind: int, raw: bool, tmp_path: Path) -> None:
    """Every number of theirs is one of float32, and casts between them change nothing."""
    nodes = [
        node("Cast", "x", "h", to=kind),
        node("Conv", "h w", "c"),
        node("Cast", "c", "f", to=TensorProto.FLOAT),
        node("Relu", "f", "y"),
    ]
    made = model(nodes, {"w": W}, dtype=kind)
    coarse = helper.make_tensor("w", kind, W.shape, W.ravel())
    numbers = numpy_helper.to_array(coarse)
    if raw:
        coarse = helper.make_tensor("w", kind, W.shape, numbers.tobytes(), raw=True)
    made.graph.initializer[0].CopyFrom(coarse)
    network = gt.from_onnx(written(made, tmp_path / "model.onnx"))
    assert network.dtype == np.float32
    expected = numbers.astype(np.float32)
    assert 0 < np.abs(expected - W).max() < 0.01
    np.testing.assert_array_equal(network.parameters["conv1.weight"], expected)
    path = written(model(nodes[1:2], {"w": expected}), tmp_path / "wide.onnx")
    path.write_bytes(path.read_bytes().replace(b"\x0a\x01h", b"\x0a\x01x"))
    x = samples(network)
    agree(outputs(network, x), np.maximum(onnx_outputs(path, x), 0))


def test_halves_of_more_bits_are_none(tmp_path: Path) -> None:
    made = model([node("Conv", "x w", "y")], {"w": W})
    array = made.graph.initializer[0]
    array.CopyFrom(TensorProto(name="w", data_type=TensorProto.FLOAT16, dims=W.shape))
    array.int32_data.extend([1 << 16] * W.size)
    with pytest.raises(gt.FileError, match="array 'w' holds numbers of more than 16 bits"):
        gt.from_onnx(written(made, tmp_path / "model.onnx"))


@pytest.mark.parametrize("opset", [13, 15], ids=["by its outputs", "by its mode"])
def test_a_norm_in_training_goes_on_training(opset: int, tmp_path: Path) -> None:
    """The file computes by the batch's statistics; the network does so where it trains."""
    names = ["y", "m2", "v2"] if opset > 13 else ["y", "m2", "v2", "m3", "v3"]
    mode = {"training_mode": 1} if opset > 13 else {}
    made = model(
        [helper.make_node("BatchNormalization", [*"xgbmv"], names, momentum=0.75, **mode)],
        {"g": S, "b": B[:3], "m": B[:3], "v": S},
        opset=opset,
    )
    path = written(made, tmp_path / "model.onnx")
    network = gt.from_onnx(path)
    assert layers_of(network) == (gt.BatchNorm2d(momentum=0.25),)
    x = samples(network)
    step = gt.trace(network, x, np.zeros_like(x), loss=gt.MeanSquaredError(), engine="reference")
    mean, var = x.mean((0, 2, 3)), x.var((0, 2, 3))
    expected = (x - mean[:, None, None]) / np.sqrt(var + 1e-5)[:, None, None]
    expected = expected * S[:, None, None] + B[:3, None, None]
    agree(step.value[network.output_name], expected)


def test_a_dropout_in_training_is_a_dropout(tmp_path: Path) -> None:
    arrays = {"p": np.array(0.25, np.float32), "t": np.array(True)}
    nodes = [node("Dropout", "x p t", "d"), node("Relu", "d", "y")]
    network = gt.from_onnx(written(model(nodes, arrays), tmp_path / "model.onnx"))
    assert layers_of(network) == (gt.Dropout(0.25), gt.ReLU())


def test_a_batch_of_minus_one_is_open(tmp_path: Path) -> None:
    """As Paddle writes it."""
    nodes = [
        node("Shape", "x", "s"),
        node("Slice", "s a b", "n"),
        node("Concat", "n m", "t", axis=0),
    ]
    nodes += [node("Reshape", "x t", "f"), node("MatMul", "f w", "y")]
    arrays = {"a": ints(0), "b": ints(1), "m": ints(216), "w": drawn(216, 2)}
    path = written(model(nodes, arrays, shape=(-1, 3, 8, 9)), tmp_path / "model.onnx")
    assert layers_of(gt.from_onnx(path)) == (gt.Flatten(), gt.Linear(2, bias=False))


def test_scales_of_channels_below_0(tmp_path: Path) -> None:
    nodes = [node("Mul", "x s", "m"), node("Div", "m d", "y")]
    arrays = {"s": B[:3].reshape(3, 1, 1), "d": np.array([[[2.0]], [[-0.5]], [[1.0]]], np.float32)}
    assert min(B[:3]) < 0
    path = written(model(nodes, arrays), tmp_path / "model.onnx")
    network = gt.from_onnx(path)
    x = samples(network)
    agree(outputs(network, x), onnx_outputs(path, x))


CONVERTED = {
    "of TensorFlow": (
        [
            node("Transpose", "x", "t", perm=[0, 3, 1, 2]),
            node("Conv", "t w b", "c"),
            node("Transpose", "c", "d", perm=[0, 2, 3, 1]),
            node("Add", "d s", "a"),
            node("Relu", "a", "r"),
            node("Mul", "r g", "m"),
            node("Pad", "m p", "q"),
            node("Concat", "q q", "k", axis=3),
            node("Transpose", "k", "u", perm=[0, 3, 1, 2]),
            node("MaxPool", "u", "v", kernel_shape=[2, 2]),
            node("Transpose", "v", "n", perm=[0, 2, 3, 1]),
            node("ReduceMean", "n", "e", axes=[1, 2], keepdims=0),
            node("MatMul", "e f", "h"),
            node("Add", "h o", "y"),
        ],
        {"w": W, "b": B, "s": drawn(4, seed=8), "g": np.abs(drawn(4, seed=9)) + 0.1,
         "p": ints(0, 1, 0, 0, 0, 0, 1, 0), "f": drawn(8, 5), "o": drawn(5)},
        (8, 9, 3),
    ),
    "a norm behind a matrix": (
        [
            node("MatMul", "x f", "h"),
            node("Add", "h o", "a"),
            node("Relu", "a", "r"),
            node("Mul", "r g", "m"),
            node("Add", "m s", "y"),
        ],
        {"f": drawn(6, 5), "o": drawn(5), "g": drawn(5, seed=2), "s": drawn(5, seed=3)},
        (6,),
    ),
    "attention": (
        [
            node("MatMul", "x f", "h"),
            node("Reshape", "h s", "r"),
            node("Transpose", "r", "t", perm=[2, 0, 3, 1, 4]),
            node("Gather", "t i", "q", axis=0),
            node("Gather", "t j", "k", axis=0),
            node("Transpose", "k", "l", perm=[0, 1, 3, 2]),
            node("MatMul", "q l", "p"),
            node("Softmax", "p", "y", axis=-1),
        ],
        {"f": drawn(6, 12), "s": ints(0, -1, 2, 2, 3), "i": np.array(0), "j": np.array(1)},
        (4, 6),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CONVERTED)
def test_how_converters_write(name: str, tmp_path: Path) -> None:
    nodes, arrays, shape = CONVERTED[name]
    path = written(model(nodes, arrays, shape=("N", *shape), opset=13), tmp_path / "model.onnx")
    network = gt.from_onnx(path)
    x = samples(network)
    agree(outputs(network, x), onnx_outputs(path, x))
