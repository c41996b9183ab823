"""`python -m benchmarks.seeded`: whether ten seeded trainings still come to the same bits.

A digest of each is printed, and kept as JSON; another build, or another day, is compared with it.
See docs/benchmarks.md.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from .arguments import build_folder, listed
from .child import ChildError, ask
from .report import Table, write
from .session import shown
from .ten_trainings import TRAININGS

__all__ = ["differences", "main", "read"]

THREADS = (1, 2)
"""With how many threads each training is run; they must agree."""

Digests = Mapping[str, Mapping[str, str]]


def differences(before: Digests, now: Digests) -> list[str]:
    """Where the digests of a run are others than before, a line for each training.

    Args:
        before: by training, then by what they are of.
        now: likewise; trainings that were not run are not looked for.
    """
    lines = []
    for name, found in now.items():
        if name not in before:
            lines.append(f"{name}: there is none to compare with")
        elif apart := _apart(before[name], found):
            lines.append(f"{name}: another {apart}")
    return lines


def _apart(one: Mapping[str, str], other: Mapping[str, str]) -> str:
    """What two trainings' digests differ in, such as `training and trace`."""
    return " and ".join(what for what in {**one, **other} if one.get(what) != other.get(what))


def read(path: Path) -> dict[str, dict[str, str]]:
    """The digests that a run wrote.

    Raises:
        click.ClickException: it is no such file.
    """
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as cause:
        raise click.ClickException(f"{path} is no JSON: {cause}") from None
    good = isinstance(found, dict) and all(isinstance(one, dict) for one in found.values())
    if not good:
        raise click.ClickException(f"{path} holds no digests of trainings")
    return found


@click.command(context_settings={"help_option_names": ["-h", "--help"], "show_default": True})
@click.option("--only", default=",".join(TRAININGS), callback=listed(TRAININGS, "training"),
              help="Some of the trainings by name.")  # fmt: skip
@click.option("--build", callback=build_folder, metavar="FOLDER",
              help="The checkout whose gradtrail trains; by default this one's.")  # fmt: skip
@click.option("--json", "kept", type=click.Path(dir_okay=False, path_type=Path),
              help="Where to write the digests.")  # fmt: skip
@click.option("--against", type=click.Path(exists=True, dir_okay=False, path_type=Path),
              help="Digests to compare with; those that differ give exit status 1.")  # fmt: skip
def main(only: list[str], build: Path | None, kept: Path | None, against: Path | None) -> None:
    """Run seeded trainings, and say to which bits they came.

    Example: python -m benchmarks.seeded --against before.json
    """
    before = None if against is None else read(against)
    table = Table(("seeded training", "training", "trace", "prediction"))
    digests: dict[str, dict[str, str]] = {}
    failed: list[str] = []
    with tempfile.TemporaryDirectory() as cache, shown(len(only)) as (told, done):
        for name in only:
            told(f"{name}: training")
            digests[name], *others = _run(name, build, cache)
            failed += [f"{name}: with {count} threads, another {apart}"
                       for count, other in zip(THREADS[1:], others, strict=True)
                       if (apart := _apart(digests[name], other))]  # fmt: skip
            table.add(name, *digests[name].values())
            done()
    click.echo(table.markdown())
    if kept is not None:
        write(kept, json.dumps(digests, indent=1) + "\n")
    if before is not None:
        failed += differences(before, digests)
        if not failed:
            click.echo(f"\nthe same bits as in {against}")
    if failed:
        click.echo("\n" + "\n".join(failed))
        sys.exit(1)


def _run(name: str, build: Path | None, cache: str) -> list[dict[str, str]]:
    """One training's digests, in a process whose code nobody else compiled.

    Args:
        name: of the training.
        build: whose gradtrail trains.
        cache: a folder of this run for compiled code, so that none of another build is found.

    Raises:
        click.ClickException: the process failed.
    """
    settings: dict[str, Any] = {"measure": "digests", "training": name, "threads": THREADS}
    try:
        found: list[dict[str, str]] = ask(settings, {"GRADTRAIL_CACHE": cache}, build)
    except ChildError as cause:
        raise click.ClickException(f"{name}: {cause}") from None
    return found


if __name__ == "__main__":
    main()
