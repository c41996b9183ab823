"""What a history notes of every step and epoch, and the picture of it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import gradtrail as gt
from gradtrail import schedules
from gradtrail.training.curves import curves


def noted() -> gt.History:
    """Two epochs of four steps and two steps of a third."""
    return gt.History(
        [2.0, 1.8, 1.6, 1.4, 1.2, 1.0, 0.8, 0.6, 0.5, 0.4],
        [1.7, 0.9],
        [0.25, 0.75],
        [1.5, 0.75],
        [0.5, 1.0],
        [0.1, 0.1],
        interrupted=True,
        rates=[0.1] * 4 + [0.05] * 6,
        ends=[4, 8],
    )


def test_a_training_notes_its_rates_and_the_ends_of_its_epochs() -> None:
    network = gt.Network((1, 2, 2), [gt.Flatten(), gt.Linear(2)], seed=0)
    data = np.zeros((5, 1, 2, 2), np.float32), np.array([0, 1, 0, 1, 0])
    settings = {"batch_size": 2, "epochs": 2, "progress": False}
    plain = gt.train(network, data, optimizer=gt.SGD(0.25), **settings)
    assert (plain.rates, plain.ends) == ([0.25] * 6, [3, 6])
    falling = gt.train(
        network, data, optimizer=gt.SGD(0.25), schedule=schedules.Cosine(), **settings
    )
    middles = (np.arange(6) + 0.5) / 6
    np.testing.assert_allclose(falling.rates, 0.125 * (1 + np.cos(np.pi * middles)), rtol=1e-12)
    both = plain.followed_by(falling)
    assert both.rates == plain.rates + falling.rates
    assert both.ends == [3, 6, 9, 12]
    earlier = gt.History([1.0], [1.0])  # which noted neither
    assert (earlier.followed_by(plain).rates, plain.followed_by(earlier).ends) == ([], [])


def test_its_curves_stand_at_the_epochs(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    history = noted()
    loss, accuracy, rate = history.plot(tmp_path / "history.png").axes
    assert (tmp_path / "history.png").read_bytes()[:4] == b"\x89PNG"
    assert [axes.get_title() for axes in (loss, accuracy, rate)] == [
        *("loss", "accuracy", "learning rate"),
    ]
    for axes in (loss, accuracy, rate):
        assert axes.get_xlabel() == "epoch"
        assert axes.get_xlim() == (0, 2.5)
        assert [t for t in axes.get_xticks() if t <= 2.5] == [0, 1, 2]
    steps, smooth, held = loss.lines
    places = [0.25, 0.5, 0.75, 1.0, 1.25, 1.5, 1.75, 2.0, 2.25, 2.5]
    np.testing.assert_allclose(steps.get_xdata(), places)
    np.testing.assert_allclose(steps.get_ydata(), history.step_losses)
    np.testing.assert_allclose(smooth.get_ydata(), history.step_losses)  # too few to be averaged
    assert (list(held.get_xdata()), list(held.get_ydata())) == ([1, 2], [1.5, 0.75])
    assert [list(line.get_ydata()) for line in accuracy.lines] == [[0.25, 0.75], [0.5, 1.0]]
    (drawn,) = rate.lines
    assert list(drawn.get_ydata()) == [0.1] * 4 + [0.05] * 6


def test_what_is_not_known_is_not_drawn() -> None:
    pytest.importorskip("matplotlib")
    assert list(curves(gt.History([1.0, 0.5], [0.75]))) == ["loss"]
    begun = gt.History([1.0, 0.5], rates=[0.1, 0.1]).plot().axes
    assert [axes.get_title() for axes in begun] == ["loss", "learning rate"]
    assert [axes.get_xlabel() for axes in begun] == ["step", "step"]
    assert list(begun[0].lines[0].get_xdata()) == [1, 2]
    with pytest.raises(gt.ArgumentError, match="the history has no step"):
        gt.History().plot()
