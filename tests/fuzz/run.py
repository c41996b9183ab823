"""Read many damaged files, each of which must give one of gradtrail's errors or a right result.

    python tests/fuzz/run.py --count 10000 --seed 0
    python tests/fuzz/run.py --count 10000 --crafted    # checkpoints, runs and recipes

The files are shared out to as many processes as there are cores, or to `--processes`; which reads
a file changes nothing. None does anything else, so that what it takes in memory can be measured.
For every file:
no other exception, less than 2 s, nothing left beside it, no process started, nothing unpickled, no
connection made, nothing else written. At the end: how many files of each kind were refused and how
many were read, the longest time, and how much memory was taken at most beyond the start.

Crafted files are what somebody writes who knows the format: every digest is right, and a field is
wrong. Checkpoints are trained on from, recipes are prepared, and the rest of a run is read.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import random
import resource
import sys
import tempfile
import time
import traceback
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent))

import gradtrail as gt
from fuzz.crafted_kinds import CRAFTED
from fuzz.kinds import KINDS, Kind
from gradtrail.engines.cpu import llvm
from gradtrail.engines.cpu.cache import cache_folder

SECONDS, MEMORY = 2.0, 1 << 30
CHUNK = 60  # files that a process takes at a time

FORBIDDEN = {
    *("os.system", "os.exec", "os.posix_spawn", "os.fork", "subprocess.Popen"),
    *("pickle.find_class", "socket.connect", "ctypes.dlopen"),
}


class Watch:
    """What happens besides reading, noted by Python's audit hook.

    Args:
        folder: where files may be written, besides the folder of compiled code.
    """

    def __init__(self, folder: Path) -> None:
        self.folders = (str(folder), str(cache_folder() or folder))
        self.active, self.seen = False, list[str]()
        sys.addaudithook(self._hook)

    def _hook(self, event: str, arguments: tuple[Any, ...]) -> None:
        if not self.active:
            return
        itself = event == "ctypes.dlopen" and arguments[0] is None  # the process, for its memory
        if event in FORBIDDEN and not itself:
            self.seen.append(f"{event} {arguments!r:.100}")
        elif event == "open" and isinstance(arguments[0], str):
            writes = isinstance(arguments[1], str) and any(m in arguments[1] for m in "wxa+")
            if writes and not arguments[0].startswith(self.folders):
                self.seen.append(f"{arguments[0]} is opened for writing")


def failure(kind: Kind, path: Path, watch: Watch) -> tuple[str | None, bool, float]:
    """What went wrong with one file, whether it was read, and how long that took."""
    watch.seen.clear()
    wrong, result, seconds = timed(kind, path, watch)
    if wrong is None and result is not REFUSED:
        wrong = kind.wrong(path, result)
    if wrong is None and seconds > SECONDS:  # the file's fault only if it takes as long again
        seconds = min(seconds, timed(kind, path, watch)[2])
        wrong = f"it took {seconds:.1f} s" if seconds > SECONDS else None
    if wrong is None and watch.seen:
        wrong = f"it did something else: {watch.seen[0]}"
    beside = sorted(p.name for p in path.parent.iterdir() if p != path)
    if wrong is None and beside:
        wrong = f"it left {beside}"
    return wrong, result is not REFUSED, seconds


REFUSED = object()
"""What stands for the result of a file that was not read."""


def timed(kind: Kind, path: Path, watch: Watch) -> tuple[str | None, Any, float]:
    """Read a file: what went wrong, the result, and the processor's seconds."""
    result, wrong, since = REFUSED, None, time.thread_time()  # whatever else the machine does
    try:
        watch.active = True
        result = kind.read(path)
    except gt.GradtrailError as told:
        if not str(told).strip() or "Traceback" in str(told):
            wrong = f"an error that says nothing: {told!r}"
    except BaseException:
        wrong = traceback.format_exc(limit=-3)
    finally:
        watch.active = False
    return wrong, result, time.thread_time() - since


class Reader:
    """What reads files in one process, in a folder of its own.

    Args:
        crafted: whether crafted files are read, and not damaged ones.
        seed: from which each file follows, together with its number.
        keep: a folder for the files that fail, or None.
        below: the folder that this process makes its own in.
    """

    def __init__(self, crafted: bool, seed: int, keep: Path | None, below: str) -> None:
        self.seed, self.keep = seed, keep
        self.folder = Path(tempfile.mkdtemp(dir=below)) / "files"
        self.folder.mkdir()
        self.watch = Watch(self.folder)
        with llvm.INSIDE:
            llvm.library()  # a file may ask for code that is not kept, and what is kept needs none
        made_by = CRAFTED if crafted else KINDS
        self.kinds = [kind for kind in (make() for make in made_by) if kind is not None]
        for kind in dict.fromkeys(self.kinds):
            for sample in kind.samples:
                path = self.folder / kind.file
                path.write_bytes(sample)
                kind.read(path)  # imports and compiles what it does not later
                wrong, read, _ = failure(kind, path, self.watch)
                assert wrong is None, (kind.name, wrong)
                assert read, kind.name
                path.unlink()
        self.before = peak()

    def read(self, numbers: range) -> dict[str, Any]:
        """Files by their numbers; what was found."""
        found: dict[str, Any] = {"failures": [], "longest": 0.0, "kinds": {}}
        for number in numbers:
            kind = self.kinds[number % len(self.kinds)]
            draw = random.Random(f"{self.seed} {number}")
            path = self.folder / kind.file
            content = kind.damaged(draw)
            path.write_bytes(content)
            wrong, read, seconds = failure(kind, path, self.watch)
            found["longest"] = max(found["longest"], seconds)
            tally = found["kinds"].setdefault(kind.name, {"read": 0, "refused": 0})
            tally["read" if read else "refused"] += 1
            if wrong is not None:
                found["failures"].append([number, f"{kind.name} {number}: {wrong}"])
                if self.keep is not None:
                    self.keep.mkdir(parents=True, exist_ok=True)
                    (self.keep / f"{number}-{kind.file}").write_bytes(content)
            for left in self.folder.iterdir():
                left.unlink()
        found["memory"] = peak() - self.before
        return found


_reader: Reader | None = None


def start(*arguments: Any) -> None:
    """Begin a process that reads."""
    global _reader
    _reader = Reader(*arguments)


def read(numbers: range) -> dict[str, Any]:
    """See `Reader.read`."""
    assert _reader is not None
    return _reader.read(numbers)


def run(
    count: int, seed: int, keep: Path | None, crafted: bool = False, processes: int = 1
) -> dict[str, Any]:
    """All files; what was found. The number of processes changes no file and no finding."""
    parts = [range(at, min(at + CHUNK, count)) for at in range(0, count, CHUNK)]
    with tempfile.TemporaryDirectory() as below:
        if processes == 1:
            return joined(shown(map(Reader(crafted, seed, keep, below).read, parts), count))
        context = multiprocessing.get_context("spawn")  # each measures its own memory
        with context.Pool(processes, start, (crafted, seed, keep, below)) as pool:
            return joined(shown(pool.imap_unordered(read, parts), count))


def joined(parts: Iterable[dict[str, Any]]) -> dict[str, Any]:
    """What several processes have found as one."""
    found: dict[str, Any] = {"failures": [], "longest": 0.0, "kinds": {}, "memory": 0}
    kinds: dict[str, dict[str, int]] = {}
    for part in parts:
        found["failures"] += part["failures"]
        for most in ("longest", "memory"):
            found[most] = max(found[most], part[most])
        for name, tally in part["kinds"].items():
            total = kinds.setdefault(name, {"read": 0, "refused": 0})
            for outcome, number in tally.items():
                total[outcome] += number
    found["kinds"] = dict(sorted(kinds.items()))
    found["failures"] = [wrong for _, wrong in sorted(found["failures"])]
    if found["memory"] > MEMORY:
        found["failures"].append(f"{found['memory']:,} bytes of memory were taken")
    return found


def shown(parts: Iterable[dict[str, Any]], count: int) -> Iterator[dict[str, Any]]:
    """The parts as they come; how far it is stands on the terminal."""
    done = failures = 0
    for part in parts:
        done += sum(sum(tally.values()) for tally in part["kinds"].values())
        failures += len(part["failures"])
        if sys.stderr.isatty():
            end = "\n" if done == count else ""
            print(f"\r{done:,} of {count:,} files, {failures} wrong", end=end, file=sys.stderr)
        yield part


def peak() -> int:
    """The most memory that this process has had, in bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--keep", type=Path, help="A folder for the files that fail.")
    parser.add_argument("--crafted", action="store_true", help="Crafted ones; see above.")
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    given = parser.parse_args()
    found = run(given.count, given.seed, given.keep, given.crafted, given.processes)
    print(json.dumps(found, indent=1))
    sys.exit(bool(found["failures"]))


if __name__ == "__main__":
    main()
