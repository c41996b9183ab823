"""Constant and StepDecay, beside OneCycle and Cosine: their course, and what is refused."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest

import gradtrail as gt
from gradtrail import schedules
from gradtrail.training import Schedule

from .common import ENGINES, plain, trained

GRID = np.linspace(0, 1, 101)


def test_constant_stays_after_its_warm_up() -> None:
    assert {schedules.Constant().factor(p) for p in GRID} == {1.0}
    found = [schedules.Constant(warm_up=0.4).factor(p) for p in (0, 0.1, 0.2, 0.4, 0.7, 1)]
    assert found == pytest.approx([0, 0.25, 0.5, 1, 1, 1])


def test_step_falls_at_its_shares_of_the_whole_training() -> None:
    schedule = schedules.StepDecay((0.25, 0.5, 0.9), 0.5)
    found = [schedule.factor(p) for p in (0, 0.2499, 0.25, 0.4999, 0.5, 0.8999, 0.9, 1)]
    assert found == [1, 1, 0.5, 0.5, 0.25, 0.25, 0.125, 0.125]
    assert [schedules.StepDecay().factor(p) for p in (0.49, 0.5, 0.75)] == pytest.approx(
        [1, 0.1, 0.01]
    )
    assert {schedules.StepDecay(()).factor(p) for p in GRID} == {1.0}
    assert (
        schedules.StepDecay(0.5, 0.1).factor(0.6) == schedules.StepDecay([0.5]).factor(0.6) == 0.1
    )


@pytest.mark.parametrize("warm_up", [0.1, 0.2, 0.25, 0.3])
def test_a_warm_up_moves_none_of_the_steps(warm_up: float) -> None:
    """The shares are of the whole training, not of what is behind the warm-up."""
    schedule, still = (
        schedules.StepDecay((0.5, 0.75), 0.1, warm_up=warm_up),
        schedules.StepDecay((0.5, 0.75), 0.1),
    )
    for p in GRID:
        away = min(abs(p - share) for share in (0.5, 0.75))
        if p >= warm_up and away > 1e-9:
            assert schedule.factor(p) == still.factor(p)
        elif p < warm_up:
            assert schedule.factor(p) == pytest.approx(p / warm_up)


@pytest.mark.parametrize("warm_up", [0.0, 0.25, 0.6])
def test_one_cycle_and_cosine_are_as_they_were(warm_up: float) -> None:
    for p in GRID:
        share = (p - warm_up) / (1 - warm_up)
        up = p / warm_up if p < warm_up else None
        expected = 1 - share if up is None else up
        assert schedules.OneCycle(warm_up=warm_up).factor(p) == pytest.approx(expected, abs=1e-12)
        half = 0.5 * (1 + math.cos(math.pi * share)) if up is None else up
        assert schedules.Cosine(warm_up=warm_up).factor(p) == pytest.approx(half, abs=1e-12)


@pytest.mark.parametrize("engine", ENGINES)
def test_a_training_takes_each_steps_rate_at_its_middle(engine: str) -> None:
    """StepDecay falls between the fourth of eight steps and the fifth."""
    from gradtrail.training import Observer, Seen

    class Rates(Observer):
        def __init__(self) -> None:
            self.found: list[float] = []

        def step(self, seen: Seen) -> None:
            self.found.append(seen.rate)

    courses: dict[Schedule, list[float]] = {
        schedules.StepDecay((0.5,), 0.1): [0.2] * 4 + [0.02] * 4,
        schedules.Constant(warm_up=0.25): [0.05, 0.15, *[0.2] * 6],
    }
    for schedule, expected in courses.items():
        rates, optimizer = Rates(), gt.SGD(0.2)
        trained(plain(), engine=engine, optimizer=optimizer, schedule=schedule, log=[rates])
        assert rates.found == pytest.approx(expected)
        assert optimizer.lr == 0.2


@pytest.mark.parametrize(
    "at", [(0.5, 0.5), (0.7, 0.3), (0,), (1,), (0.5, 1.2), (-0.1,), ("a",), None, (True,)]
)
def test_shares_that_do_not_rise_within_the_training_are_refused(at: object) -> None:
    with pytest.raises(
        gt.ArgumentError, match="StepDecay: at must be rising shares of the training"
    ):
        schedules.StepDecay(at)


def test_other_arguments_out_of_range_are_refused() -> None:
    for gamma in (0, -1, 1.1, "0.1", None, True, float("nan")):
        with pytest.raises(gt.ArgumentError, match="gamma must be above 0 and at most 1, got"):
            schedules.StepDecay((0.5,), gamma)
    with pytest.raises(gt.ArgumentError, match="StepDecay: at must be rising .* warm_up"):
        schedules.StepDecay((0.3,), warm_up=0.3)
    for kind in (schedules.Constant, schedules.StepDecay, schedules.OneCycle, schedules.Cosine):
        for warm_up in (-0.1, 1, float("nan"), None, True, "0.1"):
            with pytest.raises(gt.ArgumentError, match=f"{kind.__name__}: warm_up must be at le"):
                kind(warm_up=warm_up)


def test_settings_are_json() -> None:
    schedule = schedules.StepDecay([np.float32(0.5), 0.75], np.float64(0.5))
    found = json.loads(json.dumps(schedule.settings()))
    assert found == {"type": "StepDecay", "at": [0.5, 0.75], "gamma": 0.5, "warm_up": 0.0}
    assert schedules.Constant().settings() == {"type": "Constant", "warm_up": 0.0}
