"""Named architectures: their settings, and those that have no published weights."""

from __future__ import annotations

import re
from math import prod
from pathlib import Path

import numpy as np
import pytest

import gradtrail as gt
from gradtrail.network.architecture import network_from
from gradtrail.network.architectures import convnext
from gradtrail.network.architectures.inverted import InvertedResidual, NormedConvolutions


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
    blocks = gt.architecture("unet", depth=1, width=2).layers(4)
    layers = [gt.Residual([gt.Residual([gt.Conv2d(4, 1)], blocks)], [gt.Conv2d(4, 1)])]
    network = gt.Network((2, 4, 4), layers, seed=3)
    network.save(tmp_path / "net.safetensors")
    data = network.architecture() | {"seed": 3}
    x = np.linspace(-1, 1, 64, dtype=np.float32).reshape(2, 2, 4, 4)
    for again in (gt.load(tmp_path / "net.safetensors"), network_from(data)):
        assert [*again.parameters] == [*network.parameters]
        wanted = network.predict(x, engine="reference")
        assert (again.predict(x, engine="reference") == wanted).all()


def test_blocks_of_published_networks_train() -> None:
    gate = (2, gt.ReLU(), gt.Hardsigmoid())
    inverted = InvertedResidual("gated", 3, 6, 3, 3, 1, gt.Hardswish(), gate)
    layers = [*inverted.layers(NormedConvolutions(1e-3), 0.3), convnext._block("next", 3, 0.2)]
    network = gt.Network((3, 5, 4), [*layers, gt.GlobalAvgPool2d(), gt.Linear(2)], seed=2)
    network.parameters["next_layer_scale.g"][:] = 0.7
    draw = np.random.Generator(np.random.PCG64(1))
    x = draw.standard_normal((3, 3, 5, 4)).astype(np.float32)
    t = gt.trace(network, x, [0, 1, 1], engine="reference")
    activated, gates = t.value["hardswish2.output"], t.value["hardsigmoid1.output"]
    assert gates.shape == (3, 6, 1, 1)
    np.testing.assert_allclose(t.value["mul1.output"], activated * gates, rtol=1e-6)
    scaled, before = t.grad["next_layer_scale.output"], t.value["next_block_5.output"]
    wanted = (scaled * before).sum((0, 2, 3))
    np.testing.assert_allclose(t.grad["next_layer_scale.g"], wanted, rtol=1e-5)
    assert all(np.abs(t.grad[name]).max() > 0 for name in network.parameters)


def test_stochastic_depth_grows_with_the_blocks() -> None:
    for name, last in (("efficientnet_b0", 0.2 * 14 / 16), ("convnext_tiny", 0.1)):
        network = gt.architecture(name, classes=3).network()
        drops = [s.layer.p for s in network.steps if isinstance(s.layer, gt.StochasticDepth)]
        assert drops == sorted(drops)
        assert drops[-1] == pytest.approx(last)
    plain = gt.architecture("convnext_tiny", stochastic_depth=0).network()
    assert not any(isinstance(step.layer, gt.StochasticDepth) for step in plain.steps)


def test_published_networks_start_as_torchvisions_do() -> None:
    network = gt.architecture("resnet18", classes=10).network()
    first, head = network.parameters["conv1.weight"], network.parameters["fc.weight"]
    assert first.std() == pytest.approx((2 / (64 * 7 * 7)) ** 0.5, rel=0.05)
    assert 0.9 < np.abs(head).max() * 512**0.5 <= 1.0001
    gated = gt.architecture("mobilenet_v3_small", classes=10).network()
    depthwise = gated.parameters["features_11_block_1_0.weight"]  # counted as a whole one
    assert depthwise.std() == pytest.approx((2 / (576 * 5 * 5)) ** 0.5, rel=0.05)
    scale = gt.architecture("convnext_tiny").network().parameters["features_1_0_layer_scale.g"]
    assert (scale == np.float32(1e-6)).all()


def test_mistakes_in_settings() -> None:
    with pytest.raises(gt.UnknownNameError, match="setting of unet is called 'wide'; did you mean"):
        gt.architecture("unet", wide=3)
    with pytest.raises(gt.ArgumentError, match="Dropout: p must be at least 0 and below 1, got 2"):
        gt.architecture("efficientnet_b0", dropout=2)
    with pytest.raises(gt.ArgumentError, match="unet: depth must be a whole number ≥ 1, got 0"):
        gt.architecture("unet", depth=0)
    none = re.escape("no setting of lenet5 is called 'depth'; there are none")
    with pytest.raises(gt.UnknownNameError, match=none):
        gt.architecture("lenet5", depth=3)


def test_an_architecture_prints_as_the_call_and_what_it_is() -> None:
    made = gt.architecture("unet", classes=2, depth=2)
    told = "<architecture('unet', classes=2, depth=2): U-Net, a class for every position>"
    assert repr(made) == told
