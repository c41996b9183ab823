"""The optional packages, imported when they are needed."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from ..errors import MissingPackageError


def optional_package(
    package: str, where: str, install: str | None = None, otherwise: str = ""
) -> Any:
    """A package that gradtrail does without until somebody asks for it.

    Args:
        package: such as `torch`, or a module within it.
        where: what needs it.
        install: what pip calls it, where that is another name.
        otherwise: what does the same without it, as a clause.

    Raises:
        MissingPackageError: it is not installed.
    """
    try:
        return import_module(package)
    except ImportError as cause:
        name = install or package.split(".")[0]
        rest = f"; {otherwise}" if otherwise else ""
        raise MissingPackageError(f"{where} needs {name}: pip install {name}{rest}") from cause
