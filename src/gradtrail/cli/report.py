"""`gradtrail report`: one page about a run."""

from __future__ import annotations

from pathlib import Path

import click

from ..data.folder_options import Bad
from .data_options import BAD
from .messages import one_error, said
from .path_types import HTML, PATH


@click.command("report")
@click.argument("run", type=PATH)
@BAD
@click.option("--out", type=HTML, help="The file; by default report.html in the run.")
@click.option("--overwrite", is_flag=True, help="Replace a file of that name.")
@one_error
def report_command(run: Path, bad: Bad | None, out: Path | None, overwrite: bool) -> None:
    """Write one HTML file about RUN that needs nothing else.

    It holds the curves, the confusion matrix, the worst mistakes, the first filters, the gradients
    layer by layer, the hardest training images, the plan and the recipe.

    Example: gradtrail report runs/digits-cnn-1
    """
    from ..reporting import write_report

    said(f"report written to {write_report(run, out, bad=bad, progress=True)}")
