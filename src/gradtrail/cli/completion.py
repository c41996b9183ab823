"""`gradtrail completion`: what lets a shell complete commands and options."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

from .messages import one_error

_SHELLS = ("bash", "zsh", "fish")


@click.command("completion", short_help="Print what lets a shell complete commands and options.")
@click.argument("shell", type=click.Choice(_SHELLS))
@click.pass_context
@one_error
def completion_command(context: click.Context, shell: str) -> None:
    """Print the script that lets SHELL complete gradtrail's commands and options.

    Put its output where the shell reads it at the start: for bash in ~/.bashrc, for zsh in
    ~/.zshrc, for fish in ~/.config/fish/completions/gradtrail.fish.

    Example: gradtrail completion bash >> ~/.bashrc
    """
    kind = get_completion_class(shell)
    assert kind is not None
    program = "gradtrail"
    click.echo(kind(context.find_root().command, {}, program, "_GRADTRAIL_COMPLETE").source())
