"""Measurements that need a process of their own: `python -m benchmarks.child '{"measure": …}'`.

The settings come as JSON, and so does the result, as the last line on standard output.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

__all__ = ["ChildError", "ask", "peak_memory", "result_of"]

ROOT = Path(__file__).resolve().parent.parent


class ChildError(RuntimeError):
    """The process failed, or said something else than a result."""


def ask(settings: Mapping[str, Any], environment: Mapping[str, str] | None = None) -> Any:
    """Measure in a fresh process.

    Args:
        settings: `measure` (a function's name below) and its arguments.
        environment: variables besides this process's.

    Raises:
        ChildError: the process failed.
    """
    paths = [str(ROOT), os.environ.get("PYTHONPATH", "")]
    extended = {"PYTHONPATH": os.pathsep.join(p for p in paths if p), **(environment or {})}
    command = [sys.executable, "-m", "benchmarks.child", json.dumps(dict(settings))]
    done = subprocess.run(
        command, cwd=ROOT, env={**os.environ, **extended}, capture_output=True, text=True
    )
    if done.returncode:
        last = done.stderr.strip().splitlines()[-1:] or ["it said nothing"]
        raise ChildError(f"measuring {settings['measure']} failed: {last[0]}")
    return result_of(done.stdout)


def result_of(output: str) -> Any:
    """The result in a process's output: its last line, as JSON.

    Raises:
        ChildError: there is none.
    """
    lines = output.strip().splitlines()
    try:
        return json.loads(lines[-1])
    except (IndexError, ValueError):
        said = lines[-1] if lines else "nothing"
        raise ChildError(f"expected a line of JSON, got {said!r}") from None


def peak_memory(status: str | None, largest: int, platform: str = sys.platform) -> int:
    """The most bytes that this process held at once.

    Linux's `ru_maxrss` begins with what the parent held when it started the process, so the
    process's own `VmHWM` is taken where there is one.

    Args:
        status: the text of /proc/self/status, or None.
        largest: `ru_maxrss`: bytes on macOS, KiB elsewhere.
        platform: `sys.platform`.

    Raises:
        ChildError: VmHWM is written in an unknown way.
    """
    for line in (status or "").splitlines():
        if line.startswith("VmHWM:"):
            words = line.split()
            if len(words) != 3 or words[2] != "kB" or not words[1].isdigit():
                raise ChildError(f"VmHWM is a number and kB, got {line!r}")
            return int(words[1]) * 1024
    return largest if platform == "darwin" else largest * 1024


def _peak_now() -> int:
    import resource

    try:
        status: str | None = Path("/proc/self/status").read_text(encoding="ascii")
    except OSError:
        status = None
    return peak_memory(status, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)


def _startup(network: str, batch_size: int, threads: int, options: Any) -> dict[str, float]:
    """Seconds until gradtrail is imported, the network is there, the first step is made."""
    times = [time.perf_counter()]

    def lap() -> float:
        times.append(time.perf_counter())
        return times[-1] - times[-2]

    import gradtrail as gt

    imported = lap()
    from .ours import Learner
    from .settings import Workload
    from .task import task_for

    lap()
    task = task_for(Workload(gt.architecture(network).name, batch_size), threads)
    for name in task.network.parameters:
        _ = task.network.parameters[name]  # drawn at first use
    made = lap()
    learner = Learner(task, options)
    learner()
    first = lap()
    later = []
    for _ in range(5):
        learner()
        later.append(lap())
    usual = sorted(later)[2]
    return {"import": imported, "network": made, "start": first - usual, "later": usual}


def _memory(
    network: str, batch_size: int, threads: int, options: Any, steps: int, side: str
) -> dict[str, int]:
    """Bytes held at most before the first step and after the last, and those of the input."""
    import gradtrail as gt

    from .ours import NAME, Learner
    from .settings import TRAINING
    from .task import Task, random_samples

    net = gt.architecture(network).network(seed=TRAINING.seed)
    x, y = random_samples(net, batch_size, TRAINING.seed)
    task = Task(net, x, y, batch_size, threads)
    if side == NAME:
        import llvmlite.binding  # noqa: F401, no step's own

        before = _peak_now()
        learner: Any = Learner(task, options)
    else:
        from .peers import installed

        peers = {peer.name: peer for peer in installed(threads)[0]}
        before = _peak_now()
        learner = peers[side].learner(peers[side].modes[0], task)
    for _ in range(steps):
        learner()
    return {"before": before, "peak": _peak_now(), "input": x.nbytes}


_MEASURES: dict[str, Any] = {"startup": _startup, "memory": _memory}


def main() -> None:
    """Do what the one argument asks, and print the result."""
    settings = json.loads(sys.argv[1])
    print(json.dumps(_MEASURES[settings.pop("measure")](**settings)))


if __name__ == "__main__":
    main()
