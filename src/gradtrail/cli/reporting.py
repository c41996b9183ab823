"""`gradtrail report`: one page about a run."""

from __future__ import annotations

from pathlib import Path

import click

from ..errors import ArgumentError
from .common import one_error, said

__all__ = ["report_command"]


@click.command("report")
@click.argument("run", type=click.Path(path_type=Path))
@click.option(
    "--out", type=click.Path(path_type=Path), help="The file; by default report.html in the run."
)
@click.option("--overwrite", is_flag=True, help="Replace a file of that name.")
@one_error
def report_command(run: Path, out: Path | None, overwrite: bool) -> None:
    """Write one HTML file about RUN that needs nothing else.

    It holds the curves, the confusion matrix, the worst mistakes, the first filters, the gradients
    layer by layer, the hardest training images, the plan and the recipe.

    Example: gradtrail report runs/digits-cnn-1
    """
    from ..report import write_report

    if out is not None and out.exists() and not overwrite:
        raise ArgumentError(f"{out} is there already; give --out another name or --overwrite")
    said(f"report written to {write_report(run, out, progress=True)}")
