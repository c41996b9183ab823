"""`gradtrail trace`, `why`, `follow`, `influence`, `watch`: questions to a saved run."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import click

from ..errors import ArgumentError, FileError, UnknownNameError, unknown
from ..runs import Run
from ..runs.failed_step import FailedStep, load_failed_step
from ..tracing.element import Side, parse_element
from ..tracing.influence import RANKINGS, influence
from ..tracing.overview import Overview
from ..tracing.trace import Trace
from ..tracing.wording import LANGUAGES
from ..training.watched_weights import load_watched
from .data_options import AS_JSON, ENGINE, OF_A_STEP, DataChoice, data_arguments, with_options
from .messages import one_error, print_json, said
from .path_types import PATH, PICTURE
from .run_data import ChosenSamples, network_at, run_data_of, samples_of

F = TypeVar("F", bound=Callable[..., Any])


def _of_a_step(command: F) -> F:
    """The options that choose the run's step."""
    samples = click.option(
        "--samples",
        help="Which samples make the batch, such as 0-63 or 3,17,40; by default the first, as "
        "many as a batch of the run has.",
    )
    return data_arguments("train")(with_options(command, (samples, *OF_A_STEP, ENGINE, AS_JSON)))


class _Step:
    """A traced step of a run by its own loss, and the numbers of its samples in the data.

    Where the run ended at a step that was not finite, that is the step, unless another is chosen.
    """

    failed: FailedStep | None
    chosen: ChosenSamples
    trace: Trace

    def __init__(
        self,
        choice: DataChoice,
        samples: str | None,
        evaluation: bool,
        seed: int,
        engine: str | None,
        as_json: bool,
    ) -> None:
        self.as_json = as_json
        chosen = choice.split != "train" or evaluation or seed or choice.others or samples
        self.failed = None if chosen else load_failed_step(choice.folder)
        step = 0
        if self.failed is None:
            self.chosen = samples_of(choice, samples)
        else:
            self.chosen = _samples_of_failed(choice.run, self.failed)
            evaluation, seed, step = self.failed.judging, self.failed.seed, self.failed.draw
        self.trace = self.chosen.traced(evaluation=evaluation, seed=seed, step=step, engine=engine)

    def element(self, text: str) -> tuple[Any, str, tuple[int, ...]]:
        """The trace's side, the array and the index of a written element."""
        side: Side
        layers = [node.name for node in self.trace.system.nodes]
        values, gradients = [*self.trace.value, *layers], [*self.trace.grad, *layers]
        side, name, index = parse_element(text, values, gradients, self.trace.system.shapes)
        return (self.trace.value if side == "value" else self.trace.grad), name, index

    def print_json(self, data: Mapping[str, Any]) -> None:
        """Print an answer as JSON, with the numbers of the samples in the data."""
        failed = {} if self.failed is None else {"failed": self.failed.to_dict()}
        print_json({**data, "samples": self.chosen.numbers.tolist(), **failed})

    def answer(self, data: Mapping[str, Any], text: str) -> None:
        """Print an answer, and which samples 0, 1, … are, where that is not the same number.

        Args:
            data: the answer as JSON, in which these numbers are always.
            text: the answer in words.
        """
        if self.as_json:
            self.print_json(data)
            return
        said(text)
        numbers = self.chosen.numbers
        if list(numbers) != list(range(len(numbers))):
            shown = ", ".join(map(str, numbers[:8])) + (", …" if len(numbers) > 8 else "")
            said(f"samples 0, 1, … are {shown} of the data")


def _samples_of_failed(run: Path, failed: FailedStep) -> ChosenSamples:
    """Those of the step at which a run ended, with the run's own loss."""
    network, loss = network_at(run), Run.at(run).recipe.course().loss
    return ChosenSamples(network, failed.x, failed.y, failed.numbers, loss)


def _draw(answer: Any, plot: Path | None, as_json: bool, **settings: Any) -> None:
    """Draw an answer into a file, if that is asked for."""
    if plot is not None:
        answer.plot(plot, **settings)
        said(f"picture in {plot}", err=as_json)


@click.command("trace", short_help="Print every product behind one number of a step.")
@_of_a_step
@click.argument("element")
@click.option("--top", type=click.IntRange(1), default=10, show_default=True, help="Rows.")
@click.option("--by", "names", help="Partial sums by indices instead of rows: n, or y,x.")
@click.option("--plot", type=PICTURE, help="Also draw where they come from, into a file.")
@one_error
def trace_command(
    element: str, top: int, names: str | None, plot: Path | None, **chosen: Any
) -> None:
    """Print every product behind one number of a learning step of RUN.

    ELEMENT is an array with an index; d in front asks for its gradient.

    Example: gradtrail trace runs/lenet5-1 "dconv1.weight[2,0,1,1]" --by n
    """
    step = _Step(**chosen)
    side, name, index = step.element(element)
    terms = side.terms(name, index)
    if names is not None:
        shares = terms.by(*(part.strip() for part in names.split(",")))
        best = shares.top(top)
        step.answer(terms.to_dict(0) | {"by": best.to_dict()}, str(best))
    else:
        step.answer(terms.to_dict(top), terms.text(top))
    _draw(terms, plot, step.as_json)


@click.command("why", short_help="Say in words why a number of a step is what it is.")
@_of_a_step
@click.argument("element", required=False)
@click.option("--language", type=click.Choice(LANGUAGES), help="Of the sentence about ELEMENT.")
@one_error
def why_command(element: str | None, language: str | None, **chosen: Any) -> None:
    """Say in words why one number of a learning step of RUN is what it is.

    Without ELEMENT: what is tied, dead or vanishing in each layer. Where a NaN or an infinity ended
    the training of RUN, that step is asked, unless other samples are chosen.

    Example: gradtrail why runs/lenet5-1 "dconv1.weight[2,0,1,1]"
    """
    if language is not None and element is None:
        raise ArgumentError(
            "--language is that of the sentence about an element; name one, such as "
            '"dconv1.weight[2,0,1,1]"'
        )
    step = _Step(**chosen)
    if element is not None:
        side, name, index = step.element(element)
        answer = side.why(name, index, language=language or "en")
        step.answer(answer.to_dict(), answer.text)
        return
    t = step.trace
    overviews: dict[str, Overview[Any]] = {
        "vanishing": t.vanishing(),
        "dead": t.dead(),
        "ties": t.ties(),
    }
    if step.as_json:
        step.print_json({name: overview.to_dict() for name, overview in overviews.items()})
        return
    if step.failed is not None:
        place = "" if step.failed.judging else f" in epoch {step.failed.epoch}"
        said(f"the training ended{place}: {step.failed.message}\n")
    said("\n\n".join(str(o) for o in overviews.values() if len(o)))


@click.command("follow", short_help="Print the strongest paths from the loss to a number.")
@_of_a_step
@click.argument("element")
@click.option("-k", "count", type=click.IntRange(1), default=5, show_default=True, help="Paths.")
@one_error
def follow_command(element: str, count: int, **chosen: Any) -> None:
    """Print the strongest paths between the loss and one number of a learning step of RUN.

    Of a gradient: from the loss down to it. Of a value, such as a pixel: from it to the outputs.

    Example: gradtrail follow runs/lenet5-1 "dconv1.weight[2,0,1,1]" -k 3
    """
    step = _Step(**chosen)
    side, name, index = step.element(element)
    paths = side.follow(name, index, k=count)
    step.answer(paths.to_dict(), str(paths))


@click.command("influence", short_help="Rank a run's images by what they do to the network.")
@data_arguments("train")
@ENGINE
@AS_JSON
@click.option(
    "--of", "part", default="", help="A layer, a parameter or a filter such as conv1.weight[2]."
)
@click.option(
    "--by",
    type=click.Choice(RANKINGS),
    default="surprise",
    show_default=True,
    help="surprise: labels that contradict the rest; pull: large gradients; against: gradients "
    "that point against the mean.",
)
@click.option("--top", type=click.IntRange(1), default=20, show_default=True, help="Samples.")
@click.option("--plot", type=PICTURE, help="Also draw the images into a file.")
@one_error
def influence_command(
    choice: DataChoice,
    engine: str | None,
    as_json: bool,
    part: str,
    by: str,
    top: int,
    plot: Path | None,
) -> None:
    """Rank the images of RUN's data by what they do to the trained network.

    Example: gradtrail influence runs/lenet5-1 --top 40 --plot suspects.png
    """
    held = run_data_of(choice)
    network, pair, loss = held.network, held.pair, held.loss
    found = influence(network, pair, of=part, loss=loss, engine=engine, progress=not as_json)
    if as_json:
        print_json(found.to_dict(top, by))
    else:
        said(found.text(top, by))
    _draw(found, plot, as_json, k=top, by=by)


@click.command("watch", short_help="Print what a run kept of its watched weights.")
@click.argument("run", type=PATH)
@click.argument("element", required=False)
@AS_JSON
@click.option("--plot", type=PICTURE, help="Also draw weight and gradient.")
@one_error
def watch_command(run: Path, element: str | None, as_json: bool, plot: Path | None) -> None:
    """Print what RUN kept of the weights that were watched: see train --watch.

    Example: gradtrail watch runs/lenet5-1 "conv1.weight[2,0,1,1]" --plot weight.png
    """
    if not run.exists():
        raise FileError(f"there is no run {run}")
    watched = load_watched(run)
    if element is not None:
        if element not in watched:
            raise UnknownNameError(unknown("watched element", element, watched))
        watched = {element: watched[element]}
    if as_json:
        print_json([one.to_dict() for one in watched.values()])
    else:
        said("\n\n".join(str(one) for one in watched.values()))
    if plot is not None and len(watched) > 1:
        raise ArgumentError(f"--plot draws one element; name one of {', '.join(watched)}")
    _draw(next(iter(watched.values()), None), plot, as_json)
