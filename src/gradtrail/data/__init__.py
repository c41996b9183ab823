"""Data sets and images. See README.md."""

from .dataset import DataSet
from .digits import Split, digits
from .folder import ImageFolder, read_image
from .images import ArrayImages, Images
from .load import load
from .read import read
from .resize import enlarged
from .splitting import split
from .statistics import channel_statistics

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
