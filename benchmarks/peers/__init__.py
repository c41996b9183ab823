"""The libraries that we are compared with, each in a module of its own behind one interface."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module

from .base import Peer

__all__ = ["MODULES", "Absent", "Peer", "installed"]

MODULES: Mapping[str, str] = {"PyTorch": "pytorch", "TensorFlow": "tensorflow", "JAX": "jax"}
"""Each peer's name and the module in this folder."""


@dataclass(frozen=True)
class Absent:
    """A peer that cannot take part.

    Args:
        name: such as `JAX`.
        reason: what its import said.
    """

    name: str
    reason: str


def installed(threads: int) -> tuple[list[Peer], list[Absent]]:
    """The peers that can be imported, and those that cannot.

    Args:
        threads: how many each may use.
    """
    found: list[Peer] = []
    absent: list[Absent] = []
    for name, module in MODULES.items():
        try:
            loaded = import_module(f"{__name__}.{module}")
        except ImportError as cause:
            missing = isinstance(cause, ModuleNotFoundError) and cause.name in loaded_names()
            absent.append(Absent(name, "not installed" if missing else str(cause)))
        else:
            found.append(loaded.make(threads))
    return found, absent


def loaded_names() -> set[str]:
    """What the peers import: torch, tensorflow, jax."""
    return {"torch", "tensorflow", "jax"}
