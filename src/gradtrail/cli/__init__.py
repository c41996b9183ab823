"""The command line: one file per stage of work, as far as it has commands."""

from __future__ import annotations

import click

from ..version import VERSION
from .completion import completion_command
from .explore import explore_command
from .export import export_command
from .plan import plan_command
from .predict import evaluate_command, predict_command
from .rates import rates_command
from .recipe import recipe_command
from .report import report_command
from .trace import follow_command, influence_command, trace_command, watch_command, why_command
from .train import train_command

__all__ = ["main"]


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(VERSION, package_name="gradtrail")
def main() -> None:
    """Train convolutional networks, and see every shape and gradient."""


for command in (
    *(train_command, rates_command, recipe_command, plan_command),
    *(predict_command, evaluate_command),
    *(report_command, explore_command, export_command),
    *(trace_command, why_command, follow_command, influence_command, watch_command),
    completion_command,
):
    main.add_command(command)
