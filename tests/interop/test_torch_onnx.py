"""What PyTorch's exporter writes, read: the model's path as names, its weights, its outputs."""

from __future__ import annotations

import io
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from comparing import assert_close
from interchange import agree, layers_of, onnx_outputs, outputs, samples, torch_outputs

import gradtrail as gt

torch = pytest.importorskip("torch")
pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")
from torch_models import MODULES, Dense, ResNet, UNet, made  # noqa: E402, it needs PyTorch

nn, F = torch.nn, torch.nn.functional

pytestmark = pytest.mark.torch


def exported(
    module: Any, shape: tuple[int, ...], path: Path, *, training: bool = False, **named: Any
) -> Path:
    """A file from the exporter that needs no other package."""
    content = io.BytesIO()
    mode = torch.onnx.TrainingMode.PRESERVE if training else torch.onnx.TrainingMode.EVAL
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            module.train(training), (torch.rand(2, *shape),), content, dynamo=False, training=mode,
            **named,
        )  # fmt: skip
    path.write_bytes(content.getvalue())
    return path


OPEN = {"input_names": ["image"], "dynamic_axes": {"image": {0: "batch"}}}


@pytest.mark.parametrize("opset", [11, 17, 20])
@pytest.mark.parametrize("name", sorted(MODULES.keys() - {"adaptive-whole"}))  # not exported
@pytest.mark.filterwarnings("ignore:Using padding='same'")
def test_module(name: str, opset: int, tmp_path: Path) -> None:
    module = nn.Sequential(made(MODULES[name]), nn.ReLU())  # something is left without a dropout
    path = exported(module, (3, 8, 9), tmp_path / "model.onnx", opset_version=opset, **OPEN)
    network = gt.from_onnx(path)
    x = samples(network, 4)
    agree(outputs(network, x), torch_outputs(module, x))
    agree(outputs(network, x), onnx_outputs(path, x))


class Views(nn.Module):
    """The usual ways to a row, and a GELU and a SiLU by hand."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.fc = nn.Conv2d(3, 4, 3), nn.Linear(4 * 3 * 3, 5)
        self.head = nn.Linear(5, 4, bias=False)

    def forward(self, x: Any) -> Any:
        x = F.gelu(self.conv((x - 0.5) / 0.25))
        x = F.max_pool2d(x * torch.sigmoid(x), 2)
        x = x.view(x.size(0), -1)
        x = F.silu(self.fc(x))
        return F.log_softmax(self.head(x), dim=1)


@pytest.mark.parametrize("opset", [11, 14, 18, 20])
def test_arithmetic_and_views(opset: int, tmp_path: Path) -> None:
    module = made(Views)
    for name, named in {"fixed": {}, "open": OPEN}.items():
        path = tmp_path / f"{name}.onnx"
        exported(module, (3, 8, 8), path, opset_version=opset, **named)
        network = gt.from_onnx(path)
        assert [type(layer).__name__ for layer in layers_of(network)] == [
            *("Normalize", "Conv2d", "GELU", "SiLU", "MaxPool2d", "Flatten", "Linear", "SiLU"),
            "Linear",
        ]
        x = samples(network, 2)
        logits = torch.tensor(outputs(network, x))
        agree(F.log_softmax(logits, 1).numpy(), torch_outputs(module, x))


@pytest.mark.parametrize(
    ("kind", "shape"), [(ResNet, (3, 13, 14)), (Dense, (3, 8, 9)), (UNet, (3, 8, 8))]
)
def test_branches(kind: Any, shape: tuple[int, ...], tmp_path: Path) -> None:
    module = made(kind)
    network = gt.from_onnx(exported(module, shape, tmp_path / "model.onnx", **OPEN))
    x = samples(network, 3)
    agree(outputs(network, x), torch_outputs(module, x))


def test_a_model_exported_in_training_mode_keeps_its_layers_and_names(tmp_path: Path) -> None:
    """Otherwise the exporter folds batch norms into the convolutions before them."""
    module = made(ResNet)
    path = exported(
        module, (3, 12, 12), tmp_path / "m.onnx", do_constant_folding=False,
        operator_export_type=torch.onnx.OperatorExportTypes.ONNX, keep_initializers_as_inputs=True,
    )  # fmt: skip
    direct, through = gt.from_torch(module, (3, 12, 12)), gt.from_onnx(path)
    with_weights = [type(layer).__name__ for layer in layers_of(through)]
    assert with_weights[0] == "Conv2d"
    assert {step.name for step in through.steps if step.name.startswith("layer")} <= {
        step.name for step in direct.steps
    }
    x = samples(direct)
    agree(outputs(through, x), outputs(direct, x))
    y = np.array([0, 1, 2])
    ours = gt.trace(through, x, y, training=False, engine="reference").grad["input"]
    theirs = gt.trace(direct, x, y, training=False, engine="reference").grad["input"]
    assert_close(ours, theirs, 1e-4)


def test_our_module_can_be_exported(tmp_path: Path) -> None:
    network = gt.architecture("resnet20").network(seed=3)
    path = exported(gt.to_torch(network), network.input_shape, tmp_path / "m.onnx", **OPEN,
                    output_names=["logits"])  # fmt: skip
    back = gt.from_onnx(path)
    x = samples(network, 2)
    agree(outputs(back, x), outputs(network, x))


def newly_exported(module: Any, shape: tuple[int, ...], path: Path, **named: Any) -> gt.Network:
    """Through the exporter that PyTorch uses by default, into a file and one beside it."""
    pytest.importorskip("onnxscript", reason="the exporter needs it")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(module.eval(), (torch.rand(2, *shape),), path, verbose=False, **named)
    return gt.from_onnx(path)


def test_the_newer_exporter_without_optimising_keeps_every_layer(tmp_path: Path) -> None:
    """Biases that layers have not, norms, names of modules: all as from_torch reads them. Only a
    module's second call, and what is a function in PyTorch, are counted here."""
    module = made(ResNet)
    network = newly_exported(module, (3, 12, 12), tmp_path / "m.onnx", optimize=False)
    direct = gt.from_torch(module, (3, 12, 12))
    kinds = [(type(step.layer), getattr(step.layer, "bias", None)) for step in direct.steps]
    assert [
        (type(step.layer), getattr(step.layer, "bias", None)) for step in network.steps
    ] == kinds
    for ours, theirs in zip(network.steps, direct.steps, strict=True):
        if not theirs.name.endswith("relu_1"):
            assert ours.name == theirs.name
    assert network.parameters.keys() == direct.parameters.keys()
    x = samples(direct)
    agree(outputs(network, x), outputs(direct, x))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("named", [{}, {"optimize": False}, {"dynamo": False}], ids=str)
def test_what_every_exporter_writes_computes_what_the_module_does(
    named: dict[str, Any], dtype: str, tmp_path: Path
) -> None:
    """Outputs, the gradient of the input and those of all layers without a norm behind them."""
    pytest.importorskip("onnxscript", reason="the exporter needs it")
    module = made(ResNet, getattr(torch, dtype)).eval()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        sample = torch.rand(2, 3, 12, 12, dtype=getattr(torch, dtype))
        torch.onnx.export(module, (sample,), tmp_path / "m.onnx", verbose=False, **named)
    network = gt.from_onnx(tmp_path / "m.onnx")
    assert network.dtype == dtype
    names = [step.name for step in network.steps if isinstance(step.layer, gt.Conv2d)]
    direct = gt.from_torch(module, (3, 12, 12))
    assert names == [step.name for step in direct.steps if isinstance(step.layer, gt.Conv2d)]
    x, y = samples(network), np.array([0, 1, 2])
    theirs = torch.tensor(x, dtype=torch.float64, requires_grad=True)
    loss = F.cross_entropy(module.double()(theirs), torch.tensor(y))
    loss.backward()
    ours = gt.trace(network, x, y, training=False, engine="reference")
    tolerance = 1e-12 if dtype == "float64" else 1e-5
    assert abs(ours.loss - loss.item()) <= tolerance * loss.item()
    assert_close(ours.grad["input"], theirs.grad.numpy(), tolerance)
    assert_close(ours.grad["fc.weight"], module.fc.weight.grad.numpy(), tolerance)


def test_the_newer_exporter_writes_weights_beside_the_file(tmp_path: Path) -> None:
    """It drops a bias of zeros, and writes equal arrays once: norm_a reads norm_b's or the like."""

    class Norms(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(3, 20, 3)
            self.norm_a, self.norm_b = nn.BatchNorm2d(20), nn.BatchNorm2d(20)

        def forward(self, x: Any) -> Any:
            return self.norm_b(F.relu(self.norm_a(F.relu(self.conv(x)))))

    module = Norms()
    nn.init.zeros_(module.conv.bias)
    network = newly_exported(module, (3, 6, 6), tmp_path / "m.onnx")
    assert (tmp_path / "m.onnx.data").stat().st_size >= 4 * 20 * 27
    assert [step.name for step in network.steps] == ["conv", "relu1", "norm_a", "relu2", "norm_b"]
    assert network.steps[0].layer == gt.Conv2d(20, 3, bias=False, name="conv")
    x = samples(network)
    agree(outputs(network, x), torch_outputs(module, x))
