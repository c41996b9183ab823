"""A run's history as a file."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

import gradtrail as gt
from gradtrail.runs.run_folder import load_history, save_history
from gradtrail.training.history import EPOCH_FIGURES, History

FACTS = {"interrupted": False, "stopped": False, "best": None}


def long(steps: int) -> gt.History:
    """A history of so many steps in twenty epochs."""
    losses = (1 / np.arange(1, steps + 1)).tolist()
    return gt.History(losses, *(losses[:20] for _ in range(5)), best=3)


def test_a_history_of_a_million_steps_is_eight_bytes_each(tmp_path: Path) -> None:
    """For the loss, and as many for the rate."""
    history = long(1_000_000)
    history.rates = [0.1] * 1_000_000
    save_history(tmp_path, history)
    assert (tmp_path / "history.safetensors").stat().st_size < 16_002_000
    assert load_history(tmp_path) == history


def test_a_history_of_an_earlier_version_is_read(tmp_path: Path) -> None:
    """Of 17 MiB, too, which it could not read itself; with the next one it goes."""
    history = long(900_000)
    (tmp_path / "history.json").write_text(json.dumps(history.to_dict()))
    assert (tmp_path / "history.json").stat().st_size > 16 << 20
    assert load_history(tmp_path) == history
    save_history(tmp_path, history)
    assert [path.name for path in tmp_path.iterdir()] == ["history.safetensors"]


def test_what_earlier_versions_noted_is_enough(tmp_path: Path) -> None:
    """They knew neither rates nor ends of epochs; none are made up, and none are asked for."""
    history = long(40)
    arrays = {n: a for n, a in history.arrays().items() if n not in ("rates", "ends")}
    save_file(arrays, tmp_path / "history.safetensors", {"history": json.dumps(FACTS)})
    found = load_history(tmp_path)
    assert (found.rates, found.ends) == ([], [])
    found.note(0.5, 0.1)
    assert (found.steps, found.rates) == (41, [])


WRONG = {
    "rates is": lambda arrays: arrays.update(rates=np.ones(1)),
    "ends is": lambda arrays: arrays.update(ends=np.array([3.0])),
    "ends is \\[1.5": lambda arrays: arrays.update(ends=np.array([1.5])),
    "its arrays are": lambda arrays: arrays.pop("loss"),
    "losses is float32": lambda arrays: arrays.update(losses=np.zeros(3, np.float32)),
    "losses is float64 \\(1, 1\\)": lambda arrays: arrays.update(losses=np.zeros((1, 1))),
    "seconds is": lambda arrays: arrays.update(seconds=np.zeros(3)),
    "loss is ": lambda arrays: arrays.update(loss=np.array([np.nan])),
}


@pytest.mark.parametrize("message", WRONG)
def test_a_crafted_history_is_refused(message: str, tmp_path: Path) -> None:
    arrays = long(2).arrays() | {name: np.ones(1) for name in EPOCH_FIGURES}
    assert History.from_arrays(arrays, FACTS).ends == [1]
    WRONG[message](arrays)
    save_file(arrays, tmp_path / "history.safetensors", {"history": json.dumps(FACTS)})
    with pytest.raises(gt.FileError, match=f"history.safetensors is no history: {message}"):
        load_history(tmp_path)
    for wrong in ("[]", "{}", "nonsense", "1" * 5000):
        save_file(long(2).arrays(), tmp_path / "history.safetensors", {"history": wrong})
        with pytest.raises(gt.FileError, match="history.safetensors is no history"):
            load_history(tmp_path)
