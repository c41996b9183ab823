"""ONNX files as networks: every spelling of a layer, held to ONNX Runtime."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from interchange import agree, layers_of, onnx_outputs, outputs, samples

import gradtrail as gt

pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")
from onnx_models import drawn, model, node, written
from onnx_spellings import SPELLINGS, B, W


def bare(layer: Any) -> Any:
    """A layer without its names, branches included."""
    if isinstance(layer, gt.Residual):
        around = None if layer.shortcut is None else [*map(bare, layer.shortcut)]
        return gt.Residual([*map(bare, layer.body)], around)
    if isinstance(layer, gt.Concat):
        return gt.Concat(*([*map(bare, branch)] for branch in layer.branches))
    return dataclasses.replace(layer, name=None)


@pytest.mark.parametrize("name", SPELLINGS)
def test_spelling(name: str, tmp_path: Path) -> None:
    made, layers = SPELLINGS[name]
    path = written(made, tmp_path / "model.onnx")
    network = gt.from_onnx(path)
    assert [*map(bare, layers_of(network))] == layers
    x = samples(network)
    agree(outputs(network, x), onnx_outputs(path, x))


def test_what_only_newer_files_have(tmp_path: Path) -> None:
    """Swish is an operator from version 24 on, which fewer programs run."""
    path = written(model([node("Swish", "x", "y")], opset=24), tmp_path / "model.onnx")
    assert layers_of(gt.from_onnx(path)) == (gt.SiLU(),)


def test_layers_are_called_what_their_weights_are_called(tmp_path: Path) -> None:
    nodes = [
        node("Conv", "x layer1.0.conv1.weight", "c", name="/layer1/layer1.0/conv1/Conv"),
        node("Relu", "c", "r", name="/layer1/layer1.0/relu/Relu"),
        node("Conv", "r onnx::Conv_7", "d", name="second"),
        node("Relu", "d", "y", name="act"),
    ]
    arrays = {"layer1.0.conv1.weight": W, "onnx::Conv_7": drawn(2, 4, 1, 1)}
    network = gt.from_onnx(written(model(nodes, arrays), tmp_path / "model.onnx"))
    assert [step.name for step in network.steps] == ["layer1_0_conv1", "relu1", "second", "act"]
    np.testing.assert_array_equal(network.parameters["layer1_0_conv1.weight"], W)


def remarked(made: Any, scopes: str, classes: str) -> Any:
    """A node with the remarks that PyTorch's exporter writes."""
    for key, value in (("name_scopes", scopes), ("class_hierarchy", classes)):
        entry = made.metadata_props.add()
        entry.key, entry.value = f"pkg.torch.onnx.{key}", value
    return made


def test_layers_are_called_like_the_modules_that_they_were(tmp_path: Path) -> None:
    """An array's name may be another layer's; functions have no name; remarks may be odd."""
    model_, torch_ = "['', 'a.0', 'f']", "['M', 'torch.nn.modules.batchnorm.BatchNorm2d', 'aten.f']"
    nodes = [
        remarked(node("BatchNormalization", "x b.weight z z o", "f", name="n"), model_, torch_),
        remarked(node("Relu", "f", "g", name="node_relu"), "['', 'relu']", "['M', 'aten.relu']"),
        remarked(
            node("Tanh", "g", "h", name="node_tanh"), "['', 'b', 'g']", "['M', 'N', 'aten.g']"
        ),
        remarked(node("Relu", "h", "i", name="act"), "['', 'c', 'g']", "['torch.nn.modules.x.X']"),
        remarked(node("Relu", "i", "y", name="last"), "['', __import__('os')]", torch_),
    ]
    one = np.ones(3, np.float32)
    made = model(nodes, {"b.weight": one, "z": 0 * one, "o": one})
    network = gt.from_onnx(written(made, tmp_path / "model.onnx"))
    assert [step.name for step in network.steps] == ["a_0", "relu1", "tanh1", "act", "last"]


def test_a_convolution_with_a_norm_folded_into_it_keeps_its_name(tmp_path: Path) -> None:
    """PyTorch's exporter remarks the norm's module at what it folded; arrays tell the layer's."""
    norm = "['M', 'torch.nn.modules.batchnorm.BatchNorm2d', 'aten.norm']"
    nodes = [
        remarked(node("Conv", "x a.conv.weight", "f", name="node_1"), "['', 'a.norm', 'f']", norm),
        remarked(node("Conv", "f 17", "g", name="node_2"), "['', 'a.norm_b', 'f']", norm),
        remarked(
            node("BatchNormalization", "g o z z o", "y", name="n"), "['', 'a.norm_c', 'f']", norm
        ),
    ]
    arrays = {"a.conv.weight": drawn(3, 3, 1, 1), "17": drawn(3, 3, 1, 1)}
    arrays |= {"o": np.ones(3, np.float32), "z": np.zeros(3, np.float32)}
    network = gt.from_onnx(written(model(nodes, arrays), tmp_path / "model.onnx"))
    assert [step.name for step in network.steps] == ["a_conv", "conv2", "a_norm_c"]


def test_scopes_of_the_older_exporter_are_names_of_layers_with_weights(tmp_path: Path) -> None:
    """Folding leaves no name to the weights; a function of a block is not called like the block."""
    nodes = [
        node("Conv", "x 17", "f", name="/layer1/layer1.0/seq/seq.1/conv1/Conv"),
        node("Relu", "f", "g", name="/layer1/layer1.0/Relu"),
        node("Conv", "g 17", "h", name="/layer1/layer10/Conv"),
        node("Conv", "h 17", "i", name="/Conv"),
        node("Conv", "i b.weight", "y", name="/layer1/c/Conv"),
    ]
    arrays = {"17": drawn(3, 3, 1, 1), "b.weight": drawn(3, 3, 1, 1, seed=2)}
    network = gt.from_onnx(written(model(nodes, arrays), tmp_path / "model.onnx"))
    names = ["layer1_0_seq_1_conv1", "relu1", "layer1_layer10", "conv3", "b"]
    assert [step.name for step in network.steps] == names


def test_arrays_that_are_handed_on_have_their_layers_names(tmp_path: Path) -> None:
    """PyTorch's older exporter writes equal arrays once, and an Identity for each other name."""
    arrays = {"norm_a.weight": B[:3], "norm_a.bias": 0 * B[:3], "v": np.ones(3, np.float32)}
    nodes = [
        node("Identity", "norm_a.weight", "norm_b.weight"),
        node("Identity", "norm_a.bias", "norm_b.bias"),
        node("Identity", "norm_a.weight", "17"),
        node("BatchNormalization", "x norm_a.weight norm_a.bias norm_a.bias v", "f"),
        node("BatchNormalization", "f norm_b.weight norm_b.bias norm_a.bias v", "g"),
        node("BatchNormalization", "g 17 norm_b.bias norm_a.bias v", "y"),
    ]
    network = gt.from_onnx(written(model(nodes, arrays), tmp_path / "model.onnx"))
    assert [step.name for step in network.steps] == ["norm_a", "norm_b", "norm3"]
    network.parameters["norm_b.weight"] = 0 * B[:3]
    np.testing.assert_array_equal(network.parameters["norm_a.weight"], B[:3])


@pytest.mark.parametrize("operator", ["Softmax", "LogSoftmax"])
def test_a_last_softmax_is_left_out(operator: str, tmp_path: Path) -> None:
    nodes = [node("Gemm", "x w", "l"), node(operator, "l", "y", axis=-1)]
    path = written(model(nodes, {"w": drawn(6, 5)}, shape=("N", 6)), tmp_path / "model.onnx")
    network = gt.from_onnx(path)
    x = samples(network)
    logits = outputs(network, x).astype(np.float64)
    logarithms = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
    expected = logarithms if operator == "LogSoftmax" else np.exp(logarithms)
    agree(onnx_outputs(path, x), expected)


def test_open_sizes_are_given_by_hand(tmp_path: Path) -> None:
    path = written(
        model([node("Relu", "x", "y")], shape=("N", 3, "height", "width")), tmp_path / "m.onnx"
    )
    sentence = r"m.onnx: the model leaves the shape of a sample open, \(3, '\?', '\?'\); give "
    with pytest.raises(gt.FileError, match=sentence):
        gt.from_onnx(path)
    assert gt.from_onnx(path, input_shape=(3, 5, 6)).input_shape == (3, 5, 6)
    with pytest.raises(gt.FileError, match=r"takes samples of \(3, None, None\), not of input_sh"):
        gt.from_onnx(path, input_shape=(1, 5, 6))
    with pytest.raises(gt.ArgumentError, match="input_shape is one sample's"):
        gt.from_onnx(path, input_shape=(3, 0, 6))


def test_sums_by_einsum_are_formulas(tmp_path: Path) -> None:
    """Of samples and of arrays, in any letters, with the output's axes told or not."""
    import onnx

    draw = np.random.Generator(np.random.PCG64(1))
    weight = draw.random((4, 3)).astype(np.float32)
    x = draw.random((2, 3, 4)).astype(np.float32)
    for equation, inputs, expected in (
        ("Nij, ki -> Njk", ("in", "weight"), np.einsum("nij,ki->njk", x, weight)),
        ("bxy,bzy->bxz", ("in", "in"), np.einsum("bxy,bzy->bxz", x, x)),
        ("aij,kl", ("in", "weight"), np.einsum("aij,kl->aijkl", x, weight)),
        ("zij,ki->jk", ("in", "weight"), None),
        ("zij,ki->ijkz", ("in", "weight"), None),
        ("i...,ki->ik", ("in", "weight"), None),
    ):
        node = onnx.helper.make_node("Einsum", [*inputs], ["out"], name="s", equation=equation)
        kind = onnx.TensorProto.FLOAT
        graph = onnx.helper.make_graph(
            [node],
            "sums",
            [onnx.helper.make_tensor_value_info("in", kind, ["N", 3, 4])],
            [onnx.helper.make_tensor_value_info("out", kind, None)],
            [onnx.numpy_helper.from_array(weight, "weight")],
        )
        path = tmp_path / "sums.onnx"
        onnx.save(onnx.helper.make_model(graph), path)
        if expected is None:
            with pytest.raises(gt.FileError, match="node s .Einsum. adds up products as"):
                gt.from_onnx(path)
            continue
        agree(gt.from_onnx(path).predict(x, engine="reference"), expected)
