"""Data sets. See README.md."""

from .digits import Split, digits
from .load import load
from .resize import enlarged

__all__ = ["Split", "digits", "enlarged", "load"]
