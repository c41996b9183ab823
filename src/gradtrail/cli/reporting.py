"""`gradtrail report`: one page about a run."""

from __future__ import annotations

from pathlib import Path

import click

from .common import one_error

__all__ = ["report_command"]


@click.command("report")
@click.argument("run", type=click.Path(path_type=Path))
@click.option(
    "--out", type=click.Path(path_type=Path), help="The file; by default report.html in the run."
)
@one_error
def report_command(run: Path, out: Path | None) -> None:
    """Write one HTML file about RUN that needs nothing else.

    It holds the curves, the confusion matrix, the worst mistakes, the first filters, the gradients
    layer by layer, the most influential images, the plan and the recipe.

    Example: gradtrail report runs/digits-cnn-1
    """
    from ..report import write_report

    click.echo(f"report written to {write_report(run, out)}")
