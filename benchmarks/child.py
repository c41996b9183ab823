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

__all__ = ["ROOT", "ChildError", "ask", "check_home", "environment_for", "peak_memory", "result_of"]

ROOT = Path(__file__).resolve().parent.parent


class ChildError(RuntimeError):
    """The process failed, or said something else than a result."""


def environment_for(
    build: Path | None = None, variables: Mapping[str, str] | None = None
) -> dict[str, str]:
    """The variables of a process that finds the benchmarks here, and gradtrail in a build.

    Args:
        build: a checkout's folder, with `src/gradtrail` in it; None for the gradtrail of this
            process.
        variables: besides this process's.
    """
    first = [] if build is None else [str(build.resolve() / "src")]
    paths = [*first, str(ROOT), os.environ.get("PYTHONPATH", "")]
    path = os.pathsep.join(p for p in paths if p)
    return {**os.environ, "PYTHONPATH": path, **(variables or {})}


def check_home(build: str | Path | None) -> None:
    """Whether the gradtrail of this process is that of a build; None is every one.

    Raises:
        ChildError: it is another.
    """
    import gradtrail

    found = Path(gradtrail.__file__).resolve().parent
    if build is not None and found != Path(build).resolve() / "src" / "gradtrail":
        raise ChildError(f"gradtrail should come from {build}, but it is that in {found}")


def ask(
    settings: Mapping[str, Any],
    environment: Mapping[str, str] | None = None,
    build: Path | None = None,
) -> Any:
    """Measure in a fresh process.

    Args:
        settings: `measure` (a function's name below) and its arguments.
        environment: variables besides this process's.
        build: whose gradtrail is measured, see `environment_for`.

    Raises:
        ChildError: the process failed.
    """
    whole = dict(settings) if build is None else {**settings, "build": str(build)}
    command = [sys.executable, "-m", "benchmarks.child", json.dumps(whole)]
    variables = environment_for(build, environment)
    done = subprocess.run(command, cwd=ROOT, env=variables, capture_output=True, text=True)
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


def _start(network: str, batch_size: int, threads: int) -> dict[str, float]:
    """Seconds that importing takes, and a first training of one step; in every build alike."""
    begun = time.perf_counter()
    import gradtrail as gt

    imported = time.perf_counter()
    from .one_build import random_samples, trained

    net = gt.architecture(network).network(seed=0)
    data = random_samples(net.input_shape, batch_size)
    ready = time.perf_counter()
    trained(net, data, batch_size, threads)
    return {"import": imported - begun, "first step": time.perf_counter() - ready}


def _digests(training: str, threads: list[int]) -> list[dict[str, str]]:
    """The digests of a seeded training with each number of threads."""
    from .ten_trainings import digests

    return [digests(training, count) for count in threads]


_MEASURES: dict[str, Any] = {
    "startup": _startup,
    "memory": _memory,
    "start": _start,
    "digests": _digests,
}


def main() -> None:
    """Do what the one argument asks, and print the result."""
    settings = json.loads(sys.argv[1])
    build = settings.pop("build", None)
    found = _MEASURES[settings.pop("measure")](**settings)
    check_home(build)
    print(json.dumps(found))


if __name__ == "__main__":
    main()
