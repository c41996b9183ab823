"""The CPU engine. See README.md."""

from .engine import CPU

__all__ = ["CPU"]
