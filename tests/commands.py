"""The command line as the tests call it."""

from __future__ import annotations

from click.testing import CliRunner, Result

from gradtrail.cli import main

__all__ = ["run"]


def run(*arguments: object) -> Result:
    """What a command printed, and its exit code."""
    return CliRunner().invoke(main, [str(argument) for argument in arguments])
