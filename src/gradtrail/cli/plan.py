"""`gradtrail plan`: every shape, before there is any data."""

from __future__ import annotations

import click

from ..network.architecture import ARCHITECTURES
from .messages import one_error, print_json
from .path_types import WORD
from .word_meanings import network_of, shape_from, words


@click.command("plan")
@click.argument("model", type=WORD, shell_complete=words(lambda: ARCHITECTURES))
@click.option("--batch-size", type=click.IntRange(1), default=1, show_default=True)
@click.option(
    "--input-shape",
    help="Of a sample, such as 3,64,64 or 6,128; for named architectures, and where an ONNX file "
    "leaves it open.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the plan as JSON.")
@one_error
def plan_command(model: str, batch_size: int, input_shape: str | None, as_json: bool) -> None:
    """Print every shape of MODEL, how it arose, and what it costs.

    MODEL is a named architecture, an architecture as JSON, a saved network, or an ONNX file.

    Example: gradtrail plan lenet5 --batch-size 64
    """
    shape = None if input_shape is None else shape_from(input_shape)
    network = network_of(model, shape, 0)
    plan = network.plan(batch_size)
    if as_json:
        print_json(plan.to_dict())
    else:
        click.echo(str(plan))
