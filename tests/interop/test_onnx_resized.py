"""Maps of another size as ONNX Runtime makes them, wherever a file has positions lie."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from interchange import agree, layers_of, onnx_outputs, outputs, samples

import gradtrail as gt

pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")
from onnx_models import model, node, written
from onnx_spellings import ints

CORNERS, FLOAT = "align_corners", np.float32
SIZES, SCALES = ints(1, 3, 7, 5), np.array([1, 1, 0.6, 1.7], np.float32)

RESIZED: dict[str, tuple[dict[str, Any], bool, gt.Resize]] = {
    "asymmetric": (
        {"mode": "linear", "coordinate_transformation_mode": "asymmetric"}, True,
        gt.Resize((7, 5), "linear", positions="asymmetric"),
    ),
    "antialias": (
        {"mode": "linear", "antialias": 1}, True, gt.Resize((7, 5), "linear", antialias=True),
    ),
    "cubic with another number": (
        {"mode": "cubic", "cubic_coeff_a": -0.5, "exclude_outside": 1}, True,
        gt.Resize((7, 5), "cubic", cubic=-0.5, exclude_outside=True),
    ),
    "factors that are not whole": (
        {"mode": "linear", "coordinate_transformation_mode": "half_pixel_symmetric"}, False,
        gt.Resize((4, 15), "linear", (0.6, 1.7), positions="half_pixel_symmetric"),
    ),
    "rounded up": (
        {"nearest_mode": "ceil", "coordinate_transformation_mode": "align_corners"}, True,
        gt.Resize((7, 5), "nearest", positions="align_corners", rounding="ceil"),
    ),
    "on an edge": (
        {"nearest_mode": "floor", "coordinate_transformation_mode": "half_pixel"}, False,
        gt.Resize((4, 15), "nearest", (0.6, 1.7), rounding="floor"),
    ),
    "kept in shape": (
        {"keep_aspect_ratio_policy": "not_larger", "axes": [2, 3]}, True,
        gt.Resize((4, 5), "nearest", 0.5555555555555556),
    ),
}  # fmt: skip
"""Attributes, whether sizes are given instead of factors, and the layer."""


@pytest.mark.parametrize("name", RESIZED)
def test_resizing(name: str, tmp_path: Path) -> None:
    attributes, sized, layer = RESIZED[name]
    wanted = SIZES[2:] if "axes" in attributes else SIZES
    made = node("Resize", "x . . s" if sized else "x . s", "y", **attributes)
    path = written(model([made], {"s": wanted if sized else SCALES}, opset=19), tmp_path / "m.onnx")
    network = gt.from_onnx(path)
    assert layers_of(network) == (layer,)
    x = samples(network, 1)
    agree(outputs(network, x), onnx_outputs(path, x))


def test_channels_last(tmp_path: Path) -> None:
    """As converters from TensorFlow write it; the permutations around it undo each other."""
    nodes = [
        node("Transpose", "x", "t", perm=[0, 2, 3, 1]),
        node("Resize", "t . s", "r", mode="linear"),
        node("Transpose", "r", "y", perm=[0, 3, 1, 2]),
    ]
    arrays = {"s": np.array([1, 2, 2, 1], np.float32)}
    path = written(model(nodes, arrays), tmp_path / "m.onnx")
    network = gt.from_onnx(path)
    assert [type(layer) for layer in layers_of(network)] == [gt.Upsample]
    x = samples(network)
    agree(outputs(network, x), onnx_outputs(path, x))


def test_a_single_row_lies_at_the_first(tmp_path: Path) -> None:
    """ONNX's text and ONNX Runtime say so; its own interpreter has −½, which a cubic shows."""
    asked = {"mode": "cubic", "coordinate_transformation_mode": "pytorch_half_pixel"}
    made = node("Resize", "x . . s", "y", **asked)
    path = written(model([made], {"s": ints(1, 3, 1, 5)}, opset=19), tmp_path / "m.onnx")
    network = gt.from_onnx(path)
    x = samples(network, 1)
    agree(outputs(network, x), onnx_outputs(path, x))


def test_a_factor_is_the_decimal_that_was_meant(tmp_path: Path) -> None:
    """0.7 of 10 is 7, and not 6 as 0.699999988 of it is."""
    arrays = {"s": np.array([1, 1, 0.7, 0.7], np.float32)}
    for where in ("half_pixel", "asymmetric"):
        made = node("Resize", "x . s", "y", mode="linear", coordinate_transformation_mode=where)
        path = written(model([made], arrays, shape=("N", 3, 10, 20)), tmp_path / "m.onnx")
        network = gt.from_onnx(path)
        x = samples(network, 1)
        assert outputs(network, x).shape == (1, 3, 7, 14)
        agree(outputs(network, x), onnx_outputs(path, x))


@pytest.mark.parametrize("mode", ["nearest", "linear", "cubic"])
def test_corners_by_a_factor_that_makes_no_whole_size(mode: str, tmp_path: Path) -> None:
    """PyTorch and ONNX Runtime lay 8 rows on 5, ONNX's own interpreter 8.5."""
    asked = {"mode": mode, "coordinate_transformation_mode": "align_corners"}
    made, arrays = node("Resize", "x . s", "y", **asked), {"s": np.array([1, 1, 1.7, 2], FLOAT)}
    path = written(model([made], arrays, shape=("N", 3, 5, 6)), tmp_path / "m.onnx")
    with pytest.raises(gt.FileError, match=r"5 · 1.7 = 8.5, .*nn.Upsample\(size=8, …\)$"):
        gt.from_onnx(path)
    network = gt.Network((3, 5, 6), [gt.Resize((8, 12), mode, (1.7, 2), positions=CORNERS)])
    gt.to_onnx(network, path)
    x = samples(network, 1)
    agree(onnx_outputs(path, x), outputs(network, x))


def test_corners_go_out_by_their_sizes(tmp_path: Path) -> None:
    network = gt.Network((3, 5, 6), [gt.Upsample(1.7, "bilinear", align_corners=True)])
    gt.to_onnx(network, tmp_path / "m.onnx")
    x = samples(network, 1)
    agree(onnx_outputs(tmp_path / "m.onnx", x), outputs(network, x))
    agree(outputs(gt.from_onnx(tmp_path / "m.onnx"), x), outputs(network, x))


@pytest.mark.parametrize(
    ("made", "arrays", "sentence"),
    [
        (
            node("Resize", "x r s", "y", coordinate_transformation_mode="tf_crop_and_resize"),
            {"r": np.zeros(8, np.float32), "s": SCALES},
            "crops before it resizes",
        ),
        (
            node("Resize", "x . s", "y"),
            {"s": np.array([2, 1, 1, 1], np.float32)},
            "resizes the axis of the samples",
        ),
        (
            node("Resize", "x . s", "y"),
            {"s": np.array([1, 2, 1, 2], np.float32)},
            r"resizes samples of \(3, 8, 9\) to \(6, 8, 18\)",
        ),
        (
            node("Resize", "x . . s", "y", keep_aspect_ratio_policy="somehow"),
            {"s": SIZES},
            "keep_aspect_ratio_policy='somehow'",
        ),
    ],
    ids=["crops", "samples", "channels", "policy"],
)
def test_what_is_refused(made: Any, arrays: Any, sentence: str, tmp_path: Path) -> None:
    path = written(model([made], arrays, opset=18), tmp_path / "m.onnx")
    with pytest.raises(gt.FileError, match=sentence):
        gt.from_onnx(path)


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"size": 0}, "size must be whole numbers ≥ 1, got 0"),
        ({"size": 2, "scale": -1.0}, "scale must be numbers above 0, got -1.0"),
        ({"size": 2, "mode": "smooth"}, "mode must be one of nearest, linear, cubic, got 'smooth'"),
        ({"size": 2, "positions": "left"}, "positions must be one of .*, got 'left'"),
        ({"size": 2, "cubic": float("nan")}, "cubic must be a number, got nan"),
    ],
    ids=lambda given: str(given)[:20],
)
def test_settings_out_of_range(settings: dict[str, Any], sentence: str) -> None:
    with pytest.raises(gt.ArgumentError, match=f"Resize: {sentence}"):
        gt.Resize(**settings)


def test_resizing_goes_out_to_pytorch() -> None:
    torch = pytest.importorskip("torch")
    layers = [
        gt.Resize((2, 3), antialias=True, exclude_outside=True),
        gt.Resize((3, 2), "cubic", cubic=-0.5, antialias=True, exclude_outside=True),
        gt.Resize((3, 7), "cubic", positions="align_corners"),
        gt.Resize((3, 5), "nearest", rounding="round_prefer_ceil"),
        gt.Resize(4, positions="asymmetric"),
    ]
    for layer in layers:
        network = gt.Network((2, 6, 5), [layer])
        x = samples(network)
        agree(gt.to_torch(network)(torch.from_numpy(x)).numpy(), outputs(network, x))
