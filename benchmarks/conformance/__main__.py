"""`python -m benchmarks.conformance`: cases that ONNX and PyTorch test themselves with.

It writes `conformance.md`, and ends with status 1 where a number is wrong, or fewer of ONNX's cases
are right than are asked for. See docs/benchmarks.md.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

import click

from ..arguments import listed
from ..machine import available_threads, described
from ..report import document, write
from .onnx_cases import onnx_outcomes
from .outcome import Outcome, part_of
from .torch_samples import torch_outcomes

_SETS: Mapping[str, tuple[Callable[[], Iterator[Outcome]], float | None, tuple[str, ...]]] = {
    "onnx": (onnx_outcomes, 0.85, ("onnx",)),
    "torch": (torch_outcomes, None, ("torch", "expecttest")),
}
"""By name: what gives the cases, the share that must be right, the packages they need."""


@click.command(context_settings={"help_option_names": ["-h", "--help"], "show_default": True})
@click.option("--sets", default=",".join(_SETS), callback=listed(_SETS, "set"))
@click.option("--show", default="wrong", help="The outcomes that are printed one by one.")
@click.option("--out", default="benchmarks/results", type=click.Path(path_type=Path))
def main(sets: list[str], show: str, out: Path) -> None:
    """Read ONNX's and PyTorch's own cases, and compare all numbers."""
    parts, good = [], True
    for name in sets:
        outcomes, wanted, packages = _SETS[name]
        missing = [package for package in packages if find_spec(package) is None]
        if missing:
            click.echo(f"{name}: {', '.join(missing)} is not installed")
            continue
        found = []
        for one in outcomes():
            found.append(one)
            if one.word in show.split(","):
                click.echo(f"{one.name:50} {one.word} {one.refused or f'{one.apart:.1e}'}")
        part, passed = part_of(name, found, wanted)
        click.echo(f"{name}: {part.body[0]}")
        parts.append(part)
        good = good and passed
    versions = {p: version(p) for p in ("onnx", "torch") if find_spec(p)}
    preface = [
        "The cases that ONNX and PyTorch test themselves with, for the operators, layers and "
        "functions that layers here compute. What is not right is refused, with the reason.",
        described(available_threads(), versions, ()).markdown(),
    ]
    write(out / "conformance.md", document("Conformance", preface, parts))
    click.echo(f"{out / 'conformance.md'}")
    sys.exit(not good)


if __name__ == "__main__":
    main()
