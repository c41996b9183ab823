"""Networks as ONNX files: what ONNX Runtime makes of them, and what comes back."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
from cases import CASES, Case
from interchange import (
    ARCHITECTURES,
    SETTINGS,
    agree,
    filled,
    layers_of,
    onnx_outputs,
    outputs,
    rewritten,
    same_arrays,
    same_steps,
    samples,
    single,
)
from random_networks import drawn_network
from tails import beginning

import gradtrail as gt
from gradtrail.equation.frozen import frozen
from gradtrail.interop.onnx_export import OPSETS
from gradtrail.interop.torch_source import torch_source
from gradtrail.layers import Declaration, Layer
from gradtrail.layers.steps import Step

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")


@frozen
class Unknown(Layer):
    """A layer that somebody added here alone."""

    prefix: ClassVar[str] = "unknown"

    name: str | None = None

    def declare(self, *sources: tuple[int, ...], training: bool) -> Declaration:
        return gt.ReLU().declare(*sources, training=training)


REWRITTEN = {  # other words for the same layer: what the file says has lost the difference
    "conv-same-odd": gt.Conv2d(3, 3, padding=1),
    "conv-same-dilated": gt.Conv2d(3, (2, 3), padding=(1, 2), dilation=2),
    "conv-valid": gt.Conv2d(3, (3, 2)),
    "layer-norm-maps": gt.LayerNorm(axes=(2, 3)),
    "layer-norm-features-bare": gt.LayerNorm(bias=False),
    "instance-norm": gt.InstanceNorm2d(affine=True),
    "instance-norm-tracked": gt.BatchNorm2d(),
    "batch-norm-bare": gt.BatchNorm2d(eps=1e-3),
    "batch-norm-bare-evaluation": gt.BatchNorm2d(),
}


WITHOUT = {"instance-norm", "instance-norm-tracked"}
"""Whose scale and shift ONNX demands, though they have none."""

REWORDED = {
    *("conv1d-same-dilated", "max1d", "max3d", "avg3d", "softmax-columns", "pieces"),
    *("dropout1d", "dropout2d", "dropout3d"),
}
"""What comes back in other settings, or as another layer that does the same in evaluation."""

UNWRITTEN = (
    *(gt.GroupNorm, gt.RMSNorm, gt.MatMul, gt.StochasticDepth),
    *(gt.AdaptiveAvgPool1d, gt.AdaptiveAvgPool2d, gt.AdaptiveAvgPool3d),
    *(gt.AdaptiveMaxPool1d, gt.AdaptiveMaxPool2d, gt.AdaptiveMaxPool3d),
    *(gt.ChannelShuffle, gt.Equation, gt.IndexSelect, gt.Max, gt.Mean, gt.Pad, gt.Permute),
    *(gt.PixelShuffle, gt.PixelUnshuffle, gt.Reshape, gt.Slice, gt.Sum, gt.Upsample),
)
"""Layers that cannot be written as ONNX yet, which `to_onnx` says."""

BEYOND = (*SETTINGS, "circular", "avg1d")
"""Settings that are refused, or that `test_window_export.py` has."""

WRITTEN = [
    case
    for case in CASES
    if not isinstance(case.layer, UNWRITTEN) and not any(word in case.id for word in BEYOND)
]


@pytest.mark.parametrize("case", WRITTEN, ids=lambda case: case.id)
def test_case(case: Case, tmp_path: Path) -> None:
    network, path = single(case), tmp_path / "case.onnx"
    gt.to_onnx(network, path)
    x = samples(network, case.shape[0])
    expected = outputs(network, x)
    agree(onnx_outputs(path, x), expected)
    if isinstance(case.layer, gt.Softmax | gt.LogSoftmax) and case.layer.dim == 1:
        return  # a last one is left out of what is read
    back = gt.from_onnx(path)
    if case.id in REWORDED:
        pass
    elif case.id in REWRITTEN or len(network.steps) == 1:
        assert layers_of(back) == (REWRITTEN.get(case.id, rewritten(case).layer),)
    else:
        same_steps(back, network)
    agree(outputs(back, x), expected)
    if "bare" not in case.id and case.id not in WITHOUT:
        same_arrays(back, network)


def beyond_runtime(step: Step) -> bool:
    """Output padding from the stride on, and nothing cropped that could be less instead."""
    if not isinstance(step.layer, gt.ConvTranspose2d):
        return False
    window = step.layer.windows
    return any(-q >= s for (_, q), s in zip(window.margins, window.stride, strict=True))


@pytest.mark.parametrize("block", beginning(1, range(10)))
def test_random_networks(block: int, tmp_path: Path) -> None:
    for number in range(10 * block, 10 * block + 10):
        network, path = drawn_network(number, exchanged=True), tmp_path / f"{number}.onnx"
        gt.to_onnx(network, path)
        x = samples(network)
        expected = outputs(network, x)
        if not any(map(beyond_runtime, network.steps)):
            agree(onnx_outputs(path, x), expected)
        back = gt.from_onnx(path)
        assert [step.name for step in back.steps] == [step.name for step in network.steps]
        agree(outputs(back, x), expected)


@pytest.mark.parametrize("name", beginning(3, ARCHITECTURES))
def test_architectures(name: str, tmp_path: Path) -> None:
    network, path = gt.architecture(name).network(seed=2), tmp_path / "net.onnx"
    filled(network, np.random.Generator(np.random.PCG64(3)))
    gt.to_onnx(network, path)
    x = samples(network, 2)
    agree(onnx_outputs(path, x), network.predict(x))
    back = gt.from_onnx(path)
    same_steps(back, network)
    same_arrays(back, network)


@pytest.mark.parametrize("opset", OPSETS)
def test_every_version_of_the_operators(opset: int, tmp_path: Path) -> None:
    """A network of all layers; `to_onnx` has it checked by ONNX, and ONNX Runtime runs it."""
    if opset > onnx.defs.onnx_opset_version():
        pytest.skip("the installed onnx is older")
    layers = [
        *(gt.Normalize((0.1, 0.2), 0.5), gt.Conv2d(4, 3, padding=1, stride=2), gt.BatchNorm2d()),
        *(gt.ReLU(), gt.Residual([gt.Conv2d(4, 3, padding="same", groups=2), gt.GELU()])),
        *(gt.ConvTranspose2d(3, 2, stride=2), gt.LeakyReLU(0.2), gt.MaxPool2d(2)),
        *(gt.Concat([gt.SiLU()], [gt.AvgPool2d(3, 1, 1, count_include_pad=False)]),),
        *(gt.GELU(approximate="tanh"), gt.AvgPool2d(2, 1, 1), gt.Dropout(0.1), gt.Sigmoid()),
        *(gt.Residual([gt.BatchNorm2d(affine=False)]), gt.GlobalAvgPool2d(), gt.Linear(5)),
        *(gt.Tanh(), gt.Linear(3, bias=False)),
    ]
    network, path = gt.Network((2, 9, 8), layers, dtype=np.float32, seed=3), tmp_path / "net.onnx"
    filled(network, np.random.Generator(np.random.PCG64(3)))
    gt.to_onnx(network, path, opset=opset)
    model = onnx.load(path)
    assert [entry.version for entry in model.opset_import] == [opset]
    assert ("Gelu" in {node.op_type for node in model.graph.node}) == (opset >= 20)
    x = samples(network)
    agree(onnx_outputs(path, x), outputs(network, x))
    back = gt.from_onnx(path)
    assert [step.name for step in back.steps] == [step.name for step in network.steps]
    assert [type(step.layer) for step in back.steps] == [type(step.layer) for step in network.steps]
    agree(outputs(back, x), outputs(network, x))


def test_versions_that_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    network, path = gt.Network((3,), [gt.ReLU()]), tmp_path / "net.onnx"
    for opset in (12, 29, 17.0, "17"):
        with pytest.raises(gt.ArgumentError, match=f"opset must be from 13 to 28, got {opset!r}"):
            gt.to_onnx(network, path, opset=opset)  # type: ignore[arg-type]
    monkeypatch.setattr(onnx.defs, "onnx_opset_version", lambda: 21)
    with pytest.raises(gt.ArgumentError, match="knows operators up to version 21, not 22; update"):
        gt.to_onnx(network, path, opset=22)


def test_the_batch_may_have_any_size(small: gt.Network, tmp_path: Path) -> None:
    network, path = gt.architecture("digits-cnn").network(seed=1), tmp_path / "net.onnx"
    gt.to_onnx(network, path)
    for count in (1, 2, 17):
        assert onnx_outputs(path, samples(network, count)).shape == (count, 10)


def test_the_arrays_of_the_file_have_our_names(tmp_path: Path) -> None:
    network = gt.Network((1, 6, 6), [gt.Conv2d(2, 3), gt.BatchNorm2d(), gt.SiLU(), gt.Flatten()])
    gt.to_onnx(network, tmp_path / "net.onnx")
    graph = onnx.load(tmp_path / "net.onnx").graph
    assert [array.name for array in graph.initializer] == [*network.parameters, *network.buffers]
    assert [node.name for node in graph.node] == [
        "conv1",
        "norm1",
        "silu1.sigmoid",
        "silu1",
        "flatten1",
    ]
    assert [entry.name for entry in (*graph.input, *graph.output)] == ["input", "flatten1.output"]
    (batch, *sizes) = graph.input[0].type.tensor_type.shape.dim
    assert (batch.dim_param, [size.dim_value for size in sizes]) == ("N", [1, 6, 6])


def test_float64_stays_float64(small: gt.Network, tmp_path: Path) -> None:
    """ONNX Runtime does not convolve float64; ONNX's own interpreter does. Settings such as epsilon
    and slopes are float32 in any file, which moves outputs by some 1e-8."""
    from onnx.reference import ReferenceEvaluator

    filled(small, np.random.Generator(np.random.PCG64(3)))
    gt.to_onnx(small, tmp_path / "net.onnx")
    x = samples(small)
    (found,) = ReferenceEvaluator(str(tmp_path / "net.onnx")).run(None, {"input": x})
    assert found.dtype == np.float64
    agree(found, outputs(small, x), 1e-7)
    back = gt.from_onnx(tmp_path / "net.onnx")
    same_steps(back, small)
    same_arrays(back, small)


def test_a_network_without_arrays_keeps_its_dtype(tmp_path: Path) -> None:
    for dtype in (np.float32, np.float64):
        gt.to_onnx(gt.Network((3,), [gt.ReLU()], dtype=dtype), tmp_path / "net.onnx")
        assert gt.from_onnx(tmp_path / "net.onnx").dtype == dtype


def test_names_given_by_hand_come_back(tmp_path: Path) -> None:
    layers = [
        gt.Conv2d(2, 3, padding=1, name="first"),
        gt.Residual([gt.Conv2d(2, 3, padding=1), gt.SiLU(name="gate")], name="sum"),
        gt.Concat([gt.ReLU(name="positive")], [], name="both"),
        *(gt.GlobalAvgPool2d(name="mean"), gt.Linear(3, name="classes")),
    ]
    network = gt.Network((2, 6, 6), layers)
    gt.to_onnx(network, tmp_path / "net.onnx")
    same_steps(gt.from_onnx(tmp_path / "net.onnx"), network)


def test_a_file_is_replaced_only_when_the_new_one_is_complete(tmp_path: Path) -> None:
    path = tmp_path / "new" / "net.onnx"
    gt.to_onnx(gt.Network((3,), [gt.Linear(2)]), path)
    first = path.read_bytes()
    gt.to_onnx(gt.Network((3,), [gt.Linear(2)]), str(path))
    assert path.read_bytes() == first
    assert os.listdir(path.parent) == ["net.onnx"]
    with pytest.raises(gt.FileError, match=f"cannot write {path.parent}"):
        gt.to_onnx(gt.Network((3,), [gt.Linear(2)]), path.parent)
    with pytest.raises(gt.ArgumentError, match="to_onnx: path must be a file to write, got 3"):
        gt.to_onnx(gt.Network((3,), [gt.Linear(2)]), 3)  # type: ignore[arg-type]


def test_what_would_not_fit_into_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gradtrail.interop.onnx_export._MOST_BYTES", (1 << 24) + 31)
    gt.to_onnx(gt.Network((3,), [gt.Linear(2, bias=False)]), tmp_path / "net.onnx")
    with pytest.raises(gt.FileError, match="net.onnx: 32 bytes of weights, and ONNX allows 2 GiB"):
        gt.to_onnx(gt.Network((3,), [gt.Linear(2)]), tmp_path / "net.onnx")


def test_every_layer_can_be_written() -> None:
    from gradtrail import layers
    from gradtrail.interop.onnx_export import _WRITERS
    from gradtrail.layers.joins import Add, Join

    kinds = {kind for kind in vars(layers).values() if isinstance(kind, type)}
    known = {kind for kind in kinds if issubclass(kind, gt.layers.Layer)} - {gt.layers.Layer}
    assert (known - {*UNWRITTEN}) | {Add, Join} == set(_WRITERS)


def test_a_layer_that_onnx_does_not_know(tmp_path: Path) -> None:
    network = gt.Network((3,), [Unknown()])
    with pytest.raises(gt.ArgumentError, match="to_onnx: ONNX has no operator for Unknown"):
        gt.to_onnx(network, tmp_path / "net.onnx")
    with pytest.raises(gt.ArgumentError, match="PyTorch has no module for Unknown"):
        torch_source(network, "weights.safetensors")


@pytest.mark.parametrize(
    ("call", "package"),
    [
        (lambda: gt.to_onnx(gt.Network((3,), [gt.ReLU()]), "net.onnx"), "onnx"),
        (lambda: gt.from_onnx("net.onnx"), "onnx"),
        (lambda: gt.to_torch(gt.Network((3,), [gt.ReLU()])), "torch"),
        (lambda: gt.from_torch(None, (3,)), "torch"),
    ],
)
def test_a_package_that_is_missing(
    call: Callable[[], object], package: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(gt.MissingPackageError, match=f"needs {package}: pip install {package}$"):
        call()
