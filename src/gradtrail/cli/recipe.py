"""`gradtrail recipe`: the recipes that come along, to read and to begin one's own with."""

from __future__ import annotations

import click

from ..runs import shipped_names, shipped_text
from ..showing.tables import Table
from .messages import one_error
from .word_meanings import words


@click.command("recipe", short_help="Print a recipe that comes along, or list them all.")
@click.argument("name", required=False, shell_complete=words(shipped_names))
@one_error
def recipe_command(name: str | None) -> None:
    """Print the recipe NAME that comes with gradtrail, or list all of them.

    What is printed is a file that gradtrail train takes, to be changed at will. That for images
    lacks the folder: write path = "photos/" under [data].

    Example: gradtrail recipe mnist-best > recipe.toml
    """
    if name is None:
        firsts = {n: shipped_text(n).partition("\n")[0].lstrip("# ") for n in shipped_names()}
        click.echo(Table((), ("recipe", "what"), list(firsts.items())).text())
    else:
        click.echo(shipped_text(name), nl=False)
