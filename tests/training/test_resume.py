"""A training that was stopped anywhere goes on as if nothing had happened, bit by bit."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from tails import beginning

import gradtrail as gt
from gradtrail.engines import Batch, Engine, Stepped, Trainer, engine_for
from gradtrail.training import Observer, Seen, weight_watcher
from gradtrail.training.training import StatisticsAverage, Training

from .common import (
    ENGINES,
    OPTIMIZERS,
    Held,
    arrays_of,
    assert_same_bits,
    data,
    network,
    pixels,
    trained,
)

EPOCHS, STEPS = 4, 4
ELEMENTS = ["conv1.weight[2,1,0,2]", "fc1.bias[1]"]


class Killed(BaseException):
    """What ends a process without a word."""


def settings(optimizer: str = "adam", **others: object) -> dict[str, object]:
    """Everything that has a state, or draws; the objects are new each time."""
    return {
        "optimizer": OPTIMIZERS[optimizer](),
        "epochs": EPOCHS,
        "validation": data(30, 4),
        "schedule": gt.schedules.OneCycle(),
        "augment": gt.Augment(crop=1, flip=0.5, rotation=10),
        "mixup": 0.2,
        "clip_norm": 0.5,
        "average": 0.9,
        "stopping": gt.EarlyStopping(3),
        **others,
    }


class Run:
    """A training in as many goes as it takes, each as in a process of its own.

    Args:
        folder: of its checkpoints.
        make: its settings.
        steps: how often it is kept, besides every epoch.
    """

    def __init__(
        self, folder: Path, make: Callable[[], dict[str, object]] = settings, steps: int | None = 3
    ) -> None:
        self.checkpoints = gt.Checkpoints(folder, steps=steps, keep=3)
        self.make, self.threads, self.goes = make, [1, 3, 2], 0

    def go(self, **others: object) -> gt.History:
        """From the newest checkpoint, until it ends or something comes."""
        self.net, made = network(), self.make() | others
        self.optimizer = made["optimizer"]
        threads = self.threads[self.goes % len(self.threads)]
        self.goes += 1
        self.history = trained(
            self.net, made.pop("data", None), checkpoints=self.checkpoints,
            resume=self.goes > 1, **made | {"threads": threads},
        )  # fmt: skip
        return self.history


WHOLE: dict[object, tuple] = {}


def whole(make: Callable[[], dict[str, object]], key: object):
    """The training that nothing stopped; each kind once."""
    if key not in WHOLE:
        net, made = network(), make()
        given, optimizer = made.pop("data", None), made["optimizer"]
        history = trained(net, given, **made)
        WHOLE[key] = arrays_of(net), history, optimizer.remembered(net)
    return WHOLE[key]


def assert_as_if_nothing_had_happened(run: Run, expected: tuple) -> None:
    arrays, history, (steps, state) = expected
    assert_same_bits(arrays_of(run.net), arrays)
    figures = run.history.to_dict() | {"seconds": None}
    assert figures == history.to_dict() | {"seconds": None}
    assert len(run.history.seconds) == len(history.seconds)
    found_steps, found = run.optimizer.remembered(run.net)
    assert found_steps == steps
    assert found.keys() == state.keys()
    for name in state:
        assert_same_bits(dict(found[name]), dict(state[name]))
    assert run.history.watched.keys() == history.watched.keys()
    for element, watched in history.watched.items():
        for field in ("steps", "weight", "gradient", "update", "samples", "shares"):
            np.testing.assert_array_equal(
                getattr(run.history.watched[element], field), getattr(watched, field)
            )


# -- where it may come -------------------------------------------------------------------------


def kind_of(engine: str) -> type[Trainer]:
    return type(engine_for(engine).trainer(network(), gt.CrossEntropy(), gt.Adam()))


@contextmanager
def coming(place: str, number: int, what: type[BaseException], engine: str) -> Iterator[None]:
    """Something comes as a place is reached for the n-th time, the first being 1."""
    reached, kind = [0], kind_of(engine)

    def due() -> bool:
        reached[0] += 1
        return reached[0] == number

    def before(inner: Callable[..., object]) -> Callable[..., object]:
        def replaced(*arguments: object, **keywords: object) -> object:
            if due():
                raise what
            return inner(*arguments, **keywords)

        return replaced

    def behind(inner: Callable[..., object]) -> Callable[..., object]:
        def replaced(*arguments: object, **keywords: object) -> object:
            result = inner(*arguments, **keywords)
            if due():
                raise what
            return result

        return replaced

    owner, name, around = {
        "before a step": (kind, "step", before),
        "behind a step": (kind, "step", behind),
        "as a step is noted": (StatisticsAverage, "note", behind),
        "behind the note": (Training, "_note", behind),
        "as a step is told": (Told, "step", behind),
        "in validation": (type(engine_for(engine)), "evaluate", before),
        "as weights are stored": (kind, "store", before),
        "as an epoch is told": (Told, "epoch", before),
        "as a checkpoint is written": (gt.Checkpoints, "write", behind),
    }[place]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(owner, name, around(getattr(owner, name)))
        yield


class Told(Observer):
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.steps: list[int] = []
        self.epochs: list[int] = []

    def step(self, seen: Seen) -> None:
        self.steps.append(seen.step)

    def epoch(self, history: gt.History) -> None:
        self.epochs.append(history.epochs)


PLACES = {
    "before a step": 16,
    "behind a step": 16,
    "as a step is noted": 16,
    "behind the note": 16,
    "as a step is told": 16,
    "in validation": 4,
    "as weights are stored": 9,
    "as an epoch is told": 4,
    "as a checkpoint is written": 8,
}


def stopped(
    run: Run, place: str, number: int, what: type[BaseException], engine: str, **others: object
) -> None:
    """One go that is stopped, or ends before that."""
    with coming(place, number, what, engine):
        if what is KeyboardInterrupt:
            run.go(log=[Told()], engine=engine, **others)
        else:
            try:
                run.go(log=[Told()], engine=engine, **others)
            except Killed:
                return


MOMENTS = [(place, most // 2) for place, most in PLACES.items()]
MOMENTS += [(place, number) for place, most in PLACES.items() for number in (1, most)]
"""The middle of each place, then the first and the last time that it is reached."""


@pytest.mark.parametrize("what", [KeyboardInterrupt, Killed])
@pytest.mark.parametrize("moment", beginning(len(PLACES) // 2, MOMENTS), ids=str)
def test_stopped_anywhere_it_goes_on_bit_by_bit(
    moment: tuple[str, int], what: type[BaseException], tmp_path: Path
) -> None:
    """Early, in the middle and last, and the second go again; a kill writes no checkpoint."""
    assert_it_goes_on(Run(tmp_path), *moment, what, "cpu")


@pytest.mark.parametrize("what", [KeyboardInterrupt, Killed])
@pytest.mark.parametrize("moment", beginning(2, MOMENTS[: len(PLACES)]), ids=str)
def test_the_slower_engine_goes_on_as_well(
    moment: tuple[str, int], what: type[BaseException], tmp_path: Path
) -> None:
    """In the middle alone: what is kept of either is the same code's."""
    assert_it_goes_on(Run(tmp_path), *moment, what, "reference")


def assert_it_goes_on(
    run: Run, place: str, number: int, what: type[BaseException], engine: str
) -> None:
    """Stopped there, and once more in the second go."""
    stopped(run, place, number, what, engine)
    stopped(run, place, 2, what, engine)
    history = run.go(engine=engine)
    assert not history.interrupted
    assert_as_if_nothing_had_happened(run, whole(lambda: settings(engine=engine), ("all", engine)))


@pytest.mark.parametrize(
    "kind", beginning(len(OPTIMIZERS) + 1, [(o, e) for e in ENGINES for o in OPTIMIZERS]), ids=str
)
def test_every_optimizer_goes_on(kind: tuple[str, str], tmp_path: Path) -> None:
    optimizer, engine = kind

    def make() -> dict[str, object]:
        return settings(optimizer, engine=engine)

    run = Run(tmp_path, make)
    draw = np.random.Generator(np.random.PCG64(len(optimizer)))
    while True:
        place = str(draw.choice([*PLACES]))
        number = int(draw.integers(1, 3 if "epoch" in place or "valid" in place else 6))
        stopped(run, place, number, KeyboardInterrupt, engine)
        if not run.history.interrupted:
            break
    assert run.goes > 2
    assert_as_if_nothing_had_happened(run, whole(make, (optimizer, engine)))


PARTS: dict[str, dict[str, object]] = {
    "nothing": {
        "validation": None, "schedule": None, "augment": None, "mixup": 0.0,
        "clip_norm": None, "average": None, "stopping": None,
    },
    "clipped by value": {"clip_norm": None, "clip_value": 0.01, "average": None},
    "cosine, without averages": {"schedule": gt.schedules.Cosine(warm_up=0.2), "average": None},
    "steps, in order": {"schedule": gt.schedules.StepDecay((0.5,)), "shuffle": False},
    "weighted": {"loss": gt.CrossEntropy(weight=(1.0, 2.0, 0.5), label_smoothing=0.1)},
    "images": {"data": Held(*pixels())},
    "stopped early": {"stopping": gt.EarlyStopping(1, least=10.0)},
    "several batches a step": {"batch_size": 8, "accumulate": 2},
    "a plateau in every epoch": {
        "schedule": gt.schedules.ReduceLROnPlateau(0.5, 0, threshold=0.9, cooldown=1),
        "batch_size": 4, "accumulate": 4,
    },
    "warm restarts": {"schedule": gt.schedules.CosineWarmRestarts(2)},
    "a power": {"schedule": gt.schedules.Polynomial(2.0, warm_up=0.1)},
    "last weights": {"stopping": gt.EarlyStopping(1, least=10.0, keep_best=False)},
    "numpy's numbers": {
        "epochs": np.int64(4), "mixup": np.float32(0.25), "clip_norm": np.float64(0.5),
        "augment": gt.Augment(crop=np.int64(1), flip=np.float32(0.5)), "batch_size": np.int32(16),
    },
}  # fmt: skip


OTHERS = [
    (part, engine, number)
    for engine, number in (("cpu", 7), ("reference", 7), ("cpu", 4))
    for part in PARTS
]


@pytest.mark.parametrize("stop", beginning(len(PARTS), OTHERS), ids=str)
def test_other_settings_go_on(stop: tuple[str, str, int], tmp_path: Path) -> None:
    part, engine, number = stop

    def make() -> dict[str, object]:
        return settings(**PARTS[part] | {"engine": engine})

    run = Run(tmp_path, make, steps=2)
    stopped(run, "behind a step", number, KeyboardInterrupt, engine)
    assert run.history.interrupted
    assert run.history.steps == number
    assert run.history.epochs == (number - 1) // 4
    run.go()
    assert_as_if_nothing_had_happened(run, whole(make, (part, engine)))


def test_a_training_that_is_over_stays_so(tmp_path: Path) -> None:
    for part in ("stopped early", "last weights", "nothing"):
        run = Run(tmp_path / part, lambda part=part: settings(**PARTS[part]))
        run.go()
        assert run.history.stopped == (part != "nothing")
        expected = arrays_of(run.net), run.history, run.optimizer.remembered(run.net)
        written = sorted(p.name for p in (tmp_path / part).iterdir())
        run.go()
        assert_as_if_nothing_had_happened(run, expected)
        assert sorted(p.name for p in (tmp_path / part).iterdir()) == written


WATCHED = [("cpu", 6), ("reference", 6), ("cpu", 1), ("cpu", 9)]


@pytest.mark.parametrize("stop", beginning(1, WATCHED), ids=str)
@pytest.mark.parametrize("what", [KeyboardInterrupt, Killed])
def test_what_was_watched_goes_on(
    what: type[BaseException],
    stop: tuple[str, int],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Rows and numbers of steps, and which steps are watched after some were thinned out."""

    monkeypatch.setattr(weight_watcher, "MOST", 6)
    engine, number = stop

    def make() -> dict[str, object]:
        return settings(engine=engine, watch=ELEMENTS)

    expected = whole(make, ("watched", engine))
    assert expected[1].watched[ELEMENTS[0]].steps.tolist() == [0, 4, 8, 12]
    assert_same_bits(expected[0], whole(lambda: settings(engine=engine), ("all", engine))[0])
    for place in ("before a step", "behind a step"):
        run = Run(tmp_path / place, make)
        stopped(run, place, number, what, engine)
        stopped(run, place, 2, what, engine)
        run.go()
        assert_as_if_nothing_had_happened(run, expected)


def test_another_element_is_watched_from_where_it_begins(tmp_path: Path) -> None:
    """So one can look at what goes wrong behind a checkpoint that watched nothing."""
    run = Run(tmp_path, lambda: settings(watch=ELEMENTS[:1]))
    stopped(run, "before a step", 7, KeyboardInterrupt, "cpu")
    run.make = lambda: settings(watch=ELEMENTS[1:])
    with pytest.warns(gt.GradtrailWarning) as told:
        stopped(run, "before a step", 4, KeyboardInterrupt, "cpu")
    assert [str(warning.message) for warning in told] == [
        "fc1.bias[1] is watched from step 6 on: nothing was kept of the steps before the "
        "checkpoint",
        "conv1.weight[2,1,0,2] was watched before the checkpoint and no longer: what was kept of "
        "that goes with the next checkpoint; name the element in watch= to keep it",
    ]
    assert run.history.watched[ELEMENTS[1]].steps.tolist() == [6, 7, 8]
    run.make = lambda: settings(watch=ELEMENTS)
    with pytest.warns(gt.GradtrailWarning, match=r"conv1.weight\[2,1,0,2\] is watched from step 9"):
        history = run.go()
    expected = whole(lambda: settings(watch=ELEMENTS), "both")[1]
    assert history.step_losses == expected.step_losses
    assert history.watched[ELEMENTS[0]].steps.tolist() == [*range(9, 16)]
    assert history.watched[ELEMENTS[1]].steps.tolist() == [*range(6, 16)]
    for element in ELEMENTS:
        found = history.watched[element]
        part = slice(16 - len(found), None)
        np.testing.assert_array_equal(found.weight, expected.watched[element].weight[part])
        np.testing.assert_array_equal(found.samples, expected.watched[element].samples[part])


@pytest.mark.parametrize("place", beginning(5, PLACES))
def test_observers_hear_of_everything_before_it_is_kept(place: str, tmp_path: Path) -> None:
    """Of all goes together each step and epoch, in order; of the one that Ctrl-C came in, twice."""
    for number in sorted({1, PLACES[place] // 2, PLACES[place]}):
        told, run = Told(), Run(tmp_path / str(number))
        with coming(place, number, KeyboardInterrupt, "cpu"):
            run.go(log=[told])
        if run.history.interrupted:
            run.go(log=[told])
        assert sorted(set(told.steps)) == [*range(1, 17)]
        assert sorted(set(told.epochs)) == [1, 2, 3, 4]
        assert told.steps == sorted(told.steps)
        assert told.epochs == sorted(told.epochs)
        assert len(told.steps) + len(told.epochs) <= 21


def test_an_observer_that_presses_ctrl_c_ends_the_training(tmp_path: Path) -> None:
    class Pressing(Observer):
        def step(self, seen: Seen) -> None:
            if seen.step >= 5:
                raise KeyboardInterrupt

    told = Told()
    history = trained(network(), epochs=4, log=[Pressing(), told])
    assert history.interrupted
    assert history.steps == 5
    assert told.steps == [1, 2, 3, 4, 5]


def test_every_observer_comes_to_its_end_though_one_fails() -> None:
    ended: list[str] = []

    class Ending(Observer):
        def __init__(self, name: str) -> None:
            self.name = name

        def end(self, history: gt.History) -> None:
            ended.append(self.name)
            if self.name == "second":
                raise gt.FileError("cannot write the log")

    with pytest.raises(gt.FileError, match="cannot write the log"):
        trained(network(), epochs=1, log=[Ending(n) for n in ("first", "second", "third")])
    assert ended == ["first", "second", "third"]


def test_an_engine_of_ones_own_goes_on(tmp_path: Path) -> None:
    """Trainer and engine are looked at through their interface alone."""

    class Mine(gt.Reference):
        name = "mine"

    assert isinstance(Mine(), Engine)
    run = Run(tmp_path, lambda: settings(engine=Mine()))
    with coming("before a step", 6, KeyboardInterrupt, "reference"):
        run.go()
    run.go()
    expected = whole(lambda: settings(engine="reference"), ("all", "reference"))
    assert_as_if_nothing_had_happened(run, expected)


def test_steps_are_batches(tmp_path: Path) -> None:
    """The test of the tests: interruptions come where they are said to."""
    run = Run(tmp_path)
    with coming("behind a step", 6, KeyboardInterrupt, "cpu"):
        run.go()
    assert (run.history.steps, run.history.epochs) == (6, 1)
    kind = kind_of("cpu")
    calls: list[int] = []
    step = kind.step

    def counted(trainer: Trainer, batch: Batch) -> Stepped:
        calls.append(batch.step)
        return step(trainer, batch)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(kind, "step", counted)
        run.go()
    assert calls == [*range(6, 16)]
