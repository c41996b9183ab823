"""`python -m benchmarks.zoo`: networks that others wrote, read and compared with PyTorch.

It writes `zoo.md`, and ends with status 1 where a number is wrong, or fewer of a group are read
than are asked for. See docs/benchmarks.md.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import asdict, dataclass
from fnmatch import fnmatch
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

import click

from ..arguments import listed
from ..child import ROOT, environment_for
from ..machine import available_threads, described
from ..report import Part, Table, document, percent, verdict, write
from .comparison import EXACT, NEAR, Compared, compared
from .models import GROUPS


@click.command(context_settings={"help_option_names": ["-h", "--help"], "show_default": True})
@click.option("--groups", default=",".join(GROUPS), callback=listed(GROUPS, "group"))
@click.option("--names", default="*", help="Those that fit this pattern alone.")
@click.option("--seconds", default=600, help="The longest that one of them may take.")
@click.option("--processes", default=1, help="How many are tried at a time.")
@click.option("--memory", default=12, help="The most that one of them may take, in GiB.")
@click.option("--single/--no-single", default=True, help="Whether the CPU engine computes, too.")
@click.option("--out", default="benchmarks/results", type=click.Path(path_type=Path))
@click.option(
    "--record",
    default=None,
    type=click.Path(path_type=Path),
    help="Add each result to this file, a line of JSON; what it has finished is not tried again.",
)
@click.option("--one", default=None, hidden=True, help="GROUP:NAME: the result as JSON.")
def main(
    groups: list[str],
    names: str,
    seconds: int,
    processes: int,
    memory: int,
    single: bool,
    out: Path,
    record: Path | None,
    one: str | None,
) -> None:
    """Read model definitions of public packages, and compare all numbers with PyTorch's."""
    if one is not None:
        group, _, name = one.partition(":")
        print(json.dumps(asdict(compared(group, name, single=single))))
        return
    parts, good = [], True
    results = recorded(record)
    for group in groups:
        known = GROUPS[group]
        if find_spec(known.package) is None:
            click.echo(f"{group}: {known.package} is not installed")
            continue
        chosen = [name for name in known.names if fnmatch(name, names)]
        left = [name for name in chosen if (group, name) not in results]
        limits = Limits(seconds, memory << 30)
        for result in _each_tried(group, left, limits, processes, single):
            results[group, result.name] = result
            add_record(record, group, result)
        part, passed = _part(group, [results[group, name] for name in chosen])
        parts.append(part)
        good = good and (passed or names != "*")
    versions = {
        p: version(p) for p in ("torch", "pytorchcv", "timm", "torchvision") if find_spec(p)
    }
    table = described(available_threads(), versions, ())
    preface = [
        "Model definitions as their packages have them, with drawn weights. Outputs and all "
        f"gradients are compared with PyTorch's in float64 (right: {EXACT:g} of each array's "
        f"largest number), outputs of the CPU engine with those ({NEAR:g}).",
        table.markdown(),
    ]
    write(out / "zoo.md", document("Networks of others", preface, parts))
    click.echo(f"\n{out / 'zoo.md'}")
    sys.exit(not good)


@dataclass(frozen=True)
class Limits:
    """The most that one definition may take.

    Args:
        seconds: of time.
        bytes: of addresses; the process has no more memory than that.
    """

    seconds: int
    bytes: int


def recorded(file: Path | None) -> dict[tuple[str, str], Compared]:
    """The results in a file by group and name; the last of several, if it is finished.

    Args:
        file: as `add_record` writes it; None, or one that is not there, has none.
    """
    lines = file.read_text().splitlines() if file is not None and file.exists() else []
    found = map(json.loads, lines)
    results = {(held.pop("group"), held["name"]): Compared(**held) for held in found}
    return {key: one for key, one in results.items() if not one.unfinished}


def add_record(file: Path | None, group: str, result: Compared) -> None:
    """Add a result to a file, so that a walk that is interrupted goes on from there.

    Args:
        file: to which a line of JSON is added; None for nowhere.
        group: see `models.GROUPS`.
        result: of one definition.
    """
    if file is not None:
        with file.open("a") as lines:
            lines.write(json.dumps({"group": group, **asdict(result)}) + "\n")


def _each_tried(
    group: str, names: Sequence[str], limits: Limits, processes: int, single: bool
) -> Iterator[Compared]:
    """The results, as they come."""
    with ThreadPoolExecutor(processes) as pool:
        begun = [pool.submit(_tried, group, name, limits, single) for name in names]
        for one in as_completed(begun):
            yield one.result()


def _tried(group: str, name: str, limits: Limits, single: bool) -> Compared:
    """One definition, in a process of its own: what it takes or breaks is gone with it."""
    flag = "--single" if single else "--no-single"
    command = [sys.executable, "-m", "benchmarks.zoo", "--one", f"{group}:{name}", flag]
    limited = f"import resource; resource.setrlimit(resource.RLIMIT_AS, 2 * ({limits.bytes},)); "
    limited += f"import sys; sys.argv = {command[3:]!r}; sys.argv.insert(0, 'zoo'); "
    limited += "from benchmarks.zoo.__main__ import main; main()"
    try:
        ran = subprocess.run(
            [sys.executable, "-c", limited],
            cwd=ROOT,
            env=environment_for(),
            capture_output=True,
            text=True,
            timeout=limits.seconds,
            check=False,
        )
        last = ran.stdout.strip().splitlines()[-1:] or [""]
        found = Compared(**json.loads(last[0]))
    except subprocess.TimeoutExpired:
        found = Compared(name, f"took more than {limits.seconds} s", unfinished=True)
    except json.JSONDecodeError:
        said = ran.stderr.strip().splitlines()[-1:] or [f"ended with status {ran.returncode}"]
        found = Compared(name, f"failed: {said[0]}", unfinished=True)
    click.echo(_line(found))
    return found


def _line(one: Compared) -> str:
    if one.refused:
        return f"{one.name:34} refused: {one.refused[:300]}"
    rounded = "" if one.rounded is None else f", CPU engine {one.rounded:.1e}"
    word = "WRONG" if one.wrong else "right"
    return (
        f"{one.name:34} {word}: outputs {one.outputs:.1e}, gradients {one.gradients:.1e}"
        f" ({one.where}){rounded}, read in {one.seconds:.1f} s"
    )


def _part(group: str, found: Sequence[Compared]) -> tuple[Part, bool]:
    """A group's section of the report, and whether it is as good as is asked."""
    right = sum(one.right for one in found)
    wrong = [one.name for one in found if one.wrong]
    wanted = GROUPS[group].wanted
    passed = not wrong and (wanted is None or right >= wanted * len(found))
    summary = (
        f"{verdict(passed)}: of {len(found)} definitions {right} are read "
        f"({percent(right / max(1, len(found)))}), {len(wrong)} with a wrong number"
        f"{': ' + ', '.join(wrong) if wrong else ''}."
    )
    click.echo(f"{group}: {summary}\n")
    table = Table(
        ("definition", "parameters >", "outputs >", "gradients >", "CPU engine >", "read in >")
    )
    for one in found:
        if not one.refused:
            rounded = "" if one.rounded is None else f"{one.rounded:.1e}"
            numbers = (f"{one.outputs:.1e}", f"{one.gradients:.1e}", rounded)
            table.add(one.name, f"{one.parameters:,}", *numbers, f"{one.seconds:.1f} s")
    reasons = Table(("what is refused", "definitions >", "such as"))
    for reason, names in _reasons(found):
        reasons.add(reason, str(len(names)), ", ".join(names[:4]))
    far = Table(("rounding beyond the limit", "CPU engine >", "without Winograd >", "PyTorch >"))
    for one in found:
        if one.sensitive:
            far.add(one.name, f"{one.rounded:.1e}", f"{one.direct:.1e}", f"{one.single:.1e}")
    body: list[str | Table] = [summary, table, far, reasons]
    return Part(group, body), passed


def _reasons(found: Sequence[Compared]) -> list[tuple[str, list[str]]]:
    """The reasons of refusals with their definitions, the most common first.

    Names of nodes, paths and numbers are taken out, so that one reason is one line.
    """
    by_reason: dict[str, list[str]] = {}
    for one in found:
        for clause in {_plain(part) for part in one.refused.split("; ") if part}:
            by_reason.setdefault(clause, []).append(one.name)
    counts = Counter({reason: len(names) for reason, names in by_reason.items()})
    return [(reason, by_reason[reason]) for reason, _ in counts.most_common(40)]


def _plain(clause: str) -> str:
    clause = re.sub(r"^from_torch: ", "", clause)
    clause = re.sub(r"'[^']*'", "'…'", clause)
    return re.sub(r"\d[\d.,]*", "#", clause)[:160]


if __name__ == "__main__":
    main()
