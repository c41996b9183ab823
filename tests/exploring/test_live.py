"""A page that follows a training: what it is told, what it costs, and that nothing comes of it."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from exploring.asking import nothing_left
from exploring.following import Asking, bits, data, eager, network, training

import gradtrail as gt
from gradtrail.exploring import live as lives
from gradtrail.exploring.explorer import Explorer
from gradtrail.exploring.health import health
from gradtrail.exploring.live import POINTS, Live, session_of
from gradtrail.training import Seen
from gradtrail.training.course import Course
from gradtrail.training.loop import prepare_training


def test_a_training_that_is_followed_comes_to_the_same_bytes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    eager(monkeypatch)
    alone = training([], epochs=3)
    expected = alone.run()
    live, versions = Live(), set()
    asking = Asking(lambda seen: versions.add(live.status(0)["version"]) or live.settle())
    followed = training([asking, live], epochs=3)
    with nothing_left():
        session = session_of(followed, *data(16), title="run")
        live.watch(followed, session)
        history = followed.run()
        assert live.settle()
        live.close()
    assert len(versions) > 10
    assert history.step_losses == expected.step_losses
    assert bits(followed.network) == bits(alone.network)


def test_the_session_is_the_training_at_its_step(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each version by value: the trace of a network with the weights of that step."""
    eager(monkeypatch)
    live, seen_steps = Live(), []

    def compare(seen: Seen) -> None:
        assert live.settle()
        if seen.step == 1:
            live.status()  # from now on somebody looks
            return
        expected = gt.trace(with_arrays(before), *data(16), seed=5, engine=gt.CPU(1).direct)
        if live.session.version > len(seen_steps):
            for name in ("conv1.weight", "fc2.output", "norm1.mean"):
                np.testing.assert_array_equal(live.session.trace.value[name], expected.value[name])
            np.testing.assert_array_equal(
                live.session.trace.grad["fc1.weight"], expected.grad["fc1.weight"]
            )
            assert live.status()["health"] == health(expected)
            seen_steps.append(seen.step)

    before: dict[str, np.ndarray] = {}

    def keep(seen: Seen) -> None:
        before.update({n: a.copy() for n, a in followed.trainer.arrays().items()})

    followed = training([live, Asking(keep), Asking(compare)], epochs=2)
    live.watch(followed, session_of(followed, *data(16), title="run"))
    followed.run()
    assert live.settle()
    assert len(seen_steps) > 5
    # and the end of it: what the training leaves in its network
    final = gt.trace(followed.network, *data(16), seed=5, engine=gt.CPU(1).direct)
    assert live.session.trace.loss == final.loss
    live.close()


def with_arrays(arrays: dict[str, np.ndarray]) -> gt.Network:
    net = network()
    for held in (net.parameters, net.buffers):
        for name in held:
            held[name] = arrays[name]
    return net


def test_a_resumed_trainings_own_weights_are_shown(tmp_path: Path) -> None:
    checkpoints = gt.Checkpoints(tmp_path, steps=4)
    course = Course(optimizer=gt.SGD(0.1), batch_size=16, epochs=1)
    first = prepare_training(network(), data(), course, checkpoints=checkpoints)
    first.run()
    again = prepare_training(network(), data(), course, checkpoints=checkpoints, resume=True)
    session = session_of(again, *data(4), title="run")
    np.testing.assert_array_equal(
        session.network.parameters["fc1.weight"], first.network.parameters["fc1.weight"]
    )


def test_what_the_page_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    live, told = Live(), []
    asking = Asking(lambda seen: told.append((seen, live.status(max(0, seen.step - 2)))))
    followed = training([live, asking], epochs=2, schedule=gt.schedules.Cosine())
    live.watch(followed, session_of(followed, *data(16), title="run"))
    before = live.status()
    assert (before["running"], before["step"], before["losses"]) == (True, 0, [])  # it will run
    history = followed.run()
    live.close()
    for seen, status in told:
        assert status["running"] is True
        assert status["step"] == seen.step
        assert (status["steps"], status["epochs"]) == (6, 2)
        assert status["epoch"] == seen.epoch
        assert status["rate"] == seen.rate
        first = max(0, seen.step - 2)
        expected = [(s + 1, history.step_losses[s]) for s in range(first, seen.step)]
        assert status["losses"] == expected
        assert len(status["history"]["loss"]) == seen.epoch - 1
    after = live.status(3)
    assert after["running"] is False
    assert [step for step, _ in after["losses"]] == list(range(4, 13))
    assert after["history"]["accuracy"] == history.accuracy
    assert after["history"]["validation_loss"] == []
    assert after["seconds"] == live.status()["seconds"] > 0


def test_many_losses_are_means_of_stretches() -> None:
    losses = [float(n) for n in range(1, 1003)]
    points = lives._thinned(losses, 0)
    assert len(points) == 334
    assert points[0] == (3, 2.0)
    assert points[-1] == (1002, 1001.0)
    assert lives._thinned(losses, 1000) == [(1001, 1001.0), (1002, 1002.0)]
    assert lives._thinned(losses, 1002) == lives._thinned(losses, 5000) == []
    assert lives._thinned(losses, -7) == points
    for count in (POINTS, POINTS + 1, 10 * POINTS, 10 * POINTS + 1):
        assert len(lives._thinned([1.0] * count, 0)) <= POINTS


class Clock:
    """Stands where `time` does: a clock that the test moves."""

    def __init__(self) -> None:
        self.now = 100.0

    def perf_counter(self) -> float:
        return self.now

    thread_time = staticmethod(lambda: 0.0)


def test_weights_are_looked_at_only_while_somebody_looks_and_seldom_enough(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock, answered, looks = Clock(), [0.0], []
    monkeypatch.setattr(lives, "time", clock)
    live = Live()
    followed = training([live])
    session = session_of(followed, *data(4), title="run")
    live.watch(followed, session, lambda: answered[0])
    live.begin(followed.history, 1, 6)
    hand_over = live._hand_over

    def counted(arrays: Any) -> None:
        looks.append(clock.now - 100)
        hand_over(arrays)
        assert live.settle()

    monkeypatch.setattr(live, "_hand_over", counted)

    def step(after: float) -> None:
        clock.now += after
        live.step(Seen(1, 1, 1, 0.5, 0.1, 16, 0.5))

    step(2.0)  # nobody has asked yet
    live.status()
    step(0.0)
    assert looks == [2.0]
    live.status()
    step(0.9)  # too soon
    step(0.2)
    assert looks == pytest.approx([2.0, 3.1])
    live._cost = 0.03  # so the next may come 3 s later
    live.status()
    step(2.9)
    assert len(looks) == 2
    step(0.2)
    assert looks == pytest.approx([2.0, 3.1, 6.2])
    answered[0] += 0.06  # and answers count, too
    live.status()
    step(2.9)
    assert len(looks) == 3
    step(0.2)
    assert len(looks) == 4
    step(5.0)  # nobody has asked for long
    assert len(looks) == 4
    answered[0] += 9.0  # but that a page is opened is no part of following
    live.status()
    step(0.0)
    assert len(looks) == 5
    live.close()


def test_an_edit_stops_the_following_and_a_change_starts_it_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    eager(monkeypatch)
    live, found = Live(), []
    edit = {"kind": "element", "name": "fc2.bias", "index": [0], "value": 4.0}

    def interfere(seen: Seen) -> None:
        assert live.settle()
        status = live.status()
        found.append((status["following"], status["version"]))
        if seen.step in (3, 7):
            live.session.apply([edit] if seen.step == 3 else [{"kind": "follow"}])

    followed = training([Asking(interfere), live], epochs=2)
    live.watch(followed, session_of(followed, *data(4), title="run"))
    followed.run()
    live.close()
    states = [state for state, _ in found]
    assert states == [True] * 3 + [False] * 4 + [True] * 5
    versions = [version for _, version in found]
    assert len(set(versions[3:7])) == 1
    assert versions[-1] > versions[7] > versions[6]


def test_a_failure_of_the_page_is_none_of_the_training(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    eager(monkeypatch)
    live = Live()
    followed = training([Asking(lambda seen: live.status() and live.settle()), live])
    session = session_of(followed, *data(4), title="run")
    live.watch(followed, session)

    def fails(arrays: object) -> bool:
        raise MemoryError("no more")

    monkeypatch.setattr(session, "follow", fails)
    assert followed.run().steps == 6
    assert live.settle()
    live.close()
    assert "the page could not follow the training" in caplog.text


def test_it_runs_until_the_last_look_is_done(monkeypatch: pytest.MonkeyPatch) -> None:
    """The page stops asking when it is told so: not before the final weights are there."""
    live, told = Live(), []
    followed = training([live])
    session = session_of(followed, *data(4), title="run")
    live.watch(followed, session)
    begun, may = threading.Event(), threading.Event()
    follow = session.follow

    def delayed(arrays: Any) -> bool:
        begun.set()
        assert may.wait(30)
        return follow(arrays)

    monkeypatch.setattr(session, "follow", delayed)
    followed.run()
    assert begun.wait(30)
    told.append(live.status())
    may.set()
    assert live.settle()
    told.append(live.status())
    assert [(status["running"], status["version"]) for status in told] == [(True, 0), (False, 1)]
    final = gt.trace(followed.network, *data(4), seed=5, engine=gt.CPU(1).direct)
    assert session.trace.loss == final.loss
    assert told[0]["seconds"] == told[1]["seconds"]
    live.close()


def test_closing_in_between_leaves_nothing_running(monkeypatch: pytest.MonkeyPatch) -> None:
    live = Live()
    followed = training([live])
    session = session_of(followed, *data(4), title="run")
    live.watch(followed, session)
    begun, may = threading.Event(), threading.Event()
    monkeypatch.setattr(session, "follow", lambda arrays: begun.set() or may.wait(30))
    arrays = {n: a.copy() for n, a in followed.trainer.arrays().items()}
    live._hand_over(arrays)
    assert begun.wait(30)
    live.end(followed.history)  # waits behind the look that goes on
    assert live.status()["running"] is True
    threading.Timer(0.1, may.set).start()
    live.close()
    assert live.settle(0)
    assert live.status()["running"] is False
    live.end(followed.history)  # nobody would look any more
    assert live.status()["running"] is False


def test_health_is_of_weights_gradients_and_what_reads_the_layer() -> None:
    net = network()
    net.parameters["norm1.bias"] = -100.0 * np.ones(4)  # closes every unit of relu1
    t = gt.trace(net, *data(8), seed=1)
    found = {entry["name"]: entry for entry in health(t)}
    assert list(found) == list(net.parameters)
    for name, entry in found.items():
        assert entry["layer"] == name.partition(".")[0]
        for side, key in ((t.value, "weight"), (t.grad, "gradient")):
            size = float(np.sqrt(np.mean(np.square(side[name], dtype=np.float64))))
            assert entry[key] == size
    assert found["conv1.weight"]["dead"] == found["norm1.weight"]["dead"] == 1.0
    assert found["fc2.bias"]["dead"] is None
    closed = (t.value["fc1.output"] <= 0).all(axis=0).mean()
    assert found["fc1.bias"]["dead"] == closed
    branches = [gt.Residual([gt.Conv2d(1, 3, padding=1)]), gt.ReLU(), gt.Flatten(), gt.Linear(2)]
    branched = gt.Network((1, 4, 4), branches, seed=0)
    entries = health(gt.trace(branched, np.ones((1, 1, 4, 4)), [0]))
    assert [entry["dead"] for entry in entries] == [None] * 4


def _none(thread: threading.Thread) -> None:
    raise RuntimeError("can't start new thread")


def test_a_training_goes_on_where_no_thread_follows_it(monkeypatch: pytest.MonkeyPatch) -> None:
    live = Live()
    made = training([live], epochs=1)
    session = session_of(made, *data(4), "digits")
    monkeypatch.setattr(threading.Thread, "start", _none)
    with pytest.warns(gt.GradtrailWarning, match="shows the losses alone, since no thread can be"):
        live.watch(made, session)
    monkeypatch.undo()
    assert made.run().steps == 6
    assert live.status()["losses"][-1][0] == 6
    live.close()


def test_a_page_without_a_thread_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    session = session_of(training([], epochs=1), *data(4), "digits")
    monkeypatch.setattr(threading.Thread, "start", _none)
    with pytest.raises(gt.ArgumentError, match=r"cannot be served, since no thread can be started"):
        _ = Explorer(session).url
