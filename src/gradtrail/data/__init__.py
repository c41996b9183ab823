"""Data sets. See README.md."""

from .digits import Split, digits
from .images import Images
from .load import CLASSES, load
from .resize import enlarged
from .splitting import held_out
from .statistics import channel_statistics

__all__ = [
    "CLASSES",
    "Images",
    "Split",
    "channel_statistics",
    "digits",
    "enlarged",
    "held_out",
    "load",
]
