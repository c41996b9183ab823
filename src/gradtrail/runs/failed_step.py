"""A step that was not finite, kept in its run's folder so that it can be asked.

failed.safetensors holds the batch as the step saw it, moved and mixed, with its labels and the
numbers of its samples; its metadata say which step it was. weights.safetensors is the network as it
was before that step. Where an evaluation was not finite, these are its first such batch, and the
network that was evaluated.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import FileError
from ..network.saving import WEIGHTS, save_network
from ..storage.arrays import read_arrays
from ..storage.files import write_bytes
from ..training.training import Training
from .run_folder import FAILED, save_history

_KEY, _FORMAT = "gradtrail failed step", 1
_NUMBERS = ("epoch", "step", "draw", "seed")


@dataclass(frozen=True)
class FailedStep:
    """The step at which a training ended.

    Args:
        message: what was not finite.
        epoch: the first being 1.
        step: its number in the training, the first being 1.
        draw: the network's step, whose masks it had.
        seed: the training's.
        x: (N, *input_shape).
        y: its labels.
        numbers: (N,) the places of its samples in the data.
        judging: whether these were held out, and evaluated after that step.
    """

    message: str
    epoch: int
    step: int
    draw: int
    seed: int
    x: np.ndarray
    y: np.ndarray
    numbers: np.ndarray
    judging: bool = False

    def to_dict(self) -> dict[str, Any]:
        """The step as JSON, without its samples."""
        return {n: getattr(self, n) for n in ("message", *_NUMBERS, "judging")}


def save_failed_step(folder: Path, training: Training, message: str) -> None:
    """Keep network, history and batch of a training that has met a NaN or an infinity.

    Args:
        folder: the run's.
        training: which has ended; its network is made what it was before the step.
        message: what was not finite.

    Raises:
        FileError: they cannot be written.
    """
    from safetensors.numpy import save

    if not training.judging:
        training.trainer.store()  # the weights themselves, not their averages, which are judged
    save_network(training.network, folder / WEIGHTS)
    save_history(folder, training.history)
    batch, at = training.failed, training.position
    if batch is None:  # an evaluation that was finite batch by batch
        return
    step = at.steps + (not training.judging)
    told = {"format": _FORMAT, "message": message, "epoch": at.epoch + 1, "step": step}
    told |= {"draw": batch.step, "seed": batch.seed, "judging": training.judging}
    arrays = {"x": batch.x, "y": batch.y, "numbers": batch.numbers}
    arrays = {name: np.asarray(array, order="C") for name, array in arrays.items()}
    write_bytes(folder / FAILED, save(arrays, {_KEY: json.dumps(told, ensure_ascii=False)}))


def load_failed_step(folder: Path) -> FailedStep | None:
    """The step at which a run's training ended; None where none was kept.

    Raises:
        FileError: the file is damaged.
    """
    path = folder / FAILED
    if not path.is_file():
        return None
    arrays, metadata = read_arrays(path)
    try:
        told = json.loads(metadata[_KEY])
        return _checked(told, arrays)
    except (KeyError, TypeError, ValueError, RecursionError) as cause:
        raise FileError(f"{path} is damaged, or no step that was kept: {cause!r}") from cause


def _checked(told: Any, arrays: Mapping[str, np.ndarray]) -> FailedStep:
    """What a file holds; anything else is a `ValueError` or a `KeyError`."""
    epoch, step, draw, seed = numbers = [told[name] for name in _NUMBERS]
    if told["format"] != _FORMAT or not isinstance(told["message"], str):
        raise ValueError(f"its format is {told['format']!r}")
    if not all(type(n) is int and 0 <= n < 1 << 64 for n in numbers):
        raise ValueError(f"its numbers are {numbers}")
    x, y, places = arrays["x"], arrays["y"], arrays["numbers"]
    if places.shape != (len(x),) or len(y) != len(x) or places.dtype.kind not in "iu":
        raise ValueError(f"its arrays have shapes {x.shape}, {y.shape} and {places.shape}")
    judging = told.get("judging", False)
    if type(judging) is not bool:
        raise ValueError(f"judging is {judging!r}")
    return FailedStep(told["message"], epoch, step, draw, seed, x, y, places, judging)
