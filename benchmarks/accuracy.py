"""`python -m benchmarks.accuracy`: whether we compute what PyTorch and float64 compute.

It writes `accuracy.md` and `accuracy.png`, and ends with status 1 where a bound is exceeded. See
docs/benchmarks.md.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from dataclasses import fields
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import click

import gradtrail as gt
from gradtrail.engines import CPU, Reference

from .arguments import engine_arguments, listed, workloads
from .curves import Curve, Data, by_gradtrail, by_pytorch, compare, data
from .machine import available_threads, described
from .ours import engine
from .picture import curve_picture, have_matplotlib
from .report import Part, Table, document, verdict, write
from .rounding import Rounding, deviations
from .session import shown
from .settings import CURVES, ROUNDING, WORKLOADS, Curves, Workload
from .task import random_samples

__all__ = ["main", "settings_to_compare"]

RESULTS = Path("benchmarks/results")
SECTIONS = ("curves", "layers")
PEER, ITSELF = "PyTorch", "PyTorch, channels last"

Told = Callable[[str], None]
Options = Mapping[str, Any]


def settings_to_compare(given: Options, choices: tuple[str, ...]) -> dict[str, Options]:
    """The engine's settings by name: those given, or the default and each choice of Winograd.

    Args:
        given: arguments of `CPU`, from the command line.
        choices: of `winograd`; passed where this version's engine takes it.
    """
    if given:
        return {", ".join(f"{name}={value}" for name, value in given.items()): given}
    found: dict[str, Options] = {"default": {}}
    if any(f.name == "winograd" for f in fields(CPU)):
        found |= {f"winograd={choice}": {"winograd": choice} for choice in choices}
    return found


@click.command(context_settings={"help_option_names": ["-h", "--help"], "show_default": True})
@click.option("--networks", default=",".join(WORKLOADS), callback=workloads,
              help="For the layers' errors.")  # fmt: skip
@click.option("--sections", default=",".join(SECTIONS), callback=listed(SECTIONS, "section"))
@click.option("--samples", type=click.IntRange(1),
              help="So many training samples for the curves; by default all.")  # fmt: skip
@click.option("--threads", type=click.IntRange(1), help="By default all there are.")
@click.option("--engine-option", "options", multiple=True, metavar="NAME=VALUE",
              callback=engine_arguments,
              help="An argument of gradtrail.CPU; by default several are compared.")  # fmt: skip
@click.option("--out", type=click.Path(path_type=Path), default=RESULTS, help="A folder.")
def main(
    networks: list[Workload],
    sections: list[str],
    samples: int | None,
    threads: int | None,
    options: dict[str, Any],
    out: Path,
) -> None:
    """Compare a whole epoch with PyTorch, and every layer with float64.

    Example: python -m benchmarks.accuracy --engine-option winograd=off
    """
    if "curves" in sections and find_spec("torch") is None:
        raise click.UsageError("the curves need PyTorch; install it, or pass --sections layers")
    threads = threads or available_threads()
    versions = {}
    parts: list[Part] = []
    out.mkdir(parents=True, exist_ok=True)
    with shown(len(sections)) as (told, done):
        if "curves" in sections:
            import torch

            versions["PyTorch"] = torch.__version__
            parts.append(_curves(threads, options, samples, out, told))
            done()
        if "layers" in sections:
            parts.append(_layers(networks, threads, options, told))
            done()
    machine = described(threads, versions, ())
    write(out / "accuracy.md", document("Accuracy", [_PREFACE, machine.markdown()], parts))
    click.echo((out / "accuracy.md").read_text(encoding="utf-8"))
    failed = [line for part in parts for line in part.failed]
    for line in failed:
        click.echo(f"FAIL: {line}", err=True)
    sys.exit(1 if failed else 0)


def _curves(threads: int, options: Options, samples: int | None, out: Path, told: Told) -> Part:
    """The loss curves of an epoch, with each optimiser."""
    part = Part("One epoch against PyTorch")
    table = Table(("network, optimiser", "side", "what", "found >", "bound >", "verdict"))
    drawn: dict[str, Mapping[str, Curve]] = {}
    for settings in CURVES:
        told(f"epoch with {settings.title}: loading the data")
        loaded = data(settings, samples)
        curves = _sides(settings, loaded, threads, options, told)
        drawn[settings.title] = curves
        first, *others = curves
        for name in others:
            for found in compare(curves[name], curves[first], settings):
                ours = name != ITSELF
                what, value, bound, judged = found.cells()
                table.add(settings.title, name, what, value, bound, judged if ours else "")
                if ours and found.failed:
                    part.failed.append(f"{settings.title}, {name}: {what} {value}, bound {bound}")
    lines = [
        f"- {title}: " + "; ".join(f"{n} {100 * c.accuracy:.2f} %" for n, c in curves.items())
        for title, curves in drawn.items()
    ]
    part.body += [_CURVES_EXPLAINED, table, "Test accuracies:\n\n" + "\n".join(lines)]
    if samples is not None:
        part.body.append(f"Only {samples:,} training samples, not the whole epoch.")
    if have_matplotlib():
        curve_picture(out / "accuracy.png", drawn, CURVES[0].window)
        part.body.append("![The loss curves and their differences](accuracy.png)")
    return part


def _sides(
    settings: Curves, loaded: Data, threads: int, options: Options, told: Told
) -> dict[str, Curve]:
    """PyTorch's curve first, then its own in another order of summation, then ours."""
    curves = {}
    for name, last in ((PEER, False), (ITSELF, True)):
        told(f"epoch with {settings.title}: {name}")
        curves[name] = by_pytorch(loaded, threads, settings, channels_last=last)
    for name, chosen in settings_to_compare(options, ("off",)).items():
        told(f"epoch with {settings.title}: {name}")
        curves[f"gradtrail, {name}"] = by_gradtrail(loaded, threads, chosen, settings)
    return curves


def _layers(networks: list[Workload], threads: int, options: Options, told: Told) -> Part:
    """The errors of every layer and pass."""
    part = Part("Every layer against float64")
    table = Table(("network", "gradtrail", "worst layer by itself >", "where", "verdict",
                   "worst from the input on >", "decisions turned >"))  # fmt: skip
    details: list[str | Table] = []
    for workload in networks:
        network = gt.architecture(workload.name).network(seed=ROUNDING.seed)
        x, y = random_samples(network, ROUNDING.batch_size, ROUNDING.seed + 1)
        told(f"layers: {workload.name} by the reference engine")
        reference = gt.trace(network, x, y, engine=Reference())
        found: dict[str, Rounding] = {}
        for name, chosen in settings_to_compare(options, ROUNDING.winograd).items():
            told(f"layers: {workload.name}, {name}")
            found[name] = deviations(network, x, y, engine(threads, chosen), reference)
            _judge(part, table, workload.name, name, found[name])
        details += [f"### {workload.name}, by itself", _details(found)]
    part.body += [_EXPLAINED, table, *details]
    return part


def _judge(part: Part, table: Table, network: str, name: str, found: Rounding) -> None:
    """The row of a network with one setting, whose bound holds for the default."""
    alone, whole = found.worst("alone"), found.worst("whole")
    good = alone.alone <= ROUNDING.bound
    judged = verdict(good) if name == "default" else ""
    where = f"{alone.layer}, {alone.which}"
    cells = (f"{alone.alone:.1e}", where, judged, f"{whole.whole:.1e}", str(found.turned))
    table.add(network, name, *cells)
    if name == "default" and not good:
        part.failed.append(f"{network}: {alone.alone:.1e} at {where}, bound {ROUNDING.bound:g}")


def _details(found: Mapping[str, Rounding]) -> Table:
    """All layers and passes, a column for each setting; what is exact in all is left out."""
    table = Table(("layer", "pass", *(f"{name} >" for name in found)))
    for rows in zip(*(rounding.rows for rounding in found.values()), strict=True):
        if any(row.alone > ROUNDING.exact for row in rows):
            table.add(rows[0].layer, rows[0].which, *(f"{row.alone:.1e}" for row in rows))
    return table


_PREFACE = "Made by `python -m benchmarks.accuracy`; see `docs/benchmarks.md` for what is compared."

_CURVES_EXPLAINED = (
    f"{CURVES[0].data}, batch {CURVES[0].batch_size}, no dropout: every side starts from the same "
    "weights and takes the samples in the same order; all are compared with PyTorch "
    f"(eager). *{ITSELF}* is PyTorch with the same numbers in another order in memory, which sums "
    "in another order: where that alone exceeds a bound, the training is chaotic and the bound "
    "says nothing about us; then only the first losses are judged."
)

_EXPLAINED = (
    f"Relative rms errors of a training step with {ROUNDING.batch_size} samples of noise. *By "
    "itself*: the layer's equation in float64 on what our engine handed it, so that the figure is "
    f"this layer's alone; at most {ROUNDING.bound:g} by default. *From the input on*: against the "
    "reference engine's whole step, with the rounding of all layers before. There a ReLU or a "
    "maximum may fall the other way where two numbers are nearly equal, which is no rounding "
    "error; these decisions are counted. Layers that only choose or copy are exact and not listed."
)


if __name__ == "__main__":
    main()
