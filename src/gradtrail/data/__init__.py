"""Data sets and images. See README.md."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..machine.first_use import at_first_use

if TYPE_CHECKING:
    from .dataset import DataSet
    from .embedded_digits import digits
    from .image_folder import ImageFolder, read_image
    from .images import ArrayImages, Images
    from .known import load
    from .mean_and_deviation import channel_statistics
    from .recognition import read
    from .resize import enlarged
    from .splitting import Split, split

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

__getattr__, __dir__ = at_first_use(
    __name__,
    {
        "DataSet": "dataset",
        "digits": "embedded_digits",
        "enlarged": "resize",
        **dict.fromkeys(("ArrayImages", "Images"), "images"),
        **dict.fromkeys(("ImageFolder", "read_image"), "image_folder"),
        **dict.fromkeys(("Split", "split"), "splitting"),
        "channel_statistics": "mean_and_deviation",
        "load": "known",
        "read": "recognition",
    },
)
