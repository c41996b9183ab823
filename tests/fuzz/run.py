"""Read many damaged files, each of which must give one of gradtrail's errors or a right result.

    python tests/fuzz/run.py --count 10000 --seed 0
    python tests/fuzz/run.py --count 10000 --crafted    # checkpoints, runs and recipes

It runs in a process of its own, so that what it takes in memory can be measured. For every file:
no other exception, less than 2 s, nothing left beside it, no process started, nothing unpickled, no
connection made, nothing else written. At the end: how many files of each kind were refused and how
many were read, the longest time, and how much memory was taken at most beyond the start.

Crafted files are what somebody writes who knows the format: every digest is right, and a field is
wrong. Checkpoints are trained on from, recipes are prepared, and the rest of a run is read.
"""

from __future__ import annotations

import argparse
import json
import random
import resource
import sys
import tempfile
import time
import traceback
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent))

import gradtrail as gt
from fuzz.crafted_kinds import CRAFTED
from fuzz.kinds import KINDS, Kind
from gradtrail.engines.cpu.cache import cache_folder

SECONDS, MEMORY = 2.0, 1 << 30

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


def failure(kind: Kind, path: Path, watch: Watch) -> tuple[str | None, bool]:
    """What went wrong with one file, and whether it was read."""
    watch.seen.clear()
    read, wrong, since = False, None, time.process_time()  # whatever else the machine does
    try:
        watch.active = True
        result = kind.read(path)
        read = True
    except gt.GradtrailError as told:
        if not str(told).strip() or "Traceback" in str(told):
            wrong = f"an error that says nothing: {told!r}"
    except BaseException:
        wrong = traceback.format_exc(limit=-3)
    finally:
        watch.active = False
    seconds = time.process_time() - since
    if wrong is None and read:
        wrong = kind.wrong(path, result)
    if wrong is None and seconds > SECONDS:
        wrong = f"it took {seconds:.1f} s"
    if wrong is None and watch.seen:
        wrong = f"it did something else: {watch.seen[0]}"
    beside = sorted(p.name for p in path.parent.iterdir() if p != path)
    if wrong is None and beside:
        wrong = f"it left {beside}"
    return wrong, read


def run(count: int, seed: int, keep: Path | None, crafted: bool = False) -> dict[str, Any]:
    """All files; what was found."""
    found: dict[str, Any] = {"failures": [], "longest": 0.0, "kinds": {}}
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made) / "files"
        folder.mkdir()
        watch = Watch(folder)
        made_by = CRAFTED if crafted else KINDS
        kinds = [kind for kind in (make() for make in made_by) if kind is not None]
        for kind in kinds:
            for sample in kind.samples:
                path = folder / kind.file
                path.write_bytes(sample)
                kind.read(path)  # imports and compiles what it does not later
                wrong, read = failure(kind, path, watch)
                assert wrong is None, (kind.name, wrong)
                assert read, kind.name
                path.unlink()
        before = peak()
        for number in range(count):
            kind = kinds[number % len(kinds)]
            draw = random.Random(f"{seed} {number}")
            path = folder / kind.file
            content = kind.damaged(draw)
            path.write_bytes(content)
            since = time.process_time()
            wrong, read = failure(kind, path, watch)
            found["longest"] = max(found["longest"], time.process_time() - since)
            tally = found["kinds"].setdefault(kind.name, {"read": 0, "refused": 0})
            tally["read" if read else "refused"] += 1
            if wrong is not None:
                found["failures"].append(f"{kind.name} {number}: {wrong}")
                if keep is not None:
                    keep.mkdir(parents=True, exist_ok=True)
                    (keep / f"{number}-{kind.file}").write_bytes(content)
            for left in folder.iterdir():
                left.unlink()
        found["memory"] = peak() - before
    if found["memory"] > MEMORY:
        found["failures"].append(f"{found['memory']:,} bytes of memory were taken")
    return found


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
    given = parser.parse_args()
    found = run(given.count, given.seed, given.keep, given.crafted)
    print(json.dumps(found, indent=1))
    sys.exit(bool(found["failures"]))


if __name__ == "__main__":
    main()
