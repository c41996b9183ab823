"""A saved run with its data: the network, and the samples that are asked about."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..data import enlarged
from ..data import load as load_data
from ..errors import ArgumentError, FileError
from ..files import load, read_json
from ..network import Network
from .common import SETTINGS

__all__ = ["Chosen", "batch_of", "data_of"]


@dataclass(frozen=True)
class Chosen:
    """Samples of a run's data.

    Args:
        network: as it was saved.
        x: (N, C, H, W).
        y: (N,) labels.
        numbers: (N,) their places in the data.
    """

    network: Network
    x: np.ndarray
    y: np.ndarray
    numbers: np.ndarray


def data_of(
    run: Path, data: str | None, data_path: Path | None, split: str
) -> tuple[Network, np.ndarray, np.ndarray, dict[str, Any]]:
    """A run's network, its samples and labels, and its settings.

    Args:
        run: the folder.
        data: the name of a data set, instead of the run's own.
        data_path: where its files are.
        split: "train" or "test".

    Raises:
        FileError: the folder holds no run, or the data are not there.
    """
    network = load(run)
    folder = run if run.is_dir() else run.parent
    settings: dict[str, Any] = {}
    if (folder / SETTINGS).exists():
        held = read_json(folder / SETTINGS)
        settings = held if isinstance(held, dict) else {}
    name = data or settings.get("data")
    if not isinstance(name, str):
        raise FileError(f"{folder} has no {SETTINGS} that names its data; name them with --data")
    path = data_path
    if path is None and data in (None, settings.get("data")) and settings.get("data_path"):
        path = Path(str(settings["data_path"]))
    train, test = load_data(name, path)
    x, y = train if split == "train" else test
    if x.shape[1:] != network.input_shape and len(network.input_shape) == 3:
        x = enlarged(x, *network.input_shape[1:])
    return network, x, y, settings


def batch_of(
    run: Path, data: str | None, data_path: Path | None, split: str, samples: str | None
) -> Chosen:
    """Some of a run's samples.

    Args:
        run: the folder.
        data: the name of a data set, instead of the run's own.
        data_path: where its files are.
        split: "train" or "test".
        samples: such as `0-63` or `3,17`; None for the first batch.

    Raises:
        FileError: the folder holds no run, or the data are not there.
        ArgumentError: samples that there are not.
    """
    network, x, y, settings = data_of(run, data, data_path, split)
    size = settings.get("batch_size")
    first = size if isinstance(size, int) and size > 0 else 64
    numbers = np.arange(min(first, len(x))) if samples is None else _numbers(samples, len(x))
    return Chosen(network, x[numbers], y[numbers], numbers)


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
        if low > high or high >= count:
            raise ArgumentError(
                f"--samples: {part.strip()} is not among the {count:,} samples, 0 to {count - 1}"
            )
        found += range(low, high + 1)
    return np.array(found, np.int64)
