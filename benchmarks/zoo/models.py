"""The model definitions that are tried: which packages have them, and how one is made.

Nothing is downloaded: a definition is what is tried, with weights drawn here.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Any

__all__ = ["GROUPS", "Group", "allow_torchvision", "made"]


@dataclass(frozen=True)
class Group:
    """Some definitions of one package.

    Args:
        package: which one; it must be installed.
        names: as the package calls them.
        wanted: the share that must be read, 0 to 1; None where nothing is asked.
    """

    package: str
    names: tuple[str, ...]
    wanted: float | None = None


def _named(group: str) -> tuple[str, ...]:
    """The names in a group's file, one per line."""
    lines = (Path(__file__).parent / "names" / f"{group}.txt").read_text().splitlines()
    return tuple(line for line in lines if not line.startswith("#"))


GROUPS: Mapping[str, Group] = {
    "classifiers": Group("pytorchcv", _named("classifiers"), 0.9),
    "others": Group("pytorchcv", _named("others")),
    "torchvision": Group("torchvision", _named("torchvision")),
    "timm": Group("timm", _named("timm")),
}
"""The groups by name: pytorchcv's classifiers, its other networks, torchvision's and timm's."""

_FRAMES = 16


def made(group: str, name: str) -> tuple[Any, tuple[int, ...]]:
    """A module, its weights drawn from PyTorch's present random numbers, and a sample's shape.

    Args:
        group: one of `GROUPS`.
        name: one of its names.

    Raises:
        ImportError: the package is not installed.
    """
    allow_torchvision()
    return _MAKERS[GROUPS[group].package](name)


def _pytorchcv(name: str) -> tuple[Any, tuple[int, ...]]:
    module = importlib.import_module("pytorchcv.model_provider").get_model(name, pretrained=False)
    size = tuple(getattr(module, "in_size", None) or (224, 224))
    return module, (getattr(module, "in_channels", 3), *size)


def _torchvision(name: str) -> tuple[Any, tuple[int, ...]]:
    module = importlib.import_module("torchvision.models").get_model(name, **_without_weights(name))
    video = type(module).__module__.startswith("torchvision.models.video")
    size = _SIZES.get(name, (112, 112) if video else (224, 224))
    return module, (3, *((_FRAMES,) if video else ()), *size)


def _without_weights(name: str) -> dict[str, None]:
    """The arguments that leave a model as it is drawn; a backbone has weights of its own."""
    within = name.startswith(("deeplab", "fcn", "lraspp"))
    return {"weights": None, **({"weights_backbone": None} if within else {})}


_SIZES: Mapping[str, tuple[int, int]] = {"inception_v3": (299, 299), "s3d": (224, 224)}


def _timm(name: str) -> tuple[Any, tuple[int, ...]]:
    module = importlib.import_module("timm").create_model(name, pretrained=False)
    return module, tuple(module.default_cfg["input_size"])


_MAKERS: Mapping[str, Callable[[str], tuple[Any, tuple[int, ...]]]] = {
    "pytorchcv": _pytorchcv,
    "timm": _timm,
    "torchvision": _torchvision,
}


def allow_torchvision() -> None:
    """Let torchvision be imported without its native operators, or pytorchcv without torchvision.

    Beside a PyTorch for processors alone the package's binary part cannot be loaded, and what it
    would have registered is missed. No network tried here calls one of these operators.
    """
    if "torchvision" in sys.modules:
        return
    if find_spec("torchvision") is None:
        operators = ModuleType("torchvision.ops")
        operators.DeformConv2d = type("DeformConv2d", (), {})  # type: ignore[attr-defined]
        sys.modules |= {"torchvision": ModuleType("torchvision"), "torchvision.ops": operators}
        return
    import torch

    library = torch.library.Library("torchvision", "DEF")
    for name in ("nms", "qnms"):
        library.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    _LIBRARIES.append(library)  # what it defines goes with it


_LIBRARIES: list[Any] = []
