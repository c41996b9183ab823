"""`gradtrail export`, and ONNX files wherever a model is named."""

from __future__ import annotations

import json
import runpy
from pathlib import Path

import numpy as np
import pytest
from commands import run
from interchange import agree, onnx_outputs, outputs, same_steps, samples, torch_outputs

import gradtrail as gt


@pytest.fixture
def trained(tmp_path: Path) -> Path:
    """A run's folder, of a small network trained a little."""
    layers = [{"type": "Conv2d", "out_channels": 3, "kernel_size": 3}, {"type": "BatchNorm2d"}]
    layers += [{"type": "MaxPool2d", "kernel_size": 2}, {"type": "Flatten"}]
    data = {"input_shape": [1, 8, 8], "layers": [*layers, {"type": "Linear", "out_features": 10}]}
    (tmp_path / "tiny.json").write_text(json.dumps(data))
    folder = tmp_path / "run"
    result = run(
        "train", "--model", tmp_path / "tiny.json", "--epochs", 1, "--quiet", "--out", folder
    )
    assert result.exit_code == 0, result.output
    return folder


def test_onnx(trained: Path, tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime")
    out = tmp_path / "net.onnx"
    result = run("export", trained, "--to", "onnx", "--out", out)
    assert (result.exit_code, result.output) == (0, f"wrote {out}\n")
    network = gt.load(trained)
    x = samples(network, 4)
    agree(onnx_outputs(out, x), outputs(network, x))
    same_steps(gt.from_onnx(out), network)


def test_onnx_of_another_version(trained: Path, tmp_path: Path) -> None:
    onnx = pytest.importorskip("onnx")
    out = tmp_path / "net.onnx"
    assert run("export", trained, "--to", "onnx", "--opset", 17, "--out", out).exit_code == 0
    assert [entry.version for entry in onnx.load(out).opset_import] == [17]
    result = run("export", trained, "--to", "onnx", "--opset", 8, "--out", out, "--overwrite")
    assert "to_onnx: opset must be from 9 to 28, got 8" in result.output
    result = run("export", trained, "--to", "safetensors", "--opset", 17)
    assert "--opset is for --to onnx, not for --to safetensors" in result.output


@pytest.mark.torch
def test_torch(trained: Path, tmp_path: Path) -> None:
    pytest.importorskip("torch")
    out = tmp_path / "net.py"
    result = run("export", trained, "--to", "torch", "--out", out)
    weights = out.with_suffix(".safetensors")
    assert (result.exit_code, result.output) == (0, f"wrote {out} and {weights}\n")
    network = gt.load(trained)
    x = samples(network, 4)
    agree(torch_outputs(runpy.run_path(str(out))["load"](), x), outputs(network, x))
    np.testing.assert_array_equal(
        gt.load(weights).parameters["conv1.weight"], network.parameters["conv1.weight"]
    )


def test_torch_needs_no_torch_to_be_written(trained: Path, tmp_path: Path) -> None:
    assert run("export", trained, "--to", "torch", "--out", tmp_path / "net.py").exit_code == 0
    assert "self.conv1 = nn.Conv2d(1, 3, 3)" in (tmp_path / "net.py").read_text()
    result = run("export", trained, "--to", "torch", "--out", tmp_path / "net")
    assert result.exit_code == 2
    assert f"--out {tmp_path}/net: the file's name must end in .py, as {tmp_path}/net.py does" in (
        result.output
    )


def test_safetensors_from_onnx(trained: Path, tmp_path: Path) -> None:
    pytest.importorskip("onnx")
    run("export", trained, "--to", "onnx", "--out", tmp_path / "net.onnx")
    out = tmp_path / "back.safetensors"
    assert run("export", tmp_path / "net.onnx", "--to", "safetensors", "--out", out).exit_code == 0
    network = gt.load(trained)
    network.drawn = (0, 0)  # how far a training has drawn, which ONNX has no place for
    network.save(tmp_path / "expected.safetensors")
    assert out.read_bytes() == (tmp_path / "expected.safetensors").read_bytes()


def test_the_file_has_the_runs_name_and_replaces_nothing(
    trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    assert run("export", "../run/", "--to", "safetensors").output == "wrote run.safetensors\n"
    result = run("export", trained, "--to", "torch")
    assert result.exit_code == 2
    assert (
        "run.safetensors is there already; give --out another name or --overwrite" in result.output
    )
    assert not Path("run.py").exists()
    assert run("export", trained, "--to", "torch", "--overwrite").exit_code == 0
    assert {path.name for path in Path.cwd().iterdir()} == {"run.py", "run.safetensors"}


def test_help_shows_an_example() -> None:
    result = run("export", "--help")
    assert (
        "Example: gradtrail export runs/digits-cnn-1 --to onnx --out digits.onnx" in result.output
    )


def test_an_onnx_file_is_a_model(trained: Path, tmp_path: Path) -> None:
    pytest.importorskip("onnx")
    path = tmp_path / "net.onnx"
    run("export", trained, "--to", "onnx", "--out", path)
    result = run("plan", path)
    assert result.exit_code == 0, result.output
    assert "3×6×6" in result.output
    result = run("plan", path, "--input-shape", "1,9,9")
    assert result.exit_code == 2
    assert "takes samples of (1, 8, 8), not of input_shape=(1, 9, 9)" in result.output
    result = run("train", "--model", path, "--epochs", 1, "--quiet", "--out", tmp_path / "more")
    assert result.exit_code == 0, result.output
    assert gt.load(tmp_path / "more").layers == gt.load(trained).layers
    path.write_bytes(b"\xff" * 50)
    result = run("plan", path)
    assert result.exit_code == 2
    assert "net.onnx is not an ONNX file, or is damaged" in result.output
