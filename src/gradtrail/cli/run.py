"""A saved run with its data: the network, and the samples that are asked about."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from ..data.dataset import Part
from ..data.known import NAMES
from ..errors import ArgumentError, FileError, unknown, warn
from ..files import load
from ..layers import CrossEntropy, Loss
from ..network import Network
from ..runs import Run, open_data
from ..runs.folder import RECIPE
from ..runs.opening import arrays_of, labels_of
from ..runs.parts import DataTable

__all__ = ["Chosen", "Held", "batch_of", "network_at", "pair_of"]


@dataclass(frozen=True)
class Chosen:
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


@dataclass(frozen=True)
class Held:
    """A network with data for it.

    Args:
        network: as it was saved.
        pair: the samples.
        split: "train", "validation" or "test"; "all" where other data have no such parts.
        batch_size: that it was trained with.
        told: what these samples are, such as `the test images`.
        loss: that it was trained with; of a network without a recipe, the cross-entropy.
    """

    network: Network
    pair: Part
    split: str
    batch_size: int
    told: str
    loss: Loss


def pair_of(run: Path, data: str | None, data_path: Path | None, split: str | None) -> Held:
    """A run's network and its samples, not yet read where they are images in files.

    Args:
        run: the folder, or the weights in it.
        data: a data set's name or a path, instead of the run's own.
        data_path: where a named set's files are.
        split: "train", "validation" or "test"; None for what the network is best judged by.

    Raises:
        FileError: the folder holds no run, or the data are not there.
    """
    network = network_at(run)
    folder = run if run.is_dir() else run.parent
    recipe = Run(folder).recipe if (folder / RECIPE).exists() else None
    if recipe is None and data is None:
        raise FileError(f"{folder} has no {RECIPE} that names its data; name them with --data")
    own = None if recipe is None else recipe.data
    if own is None or data is not None:
        table = _other(network, own or DataTable(NAMES[0]), data, data_path)
    else:
        table = own if data_path is None else replace(own, path=str(data_path))
    opened = open_data(table)
    for note in opened.notes if data is not None else ():
        warn(note)
    other = data is not None or (data_path is not None and own is not None and own.name is None)
    whole = split is None and other and opened.validation is None and opened.test is None
    if split is None:
        parts = ("test", "validation", "train")
        split = next(part for part in parts if getattr(opened, part) is not None)
    pair = getattr(opened, split)
    if pair is None:
        raise FileError(f"there are no {split} images in these data")
    size = 64 if recipe is None else recipe.training.batch_size
    loss = CrossEntropy() if recipe is None else recipe.course().loss
    if whole:
        return Held(network, pair, "all", size, f"all images of {data or data_path}", loss)
    split = opened.shown if split == "validation" else split
    return Held(network, pair, split, size, f"the {split} images", loss)


def network_at(run: Path) -> Network:
    """The network of a run, or in a file.

    Raises:
        FileError: there is none, or none yet.
    """
    return Run(run).network if (run / RECIPE).exists() else load(run)


def _other(network: Network, own: DataTable, data: str | None, data_path: Path | None) -> DataTable:
    """Other data than the run's, brought to the network's size as the run's own were.

    Raises:
        ArgumentError: neither a data set's name nor a path.
    """
    channels, *size = network.input_shape if len(network.input_shape) == 3 else (1,)
    named = data in NAMES or data is None or not Path(data).exists()
    path = data_path if named else data
    if named and data is not None and data not in NAMES:
        raise ArgumentError(f"--data: {unknown('data set', data, NAMES)}")
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


def batch_of(
    run: Path,
    data: str | None,
    data_path: Path | None,
    split: str | None,
    samples: str | None,
    first: int | None = None,
) -> Chosen:
    """Some of a run's samples.

    Args:
        run: the folder.
        data: a data set's name or a path, instead of the run's own.
        data_path: where a named set's files are.
        split: "train", "validation" or "test"; None for what the network is best judged by.
        samples: such as `0-63` or `3,17`; None for the first ones.
        first: how many these are; None for a batch.

    Raises:
        FileError: the folder holds no run, or the data are not there.
        ArgumentError: samples that there are not.
    """
    held = pair_of(run, data, data_path, split)
    count = len(labels_of(held.pair))
    usual = np.arange(min(first or held.batch_size, count))
    numbers = usual if samples is None else _numbers(samples, count)
    return Chosen(held.network, *arrays_of(held.pair, numbers), numbers, held.loss)


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
