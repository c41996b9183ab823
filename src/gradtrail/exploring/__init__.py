"""A page on which a learning step can be looked at, taken apart and changed. See README.md."""

from .explorer import Explorer

__all__ = ["Explorer"]
