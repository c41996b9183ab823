"""The first step: with an empty code cache, and with a full one."""

from __future__ import annotations

import compileall
import tempfile
from collections.abc import Mapping
from pathlib import Path
from statistics import median

import gradtrail

from ..child import ask
from ..report import Part, Table, milliseconds
from ..session import Session
from ..settings import LIMITS, Workload

__all__ = ["measure"]

REPEATS = 3


def measure(session: Session) -> Part:
    """Every network, each time in a process of its own."""
    part = Part("The first step")
    table = Table(("network / batch", "import >", "network >", "cold start >", "warm start >",
                   "a step >"))  # fmt: skip
    for package in (gradtrail.__file__, __file__):  # as an installer does
        compileall.compile_dir(Path(package).parent, quiet=2)
    for workload in session.workloads:
        session.told(f"first step: {workload.title}")
        cold, warm = _repeated(session, workload)
        cells = [warm["import"], warm["network"], cold["start"], warm["start"], warm["later"]]
        table.add(workload.title, *map(milliseconds, cells))
        for kind, found, limit in (
            ("cold", cold["start"], LIMITS.cold),
            ("warm", warm["start"], LIMITS.warm),
        ):
            if found > limit:
                part.failed.append(
                    f"{workload.title}: the {kind} start takes {milliseconds(found)}, "
                    f"wanted {milliseconds(limit)}"
                )
    part.body += [
        "Fresh processes. *Cold*: `GRADTRAIL_CACHE` names an empty folder, so everything is "
        "compiled. *Warm*: the same folder again. A *start* is what the first step takes longer "
        "than a later one: planning the network, making or loading its code, and taking its "
        "memory; importing and drawing the weights are listed apart. Python's own compiled files "
        f"exist, as after an installation. Medians of {REPEATS}.",
        table,
    ]
    return part


def _repeated(
    session: Session, workload: Workload
) -> tuple[Mapping[str, float], Mapping[str, float]]:
    """The medians of some cold and as many warm starts."""
    settings = {
        "measure": "startup",
        "network": workload.name,
        "batch_size": workload.batch_size,
        "threads": session.threads,
        "options": dict(session.options),
    }
    runs: list[list[dict[str, float]]] = []
    for _ in range(REPEATS):
        with tempfile.TemporaryDirectory() as folder:
            runs.append([ask(settings, {"GRADTRAIL_CACHE": folder}) for _ in range(2)])
    cold, warm = ([pair[i] for pair in runs] for i in range(2))
    return _medians(cold), _medians(warm)


def _medians(runs: list[dict[str, float]]) -> Mapping[str, float]:
    return {key: median(run[key] for run in runs) for key in runs[0]}
