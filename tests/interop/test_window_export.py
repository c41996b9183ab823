"""Windows in settings that the formats know otherwise or not at all: right, or refused by name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import gradtrail as gt

LAYERS: list[tuple[Any, str, str]] = [
    (gt.MaxPool2d(2, ceil_mode=True), "", ""),
    (gt.MaxPool2d(3, 2, ((0, 1), (2, 1))), "", ""),
    (gt.AvgPool2d(2, ceil_mode=True), "", ""),
    (gt.AvgPool2d(2, 2, 1, ceil_mode=True), "", ""),
    (gt.AvgPool2d(3, 2, 1, ceil_mode=True), "", ""),
    (gt.AvgPool2d(3, 2, 1, ceil_mode=True, count_include_pad=False), "", ""),
    (gt.AvgPool2d(2, divisor_override=3), "", ""),
    (gt.AvgPool2d(3, 2, ((0, 1), 1)), "", ""),
    (gt.Conv2d(2, 3, padding=((2, 0), (0, 1))), "", ""),
    (gt.ConvTranspose2d(2, 3, padding=((2, 0), (0, 1))), "", ""),
]
"""Each with why PyTorch is refused it and why ONNX is; nothing where it is not."""


def networks() -> list[tuple[gt.Network, str, str]]:
    return [(gt.Network((3, 7, 8), [layer], seed=1), *refused) for layer, *refused in LAYERS]


X = np.random.Generator(np.random.PCG64(3)).random((2, 3, 7, 8)).astype(np.float32)


@pytest.mark.torch
def test_pytorch_has_the_window_or_it_is_refused() -> None:
    torch = pytest.importorskip("torch")
    for net, refused, _ in networks():
        if refused:
            with pytest.raises(gt.ArgumentError, match=refused):
                gt.to_torch(net)
            continue
        theirs = gt.to_torch(net).eval()(torch.tensor(X)).detach().numpy()
        np.testing.assert_allclose(theirs, net.predict(X), atol=1e-5, err_msg=str(net.layers))


@pytest.mark.torch
def test_onnx_has_the_window_or_it_is_refused(tmp_path: Path) -> None:
    runtime = pytest.importorskip("onnxruntime")
    path = tmp_path / "net.onnx"
    for net, _, refused in networks():
        if refused:
            with pytest.raises(gt.ArgumentError, match=refused):
                gt.to_onnx(net, path)
            continue
        gt.to_onnx(net, path)
        session = runtime.InferenceSession(path)
        (theirs,) = session.run(None, {"input": X})
        np.testing.assert_allclose(theirs, net.predict(X), atol=1e-5, err_msg=str(net.layers))
