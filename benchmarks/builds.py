"""`python -m benchmarks.builds OLD NEW`: two builds of gradtrail beside each other, in turns.

Each is a checkout's folder. See docs/benchmarks.md.
"""

from __future__ import annotations

import compileall
import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import asdict
from pathlib import Path
from statistics import median
from typing import Any

import click

from .arguments import build_folder, listed, workloads
from .child import ROOT, ChildError, ask, environment_for, result_of
from .machine import available_threads, described
from .report import Part, Table, document, milliseconds, write
from .session import shown
from .settings import WORKLOADS, Workload
from .turns import Pace, Times, ratio, ratios, spread, take_turns

__all__ = ["Build", "main", "row"]

OLD, NEW = "old", "new"

REPEATS = 3
"""How many folders of compiled code each build fills; the first step there is compiled …"""

AGAIN = 3
"""… and so many after it find their code compiled."""

COLD, WARM = "first step, nothing compiled", "first step, compiled before"

PREDICTED = (1, 256)
"""For how many samples."""

Told = Callable[[str], None]
Pair = Sequence["Build"]


class Build:
    """One build in a process of its own; a side for `take_turns`.

    Args:
        name: as tables show it.
        folder: a checkout's.
        cache: a folder for the code that it compiles.
    """

    def __init__(self, name: str, folder: Path, cache: Path) -> None:
        self.name, self.folder, self.cache = name, folder, cache
        self._process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.one_build", str(folder)],
            cwd=ROOT,
            env=environment_for(folder, {"GRADTRAIL_CACHE": str(cache)}),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def _asked(self, request: Any) -> Any:
        """The answer to a request.

        Raises:
            ChildError: the process came to its end; it has said why.
        """
        self._tell(request)
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise ChildError(f"the process of the {self.name} build ended before it answered")
        return result_of(line)

    def _tell(self, request: Any) -> None:
        assert self._process.stdin is not None
        with suppress(BrokenPipeError):  # the answer that is missing says so
            print(json.dumps(request), file=self._process.stdin, flush=True)

    def turn(self, seconds: float, pace: Pace, clock: object = None) -> list[float]:
        """The seconds of a turn's counted runs, by the process's own clock."""
        found: list[float] = self._asked({"seconds": seconds, "pace": asdict(pace)})
        return found

    @contextmanager
    def ready(self, measure: str, workload: Workload, threads: int) -> Iterator[float]:
        """Something to measure, made ready: a number that it computed."""
        about = {"network": workload.name, "batch_size": workload.batch_size, "threads": threads}
        yield self._asked({"measure": measure, **about})
        self._tell(None)

    def __enter__(self) -> Build:
        return self

    def __exit__(self, *cause: object) -> None:
        if cause[0] is not None:
            self._process.kill()
        self._process.communicate()


def row(table: Table, what: str, title: str, old: Times, new: Times) -> None:
    """One measurement: medians, their ratio, and the three quartiles of the rounds' ratios."""
    low, high = spread(old, new)
    middle = median(ratios(old, new))
    cells = (milliseconds(old.median), milliseconds(new.median), f"**{ratio(old, new):.3f}**")
    table.add(what, title, *cells, f"{low:.3f}, {middle:.3f}, {high:.3f}")


class _Session:
    """One run of the command: what each measurement needs.

    Args:
        builds: the old one and the new one.
        seconds: how long each side of each measurement runs, about.
        pace: how long turns are.
        threads: how many each side uses.
        told: hears what happens now.
    """

    def __init__(self, builds: Pair, seconds: float, pace: Pace, threads: int, told: Told) -> None:
        self.builds, self.threads, self.told = builds, threads, told
        self.seconds, self.pace = seconds, pace
        heads = ("what", "network / batch", "old >", "new >", "old / new >", "by round >")
        self.part = Part("Old against new", [Table(heads)])

    @property
    def table(self) -> Table:
        """The one table."""
        found = self.part.body[0]
        assert isinstance(found, Table)
        return found

    def _compare(self, what: str, measure: str, workload: Workload) -> None:
        heading = f"{what}, {workload.title}"
        self.told(f"{heading}: getting ready")
        with ExitStack() as stack:
            first = [stack.enter_context(build.ready(measure, workload, self.threads))
                     for build in self.builds]  # fmt: skip
            times = take_turns(
                self.builds,
                self.seconds,
                self.pace,
                told=lambda text: self.told(f"{heading}: {text}"),
            )
        row(self.table, what, workload.title, times[OLD], times[NEW])
        if first[0] != first[1]:
            self.part.body.append(
                f"{heading}: the two do not compute the same bits, {first[0]!r} and {first[1]!r}."
            )

    def train(self, networks: Sequence[Workload]) -> None:
        """A training step."""
        for workload in networks:
            self._compare("training step", "train", workload)

    def predict(self, networks: Sequence[Workload]) -> None:
        """Outputs for one sample and for many."""
        for workload in networks:
            for count in PREDICTED:
                self._compare("predict", "predict", Workload(workload.name, count))

    def trace(self, networks: Sequence[Workload]) -> None:
        """A traced step."""
        for workload in networks:
            self._compare("gt.trace", "trace", workload)

    def start(self, networks: Sequence[Workload]) -> None:
        """Importing, and first steps with an empty code cache and with a full one."""
        for build in self.builds:
            compileall.compile_dir(build.folder / "src", quiet=2)  # as an installer does
        imports = self._empty()
        for workload in networks:
            times = {COLD: self._empty(), WARM: self._empty()}
            for _ in range(REPEATS):
                with tempfile.TemporaryDirectory() as cache:
                    for kind in (COLD, *[WARM] * AGAIN):
                        self.told(f"{kind}, {workload.title}")
                        for build in self.builds:
                            found = self._first_step(build, workload, cache)
                            times[kind][build.name].turns.append([found["first step"]])
                            imports[build.name].turns.append([found["import"]])
            for kind, sides in times.items():
                row(self.table, kind, workload.title, sides[OLD], sides[NEW])
        row(self.table, "import", "", imports[OLD], imports[NEW])

    def _empty(self) -> dict[str, Times]:
        """No times yet, of each build."""
        return {build.name: Times(build.name) for build in self.builds}

    def _first_step(self, build: Build, workload: Workload, cache: str) -> Mapping[str, float]:
        """See `benchmarks.child`."""
        settings = {"measure": "start", "network": workload.name,
                    "batch_size": workload.batch_size, "threads": self.threads}  # fmt: skip
        variables = {"GRADTRAIL_CACHE": str(Path(cache) / build.name)}
        found: Mapping[str, float] = ask(settings, variables, build.folder)
        return found


MEASURES: Mapping[str, Callable[[_Session, Sequence[Workload]], None]] = {
    "train": _Session.train,
    "predict": _Session.predict,
    "trace": _Session.trace,
    "start": _Session.start,
}


@click.command(context_settings={"help_option_names": ["-h", "--help"], "show_default": True})
@click.argument("old", callback=build_folder)
@click.argument("new", callback=build_folder)
@click.option("--networks", default=",".join(WORKLOADS), callback=workloads,
              help="Architectures by name.")  # fmt: skip
@click.option("--measures", default=",".join(MEASURES), callback=listed(MEASURES, "measure"),
              help="What to measure.")  # fmt: skip
@click.option("--seconds", type=click.FloatRange(0, min_open=True), default=3.0,
              help="How long each side of each measurement runs, about.")  # fmt: skip
@click.option("--rounds", type=click.IntRange(2), default=Pace().rounds,
              help="How many turns each side gets; more tell more on a busy machine.")  # fmt: skip
@click.option("--threads", type=click.IntRange(1), help="Of each side; by default all there are.")
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="A file, besides.")
def main(
    old: Path,
    new: Path,
    networks: list[Workload],
    measures: list[str],
    seconds: float,
    rounds: int,
    threads: int | None,
    out: Path | None,
) -> None:
    """Time the builds in the folders OLD and NEW, each of which holds src/gradtrail.

    Example: python -m benchmarks.builds ../before . --networks lenet5 --measures train
    """
    threads = threads or available_threads()
    machine = described(threads, {}, [(OLD, str(old)), (NEW, str(new))])
    try:
        with tempfile.TemporaryDirectory() as cache, ExitStack() as stack:
            builds = [stack.enter_context(Build(name, folder, Path(cache) / name))
                      for name, folder in ((OLD, old), (NEW, new))]  # fmt: skip
            told, done = stack.enter_context(shown(len(measures)))
            session = _Session(builds, seconds, Pace(rounds), threads, told)
            for name in measures:
                MEASURES[name](session, networks)
                done()
    except ChildError as cause:
        raise click.ClickException(str(cause)) from None
    text = document("Two builds", [_PREFACE, machine.markdown()], [session.part])
    click.echo(text, nl=False)
    if out is not None:
        write(out, text)


_PREFACE = (
    "Made by `python -m benchmarks.builds`; how things are measured is in `docs/benchmarks.md`. "
    "The builds take turns in one run. The ratio is the old one's median over the new one's, so "
    "that above 1 the new one is quicker. *By round* are the quartiles of the rounds' ratios, the "
    "middle one of which feels less of what else the machine does."
)


if __name__ == "__main__":
    main()
