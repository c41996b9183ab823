"""Named architectures: their settings, and those that have no published weights."""

from __future__ import annotations

import re
from math import prod
from pathlib import Path

import numpy as np
import pytest

import gradtrail as gt
from gradtrail.network.architecture import network_from


def test_a_unet_is_the_papers_with_padding_and_batch_norm() -> None:
    network = gt.architecture("unet", classes=2).network()
    assert sum(map(prod, network.parameters.shapes.values())) == 31_037_698  # as others have it
    plan = network.plan()
    assert plan["bottom_conv2"].output_shape == (1024, 16, 16)
    assert plan["head"].output_shape == (2, 256, 256)
    assert plan["concat4"].sources == ("relu2.output", "up1.output")


def test_a_unet_answers_for_every_position() -> None:
    network = gt.architecture("unet", classes=3, depth=1, width=2).network((1, 4, 6), seed=1)
    draw = np.random.Generator(np.random.PCG64(0))
    x, y = draw.normal(size=(2, 1, 4, 6)).astype(np.float32), draw.integers(0, 3, (2, 4, 6))
    t = gt.trace(network, x, y, engine="reference")
    assert t.value["head.output"].shape == (2, 3, 4, 6)
    assert all(np.abs(t.grad[name]).max() > 1e-9 for name in network.parameters)
    settings = {"optimizer": gt.Adam(0.03), "epochs": 5, "batch_size": 2, "progress": False}
    history = gt.train(network, (x, y), engine="reference", **settings)
    assert history.step_losses[-1] < 0.9 * history.step_losses[0]


def test_a_unet_says_which_sizes_it_takes() -> None:
    with pytest.raises(
        gt.ShapeError,
        match=r"halves height and width 4 times, so that they must be multiples of 16, but gets "
        r"100 × 64\. Give it samples of 112 × 64",
    ):
        gt.architecture("unet").network((3, 100, 64))


def test_a_network_of_blocks_is_saved(tmp_path: Path) -> None:
    blocks = gt.architecture("unet", depth=1, width=2).make(4)
    layers = [gt.Residual([gt.Residual([gt.Conv2d(4, 1)], blocks)], [gt.Conv2d(4, 1)])]
    network = gt.Network((2, 4, 4), layers, seed=3)
    network.save(tmp_path / "net.safetensors")
    data = network.architecture() | {"seed": 3}
    x = np.linspace(-1, 1, 64, dtype=np.float32).reshape(2, 2, 4, 4)
    for again in (gt.load(tmp_path / "net.safetensors"), network_from(data)):
        assert [*again.parameters] == [*network.parameters]
        wanted = network.predict(x, engine="reference")
        assert (again.predict(x, engine="reference") == wanted).all()


def test_mistakes_in_settings() -> None:
    with pytest.raises(gt.UnknownNameError, match="setting of unet is called 'wide'; did you mean"):
        gt.architecture("unet", wide=3)
    with pytest.raises(gt.ArgumentError, match="unet: depth must be a whole number ≥ 1, got 0"):
        gt.architecture("unet", depth=0)
    none = re.escape("no setting of lenet5 is called 'depth'; there are none")
    with pytest.raises(gt.UnknownNameError, match=none):
        gt.architecture("lenet5", depth=3)
