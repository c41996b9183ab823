"""Former names give the very same, and say what they are called now, once for each use."""

from __future__ import annotations

import pytest

import gradtrail as gt


def test_a_history_has_its_losses_under_their_former_name() -> None:
    history = gt.History([0.5, 0.25])
    with pytest.warns(gt.GradtrailWarning, match=r"History\.losses is History\.step_losses") as said:
        assert history.losses is history.step_losses
    assert len(said) == 1
    assert said[0].filename == __file__


def test_a_history_takes_its_losses_under_their_former_name() -> None:
    with pytest.warns(gt.GradtrailWarning, match=r"History\(losses=\) is step_losses= now") as said:
        history = gt.History(losses=[0.5], loss=[0.5])
    assert (history.step_losses, len(said)) == ([0.5], 1)
    assert history.to_dict()["losses"] == [0.5]  # files keep their columns
    assert gt.History.from_dict(history.to_dict()) == history
