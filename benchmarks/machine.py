"""The machine and the versions that a report was made with."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path

import llvmlite
import numpy as np

import gradtrail as gt
from gradtrail.engines.cpu.target import host

from .report import Table

__all__ = ["available_threads", "described", "processor"]


def available_threads() -> int:
    """How many processors this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def processor() -> str:
    """The processor's name for people."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    named = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return named[0] if named else platform.processor() or platform.machine()


def _load() -> str:
    """What else ran: the mean number of processes that wanted a processor in the last minute."""
    return f"{os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else "unknown"


def described(threads: int, versions: Mapping[str, str], more: Iterable[tuple[str, str]]) -> Table:
    """Date, machine and versions.

    Args:
        threads: how many each side uses.
        versions: of the peers.
        more: further pairs.
    """
    table = Table(("what", "which"))
    llvm = ".".join(map(str, _llvm_version()))
    table.add("date", datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"))
    table.add("processor", f"{processor()}, {available_threads()} available")
    table.add("code is made for", str(host()))
    table.add("threads", str(threads))
    table.add("system", f"{platform.system()}, Python {_python()}")
    table.add("load before", _load())
    table.add("gradtrail", f"{gt.__version__}, llvmlite {llvmlite.__version__}, LLVM {llvm}")
    table.add("NumPy", np.__version__)
    for name, version in versions.items():
        table.add(name, version)
    for name, value in more:
        table.add(name, value)
    return table


def _python() -> str:
    return platform.python_version()


def _llvm_version() -> tuple[int, ...]:
    import llvmlite.binding as llvm

    return tuple(llvm.llvm_version_info)
