"""`python -m benchmarks.training`: how fast we train, against the other libraries.

It writes `training.md` and `training.png`. See docs/benchmarks.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from .arguments import engine_arguments, listed, workloads
from .machine import available_threads, described, processor
from .peers import installed
from .picture import have_matplotlib, ratio_picture
from .report import Part, document, write
from .sections import SECTIONS
from .session import Session, shown
from .settings import WORKLOADS, Workload
from .task import DisagreementError

__all__ = ["main"]

RESULTS = Path("benchmarks/results")


@click.command(context_settings={"help_option_names": ["-h", "--help"], "show_default": True})
@click.option("--networks", default=",".join(WORKLOADS), callback=workloads,
              help="Architectures by name.")  # fmt: skip
@click.option("--seconds", type=click.FloatRange(0, min_open=True), default=3.0,
              help="How long each side of each measurement runs, about.")  # fmt: skip
@click.option("--threads", type=click.IntRange(1), help="Of each side; by default all there are.")
@click.option("--sections", default=",".join(SECTIONS), callback=listed(SECTIONS, "section"),
              help="What to measure.")  # fmt: skip
@click.option("--skip", multiple=True, metavar="MODE",
              help="Leave a mode out, such as compile, which takes minutes.")  # fmt: skip
@click.option("--engine-option", "options", multiple=True, metavar="NAME=VALUE",
              callback=engine_arguments, help="An argument of gradtrail.CPU.")  # fmt: skip
@click.option("--out", type=click.Path(path_type=Path), default=RESULTS, help="A folder.")
def main(
    networks: list[Workload],
    seconds: float,
    threads: int | None,
    sections: list[str],
    skip: tuple[str, ...],
    options: dict[str, Any],
    out: Path,
) -> None:
    """Time training, inference, first steps, memory and threads.

    Example: python -m benchmarks.training --networks lenet5 --sections training,layers
    """
    threads = threads or available_threads()
    peers, absent = installed(threads)
    more = [(f"option {name}", str(value)) for name, value in options.items()]
    more += [(a.name, a.reason) for a in absent] + [(f"mode {m}", "skipped") for m in skip]
    machine = described(threads, {peer.name: peer.version for peer in peers}, more)
    with shown(len(sections)) as (told, done):
        session = Session(networks, seconds, threads, options, peers, absent, skip, told)
        parts = []
        for name in sections:
            try:
                parts.append(SECTIONS[name](session))
            except DisagreementError as cause:
                raise click.ClickException(str(cause)) from cause
            done()
    written = _write(out, machine.markdown(), parts, threads)
    click.echo((out / "training.md").read_text(encoding="utf-8"))
    for path in written:
        click.echo(f"written: {path}", err=True)


def _write(out: Path, machine: str, parts: Sequence[Part], threads: int) -> list[Path]:
    """The report and the picture.

    Returns:
        The files.
    """
    preface = [_PREFACE, machine]
    failed = [line for part in parts for line in part.failed]
    if failed:
        preface.append("Not reached:\n\n" + "\n".join(f"- {line}" for line in failed))
    bars = [bar for part in parts for bar in part.bars]
    written = [out / "training.md"]
    if bars and have_matplotlib():
        preface.append("![Time of a training step, times gradtrail's](training.png)")
        written.append(out / "training.png")
    elif bars:
        preface.append("No picture, since matplotlib is not installed.")
    write(out / "training.md", document("Training benchmark", preface, parts))
    if len(written) > 1:
        ratio_picture(written[1], bars, f"{processor()}, {threads} threads, float32")
    return written


_PREFACE = (
    "Made by `python -m benchmarks.training`; how things are measured is in `docs/benchmarks.md`. "
    "Machines are noisy: the sides take turns in one run, medians are quoted, and ratios say more "
    "than milliseconds."
)


if __name__ == "__main__":
    main()
