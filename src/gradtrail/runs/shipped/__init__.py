"""Recipes that come with gradtrail, each a TOML file here."""

from __future__ import annotations

import tomllib
from importlib.resources import files
from typing import Any

from ...errors import UnknownNameError, unknown

__all__ = ["shipped_names", "shipped_tables", "shipped_text"]


def shipped_names() -> list[str]:
    """What they are called."""
    found = (path.name for path in files(__name__).iterdir())
    return sorted(name.removesuffix(".toml") for name in found if name.endswith(".toml"))


def shipped_tables(name: str) -> dict[str, Any]:
    """A recipe's tables.

    Raises:
        UnknownNameError: none is called so.
    """
    return tomllib.loads(shipped_text(name))


def shipped_text(name: str) -> str:
    """A recipe as its file has it.

    Raises:
        UnknownNameError: none is called so.
    """
    if name not in shipped_names():
        raise UnknownNameError(unknown("recipe", name, shipped_names()))
    return files(__name__).joinpath(f"{name}.toml").read_text(encoding="utf-8")
