"""`gradtrail predict` and `gradtrail evaluate`: a trained network on images."""

from __future__ import annotations

import csv
import io
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import click
import numpy as np

from ..arrays.loss_values import log_softmax
from ..data import read_image
from ..data.image_files import images_below
from ..data.image_spec import Fit
from ..errors import ArgumentError, FileError
from ..network import Network
from ..runs import Run
from ..runs.recipe_data import part_labels
from ..runs.run_folder import RECIPE
from ..showing.tables import Table
from ..training import confusion, mistakes
from .data_options import AS_JSON, ENGINE, DataChoice, data_arguments
from .messages import one_error, print_json, said
from .path_types import CSV, PATH, PICTURE
from .run_data import RunData, network_at, run_data_of

_FORMS = ("table", "csv", "json")


@dataclass(frozen=True)
class Prediction:
    """What a network takes an image for.

    Args:
        image: its file.
        probabilities: of every class.
        classes: their names.
    """

    image: str
    probabilities: np.ndarray
    classes: tuple[str, ...]

    def top(self, count: int) -> list[tuple[str, float]]:
        """The most probable classes, with their probabilities."""
        best = np.argsort(-self.probabilities, kind="stable")[:count]
        return [(self.classes[at], float(self.probabilities[at])) for at in best]


@click.command("predict", short_help="Say what a run's network takes images for.")
@click.argument("run", type=PATH)
@click.argument("images", nargs=-1, required=True, type=PATH)
@click.option("--top", type=click.IntRange(1), default=1, show_default=True, help="Classes.")
@click.option("--format", "form", type=click.Choice(_FORMS), default="table", show_default=True)
@ENGINE
@one_error
def predict_command(
    run: Path, images: tuple[Path, ...], top: int, form: str, engine: str | None
) -> None:
    """Say what RUN's network takes IMAGES for: files, or folders of them.

    Images are brought to the network's size in the way that it was trained with. What cannot be
    read is named on standard error, and the exit status is 1 then.

    Example: gradtrail predict runs/images-cnn-1 photo.jpg scans/ --top 3
    """
    network = network_at(run)
    if len(network.input_shape) != 3:
        raise ArgumentError(f"{run} takes samples of {network.input_shape}, which are no images")
    folder = run if run.is_dir() else run.parent
    fit, white = _as_trained(folder)
    answers, failed = _answers(network, _files(images), fit, white, engine)
    click.echo(_shown(answers, top, form))
    for reason in failed:
        said(f"gradtrail: {reason}", err=True)
    if failed:
        sys.exit(1)


def _as_trained(folder: Path) -> tuple[Fit, int | None]:
    """How a run's images were brought to its size, and which number was white in them."""
    if not (folder / RECIPE).exists():
        return "resize", None
    data = Run(folder).recipe.data
    return cast(Fit, data.fit), data.white


def _files(images: Sequence[Path]) -> list[Path]:
    """The files, folders opened up."""
    found: list[Path] = []
    for path in images:
        found += images_below(path) if path.is_dir() else [path]
    if not found:
        raise FileError(f"there are no images in {', '.join(map(str, images))}")
    return found


_BLOCK = 256


def _answers(
    network: Network, files: list[Path], fit: Fit, white: int | None, engine: str | None
) -> tuple[list[Prediction], list[str]]:
    """What each image is taken for, and why some could not be read."""
    outputs = network.plan().rows[-1].output_shape[0]
    classes = network.classes or tuple(map(str, range(outputs)))
    answers: list[Prediction] = []
    failed: list[str] = []
    channels, height, width = network.input_shape
    for at in range(0, len(files), _BLOCK):
        named, read = [], []
        for path in files[at : at + _BLOCK]:
            try:
                read.append(read_image(path, (channels, height, width), fit, white))
                named.append(str(path))
            except FileError as cause:
                failed.append(str(cause))
        if read:
            found = np.exp(log_softmax(network.predict(np.stack(read), engine=engine)))
            for name, shares in zip(named, found, strict=True):
                if np.isfinite(shares).all():
                    answers.append(Prediction(name, shares, classes))
                else:
                    failed.append(f"{name}: the network gives a NaN or an infinity for it")
    return answers, failed


def _shown(answers: list[Prediction], top: int, form: str) -> str:
    """All answers as a table, as CSV or as JSON."""
    if form == "json":
        data = [
            {
                "image": a.image,
                "class": a.top(1)[0][0],
                "probability": a.top(1)[0][1],
                "top": [{"class": name, "probability": p} for name, p in a.top(top)],
            }
            for a in answers
        ]
        return json.dumps(data, indent=2, ensure_ascii=False)
    if form == "csv":
        held = io.StringIO()
        writer = csv.writer(held, lineterminator="\n")
        writer.writerow(["image", "rank", "class", "probability"])
        for a in answers:
            for rank, (name, share) in enumerate(a.top(top), 1):
                writer.writerow([a.image, rank, name, f"{share:.6g}"])
        return held.getvalue().rstrip("\n")
    rows = [
        (a.image, *(cell for name, share in a.top(top) for cell in (name, f"{share:.2%}")))
        for a in answers
    ]
    width = max((len(row) for row in rows), default=1)
    heads = ("image", *("class", ">probability") * ((width - 1) // 2))
    return Table((), heads, rows).text()


@click.command("evaluate", short_help="Print how often a run's network is right.")
@data_arguments(None)
@ENGINE
@AS_JSON
@click.option("--plot", type=PICTURE, help="Also draw the matrix into a file.")
@click.option(
    "--wrong",
    type=CSV,
    help="Also list what is taken for another class in a CSV file, the surest mistakes first.",
)
@one_error
def evaluate_command(
    choice: DataChoice, engine: str | None, as_json: bool, plot: Path | None, wrong: Path | None
) -> None:
    """Print how often RUN's network is right, and which classes it takes for which.

    Example: gradtrail evaluate runs/images-cnn-1 --data other-photos --plot confusion.png

    Example: gradtrail evaluate runs/images-cnn-1 --wrong wrong.csv
    """
    held = run_data_of(choice)
    found = confusion(held.network, held.pair, classes=held.network.classes, engine=engine)
    if as_json:
        learned = {"trained_on": held.learned} if held.learned else {}
        told = {"images": held.split} | learned | found.to_dict()
        print_json(told)
    else:
        said(f"{found}\non {held.told}{_learned(held)}")
    if plot is not None:
        found.plot(plot)
    if wrong is not None:
        listed = mistakes(held.network, held.pair, classes=held.network.classes, engine=engine)
        listed.save(wrong)
        said(f"{len(listed):,} mistakes listed in {wrong}", err=as_json)


def _learned(held: RunData) -> str:
    """That images which a network was trained on are no trial of it."""
    if not held.learned:
        return ""
    total = len(part_labels(held.pair))
    which = "all of them" if held.learned == total else f"{held.learned:,} of these {total:,}"
    told = f"the network was trained on {which}"
    return f"; {told}, so that this says little about others"
