"""The optional packages, imported when they are needed."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from ..errors import ArgumentError

__all__ = ["needed"]


def needed(package: str, where: str) -> Any:
    """A package that gradtrail does without until somebody asks for it.

    Args:
        package: `torch` or `onnx`, or a module within.
        where: the function that needs it.

    Raises:
        ArgumentError: it is not installed.
    """
    try:
        return import_module(package)
    except ImportError as cause:
        name = package.split(".")[0]
        raise ArgumentError(f"{where} needs {name}: pip install {name}") from cause
