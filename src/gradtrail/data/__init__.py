"""Data sets and images. See README.md."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .digits import Split, digits
from .images import ArrayImages, Images
from .resize import enlarged
from .splitting import split

if TYPE_CHECKING:
    from .dataset import DataSet
    from .image_folder import ImageFolder, read_image
    from .known import load
    from .mean_and_deviation import channel_statistics
    from .recognised import read

__all__ = [
    "ArrayImages",
    "DataSet",
    "ImageFolder",
    "Images",
    "Split",
    "channel_statistics",
    "digits",
    "enlarged",
    "load",
    "read",
    "read_image",
    "split",
]

_LATER = {
    "DataSet": "dataset",
    **dict.fromkeys(("ImageFolder", "read_image"), "image_folder"),
    "channel_statistics": "mean_and_deviation",
    "load": "known",
    "read": "recognised",
}


def __getattr__(name: str) -> Any:
    """What not every program needs is imported at its first use."""
    if name not in _LATER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{_LATER[name]}"), name)


def __dir__() -> list[str]:
    """With what has not been imported yet, so that completion offers it."""
    return sorted({*globals(), *__all__})
