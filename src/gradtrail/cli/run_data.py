"""A saved run with its data: the network, and the samples that are asked about."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from ..data import Images
from ..data.dataset import Part
from ..data.known import NAMES
from ..errors import ArgumentError, FileError, warn
from ..layers import CrossEntropy, Loss
from ..network import Network
from ..network.saving import load
from ..runs import Run, read_data
from ..runs.recipe_data import RecipeData, part_arrays, part_labels
from ..runs.recipe_tables import DataTable
from ..runs.run_folder import RECIPE
from ..runs.run_inputs import network_from_file
from ..tracing.trace import Trace, trace
from .data_options import DataChoice
from .word_meanings import is_data_name

_PARTS = ("test", "validation", "train")
"""The parts of data, first what a network is best judged by."""


@dataclass(frozen=True)
class ChosenSamples:
    """Samples of a run's data.

    Args:
        network: as it was saved.
        x: (N, C, H, W).
        y: (N,) labels.
        numbers: (N,) their places in the data.
        loss: that the network was trained with.
    """

    network: Network
    x: np.ndarray
    y: np.ndarray
    numbers: np.ndarray
    loss: Loss

    def traced(self, *, evaluation: bool, seed: int, step: int = 0, engine: str | None) -> Trace:
        """The learning step of these samples, or their evaluation; see `gradtrail.trace`."""
        return trace(
            self.network,
            self.x,
            self.y,
            loss=self.loss,
            training=not evaluation,
            seed=seed,
            step=step,
            engine=engine,
        )


@dataclass(frozen=True)
class RunData:
    """A network with data for it.

    Args:
        network: as it was saved.
        pair: the samples.
        split: "train", "validation" or "test"; "all" where other data have no such parts.
        batch_size: that it was trained with.
        told: what these samples are, such as `the test images`.
        loss: that it was trained with; of a network without a recipe, the cross-entropy.
        learned: how many of other data's samples it was trained on, as far as their files tell.
    """

    network: Network
    pair: Part
    split: str
    batch_size: int
    told: str
    loss: Loss
    learned: int = 0


def run_data_of(choice: DataChoice) -> RunData:
    """A run's network and its samples, not yet read where they are images in files.

    Args:
        choice: which.

    Raises:
        ArgumentError: classes that are not the network's, or not as many as it has outputs.
        FileError: the folder holds no run, or the data are not there.
    """
    network = network_at(choice.run)
    _name(network, choice)
    recipe = Run(choice.folder).recipe if (choice.folder / RECIPE).exists() else None
    if recipe is None and choice.data is None:
        raise FileError(
            f"{choice.folder} has no {RECIPE} that names its data; name them with --data"
        )
    own = None if recipe is None else recipe.data
    table = replace(_table(choice, network, own), **choice.reading)
    opened = read_data(table)
    for note in opened.notes if choice.data is not None or choice.reading else ():
        warn(note)
    split = choice.split or next(n for n in _PARTS if getattr(opened, n) is not None)
    pair = getattr(opened, split)
    if pair is None:
        raise FileError(f"there are no {split} images in these data")
    size = 64 if recipe is None else recipe.training.batch_size
    loss = CrossEntropy() if recipe is None else recipe.course().loss
    named = own is not None and own.name is not None
    other = choice.data is not None or (choice.data_path is not None and not named)
    if other and choice.split is None and split == "train":  # the only part that there is
        split, told = "all", f"all images of {choice.data or choice.data_path}"
    else:
        split = opened.shown if split == "validation" else split
        told = f"the {split} images"
    trained = replace(own, **choice.reading) if own is not None and other else None
    learned = 0 if trained is None else _learned(trained, table, opened, pair)
    return RunData(network, pair, split, size, told, loss, learned)


def _name(network: Network, choice: DataChoice) -> None:
    """Give a network the names that were said for its outputs, if it has none but numbers.

    Raises:
        ArgumentError: it has others, or these are not as many as its outputs.
    """
    names, own = choice.classes, network.classes
    if names is None or names == own:
        return
    numbers = own is None or own == tuple(map(str, range(len(own))))
    if own is not None and not (numbers and set(names).isdisjoint(own)):
        raise ArgumentError(
            f"--classes: {choice.run} calls its outputs {', '.join(own)} and the images are read "
            "in that order; leave --classes out"
        )
    outputs = network.system(1).shapes[network.output_name][1:]
    if outputs != (len(names),):
        raise ArgumentError(
            f"--classes: a name for each output is due; {choice.run} has "
            f"{' × '.join(map(str, outputs))}, got {len(names)}: {', '.join(names)}"
        )
    network.classes = names


def _table(choice: DataChoice, network: Network, own: DataTable | None) -> DataTable:
    """The data that are meant: the run's own, or others, brought to a size as these were.

    Raises:
        ArgumentError: neither a data set's name nor a path.
    """
    data, data_path = choice.data, choice.data_path
    if own is not None and data is None:
        return own if data_path is None else replace(own, path=str(data_path))
    own = own or DataTable(NAMES[0])
    channels, *size = network.input_shape if len(network.input_shape) == 3 else (1,)
    named = data is None or is_data_name(data)
    path = data_path if named else data
    return DataTable(
        name=data if named else None,
        path=None if path is None else str(path),
        size=(size[0], size[1]) if size else None,
        channels=channels if channels in (1, 3) else None,
        channels_last=own.channels_last if path is not None and Path(path).is_file() else None,
        fit=own.fit,
        white=None if named else own.white,
        bad=own.bad,
        memory=own.memory,
        classes=network.classes,
    )


def _learned(own: DataTable, table: DataTable, opened: RecipeData, pair: Part) -> int:
    """How many of these samples the network was trained on, as far as their files tell.

    Args:
        own: the run's data.
        table: other data.
        opened: these.
        pair: the samples, a part of them.
    """
    if own.path is None or table.path is None:
        return 0
    ours, theirs = (Path(path).resolve() for path in (own.path, table.path))
    if ours != theirs and ours not in theirs.parents and theirs not in ours.parents:
        return 0
    trained = read_data(own).train
    if isinstance(pair, Images) and isinstance(trained, Images):
        files = {path.resolve() for path in trained.paths}
        return sum(path.resolve() in files for path in pair.paths)
    return len(part_labels(trained)) if ours == theirs and pair is opened.train else 0


def network_at(run: Path) -> Network:
    """The network of a run, or in a file.

    Raises:
        FileError: there is none, or none yet.
    """
    if not run.exists():
        raise FileError(f"there is no run or saved network {run}")
    if run.suffix == ".onnx":
        return network_from_file(run)
    return Run(run).network if (run / RECIPE).exists() else load(run)


def samples_of(choice: DataChoice, samples: str | None, first: int | None = None) -> ChosenSamples:
    """Some of a run's samples.

    Args:
        choice: of which run, and of which data.
        samples: such as `0-63` or `3,17`; None for the first ones.
        first: how many these are; None for a batch.

    Raises:
        FileError: the folder holds no run, or the data are not there.
        ArgumentError: samples that there are not.
    """
    held = run_data_of(choice)
    count = len(part_labels(held.pair))
    usual = np.arange(min(first or held.batch_size, count))
    numbers = usual if samples is None else _numbers(samples, count)
    return ChosenSamples(held.network, *part_arrays(held.pair, numbers), numbers, held.loss)


def _numbers(text: str, count: int) -> np.ndarray:
    """`0-63,70` as numbers of samples."""
    found: list[int] = []
    for part in text.split(","):
        match = re.fullmatch(r"\s*(\d+)\s*(?:-\s*(\d+)\s*)?", part)
        if match is None:
            raise ArgumentError(
                f"--samples is a list of numbers and ranges such as 0-63 or 3,17,40, got {text!r}"
            )
        low, high = int(match[1]), int(match[2] or match[1])
        if low > high:
            raise ArgumentError(f"--samples: {part.strip()} runs backwards; write {high}-{low}")
        if high >= count:
            raise ArgumentError(
                f"--samples: {part.strip()} is not among the {count:,} samples, 0 to {count - 1}"
            )
        found += range(low, high + 1)
    return np.array(found, np.int64)
