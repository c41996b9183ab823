"""Named architectures with weights in files, under the names that others publish them by."""

from __future__ import annotations

import re
from math import prod
from pathlib import Path

import numpy as np
import pytest
from published_names import DIGESTS, digest, timm_names, torchvision_names
from safetensors.numpy import load_file, save_file
from tails import beginning

import gradtrail as gt
from benchmarks.zoo.published import TIMM as TIMM_MODELS
from gradtrail.network.architecture import ARCHITECTURES
from gradtrail.plan.plan import multiply_adds

COUNTS = {  # of parameters, with 1000 classes, as they are published
    "resnet18": 11_689_512,
    "resnet34": 21_797_672,
    "resnet50": 25_557_032,
    "vgg16_bn": 138_365_992,
    "densenet121": 7_978_856,
    "squeezenet1_1": 1_235_496,
    "mobilenet_v2": 3_504_872,
    "mobilenet_v3_small": 2_542_856,
    "efficientnet_b0": 5_288_548,
    "convnext_tiny": 28_589_128,
}
PAGE = (Path(__file__).parent.parent / "docs" / "architectures.md").read_text(encoding="utf-8")
VALUES = ("squeezenet1_1", "resnet18", "resnet50", "densenet121", "mobilenet_v2")
SIZE = 33  # whose halves are whole nowhere


def test_names_and_shapes_of_all_arrays_are_those_published() -> None:
    assert {name for name, known in ARCHITECTURES.items() if known.head} == COUNTS.keys()
    for name, count in COUNTS.items():
        known = gt.architecture(name, classes=1000)
        network = known.network()
        assert sum(map(prod, network.parameters.shapes.values())) == count, name
        assert network.input_shape == (3, 224, 224)
        work = sum(
            multiply_adds(d.equation) for d in network.declarations(1, training=True).values()
        )
        called = f"`{TIMM_MODELS[name]}`" if TIMM_MODELS[name] else "has none"
        row = rf"\| `{name}` \| {count:,} \| {work / 1e6:,.1f} M \|[^|]*\| {called} \|"
        assert re.search(row, PAGE), name
        arrays, of_torchvision, of_timm = DIGESTS[name]
        ours = {**network.parameters.shapes, **network.buffers.shapes}
        assert len(ours) == arrays
        for wanted, names in (
            (of_torchvision, torchvision_names(ours)),
            (of_timm, timm_names(name, ours)),
        ):
            renamed = {theirs: known.our_name(theirs) for theirs in names}
            found = {theirs: ours[mine] for theirs, mine in renamed.items() if mine in ours}
            assert wanted is None or digest(found) == wanted, name


@pytest.mark.torch
@pytest.mark.parametrize("name", beginning(1, VALUES))
def test_outputs_are_those_of_pytorch(name: str, tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    from torch_architectures import MODULES

    torch.manual_seed(1)
    module = MODULES[name](7).double().eval()
    for part in module.modules():
        if isinstance(part, torch.nn.BatchNorm2d):
            part.running_mean.normal_(0, 0.1)
            part.running_var.uniform_(0.75, 1.25)
        elif isinstance(part, torch.nn.Conv2d | torch.nn.Linear):
            torch.nn.init.kaiming_normal_(part.weight, nonlinearity="relu")
    arrays = {n: a.numpy() for n, a in module.state_dict().items()}
    save_file(arrays, tmp_path / "published.safetensors")
    known = gt.architecture(name, weights=tmp_path / "published.safetensors")
    network = gt.Network((3, SIZE, SIZE), known.make(7), dtype=np.float64)
    known.fill(network)
    x = torch.randn(2, 3, SIZE, SIZE, dtype=torch.float64)
    with torch.no_grad():
        wanted = module(x).numpy()
    assert np.abs(wanted - wanted.mean(0)).max() > 1e-3
    found = network.predict(x.numpy())
    np.testing.assert_allclose(found, wanted, rtol=1e-9, atol=1e-9 * np.abs(wanted).max())


def published(tmp_path: Path, classes: int) -> Path:
    network = gt.architecture("squeezenet1_1", classes=classes).network((3, 32, 32), seed=3)
    arrays = {n.replace("_", "."): array for n, array in network.parameters.items()}
    path = tmp_path / "published.safetensors"
    save_file(arrays, path)
    return path


def test_a_head_of_another_size_is_named_or_left(tmp_path: Path) -> None:
    path = published(tmp_path, 9)
    whole = gt.architecture("squeezenet1_1", weights=path).network((3, 32, 32))
    assert whole.parameters.shapes["classifier_1.weight"] == (9, 512, 1, 1)
    with pytest.raises(
        gt.FileError,
        match=r"squeezenet1_1: .*classifier_1.weight has shape \(9, 512, 1, 1\), but its layer "
        r"needs \(4, 512, 1, 1\).*fresh_head=True leaves",
    ):
        gt.architecture("squeezenet1_1", classes=4, weights=path).network((3, 32, 32))
    known = gt.architecture("squeezenet1_1", classes=4, weights=path, fresh_head=True)
    network = known.network((3, 32, 32), seed=3)
    fresh = gt.architecture("squeezenet1_1", classes=4).network((3, 32, 32), seed=3)
    for name in ("classifier_1.weight", "features_0.weight"):
        from_file = name.startswith("features")
        same = whole if from_file else fresh
        assert (network.parameters[name] == same.parameters[name]).all()
    network.freeze("features*")
    assert network.trained == ("classifier_1.weight", "classifier_1.bias")


def test_a_fresh_head_is_no_advice_where_something_else_is_wrong(tmp_path: Path) -> None:
    path = published(tmp_path, 4)
    arrays = load_file(path)
    save_file({**arrays, "ema": np.ones(3, np.float32)}, path)
    with pytest.raises(gt.FileError, match="ema of the file belongs to no layer") as extra:
        gt.architecture("squeezenet1_1", weights=path).network((3, 32, 32))
    with pytest.raises(gt.FileError, match="there is no such file") as missing:
        gt.architecture("squeezenet1_1", classes=4, weights=tmp_path / "none").network((3, 32, 32))
    assert "fresh_head=True" not in f"{extra.value} {missing.value}"


def test_a_file_of_timm_has_the_norms_of_timm(tmp_path: Path) -> None:
    path = tmp_path / "published.safetensors"
    for name, eps in (("conv_stem.weight", 1e-5), ("features.0.0.weight", 1e-3)):
        save_file({name: np.ones((16, 3, 3, 3), np.float32)}, path)
        (_, norm, *_) = gt.architecture("mobilenet_v3_small", weights=path).layers(2)
        assert (norm.eps, norm.momentum) == (eps, 0.1 if eps == 1e-5 else 0.01)
        asked = gt.architecture("mobilenet_v3_small", weights=path, eps=2e-3)
        assert asked.layers(2)[1].eps == 2e-3
        assert gt.architecture("mobilenet_v3_small").made_for(str(path)).layers(2)[1].eps == eps
    assert gt.architecture("lenet5").made_for(str(path)).weights is None


@pytest.mark.parametrize(
    ("name", "theirs", "ours"),
    [
        ("vgg16_bn", "pre_logits.fc1.weight", "classifier_0.weight"),
        ("vgg16_bn", "head.fc.bias", "classifier_6.bias"),
        ("densenet121", "features.denseblock1.denselayer2.norm.1.bias",
         "features_denseblock1_denselayer2_norm1.bias"),
        ("mobilenet_v2", "conv_stem.weight", "features_0_0.weight"),
        ("mobilenet_v2", "blocks.0.0.conv_pw.weight", "features_1_conv_1.weight"),
        ("mobilenet_v2", "blocks.1.1.bn2.running_var", "features_3_conv_1_1.running_var"),
        ("mobilenet_v2", "blocks.6.0.bn3.bias", "features_17_conv_3.bias"),
        ("mobilenet_v2", "bn2.weight", "features_18_1.weight"),
        ("mobilenet_v2", "classifier.weight", "classifier_1.weight"),
        ("convnext_tiny", "features.1.0.layer_scale", "features_1_0_layer_scale.g"),
        ("convnext_tiny", "stages.2.blocks.8.gamma", "features_5_8_layer_scale.g"),
        ("efficientnet_b0", "blocks.5.3.se.conv_expand.bias", "features_6_3_block_2_fc2.bias"),
        ("resnet18", "layer1.0.bn1.num_batches_tracked", None),
    ],
)  # fmt: skip
def test_other_published_names(name: str, theirs: str, ours: str | None) -> None:
    assert gt.architecture(name).our_name(theirs) == ours


def test_a_network_for_sensor_windows() -> None:
    network = gt.architecture("cnn-1d", classes=4).network((3, 50))
    assert network.plan(2)["fc1"].output_shape == (4,)
    draw = np.random.Generator(np.random.PCG64(1))
    x = draw.standard_normal((2, 3, 50)).astype(np.float32)
    assert len(gt.check_gradients(network, x, [0, 3], elements=3).elements) > 10


def test_mistakes() -> None:
    with pytest.raises(gt.ArgumentError, match="lenet5 has no published weights; make its network"):
        gt.architecture("lenet5", weights="x.safetensors")
    with pytest.raises(gt.UnknownNameError, match="'resnet19'; did you mean: resnet18"):
        gt.architecture("resnet19")
    with pytest.raises(gt.ArgumentError, match="architecture: classes must be"):
        gt.architecture("resnet18", classes=0)
    with pytest.raises(gt.FileError, match="nowhere.safetensors"):
        gt.architecture("resnet18", weights="nowhere.safetensors").network()
