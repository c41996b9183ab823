"""The command line: one file per stage of work, as far as it has commands."""

from __future__ import annotations

import click

from .. import __version__
from .completing import completion_command
from .exploring import explore_command
from .exporting import export_command
from .planning import plan_command
from .predicting import evaluate_command, predict_command
from .recipes import recipe_command
from .reporting import report_command
from .tracing import (
    follow_command,
    influence_command,
    trace_command,
    watch_command,
    why_command,
)
from .training import train_command

__all__ = ["main"]


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, package_name="gradtrail")
def main() -> None:
    """Train convolutional networks, and see every shape and gradient."""


for command in (
    *(train_command, recipe_command, plan_command, predict_command, evaluate_command),
    *(report_command, explore_command, export_command),
    *(trace_command, why_command, follow_command, influence_command, watch_command),
    completion_command,
):
    main.add_command(command)
