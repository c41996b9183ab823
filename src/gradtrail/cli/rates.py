"""`gradtrail rates`: which learning rate a training begins with."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from ..errors import ArgumentError
from ..runs.run_inputs import prepare_run
from ..training import lr_range_test
from .data_options import AS_JSON
from .messages import one_error, print_json, said
from .path_types import PICTURE
from .recipe_options import (
    BATCH_SIZE,
    OPTIMIZER,
    RECIPE_ARGUMENT,
    computing_options,
    model_and_data_options,
    recipe_of,
)


@click.command("rates", short_help="Try ever greater learning rates, and name one.")
@RECIPE_ARGUMENT
@model_and_data_options
@BATCH_SIZE
@OPTIMIZER
@computing_options
@click.option(
    "--steps",
    type=click.IntRange(10),
    default=100,
    show_default=True,
    help="How many at most; it ends where the loss comes apart.",
)
@click.option("--least", type=float, default=1e-6, show_default=True, help="The first rate.")
@click.option("--most", type=float, default=1.0, show_default=True, help="The last rate.")
@click.option("--plot", type=PICTURE, help="Also draw the losses over the rates into a file.")
@AS_JSON
@one_error
def rates_command(
    recipe: str | None,
    steps: int,
    least: float,
    most: float,
    plot: Path | None,
    as_json: bool,
    **options: Any,
) -> None:
    """Try ever greater learning rates, step by step, and name one to begin with.

    What is trained is what `gradtrail train` would train with the same RECIPE and options, without
    its augmentation and clipping. Nothing is kept of it.

    Example: gradtrail rates --data mnist --plot rates.png

    Example: gradtrail rates recipe.toml --optimizer sgd --most 10
    """
    if not 0 < least < most < float("inf"):
        raise ArgumentError(
            f"--least and --most are rates with 0 < least < most, got {least:g} and {most:g}"
        )
    given = {name: value for name, value in options.items() if value is not None and value != ()}
    work = prepare_run(recipe_of(recipe, given))
    course, table = work.recipe.course(), work.recipe.training
    found = lr_range_test(
        work.network,
        work.data.train,
        loss=course.loss,
        optimizer=course.optimizer,
        batch_size=course.batch_size,
        steps=steps,
        least=least,
        most=most,
        seed=course.seed,
        threads=table.threads,
        engine=table.engine,
    )
    if as_json:
        print_json(found.to_dict())
    else:
        said(str(found))
        if found.suggestion is not None:
            said(f"gradtrail train with --lr {found.suggestion:.2g} begins with it")
    if plot is not None:
        found.plot(plot)
