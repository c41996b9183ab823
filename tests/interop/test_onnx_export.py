"""Networks as ONNX files: what ONNX Runtime makes of them, and what comes back."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
from cases import CASES, Case
from formulas import FORMULAS
from interchange import (
    ARCHITECTURES,
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
from gradtrail.interop.onnx.onnx_export import OPSETS
from gradtrail.interop.pytorch.torch_source import torch_source
from gradtrail.layers import Declaration, Layer
from gradtrail.layers.steps import Step

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")


@frozen
class Unknown(Layer):
    """A layer that somebody added here alone."""

    prefix: ClassVar[str] = "unknown"

    norm: bool = False
    name: str | None = None

    def declare(self, *sources: tuple[int, ...], training: bool) -> Declaration:
        if self.norm:
            return gt.LayerNorm(elementwise_affine=False).declare(*sources, training=training)
        return gt.ReLU().declare(*sources, training=training)


REWRITTEN = {  # other words for the same layer: what the file says has lost the difference
    "adaptive-average-equal": gt.AvgPool2d((1, 3)),
    "adaptive-average3d": gt.AvgPool3d((2, 1, 1)),
    "adaptive-max-equal": gt.MaxPool2d((1, 3)),
    "adaptive-max3d": gt.MaxPool3d((2, 5, 1)),
    "avg-ceil": gt.AvgPool2d(2, 4, 1),
    "avg-ceil-uncounted": gt.AvgPool2d(3, 2, ((1, 1), (1, 2)), count_include_pad=False),
    "avg-pair-uncounted": gt.AvgPool2d(3, 2, ((0, 1), (1, 1)), count_include_pad=False),
    "avg3d": gt.AvgPool3d(2, None, (0, 1, 1), count_include_pad=False),
    "batch-norm-bare": gt.BatchNorm2d(eps=1e-3),
    "batch-norm-bare-evaluation": gt.BatchNorm2d(),
    "conv-same-dilated": gt.Conv2d(3, (2, 3), padding=(1, 2), dilation=2),
    "conv-same-odd": gt.Conv2d(3, 3, padding=1),
    "conv-valid": gt.Conv2d(3, (3, 2)),
    "conv1d-same-dilated": gt.Conv1d(3, 4, padding=3, dilation=2),
    "conv3d-pair": gt.Conv3d(2, 2, padding=((1, 0), (0, 0), (0, 2)), dilation=(1, 2, 1)),
    "convt-pair-crop": gt.ConvTranspose2d(
        2, 3, stride=2, padding=((2, 0), 1), output_padding=(0, 1)
    ),
    "dropout1d": gt.Dropout(0.4),
    "dropout2d": gt.Dropout(0.4),
    "dropout3d": gt.Dropout(0.4),
    "instance-norm": gt.InstanceNorm2d(affine=True),
    "instance-norm-tracked": gt.BatchNorm2d(),
    "max-ceil": gt.MaxPool2d(2, 4, 1),
    "max-ceil-behind-alone": gt.MaxPool2d(2, 3, 1),
    "max-ceil-dilated": gt.MaxPool2d(3, 2, ((1, 1), (0, 1)), dilation=(1, 2)),
    "max-channels": gt.Max((1, 3)),
    "max1d": gt.MaxPool1d(3, 2, ((0, 1),)),
    "max3d": gt.MaxPool3d(2, (1, 2, 2), (0, 1, 1)),
    "mean-features": gt.GlobalAvgPool1d(),
    "mean-places": gt.GlobalAvgPool2d(),
    "resize-corners": gt.Upsample(size=(3, 7), mode="bicubic", align_corners=True),
    "select-channels": gt.IndexSelect((1, 2, 1, 0)),
    "reshape": gt.Reshape((3, 42)),
    "slice-features": gt.Slice(2, 5),
    "slice-rows": gt.Slice(1, 6, 2, 2),
    "sum-places": gt.Sum((2, 3), keepdim=True),
    "upsample-bilinear": gt.Upsample(size=(14, 12), mode="bilinear"),
    "upsample-nearest": gt.Upsample(size=(14, 6)),
}


WITHOUT = {"instance-norm", "instance-norm-tracked"}
"""Whose scale and shift ONNX demands, though they have none."""

REWORDED = (
    *("avg-ceil-counted-in-part", "avg-divisor", "avg1d", "conv1d-circular", "conv3d-circular"),
    *("adaptive-average", "adaptive-max", "equation", "group-norm", "layer-norm", "rms-norm"),
    *("log-softmax", "pad-circular", "pad-reflect", "pieces", "slice-backwards", "smooth"),
    *("softmax-channels", "softmax-columns", "stochastic-depth", "upsample-nearest-smaller"),
)
"""How cases begin that come back as other layers, which do the same in evaluation."""

UNREAD = ("equation-conv-3d",)
"""A case whose gathered rows have more axes than a formula takes."""

LATER = {
    **dict.fromkeys(("max-dilation", "max-dilation-padded", "max-ceil-dilated"), 10),
    **dict.fromkeys(("slice-rows", "slice-backwards"), 10),
    **{f"upsample-{mode}": 11 for mode in ("linear", "bilinear", "corners", "bicubic")},
    "upsample-trilinear": 11,
    "pieces": 12,
    **dict.fromkeys(("resize-asymmetric", "resize-corners", "resize-nearest"), 11),
    **dict.fromkeys(("resize-antialias", "resize-cubic"), 18),
    **{
        f"equation-{name}": 12
        for name in ("conv-2d", "depthwise", "dilated", "bilinear", "normalised-sum", "conv-1d")
    },
    **{f"equation-{name}": 12 for name in ("conv-3d", "locally-connected", "transposed")},
}
"""Cases that need a later version of the operators than the first."""


def version_of(path: Path) -> int:
    """The version of the operators of a file."""
    (entry,) = onnx.load(path).opset_import
    return int(entry.version)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_case(case: Case, tmp_path: Path) -> None:
    network, path = single(case), tmp_path / "case.onnx"
    gt.to_onnx(network, path)
    assert version_of(path) == LATER.get(case.id, OPSETS[0])
    x = samples(network, case.shape[0])
    expected = outputs(network, x)
    agree(onnx_outputs(path, x), expected)
    if isinstance(case.layer, gt.Softmax | gt.LogSoftmax) and case.layer.dim == 1:
        return  # a last one is left out of what is read
    if case.id.startswith(UNREAD):
        return
    back = gt.from_onnx(path)
    agree(outputs(back, x), expected)
    if case.id in REWRITTEN:
        assert [replace(layer, name=None) for layer in layers_of(back)] == [REWRITTEN[case.id]]
    elif case.id.startswith(REWORDED):
        return
    elif len(network.steps) == 1:
        assert layers_of(back) == (rewritten(case).layer,)
    else:
        same_steps(back, network)
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


LATE_OPERATORS = {
    "GroupNormalization": 21,
    "HardSwish": 14,
    "LayerNormalization": 17,
    "Mish": 18,
    "RMSNormalization": 23,
}
"""Since when layers of `rewritten_by_version` are one operator."""


def by_version() -> gt.Network:
    """Layers that are written otherwise in one version than in another."""
    x = gt.Input((4, 6, 6))
    a = gt.Hardswish()(gt.LayerNorm(axes=(1, 3))(gt.GroupNorm(2)(x)))
    a = gt.RMSNorm(axes=1)(gt.Mish()(a)) + gt.Mean((2, 3))(x)
    b = gt.Softmax(2)(gt.PixelShuffle(2)(gt.Pad((1, 2, 0, -1), mode="circular")(a)))
    b = gt.Pad((1, 0, -1, 2), mode="reflect")(gt.ReLU6()(gt.Upsample(2)(b)))
    c = gt.Pad(1, value=0.5)(gt.Slice(1, 20, axis=2)(b)) * gt.Sum((2, 3), keepdim=True)(b)
    c = gt.AdaptiveMaxPool2d((2, 3))(gt.MatMul(transpose_b=True)(c, c))
    return gt.Network(x, gt.Linear(3, bias=False)(gt.Flatten()(gt.Max(1)(c))), seed=3)


@pytest.mark.parametrize("opset", OPSETS)
def test_layers_that_each_version_has_otherwise(opset: int, tmp_path: Path) -> None:
    if opset > onnx.defs.onnx_opset_version():
        pytest.skip("the installed onnx is older")
    network, path = by_version(), tmp_path / "net.onnx"
    filled(network, np.random.Generator(np.random.PCG64(3)))
    gt.to_onnx(network, path, opset=opset)
    assert version_of(path) == opset
    found = {node.op_type for node in onnx.load(path).graph.node}
    assert {name for name in LATE_OPERATORS if name in found} == {
        name for name, since in LATE_OPERATORS.items() if opset >= since
    }
    x = samples(network)
    agree(onnx_outputs(path, x), outputs(network, x))
    if opset in (9, 18, OPSETS[-1]):
        agree(outputs(gt.from_onnx(path), x), outputs(network, x))


def test_the_lowest_version_is_the_lowest(tmp_path: Path) -> None:
    """One lower is refused here by the layer's name, and by ONNX of a file that says it has it."""
    layers: list[tuple[gt.layers.Layer, int]] = [
        (gt.MaxPool2d(2, 1, dilation=2), 10),
        (gt.Slice(None, None, 2), 10),
        (gt.Upsample(size=5, mode="bilinear"), 11),
        (gt.Pointwise("round(x)"), 11),
        (gt.Hardshrink(), 9),
        (gt.Threshold(0.5, -2), 12),
        (gt.Equation("Z[n,k,y,x] = Σ_{c} W[k,c]·X[n,c,y,x]", k=2), 12),
    ]
    for layer, lowest in layers:
        network, path = gt.Network((3, 6, 6), [layer], seed=1), tmp_path / "net.onnx"
        gt.to_onnx(network, path)
        assert version_of(path) == lowest
        if lowest == OPSETS[0]:
            continue
        named = f"layer '{network.steps[0].name}' .* needs operators of version {lowest}, not"
        with pytest.raises(gt.ArgumentError, match=named):
            gt.to_onnx(network, path, opset=lowest - 1)
        model = onnx.load(path)
        model.opset_import[0].version = lowest - 1
        refusals = (onnx.checker.ValidationError, onnx.shape_inference.InferenceError)
        with pytest.raises(
            refusals, match=r"No Op registered|Unrecognized|not .* range|nferenc|ype"
        ):
            onnx.checker.check_model(model, full_check=True)


def test_the_tables_of_versions_are_those_of_onnx() -> None:
    from gradtrail.interop.onnx.onnx_writing import AS_INPUTS, SINCE

    def schema(operator: str, version: int) -> object:
        return onnx.defs.get_schema(operator, version)

    for operator, version in SINCE.items():
        assert schema(operator, version).since_version == version  # type: ignore[attr-defined]
    for operator, version in AS_INPUTS.items():
        before, after = schema(operator, version - 1), schema(operator, version)
        assert after.since_version == version  # type: ignore[attr-defined]
        assert len(after.inputs) > len(before.inputs)  # type: ignore[attr-defined]


def test_versions_that_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    network, path = gt.Network((3,), [gt.ReLU()]), tmp_path / "net.onnx"
    for opset in (8, 29, 17.0, "17"):
        with pytest.raises(gt.ArgumentError, match=f"opset must be from 9 to 28, got {opset!r}"):
            gt.to_onnx(network, path, opset=opset)  # type: ignore[arg-type]
    monkeypatch.setattr(onnx.defs, "onnx_opset_version", lambda: 21)
    with pytest.raises(gt.ArgumentError, match="knows operators up to version 21, not 22; update"):
        gt.to_onnx(network, path, opset=22)


def run_named(path: Path, given: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """What ONNX Runtime makes of a file's inputs, by the names of its outputs."""
    import onnxruntime

    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    found = session.run(None, given)
    return dict(zip((entry.name for entry in session.get_outputs()), found, strict=True))


def test_several_inputs_and_outputs_and_shared_layers(tmp_path: Path) -> None:
    """A picture and numbers beside it; each shared layer's arrays are in the file once."""
    picture, numbers = gt.Input((2, 6, 5), name="picture"), gt.Input((3,), name="numbers")
    conv, norm, slope = gt.Conv2d(2, 3, padding=1), gt.BatchNorm2d(), gt.PReLU(2)
    rms = gt.RMSNorm(axes=1)
    a = slope(norm(conv(picture)))
    b = rms(slope(norm(conv(a)))) + a * gt.Linear(2)(numbers)
    pooled = gt.GlobalAvgPool2d()(rms(b))
    outs = {"map": b, "class": gt.Linear(4)(pooled), "again": b}
    network = gt.Network([picture, numbers], outs, seed=2)
    filled(network, np.random.Generator(np.random.PCG64(3)))
    draw = np.random.Generator(np.random.PCG64(4))
    x = {
        name: draw.random((3, *shape), np.float32) - np.float32(0.5)
        for name, shape in network.inputs.items()
    }
    expected = network.predict(x, engine="reference")
    for opset in (9, 23):
        gt.to_onnx(network, tmp_path / "net.onnx", opset=opset)
        found = run_named(tmp_path / "net.onnx", x)
        assert list(found) == ["map", "class", "again"]
        for name, array in found.items():
            agree(array, expected[name])
        graph = onnx.load(tmp_path / "net.onnx").graph
        held = [*network.parameters, *network.buffers]
        assert sorted(n for n in held if n in {a.name for a in graph.initializer}) == sorted(held)
        assert not [a.name for a in graph.initializer if "laid" in a.name]


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
    """ONNX Runtime does not convolve float64; ONNX's own interpreter does, which before version 14
    normalises by the batch. Settings such as epsilon and slopes are float32 in any file, which
    moves outputs by some 1e-8."""
    from onnx.reference import ReferenceEvaluator

    filled(small, np.random.Generator(np.random.PCG64(3)))
    gt.to_onnx(small, tmp_path / "net.onnx", opset=15)
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
    monkeypatch.setattr("gradtrail.interop.onnx.onnx_export._MOST_BYTES", (1 << 24) + 31)
    gt.to_onnx(gt.Network((3,), [gt.Linear(2, bias=False)]), tmp_path / "net.onnx")
    with pytest.raises(gt.FileError, match="net.onnx: 32 bytes of weights, and ONNX allows 2 GiB"):
        gt.to_onnx(gt.Network((3,), [gt.Linear(2)]), tmp_path / "net.onnx")


def test_every_layer_can_be_written() -> None:
    """All but the formula have a writer of their own; it is written by its equation."""
    from gradtrail import layers
    from gradtrail.interop.onnx.onnx_operators_written import WRITERS
    from gradtrail.layers.joins import Add, Join, Multiply

    public = {getattr(layers, name) for name in layers.__all__}
    kinds = {kind for kind in public if isinstance(kind, type)}
    known = {kind for kind in kinds if issubclass(kind, gt.layers.Layer)} - {gt.layers.Layer}
    assert known | {Add, Join, Multiply} == {*WRITERS, gt.Equation}


@pytest.mark.parametrize("name", list(FORMULAS))
def test_formulas_of_several_inputs(name: str, tmp_path: Path) -> None:
    written = FORMULAS[name]
    if len(written.inputs) == 1:
        pytest.skip("one of the cases")
    nodes = [gt.Input(shape[1:], name=f"in_{at}") for at, shape in enumerate(written.shapes)]
    network = gt.Network(nodes, written.layer(*nodes), seed=1)
    filled(network, np.random.Generator(np.random.PCG64(3)))
    gt.to_onnx(network, tmp_path / "net.onnx")
    draw = np.random.Generator(np.random.PCG64(4))
    x = {n: 0.5 + draw.random((3, *shape), np.float32) for n, shape in network.inputs.items()}
    (found,) = run_named(tmp_path / "net.onnx", x).values()
    agree(found, network.predict(x, engine="reference"))


def test_a_layer_of_ones_own_is_written_by_its_equation(tmp_path: Path) -> None:
    """The same sum, an indexed scale of each place, or one that nothing can be made of."""
    network, path = gt.Network((3, 4), [Unknown(), gt.LocalResponseNorm(2)]), tmp_path / "net.onnx"
    gt.to_onnx(network, path)
    x = samples(network)
    agree(onnx_outputs(path, x), outputs(network, x))
    network = gt.Network((3, 4), [Unknown(norm=True)])
    with pytest.raises(gt.ArgumentError, match="no operator for layer 'unknown1' .Unknown., and i"):
        gt.to_onnx(network, path)
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
