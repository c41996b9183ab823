"""Learning-rate schedules: their shape, and that a training follows them."""

from __future__ import annotations

import math

import numpy as np
import pytest

import gradtrail as gt
from gradtrail import schedules
from gradtrail.training import Observer, Schedule, Seen


def data() -> tuple[np.ndarray, np.ndarray]:
    draw = np.random.Generator(np.random.PCG64(1))
    return draw.random((40, 3)), draw.integers(0, 2, 40)


def test_one_cycle_goes_straight_up_and_straight_down() -> None:
    schedule = schedules.OneCycle(warm_up=0.2)
    found = [schedule.factor(p) for p in (0, 0.1, 0.2, 0.6, 1)]
    assert found == pytest.approx([0, 0.5, 1, 0.5, 0])
    assert schedules.OneCycle(warm_up=0).factor(0) == 1


def test_cosine_is_half_a_cosine_after_the_warm_up() -> None:
    schedule = schedules.Cosine(warm_up=0.5)
    found = [schedule.factor(p) for p in (0, 0.25, 0.5, 0.75, 1)]
    assert found == pytest.approx([0, 0.5, 1, 0.5, 0])
    assert schedules.Cosine().factor(1 / 3) == pytest.approx(0.75)


@pytest.mark.parametrize("kind", [schedules.OneCycle, schedules.Cosine])
@pytest.mark.parametrize("warm_up", [-0.1, 1, 2])
def test_a_warm_up_out_of_range_is_refused(kind: type[Schedule], warm_up: float) -> None:
    with pytest.raises(gt.ArgumentError, match=f"{kind.__name__}: warm_up .* got {warm_up}"):
        kind(warm_up=warm_up)


@pytest.mark.parametrize("engine", ["cpu", "reference"])
def test_every_step_has_its_rate_and_the_optimizer_keeps_its_own(engine: str) -> None:
    """With one weight vector and plain SGD, each step's rate shows in the change it makes."""
    net = gt.Network((3,), [gt.Linear(2, bias=False)], seed=0)
    optimizer, schedule = gt.SGD(0.5), schedules.OneCycle(warm_up=0.5)
    scheduled = gt.Network((3,), [gt.Linear(2, bias=False)], seed=0)
    common = {"epochs": 1, "batch_size": 10, "shuffle": False, "engine": engine}
    gt.train(scheduled, data(), optimizer=optimizer, schedule=schedule, progress=False, **common)
    x, y = data()
    for step in range(4):
        part = slice(10 * step, 10 * step + 10)
        t = gt.trace(net, x[part], y[part], engine=engine)
        gt.SGD(0.5 * schedule.factor((step + 0.5) / 4)).update(net, t.grad)
    np.testing.assert_allclose(
        scheduled.parameters["fc1.weight"], net.parameters["fc1.weight"], rtol=1e-6
    )
    assert optimizer.lr == 0.5


@pytest.mark.parametrize("extra", [{}, {"clip_norm": 1.0, "average": 0.9}], ids=["plain", "more"])
def test_the_caller_s_optimizer_keeps_its_rate_meanwhile(extra: dict[str, float]) -> None:
    """Its memory is its own, too: another training goes on with it."""
    optimizer, found = gt.Adam(0.5), []

    class Looking(Observer):
        def step(self, seen: Seen) -> None:
            found.append((optimizer.lr, round(seen.rate, 6)))

    net = gt.Network((3,), [gt.Linear(2)], seed=0)
    common = {"optimizer": optimizer, "schedule": schedules.Cosine(), "batch_size": 10, **extra}
    gt.train(net, data(), log=[Looking()], progress=False, **common)
    assert found == [(0.5, 0.480970), (0.5, 0.345671), (0.5, 0.154329), (0.5, 0.019030)]
    assert optimizer.remembered(net)[0] == 4
    gt.train(net, data(), progress=False, **common)
    steps, arrays = optimizer.remembered(net)
    assert (steps, set(arrays["fc1.weight"])) == (8, {"mean", "square"})


@pytest.mark.parametrize("extra", [{}, {"clip_norm": 1.0}], ids=["plain", "more"])
@pytest.mark.parametrize(("name", "value"), [("momentum", 0.1), ("weight_decay", 0.2)])
def test_what_an_observer_sets_counts_under_a_schedule_too(
    name: str, value: float, extra: dict[str, float]
) -> None:
    """As without one: a constant rate leads to the same weights, and other settings to others."""

    def trained(schedule: Schedule | None, changed: bool) -> np.ndarray:
        optimizer = gt.SGD(0.1, momentum=0.9, weight_decay=0.1)

        class Setting(Observer):
            def epoch(self, history: gt.History) -> None:
                if changed:
                    setattr(optimizer, name, value)

        net = gt.Network((3,), [gt.Linear(2)], seed=0)
        log = [Setting()]
        common = {"epochs": 3, "batch_size": 10, "progress": False, **extra}
        gt.train(net, data(), optimizer=optimizer, schedule=schedule, log=log, **common)
        return net.parameters["fc1.weight"]

    constant = trained(schedules.Constant(), True)
    assert np.array_equal(constant, trained(None, True))
    assert not np.array_equal(constant, trained(None, False))


def test_the_rate_is_the_same_after_an_error() -> None:
    optimizer, (x, y) = gt.SGD(0.5), data()
    x[13, 0] = np.nan
    with pytest.raises(gt.NonFiniteError, match=r"step 1: input\[13,0\], sample 13 is nan"):
        gt.train(
            gt.Network((3,), [gt.Linear(2)]),
            (x, y),
            optimizer=optimizer,
            schedule=schedules.Cosine(),
            shuffle=False,
            progress=False,
        )
    assert optimizer.lr == 0.5


def test_settings_are_json() -> None:
    assert schedules.OneCycle().settings() == {"type": "OneCycle", "warm_up": 0.25}


def test_what_is_no_schedule_is_refused() -> None:
    with pytest.raises(
        gt.ArgumentError, match="schedule must be an object such as gt.schedules.One"
    ):
        gt.train(gt.Network((3,), [gt.Linear(2)]), data(), schedule="one-cycle", progress=False)


@pytest.mark.parametrize(("cycles", "growth"), [(3, 1.0), (3, 2.0), (1, 1.0)])
def test_cosines_begin_again(cycles: int, growth: float) -> None:
    """Cycles fill the training, each `growth` times as long as the one before."""
    schedule = gt.schedules.CosineWarmRestarts(cycles, growth)
    lengths = [growth**n for n in range(cycles)]
    for number, length in enumerate(lengths):
        for share in (0.0, 0.25, 0.5, 0.9):
            at = (sum(lengths[:number]) + share * length) / sum(lengths)
            wanted = 0.5 * (1 + math.cos(math.pi * share))
            assert schedule.factor(at + 1e-12) == pytest.approx(wanted, abs=1e-9)
    assert schedule.factor(1.0) == pytest.approx(0, abs=1e-12)


def test_a_polynomial_goes_down_to_0() -> None:
    schedule = gt.schedules.Polynomial(2, warm_up=0.5)
    found = [schedule.factor(progress) for progress in (0.25, 0.5, 0.75, 1.0)]
    assert found == pytest.approx([0.5, 1, 0.25, 0])


def test_a_plateau_reduces_the_rate_as_in_pytorch() -> None:
    """After `patience` epochs without anything better by the threshold; then a rest."""
    history = gt.History()
    schedule = gt.schedules.ReduceLROnPlateau(0.5, 1, measure="loss", cooldown=1, least=0.2)
    losses = [1.0, 0.99995, 1.1, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5]
    rates = []
    for loss in losses:
        history.loss.append(loss)
        rates.append(schedule.factor_after(0.5, history))
    assert rates == [1, 1, 0.5, 0.5, 0.5, 0.25, 0.25, 0.25, 0.2, 0.2, 0.2, 0.2]
    with pytest.raises(gt.ArgumentError, match="gamma must be above 0 and below 1, got 1"):
        gt.schedules.ReduceLROnPlateau(1)


def test_a_plateau_follows_a_training_and_needs_its_figure() -> None:
    x, y = np.zeros((8, 2), np.float32), np.arange(8) % 2
    net = gt.Network((2,), [gt.Linear(2)], seed=0)
    schedule = gt.schedules.ReduceLROnPlateau(0.1, 0, measure="loss")
    done = gt.train(
        *(net, (x, y)),
        optimizer=gt.SGD(1e-9),
        schedule=schedule,
        epochs=4,
        batch_size=8,
        progress=False,
    )
    assert done.rates == pytest.approx([1e-9, 1e-9, 1e-10, 1e-11])
    with pytest.raises(gt.ArgumentError, match="schedule looks at the validation loss, but there"):
        gt.train(net, (x, y), schedule=gt.schedules.ReduceLROnPlateau(), progress=False)
